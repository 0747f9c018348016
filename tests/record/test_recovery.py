"""A crash costs half a minute: killed at any point and started at once, or without Firestore for a while."""

import random
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

import httpx
import pytest

from common import limits
from tests.conversations.conftest import Product, Row
from tests.conversations.processes import Nursery, Process, process
from tests.conversations.served import SLOW_SECONDS
from tests.record.test_crashes import sent, wait

# A lease lasts half a minute; the rest is for a slow machine.
WITHIN = 150.0
SEED = 20260704


@dataclass
class Talk:
    """One client's conversation, in trouble in its second turn; ``retries`` says that the client sends that again."""

    number: int
    retries: bool
    conversation_id: str = ""
    message_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    took: float = 0.0
    answers: list[Row] = field(default_factory=list)

    @property
    def question(self) -> str:
        return f"slow {self.number}"

    def begin(self, server: Process) -> None:
        self.conversation_id = sent(server, message=f"first {self.number}")["conversation_id"]

    def ask(self, server: Process, after: float) -> None:
        """Send the question that is in trouble, once; its answer may or may not come."""
        time.sleep(after)
        with suppress(httpx.TransportError):
            response = server.post("/send", self._body)
            if response.status_code == 200:
                self.answers.append(response.json())

    def recover(self, server: Process, since: float) -> None:
        """Send again, the same message or the next one, until it is answered."""
        body = self._body if self.retries else self._body | {"message": "next", "message_id": uuid.uuid4().hex}
        while True:
            with suppress(httpx.TransportError):
                response = server.post("/send", body)
                if response.status_code == 200:
                    self.answers.append(response.json())
                    break
                assert response.status_code in (409, 503), response.text
            assert time.monotonic() - since < WITHIN, f"{self}: {response.text}"
            time.sleep(0.5)
        self.took = time.monotonic() - since

    def check(self, product: Product) -> None:
        """Nothing is lost, doubled or other than it was said; Firestore and the record agree."""
        stored = product.stored(self.conversation_id)
        texts = [message["content"] for message in stored]
        first = [f"first {self.number}", f"echo: first {self.number}"]
        turn, following = [self.question, f"echo: {self.question}"], ["next", "echo: next"]
        wanted = [first + turn] if self.retries else [first + turn[:kept] + following for kept in range(3)]
        assert texts in wanted
        by_id = {message["message_id"]: message["content"] for message in stored}
        assert all(by_id[answer["message_id"]] == answer["response"] for answer in self.answers)
        rows = product.record("org_chat_messages", self.conversation_id)
        assert [(row["message_id"], row["content"]) for row in rows] == list(by_id.items())

    @property
    def _body(self) -> dict[str, str]:
        return {"message": self.question, "conversation_id": self.conversation_id, "message_id": self.message_id}


def drain(server: Process) -> None:
    wait(lambda: server.post("/sync").json().get("remaining") == 0)


def in_trouble(server: Process, talks: list[Talk], chance: random.Random) -> ThreadPoolExecutor:
    """Ask in all conversations, so that at one moment each of them is at a point of its own."""
    pool = ThreadPoolExecutor(2 * len(talks))
    for _ in pool.map(lambda talk: talk.begin(server), talks):
        pass
    for talk in talks:
        pool.submit(talk.ask, server, chance.uniform(0, SLOW_SECONDS + 0.5))
    return pool


def recovered(server: Process, talks: list[Talk], pool: ThreadPoolExecutor, since: float) -> None:
    for _ in pool.map(lambda talk: talk.recover(server, since), talks):
        pass
    took = sorted(talk.took for talk in talks)
    print(f"{len(talks)} conversations: half after {took[len(took) // 2]:.1f} s, the last after {took[-1]:.1f} s")


@pytest.mark.parametrize("attempt", range(2))
def test_sixty_points_of_a_turn_and_a_start_at_once(product: Product, nursery: Nursery, attempt: int) -> None:
    chance = random.Random(SEED + attempt)
    talks = [Talk(number, retries=number % 2 == 0) for number in range(30)]
    with process(nursery, product.user, lease=limits.LEASE_SECONDS) as server:
        with in_trouble(server, talks, chance) as pool:
            time.sleep(SLOW_SECONDS + 0.5)
            server.kill()
            killed = time.monotonic()
            server.start()
            recovered(server, talks, pool, killed)
        drain(server)
    for talk in talks:
        talk.check(product)


def black_hole(product: Product, server: Process, seconds: float, *, replies: bool) -> None:
    talks = [Talk(number, retries=number % 2 == 0) for number in range(12)]
    with in_trouble(server, talks, random.Random(SEED)) as pool:
        time.sleep(SLOW_SECONDS / 2)
        product.firestore.swallow(seconds, replies=replies)
        recovered(server, talks, pool, time.monotonic())
    drain(server)
    for talk in talks:
        talk.check(product)


@pytest.mark.parametrize("replies", [False, True], ids=["calls lost", "replies lost"])
def test_firestore_is_silent_for_a_while(product: Product, nursery: Nursery, replies: bool) -> None:
    with process(nursery, product.user, lease=9.0, patience=3.0) as server:
        black_hole(product, server, 3.6, replies=replies)


@pytest.mark.soak
@pytest.mark.parametrize("replies", [False, True], ids=["calls lost", "replies lost"])
def test_firestore_is_silent_for_twelve_seconds(product: Product, nursery: Nursery, replies: bool) -> None:
    with process(nursery, product.user, lease=limits.LEASE_SECONDS) as server:
        black_hole(product, server, 12.0, replies=replies)


def sync_in_a_black_hole(product: Product, server: Process, seconds: float, commit: int, *, replies: bool) -> float:
    """Let Firestore fall silent at a commit of sync, and return how long after its return the outbox is drained."""
    drain(server)
    for number in range(8):
        sent(server, message=f"question {number}")
    product.firestore.reset()
    product.firestore.delay("Commit", 0.3)
    syncing = server.post_aside("/sync")
    wait(lambda: product.firestore.calls()["Commit"] >= commit)
    product.firestore.reset()
    product.firestore.swallow(seconds, replies=replies)
    back = time.monotonic() + seconds
    syncing.join(200)
    report = server.post("/sync").json()
    assert (report["status"], report["remaining"]) == ("ok", 0), report
    return time.monotonic() - back


@pytest.mark.parametrize("replies", [False, True], ids=["calls lost", "replies lost"])
@pytest.mark.parametrize("commit", [1, 2, 3])
def test_firestore_is_silent_during_sync(product: Product, nursery: Nursery, commit: int, replies: bool) -> None:
    with process(nursery, product.user, lease=30.0, patience=2.0) as server:
        assert sync_in_a_black_hole(product, server, 2.5, commit, replies=replies) < 60


@pytest.mark.soak
@pytest.mark.parametrize("replies", [False, True], ids=["calls lost", "replies lost"])
@pytest.mark.parametrize("commit", [1, 2, 3])
def test_firestore_is_silent_for_twelve_seconds_during_sync(
    product: Product, nursery: Nursery, commit: int, replies: bool
) -> None:
    with process(nursery, product.user, lease=limits.LEASE_SECONDS) as server:
        # The scheduler calls once a minute.
        assert sync_in_a_black_hole(product, server, 12.0, commit, replies=replies) < 30
