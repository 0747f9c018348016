"""Adds the chunks of one stream up to a Reply."""

import uuid
from dataclasses import dataclass
from typing import Any

from common.models.call import Reply, ToolCall, Usage


@dataclass(slots=True)
class _Call:
    """A tool call of which some pieces have arrived."""

    call_id: str = ""
    name: str = ""
    arguments: str = ""


class Gathered:
    """What the chunks of one stream add up to. ``begun`` is set by the first thing that the model itself said."""

    def __init__(self) -> None:
        self.begun = False
        self._text: list[str] = []
        self._calls: list[_Call] = []
        self._open: dict[int, _Call] = {}
        self._usage = Usage()
        self._finish_reason = ""

    def add(self, chunk: Any) -> str:
        """Take one chunk in and return the text it adds."""
        if usage := getattr(chunk, "usage", None):
            self._usage = Usage(usage.prompt_tokens or 0, usage.completion_tokens or 0)
        if not chunk.choices:
            return ""
        choice = chunk.choices[0]
        self._finish_reason = choice.finish_reason or self._finish_reason
        delta = choice.delta
        for piece in delta.tool_calls or ():
            self._add_piece(piece)
        text: str = delta.content or ""
        # What a model thought (reasoning_content) is not part of what it says; it does show that it has begun.
        if text or delta.tool_calls or getattr(delta, "reasoning_content", None):
            self.begun = True
        if text:
            self._text.append(text)
        return text

    def _add_piece(self, piece: Any) -> None:
        call = self._open.get(piece.index)
        # Some providers give every call of a step the same index; another id is another call.
        if call is None or (piece.id and call.call_id and piece.id != call.call_id):
            call = self._open[piece.index] = _Call()
            self._calls.append(call)
        call.call_id = call.call_id or piece.id or ""
        name = piece.function.name or ""
        if name != call.name:
            call.name += name
        call.arguments += piece.function.arguments or ""

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
        return Reply("".join(self._text), calls, self._usage, self._finish_reason or "stop")
