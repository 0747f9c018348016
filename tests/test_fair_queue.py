"""The queue that shares out places by organisation: its bounds, its turns, and what is taken back."""

from common.fair_queue import FairQueue
from common.tenant import OrgSlug

A, B, C = OrgSlug("acme"), OrgSlug("globex"), OrgSlug("initech")


def served(queue: FairQueue[str]) -> list[str]:
    """Everything that gets a place now, in order."""
    found = []
    while (taken := queue.take()) is not None:
        found.append(taken[1])
    return found


def test_one_organisation_gets_its_places_and_not_one_more() -> None:
    queue: FairQueue[str] = FairQueue(of_one=2, of_all=3)
    assert [queue.enter(A), queue.enter(A), queue.enter(A)] == [True, True, False]
    assert [queue.enter(B), queue.enter(B)] == [True, False]
    queue.leave(A)
    assert queue.enter(B)


def test_a_newcomer_does_not_overtake_its_own_organisation() -> None:
    queue: FairQueue[str] = FairQueue(of_one=1, of_all=2)
    assert queue.enter(A)
    queue.put(A, "first")
    queue.leave(A)
    assert not queue.enter(A)
    assert served(queue) == ["first"]


def test_organisations_that_wait_take_turns() -> None:
    queue: FairQueue[str] = FairQueue(of_one=1, of_all=1)
    for org, item in ((A, "a1"), (A, "a2"), (A, "a3"), (B, "b1"), (C, "c1"), (B, "b2")):
        queue.put(org, item)
    order = []
    while (taken := queue.take()) is not None:
        order.append(taken[1])
        queue.leave(taken[0])
    assert order == ["a1", "b1", "c1", "a2", "b2", "a3"]


def test_what_is_taken_back_gets_no_place() -> None:
    queue: FairQueue[str] = FairQueue(of_one=5, of_all=5)
    for item in ("a1", "a2"):
        queue.put(A, item)
    queue.put(B, "b1")
    queue.remove(A, "a1")
    queue.remove(B, "b1")
    assert (queue.waiting, queue.waiting_of(A), queue.waiting_of(B)) == (1, 1, 0)
    assert queue.clear() == ["a2"]
    assert served(queue) == []
