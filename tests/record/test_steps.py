"""A process that ends between the steps of turns: a message sent again repeats no kept call, and is answered once."""

import json
import random
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from google.cloud import firestore

from common.transcript.ids import answer_id_for
from tests.conversations.conftest import Product
from tests.conversations.processes import Nursery, Process, process
from tests.conversations.served import STEP_SECONDS, STEPS
from tests.record.test_crashes import sent, sent_at_last, synced, wait

SEED = 20261127
POINTS = 50


@dataclass
class Work:
    """A question that takes some calls, and when it is asked before the crash."""

    number: int
    after: float
    conversation_id: str = ""
    message_id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def question(self) -> str:
        return f"steps {self.number}."

    @property
    def body(self) -> dict[str, str]:
        return {"message": self.question, "conversation_id": self.conversation_id, "message_id": self.message_id}

    def ask(self, server: Process) -> None:
        time.sleep(self.after)
        server.post_aside("/send", self.body)

    def steps(self, product: Product) -> firestore.DocumentReference:
        answer_id = answer_id_for(self.conversation_id, self.message_id)
        steps: firestore.DocumentReference = (
            product.reference(self.conversation_id).collection("pending").document(answer_id)
        )
        return steps

    def kept(self, product: Product) -> int:
        """The number of calls that are kept of it."""
        document = self.steps(product).get().to_dict() or {}
        return len(json.loads(document.get("tools", "[]")))

    def asked(self, said: str) -> list[int]:
        """The calls that the model asked for, in order."""
        return [
            int(line.rsplit(" ", 1)[1]) for line in said.splitlines() if line.startswith(f"call.asked {self.question}")
        ]

    def check(self, product: Product, kept: int, before: list[int], after: list[int]) -> None:
        """No call that was kept was made twice; the answer is whole; calls and tokens are stored once."""
        answered = len(before) == STEPS and not after
        assert answered or after == list(range(kept, STEPS)), (self, kept, before, after)
        _, _, question, *left, answer = product.stored(self.conversation_id)
        assert (question["content"], answer["content"]) == (self.question, f"echo: {self.question}")
        assert [message["status"] for message in left] in ([], ["failed"])
        called = [json.loads(call["arguments"])["limit"] for call in json.loads(answer["tool_calls_json"])]
        assert called == list(range(1, STEPS + 1))
        rows = product.record("org_chat_tool_calls", self.conversation_id)
        made = Counter(json.loads(row["input_params"])["limit"] for row in rows if row["status"] == "success")
        # The instance may have ended between the end of a call and its keeping: the call is made, and audited, again.
        again = made - Counter(called)
        assert made == Counter(called) + again
        assert again in (Counter(), Counter({kept + 1: 1} if left else {}))
        assert {row["message_id"] for row in rows} <= {message["message_id"] for message in (*left, answer)}
        # A hand-over, the calls and the answer; whoever stopped in time has counted its own part.
        asked = len(before) + len(after) if left else STEPS
        told = sum(message["input_tokens"] for message in (*left, answer)) - 10 * (asked + 2)
        # The prompt of a call that was cut off is estimated.
        assert 0 <= told <= 20 * len(left)
        assert not self.steps(product).get().exists


@pytest.mark.parametrize("end", ["kill", "terminate"])
def test_fifty_points_of_a_turn_and_a_start_at_once(product: Product, nursery: Nursery, end: str) -> None:
    chance = random.Random(SEED)
    with process(nursery, product.user) as server, ThreadPoolExecutor(POINTS) as pool:
        works = [Work(number, chance.uniform(0, 1.5 * STEPS * STEP_SECONDS)) for number in range(POINTS)]
        for work in works:
            work.conversation_id = sent(server, message=f"first {work.number}")["conversation_id"]
        for work in works:
            pool.submit(work.ask, server)
        wait(lambda: server.said().count("call.asked") > POINTS * STEPS / 2)
        server.kill() if end == "kill" else server.terminate()
        kept = [work.kept(product) for work in works]
        said = server.said()
        server.start()
        answers = list(pool.map(lambda work: sent_at_last(server, 120, **work.body), works))
        again = server.said()[len(said) :]
        synced(server)
    print(f"calls that were kept of turns under way: {sorted(filter(None, kept))}")
    assert set(kept) & set(range(1, STEPS))
    for work, steps, answer in zip(works, kept, answers, strict=True):
        assert answer["response"] == f"echo: {work.question}"
        work.check(product, steps, work.asked(said), work.asked(again))
