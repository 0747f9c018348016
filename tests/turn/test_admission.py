"""Places for turns on one instance: whose turn it is, and that none is ever lost."""

import asyncio

import pytest

from common import limits
from common.errors import TooManyTurns
from common.services import Services
from common.settings import Settings
from common.tenant import OrgSlug, parse_org_slug
from common.turn import admission as admission_module
from common.turn.admission import Admission, Slot

ACME, GLOBEX, INITECH = (parse_org_slug(name) for name in ("acme_inc", "globex_inc", "initech"))


def entered(admission: Admission, org: OrgSlug) -> Slot:
    place = admission.enter(org)
    assert place is not None
    return place


async def queued(admission: Admission, org: OrgSlug) -> "asyncio.Task[Slot]":
    """A turn that waits."""
    before = admission.waiting
    task = asyncio.create_task(admission.wait(org))
    await asyncio.sleep(0)
    assert admission.waiting == before + 1
    return task


async def test_an_organisation_has_so_many_places_and_leaves_the_others_theirs() -> None:
    admission = Admission(of_one=2, of_all=3)
    places = [entered(admission, ACME) for _ in range(2)]
    assert admission.enter(ACME) is None
    entered(admission, GLOBEX)
    assert admission.enter(INITECH) is None
    places[0].leave()
    entered(admission, INITECH)


async def test_the_processes_of_an_instance_share_its_places() -> None:
    admission = Services(Settings(workers=2, turns_per_org=3, turns_per_instance=5)).admission
    for _ in range(2):
        entered(admission, ACME)
    assert admission.enter(ACME) is None
    entered(admission, GLOBEX)
    assert admission.enter(INITECH) is None


async def test_a_place_that_is_left_twice_is_one_place() -> None:
    admission = Admission(of_one=1, of_all=1)
    place = entered(admission, ACME)
    place.leave()
    place.leave()
    entered(admission, ACME)
    assert admission.enter(ACME) is None
    assert admission.enter(GLOBEX) is None


async def test_organisations_that_wait_take_turns_and_each_keeps_its_own_order() -> None:
    admission = Admission(of_one=5, of_all=1)
    place = entered(admission, INITECH)
    waiting = {f"acme {number}": await queued(admission, ACME) for number in range(3)}
    waiting |= {f"globex {number}": await queued(admission, GLOBEX) for number in range(2)}
    order = []
    while waiting:
        place.leave()
        await asyncio.wait(waiting.values(), return_when=asyncio.FIRST_COMPLETED)
        (name,) = [name for name, task in waiting.items() if task.done()]
        order.append(name)
        place = waiting.pop(name).result()
    assert order == ["acme 0", "globex 0", "acme 1", "globex 1", "acme 2"]


async def test_nobody_overtakes_who_waits_of_the_same_organisation() -> None:
    admission = Admission(of_one=1, of_all=2)
    place = entered(admission, ACME)
    first = await queued(admission, ACME)
    place.leave()
    assert admission.enter(ACME) is None
    (await first).leave()
    entered(admission, ACME)


async def test_an_organisation_at_its_own_bound_holds_up_no_other() -> None:
    admission = Admission(of_one=1, of_all=10)
    entered(admission, ACME)
    await queued(admission, ACME)
    entered(admission, GLOBEX)


async def test_whoever_waits_too_long_is_told_when_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "QUEUE_SECONDS", 0.01)
    admission = Admission(of_one=1, of_all=1)
    place = entered(admission, ACME)
    with pytest.raises(TooManyTurns) as refused:
        await admission.wait(ACME)
    assert (refused.value.status, refused.value.retry_after) == (429, admission_module.QUEUE_RETRY_SECONDS)
    assert admission.waiting == 0
    place.leave()
    entered(admission, ACME)


async def test_a_client_that_leaves_gives_up_its_place_in_the_queue() -> None:
    class Left(Exception): ...

    left = asyncio.Event()

    async def gone() -> None:
        await left.wait()
        raise Left

    admission = Admission(of_one=1, of_all=1)
    place = entered(admission, ACME)
    leaving = asyncio.create_task(admission.wait(ACME, gone))
    await asyncio.sleep(0)
    next_one = await queued(admission, ACME)
    left.set()
    with pytest.raises(Left):
        await leaving
    assert admission.waiting == 1
    place.leave()
    (await next_one).leave()


async def test_a_place_given_to_somebody_who_is_cancelled_at_that_moment_goes_on_to_the_next() -> None:
    admission = Admission(of_one=1, of_all=1)
    place = entered(admission, ACME)
    first, second = await queued(admission, ACME), await queued(admission, GLOBEX)
    place.leave()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    (await second).leave()
    assert admission.waiting == 0
    entered(admission, INITECH)
