"""A thousand turns in fifty conversations with crashes and retries: the record is what the clients were told."""

import random
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx

from tests.conversations.conftest import Product
from tests.conversations.processes import Nursery, Process, process

CONVERSATIONS = 50
TURNS = 20
AT_ONCE = 6
CRASHES = (137, 311, 502, 718, 903)
SEED = 20260704


@dataclass
class Told:
    """What one client asked and was answered, in its order."""

    conversation_id: str | None = None
    lines: list[tuple[str, str, str, str]] = field(default_factory=list)


class Clients:
    """Fifty clients that do not give up, and somebody who pulls the plug."""

    def __init__(self, server: Process) -> None:
        self._server = server
        self._lock = threading.Lock()
        self._answered = 0
        self.told = [Told() for _ in range(CONVERSATIONS)]
        self.retries = 0
        self.doubled = 0
        self.crashes = 0

    def talk(self, number: int) -> None:
        """One client's conversation, to its end."""
        chance = random.Random(SEED + number)
        told = self.told[number]
        with httpx.Client(headers=self._server.headers, timeout=120) as client:
            for turn in range(TURNS):
                message_id = uuid.UUID(int=chance.getrandbits(128)).hex
                body = {"message": f"client {number} turn {turn} 😀 {chance.random()}", "message_id": message_id}
                if told.conversation_id is not None:
                    body["conversation_id"] = told.conversation_id
                if chance.random() < 0.05:
                    self._start_and_leave(client, body)
                answer = self._ask(client, body)
                if chance.random() < 0.1:
                    self.doubled += 1
                    assert self._ask(client, body) == answer
                told.conversation_id = answer["conversation_id"]
                told.lines.append((message_id, body["message"], answer["message_id"], answer["response"]))
                self._count()

    def _start_and_leave(self, client: httpx.Client, body: dict[str, str]) -> None:
        try:
            with client.stream("POST", f"{self._server.url}/api/v1/chat/acme_inc/stream", json=body) as response:
                next(response.iter_bytes(), None)
        except httpx.TransportError:
            return

    def _ask(self, client: httpx.Client, body: dict[str, str]) -> dict[str, str]:
        deadline = time.monotonic() + 300
        while True:
            try:
                response = client.post(f"{self._server.url}/api/v1/chat/acme_inc/send", json=body)
                if response.status_code == 200:
                    answer = response.json()
                    return {name: answer[name] for name in ("conversation_id", "message_id", "response")}
                assert response.status_code in (409, 503), response.text
            except httpx.TransportError:
                pass
            self.retries += 1
            assert time.monotonic() < deadline, "no answer in a minute"
            time.sleep(0.05)

    def _count(self) -> None:
        with self._lock:
            self._answered += 1
            if self._answered in CRASHES:
                self.crashes += 1
                self._server.again()


def test_a_thousand_turns_with_crashes_are_on_the_record_as_the_clients_know_them(
    product: Product, nursery: Nursery
) -> None:
    with process(nursery, product.user) as server:
        clients = Clients(server)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for finished in [pool.submit(clients.talk, number) for number in range(CONVERSATIONS)]:
                finished.result()
        # One more crash, while the record is being written.
        server.post_aside("/sync")
        server.again()
        deadline = time.monotonic() + 300
        while server.post("/sync").json().get("remaining") != 0:
            assert time.monotonic() < deadline
    recorded = {row["conversation_id"]: row for row in product.record("org_chat_conversations")}
    assert recorded.keys() == {told.conversation_id for told in clients.told}
    rows = lines = 0
    for told in clients.told:
        assert told.conversation_id is not None
        messages = product.record("org_chat_messages", told.conversation_id)
        said = [(row["message_id"], row["role"], row["content"]) for row in messages]
        wanted = [
            line
            for asked, question, answered, answer in told.lines
            for line in ((asked, "user", question), (answered, "assistant", answer))
        ]
        assert said == wanted
        assert recorded[told.conversation_id]["message_count"] == len(wanted)
        rows += len(said)
        lines += len(wanted)
    print(
        f"{lines} lines told, {rows} rows on the record; {clients.crashes} crashes, {clients.retries} retries, "
        f"{clients.doubled} messages sent again after their answer"
    )
    assert (rows, lines, clients.crashes) == (2 * CONVERSATIONS * TURNS, 2 * CONVERSATIONS * TURNS, len(CRASHES))
