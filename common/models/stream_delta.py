"""The delta of one event of a provider's stream, the same for every form of event."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from common.models.call import FinishReason, Usage
from common.models.finish_reasons import meaning_of

# A provider's count is added to what its organisation has used.
_COUNT_DIGITS = 9


@dataclass(slots=True)
class CallPiece:
    """A piece of a tool call: whatever of it this event says; ``index`` is None where the event has none.

    ``signature`` is Gemini's, of the thought that led to the call.
    """

    index: int | None
    call_id: str
    name: str
    arguments: str
    signature: str = ""


@dataclass(slots=True)
class Delta:
    """Text, thoughts, pieces of tool calls, usage and an end, as far as one event has them.

    ``blocks`` are Anthropic's thinking blocks, in pieces; ``refuses`` where the text is a refusal's.
    """

    text: str = ""
    calls: Sequence[CallPiece] = ()
    thought: str = ""
    blocks: Sequence[Mapping[str, Any]] = ()
    refuses: bool = False
    finish_reason: FinishReason | None = None
    usage: Usage | None = None


def of_event(event: Mapping[str, Any]) -> Delta:
    """A chat.completion.chunk of OpenAI's format, as its JSON has it; or a whole chat.completion."""
    delta = Delta()
    if usage := event.get("usage"):
        delta.usage = _usage_of_event(usage)
    choices = event.get("choices")
    if not choices:
        return delta
    choice = choices[0] or {}
    if finish := choice.get("finish_reason"):
        delta.finish_reason = meaning_of(finish)
    said = choice.get("delta") or choice.get("message")
    if not said:
        return delta
    # Nearly every event has a text and nothing else.
    if len(said) == 1 and isinstance(text := said.get("content"), str):
        delta.text = text
    else:
        _read_content(delta, said)
        if thought := said.get("reasoning_content") or said.get("reasoning"):
            delta.thought += text_of(thought)
        if calls := said.get("tool_calls"):
            delta.calls = [_piece_of_event(call) for call in calls if call]
        elif function := said.get("function_call"):
            delta.calls = [_piece_of_event({"index": 0, "function": function})]
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
    delta.finish_reason = meaning_of(choice.finish_reason)
    said = choice.delta
    _read_content(delta, {"content": said.content, "refusal": getattr(said, "refusal", None)})
    delta.thought += text_of(getattr(said, "reasoning_content", None))
    delta.blocks = [dict(block) for block in getattr(said, "thinking_blocks", None) or ()]
    if said.tool_calls:
        delta.calls = [_piece(call) for call in said.tool_calls]
    return delta


def _of_plain(chunk: Mapping[str, Any]) -> Delta:
    """litellm's GenericStreamingChunk."""
    delta = Delta(text=chunk.get("text") or "", finish_reason=meaning_of(chunk.get("finish_reason")))
    if usage := chunk.get("usage"):
        delta.usage = _usage_of_event(usage)
    if call := chunk.get("tool_use"):
        delta.calls = [_piece_of_event(call)]
    return delta


def _read_content(delta: Delta, said: Mapping[str, Any]) -> None:
    """Read the words: text, a list of parts, or a refusal. A part that is a thought is one."""
    content = said.get("content")
    if isinstance(content, str):
        delta.text = content
    elif isinstance(content, list):
        for part in content:
            kind = part.get("type") if isinstance(part, dict) else ""
            if kind in ("thinking", "reasoning"):
                delta.thought += text_of(part.get("thinking") or part.get("text"))
            else:
                delta.text += text_of(part)
            delta.refuses = delta.refuses or kind == "refusal"
    if (refusal := said.get("refusal")) and (words := text_of(refusal)):
        delta.text += words
        delta.refuses = True


def text_of(value: object) -> str:
    """The words in a value of whichever shape: text, a part with a text, or a list of those."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(map(text_of, value))
    if isinstance(value, dict):
        return text_of(value.get("text") or value.get("refusal"))
    return ""


def _usage_of_event(usage: Mapping[str, Any]) -> Usage:
    details = usage.get("prompt_tokens_details") or {}
    return Usage(
        token_count(usage.get("prompt_tokens")),
        token_count(usage.get("completion_tokens")),
        token_count(details.get("cached_tokens") or usage.get("prompt_cache_hit_tokens")),
        token_count(details.get("cache_write_tokens") or details.get("cache_creation_tokens")),
    )


def token_count(tokens: object) -> int:
    """A number of tokens; none where it is no number, or none that a model call can take."""
    if isinstance(tokens, str) and tokens.isdecimal() and len(tokens) <= _COUNT_DIGITS:
        tokens = int(tokens)
    return tokens if isinstance(tokens, int) and 0 <= tokens < 10**_COUNT_DIGITS else 0


def _usage(usage: Any) -> Usage:
    details = getattr(usage, "prompt_tokens_details", None)
    cached = getattr(details, "cached_tokens", None) or getattr(usage, "prompt_cache_hit_tokens", None)
    written = getattr(details, "cache_write_tokens", None) or getattr(usage, "cache_creation_input_tokens", None)
    written = written or getattr(details, "cache_creation_tokens", None)
    return Usage(*map(token_count, (usage.prompt_tokens, usage.completion_tokens, cached, written)))


def _piece(call: Any) -> CallPiece:
    function = call.function
    name, arguments = (function.name, function.arguments) if function else (None, None)
    return CallPiece(getattr(call, "index", None), call.id or "", name or "", arguments or "")


def _piece_of_event(call: Mapping[str, Any]) -> CallPiece:
    function = call.get("function") or {}
    index, arguments = call.get("index"), function.get("arguments")
    if isinstance(arguments, dict):
        # Some gateways send the arguments as JSON instead of as JSON text.
        arguments = json.dumps(arguments)
    return CallPiece(
        index if isinstance(index, int) else None,
        str(call.get("id") or ""),
        function.get("name") or "",
        arguments or "",
    )
