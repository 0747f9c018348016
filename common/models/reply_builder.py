"""Adds the deltas of one stream up to a Reply."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from common.models.answer_text import AnswerText, whole
from common.models.call import FinishReason, Reply, Usage
from common.models.call_builder import CallBuilder
from common.models.catalog import Model
from common.models.stream_delta import Delta


class Gathered:
    """The sum of the deltas of one stream. ``begun`` is set by the first thing that the model itself said."""

    def __init__(self) -> None:
        self.begun = False
        self.finish_reason: FinishReason | None = None
        self._text = AnswerText()
        self._shown: list[str] = []
        self._thought: list[str] = []
        self._blocks: list[dict[str, Any]] = []
        self._calls = CallBuilder()
        self._refuses = False
        self._usage = Usage()

    def add(self, delta: Delta) -> str:
        """Take one delta in and return the text that may be shown now."""
        if delta.usage is not None:
            self._usage = _newer(self._usage, delta.usage)
        self.end(delta.finish_reason)
        for piece in delta.calls:
            self._calls.add(piece)
        for block in delta.blocks:
            self._add_block(block)
        # What a model thought is not part of what it says; it does show that it has begun.
        if delta.text or delta.calls or delta.thought or delta.blocks:
            self.begun = True
        if delta.thought:
            self._thought.append(delta.thought)
        self._refuses = self._refuses or delta.refuses
        return self._say(self._text.feed(delta.text)) if delta.text else ""

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
        if block.get("type") != "thinking":
            self._blocks.append(dict(block))
            return
        if not self._blocks or self._blocks[-1].get("type") != "thinking" or self._blocks[-1]["signature"]:
            self._blocks.append({"type": "thinking", "thinking": "", "signature": ""})
        self._blocks[-1]["thinking"] += block.get("thinking") or ""
        self._blocks[-1]["signature"] += block.get("signature") or ""

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
        return replace(reply, thoughts=self._thoughts(model)) if calls else reply

    def _thoughts(self, model: Model) -> Mapping[str, Any] | None:
        """The thoughts in the shape that the model's API takes, with the model's name: no other one may get them."""
        if model.thoughts == "reasoning_content":
            return {"model": model.litellm_name, "reasoning_content": whole("".join(self._thought))}
        signed = [block for block in self._blocks if block.get("signature") or block.get("type") != "thinking"]
        if model.thoughts == "thinking_blocks" and signed:
            return {"model": model.litellm_name, "thinking_blocks": signed}
        return None


def _newer(known: Usage, told: Usage) -> Usage:
    """Merge usage: later values win, zero keeps the earlier one. Anthropic sends input tokens first."""
    return Usage(
        told.input_tokens or known.input_tokens,
        told.output_tokens or known.output_tokens,
        told.cached_tokens or known.cached_tokens,
        told.cache_write_tokens or known.cache_write_tokens,
    )
