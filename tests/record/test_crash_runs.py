"""Four hundred turns on two instances that are killed and stand still, with clocks five minutes apart."""

import random
import threading
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

import httpx
import pytest

from common import limits
from common.record import sync_lease
from tests.conversations.conftest import Product
from tests.conversations.processes import SHORT_LEASE, Nursery, Process, process

CONVERSATIONS = 20
TURNS = 20
HARMS = 12
PATIENCE = 180.0


@dataclass
class Client:
    """One user's conversation; ``told`` are the questions with their ids and the answers that were acknowledged."""

    number: int
    servers: list[Process]
    chance: random.Random
    counts: Counter[str]
    conversation_id: str | None = None
    told: list[tuple[str, str, str, str]] = field(default_factory=list)

    def talk(self) -> None:
        for turn in range(TURNS):
            slow = "slow " if self.chance.random() < 0.1 else ""
            body = {"message": f"{slow}client {self.number} turn {turn} 😀", "message_id": uuid.uuid4().hex}
            if self.conversation_id is not None:
                body["conversation_id"] = self.conversation_id
            if self.chance.random() < 0.1:
                self._start_and_leave(body)
            if self.chance.random() < 0.2:
                self.counts["sent twice at once"] += 1
                with ThreadPoolExecutor(2) as pool:
                    first, second = pool.map(self._ask, (body, body))
                assert first == second
                answer = first
            else:
                answer = self._ask(body)
            if self.chance.random() < 0.1:
                self.counts["sent again"] += 1
                assert self._ask(body) == answer
            self.conversation_id = answer["conversation_id"]
            self.told.append((body["message_id"], body["message"], answer["message_id"], answer["response"]))

    def _start_and_leave(self, body: dict[str, str]) -> None:
        self.counts["streams dropped"] += 1
        server = self.chance.choice(self.servers)
        url = f"{server.url}/api/v1/chat/acme_inc/stream"
        with (
            suppress(httpx.TransportError),
            httpx.stream("POST", url, json=body, headers=server.headers, timeout=30) as response,
        ):
            next(response.iter_bytes(), None)

    def _ask(self, body: dict[str, str]) -> dict[str, str]:
        deadline = time.monotonic() + PATIENCE
        while True:
            with suppress(httpx.TransportError):
                response = self.chance.choice(self.servers).post("/send", body, timeout=20)
                if response.status_code == 200:
                    answer = response.json()
                    return {name: answer[name] for name in ("conversation_id", "message_id", "response")}
                assert response.status_code in (409, 429, 503), response.text
            self.counts["retries"] += 1
            assert time.monotonic() < deadline, f"no answer in {PATIENCE:g} s"
            time.sleep(0.2)


def harm(
    servers: list[Process], lease: float, chance: random.Random, counts: Counter[str], over: threading.Event
) -> None:
    """Kill an instance and start it at once, or stop it for longer than a lease, again and again."""
    for number in range(HARMS):
        if over.wait(chance.uniform(1, 4)):
            return
        server = servers[number % 2]
        if number % 4 == 3:
            counts["stalls"] += 1
            server.pause()
            over.wait(lease * 1.3)
            server.go_on()
        else:
            counts["kills"] += 1
            server.again()


def sync_all_the_time(servers: list[Process], over: threading.Event) -> None:
    while not over.wait(1):
        for server in servers:
            with suppress(httpx.TransportError):
                server.post("/sync", timeout=20)


@pytest.mark.soak
@pytest.mark.parametrize("lease", [SHORT_LEASE, limits.LEASE_SECONDS])
@pytest.mark.parametrize("seed", [1, 2])
def test_what_was_acknowledged_is_on_the_record_once(
    product: Product, nursery: Nursery, lease: float, seed: int
) -> None:
    counts: Counter[str] = Counter()
    over = threading.Event()
    with (
        process(nursery, product.user, later=150, lease=lease) as ahead,
        process(nursery, product.user, later=-150, lease=lease) as behind,
        ThreadPoolExecutor(CONVERSATIONS + 2) as pool,
    ):
        servers = [ahead, behind]
        clients = [
            Client(number, servers, random.Random(1_000 * seed + number), counts) for number in range(CONVERSATIONS)
        ]
        others = [
            pool.submit(harm, servers, lease, random.Random(seed), counts, over),
            pool.submit(sync_all_the_time, servers, over),
        ]
        try:
            for talking in [pool.submit(client.talk) for client in clients]:
                talking.result()
        finally:
            over.set()
        for other in others:
            other.result()
        deadline = time.monotonic() + 2 * sync_lease.SYNC_LEASE_SECONDS
        while ahead.post("/sync").json().get("remaining") != 0:
            assert time.monotonic() < deadline
            time.sleep(1)
    for client in clients:
        assert client.conversation_id is not None
        said = [line for told in client.told for line in (told[:2], told[2:])]
        stored = product.stored(client.conversation_id)
        assert [(message["message_id"], message["content"]) for message in stored] == said
        rows = product.record("org_chat_messages", client.conversation_id)
        assert [(row["message_id"], row["content"], row["status"]) for row in rows] == [
            (message["message_id"], message["content"], message["status"]) for message in stored
        ]
    print(f"{CONVERSATIONS * TURNS} turns, leases of {lease:g} s: {dict(counts)}; none lost, none doubled, none other")
