"""Adds the deltas of one stream up to a Reply."""

import uuid
from dataclasses import dataclass

from common.models.call import Reply, ToolCall, Usage
from common.models.stream_delta import CallPiece, Delta


@dataclass(slots=True)
class _Call:
    """A tool call of which some pieces have arrived."""

    call_id: str = ""
    name: str = ""
    arguments: str = ""


class Gathered:
    """What the deltas of one stream add up to. ``begun`` is set by the first thing that the model itself said."""

    def __init__(self) -> None:
        self.begun = False
        self._text: list[str] = []
        self._calls: list[_Call] = []
        self._open: dict[int, _Call] = {}
        self._usage = Usage()
        self._finish_reason = ""

    def add(self, delta: Delta) -> str:
        """Take one delta in and return the text it adds."""
        if delta.usage is not None:
            self._usage = _newer(self._usage, delta.usage)
        # litellm says a plain end too often: before the real one, or once more after it.
        if delta.finish_reason and not (self._finish_reason and delta.finish_reason == "stop"):
            self._finish_reason = delta.finish_reason
        for piece in delta.calls:
            self._add_piece(piece)
        # What a model thought is not part of what it says; it does show that it has begun.
        if delta.text or delta.calls or delta.thinks:
            self.begun = True
        if delta.text:
            self._text.append(delta.text)
        return delta.text

    def _add_piece(self, piece: CallPiece) -> None:
        call = self._open.get(piece.index)
        # Some providers give every call of a step the same index; another id is another call.
        if call is None or (piece.call_id and call.call_id and piece.call_id != call.call_id):
            call = self._open[piece.index] = _Call()
            self._calls.append(call)
        call.call_id = call.call_id or piece.call_id
        if piece.name != call.name:
            call.name += piece.name
        call.arguments += piece.arguments

    @property
    def refused(self) -> bool:
        """Whether the provider's filter ended the answer."""
        return self._finish_reason in ("content_filter", "refusal")

    def reply(self) -> Reply:
        # A call without an id gets one that no other step of the turn has.
        calls = tuple(
            ToolCall(call.call_id or f"call_{uuid.uuid4().hex}", call.name, call.arguments or "{}")
            for call in self._calls
            if call.name
        )
        finish_reason = self._finish_reason or "stop"
        # Gemini stops where others say that they call tools.
        if calls and finish_reason == "stop":
            finish_reason = "tool_calls"
        return Reply("".join(self._text), calls, self._usage, finish_reason)


def _newer(known: Usage, told: Usage) -> Usage:
    """What is told anew counts, and what it leaves out stays: Anthropic tells the input first and the output last."""
    return Usage(
        told.input_tokens or known.input_tokens,
        told.output_tokens or known.output_tokens,
        told.cached_tokens or known.cached_tokens,
    )
