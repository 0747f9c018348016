"""Server-sent events: whole frames per yield, ``\\n`` line ends, and an error after the first byte as an event."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, NotRequired

import orjson
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send
from typing_extensions import TypedDict

from common import limits
from common.agents.events import (
    AgentChanged,
    ApprovalNeeded,
    ClientToolCalled,
    Event,
    Heartbeat,
    QuestionAsked,
    TextDelta,
    ToolFinished,
    ToolStarted,
    TurnFailed,
    TurnFinished,
    TurnStarted,
)
from common.citations.citation import ShownCitation
from common.turn import Turn

_HEADERS = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}


class Tokens(TypedDict):
    """The tokens that an answer took."""

    input_tokens: int
    output_tokens: int


class WaitingChange(TypedDict):
    """A change that waits for the person's yes, as the next request names it."""

    id: str
    name: str
    arguments: dict[str, Any]
    message: str


class WaitingQuestion(TypedDict):
    """A question that waits for the person's answer, as the next request names it."""

    id: str
    agent_name: str
    question: str
    choices: list[str]
    multiple: bool


class Done(TypedDict):
    """The end of a turn, without its text."""

    conversation_id: str
    message_id: str
    agent_name: str
    provider: str
    model_id: str
    fallback_from: str | None
    latency_ms: int
    finish: str
    usage: Tokens
    unverified_figures: list[str]
    citations: list[ShownCitation]
    approvals: NotRequired[list[WaitingChange]]
    question: NotRequired[WaitingQuestion]
    usage_warning: NotRequired[str]
    response_type: NotRequired[str]
    deployment_plan: NotRequired[Mapping[str, Any] | None]
    cached_at: NotRequired[str]


class SentAnswer(Done):
    """The answer to a message."""

    response: str


class EventStream(StreamingResponse):
    """The frames of a turn as they come. A client that goes away, at whatever moment, stops the turn."""

    def __init__(self, turn: Turn, frames: AsyncGenerator[bytes, None]) -> None:
        super().__init__(frames, media_type="text/event-stream", headers=_HEADERS)
        self._turn = turn

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            # The frames may not have been begun, and then they end nothing.
            self._turn.leave()
            # An instance gets no processor once its response is over: what was said is stored before.
            await self._turn.ended()


def stream(turn: Turn) -> StreamingResponse:
    """The turn as an event stream."""
    return EventStream(turn, _frames(turn.batches(limits.HEARTBEAT_SECONDS)))


def done(event: TurnFinished) -> Done:
    """The fields of a finished turn, except its text."""
    said: Done = {
        "conversation_id": event.conversation_id,
        "message_id": event.message_id,
        "agent_name": event.agent_name,
        "provider": event.provider,
        "model_id": event.model_id,
        "fallback_from": event.fallback_from,
        "latency_ms": event.latency_ms,
        "finish": event.finish,
        "usage": {"input_tokens": event.usage.input_tokens, "output_tokens": event.usage.output_tokens},
        "unverified_figures": list(event.unverified_figures),
        "citations": [each.shown() for each in event.citations],
    }
    if event.cached_at is not None:
        said["cached_at"] = event.cached_at
    if event.usage_warning is not None:
        said["usage_warning"] = event.usage_warning
    if event.approvals:
        said["approvals"] = [_approval(each) for each in event.approvals]
    if event.question is not None:
        said["question"] = question(event.question)
    if event.response_type is not None:
        said["response_type"] = event.response_type
        said["deployment_plan"] = event.deployment_plan
    return said


def _approval(needed: ApprovalNeeded) -> WaitingChange:
    """A change that waits, as the next request names it."""
    return {
        "id": needed.call_id,
        "name": needed.tool_name,
        "arguments": json.loads(needed.arguments or "{}"),
        "message": needed.message,
    }


def question(asked: QuestionAsked) -> WaitingQuestion:
    """A question that waits, as the next request names it."""
    return {
        "id": asked.call_id,
        "agent_name": asked.agent_name,
        "question": asked.question,
        "choices": list(asked.choices),
        "multiple": asked.multiple,
    }


def answer(event: TurnFinished) -> SentAnswer:
    """A finished turn as JSON."""
    return {**done(event), "response": event.text}


async def _frames(batches: AsyncGenerator[list[Event], None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(batches):
        async for batch in batches:
            yield b"".join(map(_frame, batch))


def _frame(event: Event) -> bytes:
    match event:
        case Heartbeat():
            return b": keep-alive\n\n"
        case TurnStarted(conversation_id=conversation_id, message_id=message_id):
            return _named("start", {"conversation_id": conversation_id, "message_id": message_id})
        case AgentChanged(agent_name=agent_name):
            return _named("agent", {"agent_name": agent_name})
        case TextDelta(text=text):
            return _token(text)
        case ToolStarted():
            return _named("tool", {**_call(event, "started"), "arguments": event.arguments})
        case ClientToolCalled() | ApprovalNeeded():
            return _named("tool", {**_call(event, "waiting"), "arguments": event.arguments})
        case ToolFinished():
            status = "finished" if event.succeeded else "failed"
            body = {"duration_ms": event.duration_ms, "result": event.result}
            return _named("tool", {**_call(event, status), **body})
        case QuestionAsked():
            return _named("question", question(event))
        case TurnFinished():
            return _named("done", done(event))
        case TurnFailed(error=error):
            again = {} if error.retry_after is None else {"retry_after": error.retry_after}
            return _named("error", {"code": error.code, "message": error.detail, **again})


def _token(text: str) -> bytes:
    """The frame of a piece of text, of which an answer has many."""
    try:
        return b'event: token\ndata: {"text": %b}\n\n' % orjson.dumps(text)
    except orjson.JSONEncodeError:
        # Half of a surrogate pair.
        return _named("token", {"text": text})


def _call(event: ToolStarted | ToolFinished | ClientToolCalled | ApprovalNeeded, status: str) -> dict[str, Any]:
    """A call as its reader knows it, with the agent that makes it: of several agents at the same time, one."""
    return {"id": event.call_id, "name": event.tool_name, "agent_name": event.agent_name, "status": status}


def _named(name: str, data: Mapping[str, Any]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode(errors="replace")
