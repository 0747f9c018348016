"""Adds the deltas of one stream up to a Reply."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from common import limits
from common.errors import ModelError, ServiceError
from common.models.answer_text import AnswerText, whole
from common.models.call import FinishReason, Heard, Reply, ToolCall, Usage
from common.models.call_builder import CallBuilder
from common.models.catalog import Model
from common.models.stream_delta import Delta


class Gathered:
    """The sum of the deltas of one stream. ``begun`` is set by the first thing that the model itself said.

    ``full`` is set once it is more than a reply may be: then nothing more is taken in, and the reply is cut there.
    """

    def __init__(self, heard: Heard | None = None) -> None:
        self.begun = False
        self.full = False
        self._heard = heard or Heard()
        self.finish_reason: FinishReason | None = None
        self._room = limits.MODEL_REPLY_CHARS
        self._text = AnswerText()
        self._shown: list[str] = []
        self._thought: list[str] = []
        self._blocks: list[_Block] = []
        self._calls = CallBuilder()
        self._refuses = False
        self._usage = Usage()

    def add(self, delta: Delta) -> str:
        """Take one delta in and return the text that may be shown now."""
        if self.full:
            return ""
        if delta.usage is not None:
            self._usage = self._heard.usage = _newer(self._usage, delta.usage)
        if delta.finish_reason:
            self.end(delta.finish_reason)
        for piece in delta.calls:
            self._take(len(piece.call_id) + len(piece.name) + len(piece.arguments) + len(piece.signature))
            if not self.full:
                self._calls.add(piece)
                self._heard.pieces += (piece.name, piece.arguments)
        for block in delta.blocks:
            self._add_block(block)
            if not self.full:
                self._heard.pieces.append(str(block.get("thinking") or ""))
        # What a model thought is not part of what it says; it does show that it has begun.
        if delta.text or delta.calls or delta.thought or delta.blocks:
            self.begun = True
        if delta.thought:
            self._thought.append(delta.thought[: self._take(len(delta.thought))])
            self._heard.pieces.append(self._thought[-1])
        self._refuses = self._refuses or delta.refuses
        text = delta.text[: self._take(len(delta.text))]
        self._heard.pieces.append(text)
        if self._calls.full:
            self.cut()
        return self._say(self._text.feed(text)) if text else ""

    def cut(self) -> None:
        """End the reply here, as the model's own output limit would."""
        self.full = True
        self.finish_reason = "length"

    def cut_short(self) -> ServiceError | None:
        """End the reply at the bytes that it may take; the error of one that says nothing in them."""
        if not self.begun:
            return ModelError()
        if self.finish_reason is None:
            self.cut()
        self.full = True
        return None

    def _take(self, length: int) -> int:
        """Count what came, and return how much of it there is room for."""
        room = self._room
        self._room -= length
        if self._room < 0:
            self.cut()
        return max(0, min(length, room))

    def end(self, reason: FinishReason | None) -> None:
        """Note how the stream says that it ends."""
        # A plain end is said too often: by litellm before the real one, or once more after it.
        if reason and not (self.finish_reason and reason == "stop"):
            self.finish_reason = reason

    def rest(self) -> str:
        """The text that was held until the end of the stream."""
        return self._say(self._text.finish())

    @property
    def has_shown(self) -> bool:
        """Return true if a reader has seen some of it."""
        return bool(self._shown)

    def _say(self, text: str) -> str:
        if text:
            self._shown.append(text)
        return text

    def _add_block(self, block: Mapping[str, Any]) -> None:
        """Take a piece of a thinking block in: its words come first, its signature last."""
        thinks = block.get("type") == "thinking"
        words, signature = (block.get(name) or "" for name in ("thinking", "signature"))
        self._take(len(words) + len(signature) if thinks else len(str(block)))
        if self.full:
            return
        if not thinks or not self._blocks or not self._blocks[-1].goes_on:
            self._blocks.append(_Block({"type": "thinking"} if thinks else dict(block)))
        if thinks:
            self._blocks[-1].thinking.append(words)
            self._blocks[-1].signature += signature

    def reply(self, model: Model) -> Reply:
        """The reply, with what the model wants back of its thoughts."""
        calls = self._calls.calls()
        reason = self.finish_reason or "stop"
        # Gemini stops where others say that they call tools.
        if calls and reason == "stop":
            reason = "tool_calls"
        if self._refuses and not calls and reason != "length":
            reason = "refused"
        reply = Reply("".join(self._shown), calls, self._usage, reason)
        return replace(reply, thoughts=self._thoughts(model, calls)) if calls else reply

    def _thoughts(self, model: Model, calls: tuple[ToolCall, ...]) -> Mapping[str, Any] | None:
        """The thoughts in the shape that the model's API takes, with the model's name: no other one may get them."""
        if model.thoughts == "reasoning_content":
            return {"model": model.litellm_name, "reasoning_content": whole("".join(self._thought))}
        signed = [block.whole() for block in self._blocks if not block.goes_on]
        if model.thoughts == "thinking_blocks" and signed:
            return {"model": model.litellm_name, "thinking_blocks": signed}
        if model.thoughts == "thought_signatures" and (signatures := self._calls.signatures(calls)):
            return {"model": model.litellm_name, "thought_signatures": signatures}
        return None


@dataclass(slots=True)
class _Block:
    """A block of what the model thought; one that thinks goes on until it is signed."""

    start: dict[str, Any]
    thinking: list[str] = field(default_factory=list)
    signature: str = ""

    @property
    def goes_on(self) -> bool:
        return self.start.get("type") == "thinking" and not self.signature

    def whole(self) -> dict[str, Any]:
        """The block as its API takes it back."""
        if self.start.get("type") != "thinking":
            return self.start
        return {**self.start, "thinking": "".join(self.thinking), "signature": self.signature}


def _newer(known: Usage, told: Usage) -> Usage:
    """Merge usage: later values win, zero keeps the earlier one. Anthropic sends input tokens first."""
    return Usage(
        told.input_tokens or known.input_tokens,
        told.output_tokens or known.output_tokens,
        told.cached_tokens or known.cached_tokens,
        told.cache_write_tokens or known.cache_write_tokens,
    )
