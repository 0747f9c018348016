"""A turn that ends at any stage: history, audit, usage, outbox and record say the same, and what was done is kept."""

import asyncio
import json
import uuid
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from common.agents.events import TextDelta, ToolFinished, ToolStarted, TurnStarted
from common.errors import ProviderUnavailable
from common.identity.authenticate import read_credentials
from common.models.completion import ModelCall, Reply
from common.turn import SendRequest, open_turn
from common.turn.progress import STOPPED
from tests.fakes.scripted_model import ScriptedModel, call_tool, say, transfer
from tests.turn.conftest import ACME, Product, Serving

Stage = Literal["asked", "handed over", "called", "spoken"]
End = Literal["finish", "failure", "left", "restart"]
STAGES: tuple[Stage, ...] = ("asked", "handed over", "called", "spoken")
FINISHES = {"finish": "stop", "failure": "provider_unavailable", "left": "cancelled", "restart": "restarting"}
ENDS: tuple[End, ...] = ("finish", "failure", "left", "restart")
ALERT = call_tool(
    "create_alert", "call_2", name="Too much", threshold=100, currency="USD", severity="warning", period="monthly"
)
STEPS = {
    "asked": [],
    "handed over": [transfer("AlertManager")],
    "called": [transfer("AlertManager"), ALERT],
    "spoken": [transfer("AlertManager"), ALERT],
}


@dataclass
class Until(ScriptedModel):
    """Plays its steps, then stands still, says something first where that is asked for, or fails."""

    speaks: bool = False
    fails: bool = False
    stands: asyncio.Event | None = None

    async def stream(self, call: ModelCall) -> AsyncGenerator[str | Reply, None]:
        if len(self.calls) < len(self.steps):
            async for piece in super().stream(call):
                yield piece
            return
        self.calls.append(call)
        if self.speaks:
            yield "half an answer"
        if self.fails:
            raise ProviderUnavailable
        assert self.stands is not None
        self.stands.set()
        await asyncio.Event().wait()


async def waiting(product: Product) -> SendRequest:
    """Ask for a change, and return the yes to it."""
    asked = (await product.send("watch my costs")).json()
    assert asked["finish"] == "approval"
    return SendRequest(message="yes", conversation_id=asked["conversation_id"], message_id=uuid.uuid4().hex)


async def ended(
    product: Product, model: ScriptedModel, end: End, request: SendRequest | None = None
) -> tuple[str, str | None, list[Any]]:
    """Run a turn to its end, and return its conversation, its message and what it said."""
    credentials = read_credentials({name.lower(): value for name, value in ACME.items()}, None)
    request = request or SendRequest(message="watch my costs", message_id=uuid.uuid4().hex)
    turn = await open_turn(product.services.turns, credentials, request)
    events: list[Any] = []

    async def read() -> None:
        async for batch in turn.batches():
            events.extend(batch)

    reading = asyncio.create_task(read())
    if isinstance(model, Until) and not model.fails:
        assert model.stands is not None
        await asyncio.wait_for(model.stands.wait(), 120)
        turn.stop("left" if end == "left" else "restart")
    await turn.ended()
    await asyncio.wait_for(reading, 120)
    conversation_id = next(event.conversation_id for event in events if isinstance(event, TurnStarted))
    return conversation_id, request.message_id, events


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("end", ENDS)
async def test_all_that_is_kept_of_a_turn_agrees(serving: Serving, stage: Stage, end: End) -> None:
    steps = STEPS[stage]
    model: ScriptedModel
    if end == "finish":
        model = ScriptedModel([*steps, say("done")])
    else:
        model = Until(steps, speaks=stage == "spoken", fails=end == "failure", stands=asyncio.Event())
    product: Product = await serving(model, org_tokens_per_day=10**12)
    counted = tokens(product)
    called = stage in ("called", "spoken")
    request = await waiting(product) if called else None
    conversation_id, _, events = await ended(product, model, end, request)
    messages = product.messages(conversation_id)
    outbox = [entry for name, entry in product.outbox().items() if conversation_id in name]
    rows = {entry["row_id"]: entry["row"] for entry in outbox if entry["table"] == "org_chat_messages"}
    audit = [entry["row"] for entry in outbox if entry["table"] == "org_chat_tool_calls"]
    (state,) = [entry["row"] for entry in outbox if entry["table"] == "org_chat_conversations"]
    said = end == "finish" or stage == "spoken"
    kept = end == "finish" or called
    # History, the record's rows and the conversation's own count.
    assert [message["role"] for message in messages] == ["user", *["assistant"] * (called + kept)]
    assert rows.keys() == {message["message_id"] for message in messages}
    assert state["message_count"] == len(messages) == product.conversation(conversation_id)["message_count"]
    assert product.conversation(conversation_id)["lease"] is None
    # The calls: in the events, in the history, in the audit.
    assert [event.tool_name for event in events if isinstance(event, ToolFinished)] == ["create_alert"] * called
    assert [row["tool_name"] for row in audit] == ["create_alert"] * called
    told, used = 15 * (len(steps) + (end == "finish")), tokens(product) - counted
    # A call that was cut off, by its client or in the middle of its text, is estimated.
    cut = end in ("left", "restart") or (end == "failure" and stage == "spoken")
    assert (used > told) if cut else (used == told)
    # A turn that waited for a yes has a row of its own.
    usage = [entry["row"] for entry in outbox if entry["table"] == "org_chat_usage"]
    assert sum(row["input_tokens"] + row["output_tokens"] for row in usage) == used
    assert {row["finish"]: row["tokens_estimated"] for row in usage} == {
        FINISHES[end]: cut,
        **({"approval": False} if called else {}),
    }
    if kept:
        answer = messages[-1]
        status = {"finish": "complete", "left": "cancelled"}.get(end, "failed")
        assert answer["status"] == rows[answer["message_id"]]["status"] == status
        assert len(json.loads(answer["tool_calls_json"] or "[]")) == len(audit)
        assert {row["message_id"] for row in audit} <= {answer["message_id"]}
        assert sum(message["input_tokens"] + message["output_tokens"] for message in messages[1:]) == used
        assert (STOPPED in answer["content"]) == (end != "finish")
        assert ("create_alert" in answer["content"]) == (called and end != "finish")
        assert ("half an answer" in answer["content"]) == (said and end != "finish")
    if end in ("failure", "restart"):
        assert ("already changed: create_alert" in events[-1].error.detail) == called


def tokens(product: Product) -> int:
    found = product.documents.collection("orgs/acme_inc/counters").stream()
    month = f"tokens-{product.clock.now:%Y%m}."
    return sum((each.to_dict() or {}).get("total", 0) for each in found if each.id.startswith(month))


async def test_a_call_that_was_under_way_is_kept_as_one_whose_end_is_not_known(serving: Serving) -> None:
    model = ScriptedModel(STEPS["called"])
    product: Product = await serving(model)
    credentials = read_credentials({name.lower(): value for name, value in ACME.items()}, None)
    turn = await open_turn(product.services.turns, credentials, await waiting(product))
    conversation_id = ""
    detail = ""
    async for batch in turn.batches():
        for event in batch:
            match event:
                case TurnStarted():
                    conversation_id = event.conversation_id
                case ToolStarted():
                    turn.stop("restart")
        detail = getattr(getattr(batch[-1], "error", None), "detail", "")
    (call,) = [entry["row"] for name, entry in product.outbox().items() if f"tool_calls:{conversation_id}" in name]
    assert (call["status"], call["tool_name"]) == ("error", "create_alert")
    assert "interrupted" in call["error_message"]
    assert "may have been changed: create_alert" in detail
    assert "may have been done: create_alert" in product.messages(conversation_id)[-1]["content"]


async def test_asking_again_after_a_failure_changes_nothing_twice_and_tells_the_model(serving: Serving) -> None:
    model = ScriptedModel([*STEPS["called"], ProviderUnavailable(), say("It is set up.")])
    product: Product = await serving(model)
    request = await waiting(product)
    yes: dict[str, Any] = {"message_id": request.message_id, "conversation_id": request.conversation_id}
    failed = await product.send("yes", **yes)
    assert failed.status_code == 503
    assert 'already changed: create_alert {"name": "Too much"' in failed.json()["detail"]
    again = (await product.send("yes", **yes)).json()
    assert again["response"] == "It is set up. "
    history = [(message["role"], message["status"]) for message in product.messages(again["conversation_id"])]
    assert history == [
        ("user", "complete"), ("assistant", "complete"), ("assistant", "failed"),
        ("user", "complete"), ("assistant", "complete"),
    ]  # fmt: skip
    assert "This was done: create_alert" in model.calls[-1].messages[-2]["content"]
    audit = [entry["row"] for name, entry in product.outbox().items() if "tool_calls:" in name]
    of_this = [row for row in audit if row["conversation_id"] == again["conversation_id"]]
    assert [row["tool_name"] for row in of_this] == ["create_alert"]


async def test_what_was_said_before_a_client_left_is_the_answer_to_its_message(serving: Serving) -> None:
    model = Until([], speaks=True, stands=asyncio.Event())
    product: Product = await serving(model)
    conversation_id, message_id, events = await ended(product, model, "left")
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["half an answer"]
    again = (await product.send("watch my costs", message_id=message_id)).json()
    assert (again["conversation_id"], again["response"]) == (conversation_id, "half an answer")
    assert len(model.calls) == 1
