"""What one event of a provider's stream adds to an answer, read the same way from every form an event comes in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from common.models.call import Usage


@dataclass(slots=True)
class CallPiece:
    """A piece of a tool call: whatever of it this event says."""

    index: int
    call_id: str
    name: str
    arguments: str


@dataclass(slots=True)
class Delta:
    """Text, pieces of tool calls, usage and an end, as far as one event has them; ``thinks`` where the model did."""

    text: str = ""
    calls: Sequence[CallPiece] = ()
    thinks: bool = False
    finish_reason: str = ""
    usage: Usage | None = None


def of_event(event: Mapping[str, Any]) -> Delta:
    """A chat.completion.chunk of OpenAI's format, as its JSON has it."""
    delta = Delta()
    if usage := event.get("usage"):
        details = usage.get("prompt_tokens_details") or {}
        cached = details.get("cached_tokens") or usage.get("prompt_cache_hit_tokens") or 0
        delta.usage = Usage(usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0, cached)
    choices = event.get("choices")
    if not choices:
        return delta
    choice = choices[0]
    delta.finish_reason = choice.get("finish_reason") or ""
    said = choice.get("delta")
    if said:
        delta.text = said.get("content") or ""
        delta.thinks = bool(said.get("reasoning_content"))
        if calls := said.get("tool_calls"):
            delta.calls = [_piece_of_event(call) for call in calls]
    return delta


def of_chunk(chunk: Any) -> Delta:
    """A chunk of litellm or of the OpenAI SDK, which are alike, or one of litellm's plain ones."""
    if isinstance(chunk, dict):
        return _of_plain(chunk)
    delta = Delta()
    if usage := getattr(chunk, "usage", None):
        delta.usage = _usage(usage)
    if not chunk.choices:
        return delta
    choice = chunk.choices[0]
    delta.finish_reason = choice.finish_reason or ""
    said = choice.delta
    delta.text = said.content or ""
    delta.thinks = bool(getattr(said, "reasoning_content", None))
    if said.tool_calls:
        delta.calls = [_piece(call) for call in said.tool_calls]
    return delta


def _of_plain(chunk: Mapping[str, Any]) -> Delta:
    """litellm's GenericStreamingChunk."""
    delta = Delta(text=chunk.get("text") or "", finish_reason=chunk.get("finish_reason") or "")
    if usage := chunk.get("usage"):
        delta.usage = Usage(usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0)
    if call := chunk.get("tool_use"):
        delta.calls = [_piece_of_event(call)]
    return delta


def _usage(usage: Any) -> Usage:
    details = getattr(usage, "prompt_tokens_details", None)
    cached = getattr(details, "cached_tokens", None) or getattr(usage, "prompt_cache_hit_tokens", None) or 0
    return Usage(usage.prompt_tokens or 0, usage.completion_tokens or 0, cached)


def _piece(call: Any) -> CallPiece:
    function = call.function
    name, arguments = (function.name, function.arguments) if function else (None, None)
    return CallPiece(call.index, call.id or "", name or "", arguments or "")


def _piece_of_event(call: Mapping[str, Any]) -> CallPiece:
    function = call.get("function") or {}
    index, call_id = call.get("index") or 0, call.get("id") or ""
    return CallPiece(index, call_id, function.get("name") or "", function.get("arguments") or "")
