"""Anthropic's Messages API: content comes in numbered blocks, and usage in pieces."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from common.models.call import Message, ModelCall, Usage
from common.models.finish_reasons import meaning_of
from common.models.payload import marked, max_tokens_of, sendable, temperature_of
from common.models.stream_delta import CallPiece, Delta, text_of, token_count
from common.models.wires.direct import WireRequest

_VERSION = "2023-06-01"
_CALL_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
Block = Mapping[str, Any]


class AnthropicFormat:
    """The format of Anthropic's messages."""

    def request(self, call: ModelCall) -> WireRequest:
        """The call as one request; what stays the same between calls stands first."""
        messages = [sendable(message, call.model) for message in call.messages]
        if call.model.cache_markers:
            messages = marked(messages)
        body: dict[str, Any] = {"model": call.model.api_name}
        if call.tools:
            body["tools"] = [_tool(tool["function"]) for tool in call.tools]
            if not call.may_call_tools:
                # The tools stay: a history of tool calls is refused without them.
                body["tool_choice"] = {"type": "none"}
        if system := [block for each in messages if each["role"] == "system" for block in _texts(each["content"])]:
            body["system"] = system
        body["max_tokens"] = max_tokens_of(call)
        if (temperature := temperature_of(call)) is not None:
            body["temperature"] = temperature
        body["stream"] = True
        body["messages"] = _conversation(each for each in messages if each["role"] != "system")
        headers = {"x-api-key": call.key.reveal(), "anthropic-version": _VERSION}
        return WireRequest("/v1/messages", headers, body)

    def reader(self) -> Callable[[Mapping[str, Any]], Delta]:
        """A reader that knows which blocks are tool calls, and what was said of the usage so far."""
        return _Reader().read


def _tool(function: Mapping[str, Any]) -> Block:
    return {
        "name": function["name"],
        "input_schema": function["parameters"],
        "type": "custom",
        "description": function["description"],
    }


def _conversation(messages: Iterator[Message]) -> Sequence[Message]:
    """The messages in turns of the user, who also brings the results of tools, and of the assistant."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        role = "assistant" if message["role"] == "assistant" else "user"
        blocks = list(_blocks(message))
        if not blocks:
            continue
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
    return turns


def _blocks(message: Message) -> Iterator[Block]:
    if message["role"] == "tool":
        result = {
            "type": "tool_result",
            "tool_use_id": _call_id(message["tool_call_id"]),
            "content": message["content"],
        }
        yield result | ({"cache_control": message["cache_control"]} if "cache_control" in message else {})
        return
    # A thought stands before the calls that it led to.
    yield from message.get("thinking_blocks") or ()
    yield from _texts(message["content"])
    for call in message.get("tool_calls") or ():
        function = call["function"]
        yield {
            "type": "tool_use",
            "id": _call_id(call["id"]),
            "name": function["name"],
            "input": json.loads(function["arguments"]),
        }


def _texts(content: str | Sequence[Block] | None) -> list[Block]:
    """The content as blocks of text, of which none may be only white space."""
    blocks: Sequence[Block] = [{"type": "text", "text": content or ""}]
    if content is not None and not isinstance(content, str):
        blocks = content
    return [block for block in blocks if block["text"].strip()]


def _call_id(call_id: str) -> str:
    """The id of a call as it may be here; another provider's is replaced by one that is its own."""
    if _CALL_ID.fullmatch(call_id):
        return call_id
    return f"call_{hashlib.sha256(call_id.encode(errors='replace')).hexdigest()[:32]}"


class _Reader:
    """Reads the events of one message."""

    def __init__(self) -> None:
        self._calls: set[Any] = set()
        self._used: dict[str, int] = {}

    def read(self, event: Mapping[str, Any]) -> Delta:
        """The delta of one event; one that says nothing new is empty."""
        kind = event.get("type")
        if kind == "content_block_delta":
            return self._of_delta(event.get("index"), event["delta"])
        if kind == "content_block_start":
            return self._of_block(event.get("index"), event["content_block"])
        if kind == "message_start":
            return Delta(usage=self._usage(event["message"].get("usage")))
        if kind == "message_delta":
            return Delta(
                finish_reason=meaning_of(event["delta"].get("stop_reason")), usage=self._usage(event.get("usage"))
            )
        return Delta()

    def _of_block(self, index: Any, block: Block) -> Delta:
        kind = block.get("type")
        if kind == "text":
            return Delta(text=text_of(block.get("text")))
        if kind == "tool_use":
            self._calls.add(index)
            given = block.get("input")
            arguments = json.dumps(given) if given else ""
            return Delta(calls=[CallPiece(index, text_of(block.get("id")), text_of(block.get("name")), arguments)])
        if kind == "redacted_thinking" or (kind == "thinking" and (block.get("thinking") or block.get("signature"))):
            return Delta(blocks=[block])
        return Delta()

    def _of_delta(self, index: Any, delta: Block) -> Delta:
        kind = delta.get("type")
        if kind == "text_delta":
            return Delta(text=text_of(delta.get("text")))
        # What a tool of the provider's own is given comes in such pieces, too.
        if kind == "input_json_delta" and index in self._calls:
            return Delta(calls=[CallPiece(index, "", "", text_of(delta.get("partial_json")))])
        if kind in ("thinking_delta", "signature_delta"):
            words, signature = text_of(delta.get("thinking")), text_of(delta.get("signature"))
            if words or signature:
                return Delta(blocks=[{"type": "thinking", "thinking": words, "signature": signature}])
        return Delta()

    def _usage(self, told: Mapping[str, Any] | None) -> Usage | None:
        """The usage so far. Each event tells some of it; input that was cached is not part of ``input_tokens``."""
        self._used |= {name: count for name, value in (told or {}).items() if (count := token_count(value))}
        if not self._used:
            return None
        read, written = (self._used.get(f"cache_{name}_input_tokens", 0) for name in ("read", "creation"))
        plain = self._used.get("input_tokens", 0)
        return Usage(plain + read + written, self._used.get("output_tokens", 0), read, written)
