"""A turn as a chat completion: whole, or in chunks."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NotRequired

from typing_extensions import TypedDict

from common.agents.events import Event, Heartbeat, TextDelta, TurnFailed, TurnFinished, TurnStarted
from common.errors import ServiceError
from common.protocols.chat_completions.input import MODEL, reference

_END = b"data: [DONE]\n\n"
_FINISHES = {"length": "length", "refused": "content_filter"}
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


class ErrorDetail(TypedDict):
    """A failure as OpenAI's clients read it."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorBody(TypedDict):
    """The body of an answer that failed."""

    error: ErrorDetail
    request_id: NotRequired[str]


def completion(finished: TurnFinished, at: datetime) -> dict[str, Any]:
    """The whole answer, asked for at that moment."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": finished.text + _last_words(finished), "refusal": None},
        "logprobs": None,
        "finish_reason": _reason(finished),
    }
    head = _head("chat.completion", finished.message_id, at)
    return {**head, "choices": [choice], "usage": _usage(finished), **_beside(finished)}


def error_body(error: ServiceError, request_id: str = "") -> ErrorBody:
    """An error in OpenAI's shape."""
    kind = _TYPES.get(error.status, "invalid_request_error" if error.status < 500 else "server_error")
    body: ErrorBody = {"error": {"message": error.detail, "type": kind, "param": None, "code": error.code}}
    if request_id:
        body["request_id"] = request_id
    return body


class ChunkEncoder:
    """Translates the events of one turn into chunks of one completion."""

    def __init__(self, at: datetime, *, includes_usage: bool) -> None:
        self._at = at
        self._head: dict[str, Any] = {}
        self._includes_usage = includes_usage

    def begin(self) -> bytes:
        """Nothing: the completion begins once the question is stored."""
        return b""

    def failed(self, error: ServiceError) -> bytes:
        """The last frames of an answer that went wrong."""
        return _frame(error_body(error)) + _END

    def frames(self, event: Event) -> bytes:
        """The frames of one event; none where a completion has no word for it."""
        match event:
            case Heartbeat():
                return b": keep-alive\n\n"
            case TurnStarted():
                self._head = _head("chat.completion.chunk", event.message_id, self._at)
                return self._chunk({"role": "assistant", "content": ""})
            case TextDelta(text=text) if text:
                return self._chunk({"content": text})
            case TurnFinished():
                rest = self._chunk({"content": words}) if (words := _last_words(event)) else b""
                usage = _frame({**self._head, "choices": [], "usage": _usage(event)}) if self._includes_usage else b""
                return rest + self._chunk({}, _reason(event), _beside(event)) + usage + _END
            case TurnFailed(error=error):
                return self.failed(error)
            case _:
                return b""

    def _chunk(
        self, delta: dict[str, Any], finish_reason: str | None = None, beside: Mapping[str, Any] | None = None
    ) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        usage = {"usage": None} if self._includes_usage else {}
        return _frame({**self._head, "choices": [choice], **usage, **(beside or {})})


def _last_words(finished: TurnFinished) -> str:
    """The words after an answer that waits for the person: the client sends them back with the next message."""
    if finished.finish not in ("approval", "question"):
        return ""
    return f"\n\n{reference(finished.conversation_id, asks=finished.finish == 'question')}"


def _beside(finished: TurnFinished) -> dict[str, Any]:
    """The unverified figures and the citations: fields of our own, which OpenAI's clients leave aside or show."""
    fields: dict[str, Any] = {
        "unverified_figures": list(finished.unverified_figures),
        "citations": [each.shown() for each in finished.citations],
    }
    return {name: listed for name, listed in fields.items() if listed}


def _head(kind: str, answer_id: str, at: datetime) -> dict[str, Any]:
    return {"id": f"chatcmpl-{answer_id}", "object": kind, "created": int(at.timestamp()), "model": MODEL}


def _reason(finished: TurnFinished) -> str:
    return _FINISHES.get(finished.finish, "stop")


def _usage(finished: TurnFinished) -> dict[str, int]:
    usage = finished.usage
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
    }


def _frame(body: Mapping[str, Any]) -> bytes:
    return f"data: {json.dumps(body, ensure_ascii=False, separators=(',', ':'))}\n\n".encode(errors="replace")
