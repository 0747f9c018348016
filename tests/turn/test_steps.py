"""A message sent again after its attempt ended early: it goes on after the last finished step, and counts all once."""

import asyncio
import json
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest

from common import limits
from common.agents.bounds import Bounds
from common.agents.checkpoint import Checkpoint
from common.agents.events import ToolFinished
from common.conversations.kept_steps import STEPS_SECONDS, KeptSteps, kept_of
from common.conversations.paused_turn import PENDING_BYTES
from common.documents import Document, Put
from common.identity.authenticate import read_credentials
from common.models.completion import ModelCall, Reply, ToolCall, Usage
from common.transcript.ids import answer_id_for
from common.turn import SendRequest, Turn, open_turn
from tests.agents.test_loop import PRINCIPAL
from tests.fakes.clock import Clock
from tests.fakes.scripted_model import ScriptedModel, Step, call_tool, say, transfer
from tests.turn.conftest import ACME, Product, Serving
from tests.turn.test_ends import Until, tokens

FIRST = call_tool("list_alerts", "call_a")
SECOND = call_tool("list_alerts", "call_b", limit=2)
BOTH = ['{"limit": 2}', "{}"]
# The tokens of every reply of a scripted model.
REPLY = 15


@dataclass
class Asked:
    """A message that takes two calls, in a conversation of its own, and what is stored of it."""

    product: Product
    model: Until
    request: SendRequest

    async def start(self, *steps: Step, fails: bool = False) -> Turn:
        """Send it; the model plays the steps, and then stands still or fails."""
        self.model.steps, self.model.fails, self.model.stands = steps, fails, asyncio.Event()
        self.model.calls.clear()
        credentials = read_credentials({name.lower(): value for name, value in ACME.items()}, None)
        return await open_turn(self.product.services.turns, credentials, self.request)

    async def stand(self, calls: int) -> None:
        """Wait until the model stands still and so many calls are kept."""
        assert self.model.stands is not None
        async with asyncio.timeout(60):
            await self.model.stands.wait()
            while len(self.kept) < calls:  # noqa: ASYNC110  another task's state
                await asyncio.sleep(0.01)

    async def answer(self, *steps: Step) -> str:
        """Send it once more, as server-sent events."""
        self.model.steps = steps
        self.model.calls.clear()
        body = self.request.model_dump(exclude_none=True)
        return (await self.product.client.post("/stream", json=body, headers=ACME)).text

    @property
    def conversation_id(self) -> str:
        assert self.request.conversation_id is not None
        return self.request.conversation_id

    @property
    def conversation(self) -> Any:
        return self.product.documents.document(f"orgs/acme_inc/conversations/{self.conversation_id}")

    @property
    def place(self) -> Any:
        answer_id = answer_id_for(self.conversation_id, self.request.message_id or "")
        return self.conversation.collection("pending").document(answer_id)

    @property
    def kept(self) -> list[Any]:
        tools: list[Any] = json.loads((self.place.get().to_dict() or {}).get("tools", "[]"))
        return tools

    @property
    def messages(self) -> list[dict[str, Any]]:
        """What was stored after the question."""
        return self.product.messages(self.conversation_id)[3:]

    @property
    def audited(self) -> list[str]:
        """The arguments of every call in the audit."""
        rows = [entry["row"] for name, entry in self.product.outbox().items() if "tool_calls:" in name]
        return sorted(row["input_params"] for row in rows if row["conversation_id"] == self.conversation_id)


async def asked(serving: Serving) -> Asked:
    model = Until([say("hello")], stands=asyncio.Event())
    product = await serving(model, org_tokens_per_day=10**12)
    conversation_id = (await product.send()).json()["conversation_id"]
    request = SendRequest(message="My alerts?", conversation_id=conversation_id, message_id=uuid.uuid4().hex)
    return Asked(product, model, request)


def check_answer(asked: Asked, events: str, text: str, calls: list[str]) -> None:
    """The model went on from the results, and the answer is whole; nothing is left of the steps."""
    assert "event: done" in events
    assert events.count('"status": "finished"') == len(calls)
    (call,) = asked.model.calls
    assert [message["role"] for message in call.messages][-2 * len(calls) :] == ["assistant", "tool"] * len(calls)
    assert any(tool["function"]["name"] == "list_alerts" for tool in call.tools)
    answer = asked.messages[-1]
    assert (answer["content"].strip(), answer["status"]) == (text, "complete")
    assert [each["arguments"] for each in json.loads(answer["tool_calls_json"])] == calls
    assert len(json.loads(answer["tool_results_json"])) == len(calls)
    assert not asked.place.get().exists


async def test_a_silent_attempt_is_gone_on_from_and_all_is_counted_once(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LEASE_RENEW_SECONDS", 3600.0)
    attempt = await asked(serving)
    counted = tokens(attempt.product)
    turn = await attempt.start(transfer("AlertManager"), replace(FIRST, text="Well."), SECOND)
    await attempt.stand(2)
    # As after a kill: the lease runs out, and nobody ever gives it back.
    long_ago = datetime.now(UTC) - timedelta(days=1)
    attempt.conversation.update({"leased_at": long_ago})
    events = await attempt.answer(say("All done."))
    check_answer(attempt, events, "Well. \n\nAll done.", ["{}", '{"limit": 2}'])
    (answer,) = attempt.messages
    assert answer["input_tokens"] + answer["output_tokens"] == 4 * REPLY
    assert tokens(attempt.product) - counted == 4 * REPLY
    assert attempt.audited == BOTH
    # It was not dead after all: what it did is another attempt's by now.
    turn.stop("left")
    await turn.ended()
    assert attempt.audited == BOTH
    assert attempt.messages == [answer]


@pytest.mark.parametrize("end", ["restart", "left", "failure"])
async def test_after_an_end_without_an_answer_the_rest_is_asked_for(
    serving: Serving, end: Literal["restart", "left", "failure"]
) -> None:
    attempt = await asked(serving)
    counted = tokens(attempt.product)
    turn = await attempt.start(transfer("AlertManager"), FIRST, SECOND, fails=end == "failure")
    if end != "failure":
        await attempt.stand(2)
        turn.stop(end)
    await turn.ended()
    (left,) = attempt.messages
    assert left["status"] == ("cancelled" if end == "left" else "failed")
    assert attempt.audited == BOTH
    # A call that is cut off is estimated: it has its prompt, and no more.
    cut = 0 if end == "failure" else tokens(attempt.product) - counted - 3 * REPLY
    assert (cut > 0) == (end != "failure")
    assert cut < REPLY
    assert tokens(attempt.product) - counted == 3 * REPLY + cut
    events = await attempt.answer(say("All done."))
    check_answer(attempt, events, "All done.", ["{}", '{"limit": 2}'])
    # The first attempt has audited and counted what it did.
    assert attempt.audited == BOTH
    assert tokens(attempt.product) - counted == 4 * REPLY + cut
    told = [message["input_tokens"] + message["output_tokens"] for message in attempt.messages]
    assert told == [3 * REPLY + cut, REPLY]


async def test_an_attempt_that_fails_after_kept_steps_leaves_none(serving: Serving) -> None:
    attempt = await asked(serving)
    for steps in ([transfer("AlertManager"), FIRST], []):
        await (await attempt.start(*steps, fails=True)).ended()
    assert not attempt.place.get().exists
    assert attempt.audited == ["{}"]
    events = await attempt.answer(SECOND, say("All done."))
    assert "event: done" in events
    assert attempt.model.calls[0].messages[-1]["role"] == "user"
    assert attempt.audited == BOTH


async def test_a_restart_after_kept_steps_keeps_them(serving: Serving) -> None:
    attempt = await asked(serving)
    counted = tokens(attempt.product)
    for calls, steps in enumerate(([transfer("AlertManager"), FIRST], [SECOND]), 1):
        turn = await attempt.start(*steps)
        await attempt.stand(calls)
        turn.stop("restart")
        await turn.ended()
    events = await attempt.answer(say("All done."))
    check_answer(attempt, events, "All done.", ["{}", '{"limit": 2}'])
    assert attempt.audited == BOTH
    # Both attempts were cut off in a call, which has its prompt, and no more: each reply counts once.
    assert 4 * REPLY < tokens(attempt.product) - counted < 8 * REPLY


async def test_an_attempt_that_lost_its_lease_audits_what_it_kept_for_nobody(serving: Serving) -> None:
    attempt = await asked(serving)
    model, gate = attempt.model, asyncio.Event()

    def first(_: ModelCall) -> Reply:
        model.gate = gate
        return FIRST

    turn = await attempt.start(transfer("AlertManager"), first, SECOND, say("All done."), say("All done."))
    async with asyncio.timeout(60):
        while not attempt.kept:  # noqa: ASYNC110  another task's state
            await asyncio.sleep(0.01)
        attempt.conversation.update({"lease.holder": "another"})
        gate.set()
        while not attempt.audited:  # noqa: ASYNC110  another task's state
            await asyncio.sleep(0.01)
        assert attempt.audited == ['{"limit": 2}']
        # Whoever took it over is gone as well, so it answers after all, from what was kept.
        attempt.conversation.update({"lease": None})
        await turn.ended()
    (answer,) = attempt.messages
    assert answer["content"].strip() == "All done."
    assert [each["arguments"] for each in json.loads(answer["tool_calls_json"])] == ["{}"]
    assert attempt.audited == BOTH


async def test_a_message_without_an_id_keeps_no_steps(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel([transfer("AlertManager"), FIRST, say("done")]))
    product.firestore.reset()
    assert (await product.send()).status_code == 200
    assert product.firestore.calls()["Commit"] == 2


async def test_steps_are_kept_in_one_commit_each(serving: Serving) -> None:
    model = ScriptedModel([say("hello")])
    product: Product = await serving(model)
    conversation_id = (await product.send()).json()["conversation_id"]
    model.calls.clear()
    model.steps = [transfer("AlertManager"), FIRST, say("done")]
    product.firestore.reset()
    response = await product.send(conversation_id=conversation_id, message_id=uuid.uuid4().hex)
    assert response.status_code == 200
    assert product.firestore.calls() == {"BatchGetDocuments": 1, "Commit": 3}


def steps(text: str = "said", content: str = "{}") -> KeptSteps:
    exchange = ({"role": "assistant", "content": None}, {"role": "tool", "tool_call_id": "c", "content": content})
    bounds = Bounds(Usage(1, 2, 3, 4), 2, 3, 1, 40)
    bounds.count_call(ToolCall("c", "echo", "{}"))
    bounds.asked.add("One")
    call = ToolFinished("c", "One", "echo", "test", "{}", {"rows": [], "summary": {}}, 5)
    return KeptSteps("a1", "question?", (call,), Checkpoint("One", text, exchange, bounds), Usage(1, 2), 0)


def test_what_is_kept_is_read_back_for_the_very_message_and_for_a_while() -> None:
    now = Clock()()
    kept = steps()
    write = kept.write(PRINCIPAL.tenant, "c1", now)
    assert isinstance(write, Put)
    document = Document(write.path, write.data, now)
    assert kept_of(document, "a1", "question?", now) == kept
    assert kept_of(document, "a1", "another question?", now) is None
    assert kept_of(None, "a1", "question?", now) is None
    for name in ("place", "exchange", "tools", "uncounted"):
        of_another_version = Document(write.path, {**write.data, name: None}, now)
        assert kept_of(of_another_version, "a1", "question?", now) is None
    assert kept_of(document, "a1", "question?", now + timedelta(seconds=STEPS_SECONDS)) == kept
    assert kept_of(document, "a1", "question?", now + timedelta(seconds=STEPS_SECONDS + 1)) is None


def test_what_is_kept_fits_one_document() -> None:
    now = Clock()()
    rows = json.dumps({"rows": [{"name": "x" * 100}] * 20_000})
    write = steps(content=rows).write(PRINCIPAL.tenant, "c1", now)
    assert isinstance(write, Put)
    assert sum(len(value.encode()) for value in write.data.values() if isinstance(value, str)) <= PENDING_BYTES
    assert steps(text="x" * PENDING_BYTES).write(PRINCIPAL.tenant, "c1", now) is None
