"""The streaming format of Bedrock, in its binary frames, and where each further provider is on the stub."""

import json
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.fakes.wire_stub import Answer

Body = Mapping[str, Any]
# How Bedrock calls what is no stream of server-sent events.
KINDS = {"bedrock": "application/vnd.amazon.eventstream"}
# What each provider's API is based on below the stub's address, its key's header, and a model of it.
FURTHER_BASES = {
    "azure": "/azure",
    "bedrock": "/bedrock",
    "cohere": "/cohere/compatibility/v1",
    "groq": "/groq/openai/v1",
    "mistral": "/mistral/v1",
    "openrouter": "/openrouter/api/v1",
    "vertex_ai": "/vertex_ai/v1/projects/acme-costs/locations/global/publishers/google",
}
FURTHER_KEY_HEADERS = {"azure": "api-key", "vertex_ai": "x-goog-api-key"}
FURTHER = {
    "azure": "acme-costs/gpt-prod",
    "bedrock": "us-east-1/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "cohere": "command-a-03-2025",
    "groq": "openai/gpt-oss-120b",
    "mistral": "mistral-large-latest",
    "openrouter": "anthropic/claude-sonnet-4.5",
    "vertex_ai": "acme-costs/global/gemini-2.5-flash",
}
_PIECE = 9


def bedrock(answer: "Answer", _: Body) -> Iterator[bytes]:
    """ConverseStream: a block for the text and one for each tool call."""
    yield event_frame("messageStart", {"role": "assistant"})
    blocks: list[tuple[Body | None, list[Body]]] = []
    if answer.text:
        blocks.append((None, [{"text": word} for word in re.findall(r"\s*\S+\s*", answer.text)]))
    for call in answer.calls:
        pieces: list[Body] = [{"toolUse": {"input": piece}} for piece in _pieces(call.arguments)]
        blocks.append(({"toolUse": {"toolUseId": call.call_id, "name": call.name}}, pieces))
    for index, (start, deltas) in enumerate(blocks):
        if start is not None:
            yield event_frame("contentBlockStart", {"start": start, "contentBlockIndex": index})
        for delta in deltas:
            yield event_frame("contentBlockDelta", {"delta": delta, "contentBlockIndex": index})
        yield event_frame("contentBlockStop", {"contentBlockIndex": index})
    words = {"length": "max_tokens", "": "tool_use" if answer.calls else "end_turn"}
    yield event_frame("messageStop", {"stopReason": words.get(answer.finish, answer.finish)})
    if answer.usage is not None:
        said, heard = answer.usage[1], answer.usage[0]
        usage = {"inputTokens": heard, "outputTokens": said, "totalTokens": heard + said}
        yield event_frame("metadata", {"usage": usage, "metrics": {"latencyMs": 1}})


def event_frame(kind: str, payload: Body, *, of: str = "event") -> bytes:
    """One frame of Amazon's event stream; as ``exception`` it is an error inside the stream."""
    headers = {f":{of}-type": kind, ":content-type": "application/json", ":message-type": of}
    encoded = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value)) + value.encode()
        for name, value in headers.items()
    )
    body = json.dumps(payload).encode()
    prelude = struct.pack("!II", 16 + len(encoded) + len(body), len(encoded))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + encoded + body
    return message + struct.pack("!I", zlib.crc32(message))


def _pieces(text: str) -> list[str]:
    return [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)]
