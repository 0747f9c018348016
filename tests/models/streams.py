"""Streams of each format as the providers record them in their documentation, and odd ones, to judge the wires by."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.fakes.provider_rules import SIGNATURE
from tests.fakes.wire_stub import anthropic_blocks, chunks

Body = Mapping[str, Any]
_ARGUMENTS = ('{"group', '_by": "pro', 'vider"}')


def sse(*events: Body) -> tuple[bytes, ...]:
    """The events as frames, as Gemini sends them."""
    return tuple(f"data: {json.dumps(event)}\n\n".encode() for event in events)


def named(*events: Body) -> tuple[bytes, ...]:
    """The events as frames with their names, as Anthropic sends them."""
    return tuple(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)


def _text(*words: str) -> tuple[Body, list[Body]]:
    return {"type": "text", "text": ""}, [{"type": "text_delta", "text": word} for word in words]


def _thinking(*words: str) -> tuple[Body, list[Body]]:
    deltas: list[Body] = [{"type": "thinking_delta", "thinking": word} for word in words]
    return {"type": "thinking", "thinking": "", "signature": ""}, [
        *deltas,
        {"type": "signature_delta", "signature": SIGNATURE},
    ]


def _use(name: str, *pieces: str, call_id: str = "toolu_1") -> tuple[Body, list[Body]]:
    start = {"type": "tool_use", "id": call_id, "name": name, "input": {}}
    return start, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]


def _message(
    *blocks: tuple[Body, Sequence[Body]], reason: str = "end_turn", usage: Body | None = None, output: int | None = 9
) -> tuple[bytes, ...]:
    told = {"input_tokens": 11, "output_tokens": 1} if usage is None else usage
    return tuple(anthropic_blocks(blocks, reason, told, output))


_CACHED = {
    "input_tokens": 3, "cache_creation_input_tokens": 20, "cache_read_input_tokens": 100, "output_tokens": 2,
    "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 0},
    "service_tier": "standard", "inference_geo": "global",
}  # fmt: skip
_START: Body = {
    "type": "message_start",
    "message": {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": [], "stop_reason": None,
        "stop_sequence": None, "usage": {"input_tokens": 25, "output_tokens": 1},
    },
}  # fmt: skip
_SEARCH: tuple[Body, list[Body]] = (
    {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
    [],
)

ANTHROPIC: Mapping[str, tuple[bytes, ...]] = {
    "words": _message(_text("one ", "two ", "three")),
    "two blocks of text": _message(_text("one "), _text("two")),
    "text at the start of its block": _message(
        ({"type": "text", "text": "Hi "}, [{"type": "text_delta", "text": "you"}])
    ),
    "a call": _message(_use("query_costs", *_ARGUMENTS), reason="tool_use"),
    "words and a call": _message(_text("Let me see."), _use("query_costs", *_ARGUMENTS), reason="tool_use"),
    "parallel calls": _message(
        _use("query_costs", *_ARGUMENTS), _use("query_costs", '{"group_by": "team"}', call_id="toolu_2"),
        reason="tool_use",
    ),
    "a call without arguments": _message(_use("query_costs"), reason="tool_use"),
    "a call with an empty piece": _message(_use("query_costs", "", *_ARGUMENTS), reason="tool_use"),
    "a call that breaks off": _message(_use("query_costs", '{"group_by": "pro'), reason="max_tokens"),
    "thoughts and words": _message(_thinking("the user ", "wants a number"), _text("42 dollars")),
    "thoughts and a call": _message(_thinking("look it up"), _use("query_costs", *_ARGUMENTS), reason="tool_use"),
    "thoughts without words": _message(_thinking(), _use("query_costs", *_ARGUMENTS), reason="tool_use"),
    "hidden thoughts": _message(
        ({"type": "redacted_thinking", "data": "c2VjcmV0"}, []), _use("query_costs", *_ARGUMENTS), reason="tool_use"
    ),
    "two thoughts": _message(_thinking("a"), _thinking("b"), _use("query_costs", *_ARGUMENTS), reason="tool_use"),
    "thoughts alone": _message(_thinking("hmm"), reason="max_tokens"),
    "nothing": _message(),
    "cut": _message(_text("Half of"), reason="max_tokens"),
    "a full window": _message(_text("Half of"), reason="model_context_window_exceeded"),
    "a stop sequence": _message(_text("Stopped"), reason="stop_sequence"),
    "a pause": _message(_text("Working on it"), reason="pause_turn"),
    "a cached prompt": _message(_text("ok"), usage=_CACHED),
    "usage at the end": (
        *named(_START, {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        *named({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}}),
        *named({"type": "content_block_stop", "index": 0}),
        *named(
            {
                "type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                "usage": {
                    "input_tokens": 25, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 7,
                    "output_tokens": 15,
                },
            },
            {"type": "message_stop"},
        ),
    ),
    "pings in between": tuple(
        frame for each in _message(_text("one ", "two")) for frame in (*named({"type": "ping"}), each)
    ),
    "an event of tomorrow": (
        *_message(_text("fine"))[:-1], *named({"type": "message_note", "note": "x"}, {"type": "message_stop"})
    ),
    "a result of the provider's own tool": _message(_SEARCH, _text("found")),
    "signs beyond ASCII": _message(_text("Größe ", "\U0001f600 ", "費用")),
    "lines that end with CR LF": tuple(frame.replace(b"\n", b"\r\n") for frame in _message(_text("one ", "two"))),
}  # fmt: skip


def _candidate(*parts: Body, finish: str | None = None, **more: Any) -> Body:
    candidate: dict[str, Any] = {"index": 0, "content": {"role": "model", "parts": list(parts)}}
    return {"candidates": [candidate | ({"finishReason": finish} if finish else {})], "modelVersion": "m", **more}


def _used(prompt: int, said: int, **more: int) -> Body:
    total = more.pop(
        "total", prompt + said + sum(value for name, value in more.items() if name == "thoughtsTokenCount")
    )
    return {"promptTokenCount": prompt, "candidatesTokenCount": said, "totalTokenCount": total, **more}


def _called(group: str, **more: Any) -> Body:
    return {"functionCall": {"name": "query_costs", "args": {"group_by": group}, **more}}


_USED = {"usageMetadata": _used(12, 5)}
_SIGNED = {"thoughtSignature": SIGNATURE}

GEMINI: Mapping[str, tuple[bytes, ...]] = {
    "words": sse(_candidate({"text": "one "}), _candidate({"text": "two"}), _candidate(finish="STOP", **_USED)),
    "words in the last event": sse(_candidate({"text": "one "}, {"text": "two"}, finish="STOP", **_USED)),
    "a call": sse(_candidate(_called("provider"), finish="STOP", **_USED)),
    "words and a call": sse(_candidate({"text": "Let me see."}), _candidate(_called("team"), finish="STOP", **_USED)),
    "parallel calls": sse(_candidate(_called("a"), _called("b"), finish="STOP", **_USED)),
    "calls in two events": sse(_candidate(_called("a")), _candidate(_called("b")), _candidate(finish="STOP", **_USED)),
    "the same call twice": sse(_candidate(_called("a"), _called("a"), finish="STOP", **_USED)),
    "a call with an id": sse(_candidate(_called("a", id="fc-77"), finish="STOP", **_USED)),
    "a call with an empty object": sse(
        _candidate({"functionCall": {"name": "query_costs", "args": {}}}, finish="STOP", **_USED)
    ),
    "a signed call": sse(_candidate({**_called("a"), **_SIGNED}, _called("b"), finish="STOP", **_USED)),
    "thoughts": sse(
        _candidate({"text": "hmm, ", "thought": True}, {"text": "a number", "thought": True}),
        _candidate({"text": "42", **_SIGNED}, finish="STOP", usageMetadata=_used(12, 2, thoughtsTokenCount=30)),
    ),
    "thoughts within the output's count": sse(
        _candidate({"text": "42"}, finish="STOP", usageMetadata=_used(12, 32, thoughtsTokenCount=30, total=44)),
    ),
    "thoughts alone": sse(
        _candidate(finish="MAX_TOKENS", usageMetadata={"promptTokenCount": 4, "thoughtsTokenCount": 90,
                                                       "totalTokenCount": 94})
    ),
    "usage that grows": sse(
        _candidate({"text": "one "}, usageMetadata=_used(12, 1)),
        _candidate({"text": "two"}, finish="STOP", usageMetadata=_used(12, 2)),
    ),
    "usage after the end": sse(_candidate({"text": "one"}, finish="STOP"), {"usageMetadata": _used(12, 2)}),
    "a cached prompt": sse(
        _candidate({"text": "ok"}, finish="STOP", usageMetadata=_used(100, 2, cachedContentTokenCount=80))
    ),
    "tokens of a tool's use": sse(
        _candidate({"text": "ok"}, finish="STOP", usageMetadata=_used(100, 2, toolUsePromptTokenCount=7, total=109))
    ),
    "cut": sse(_candidate({"text": "Half of"}, finish="MAX_TOKENS", **_USED)),
    "no parts": sse({"candidates": [{"index": 0, "content": {"role": "model"}, "finishReason": "STOP"}], **_USED}),
    "no content": sse({"candidates": [{"index": 0, "finishReason": "STOP"}], **_USED}),
    "an empty text at the end": sse(_candidate({"text": "one"}), _candidate({"text": ""}, finish="STOP", **_USED)),
    "ratings of safety": sse(
        _candidate({"text": "fine"}, finish="STOP", **_USED),
        {"candidates": [{"safetyRatings": [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "NEGLIGIBLE"}]}]},
    ),
    "signs beyond ASCII": sse(
        _candidate({"text": "Größe "}), _candidate({"text": "\U0001f600 費用"}, finish="STOP", **_USED)
    ),
    "arguments beyond ASCII": sse(_candidate(_called("Größe \U0001f600"), finish="STOP", **_USED)),
    "lines that end with CR LF": tuple(
        frame.replace(b"\n", b"\r\n") for frame in sse(_candidate({"text": "one "}), _candidate(finish="STOP", **_USED))
    ),
}  # fmt: skip


def _asked(*calls: Body) -> Body:
    return {"tool_calls": list(calls)}


def _function(index: int, call_id: str | None, name: str | None, arguments: str) -> Body:
    function = {"arguments": arguments} | ({"name": name} if name else {})
    return {"index": index, "function": function} | ({"id": call_id, "type": "function"} if call_id else {})


def _counted(*frames: bytes, **more: Any) -> tuple[bytes, ...]:
    usage = {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17, **more}
    envelope = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return (*frames[:-1], *sse({**envelope, "choices": [], "usage": usage}), frames[-1])


OPENAI: Mapping[str, tuple[bytes, ...]] = {
    "words": _counted(*chunks({"role": "assistant", "content": ""}, {"content": "one "}, {"content": "two"})),
    "a call": _counted(
        *chunks(
            _asked(_function(0, "call_1", "query_costs", "")),
            *(_asked(_function(0, None, None, each)) for each in _ARGUMENTS),
            finish="tool_calls",
        )
    ),
    "parallel calls": _counted(
        *chunks(
            _asked(_function(0, "call_1", "query_costs", ""), _function(1, "call_2", "query_costs", "")),
            _asked(_function(1, None, None, '{"group_by": "b"}')),
            _asked(_function(0, None, None, '{"group_by": "a"}')),
            finish="tool_calls",
        )
    ),
    "words and a call": _counted(
        *chunks({"content": "Let me see."}, _asked(_function(0, "call_1", "query_costs", "{}")), finish="tool_calls")
    ),
    "a call that ends with stop": _counted(*chunks(_asked(_function(0, "call_1", "query_costs", "{}")))),
    "thoughts": _counted(*chunks({"reasoning_content": "hmm"}, {"content": "42"})),
    "cut": _counted(*chunks({"content": "Half of"}, finish="length")),
    "nothing": _counted(*chunks({"role": "assistant", "content": ""})),
    "a cached prompt": _counted(*chunks({"content": "ok"}), prompt_tokens_details={"cached_tokens": 8}),
    "reasoning tokens": _counted(*chunks({"content": "ok"}), completion_tokens_details={"reasoning_tokens": 3}),
    "a comment before": (b": keep-alive\n\n", *_counted(*chunks({"content": "fine"}))),
    "lines that end with CR LF": tuple(
        frame.replace(b"\n", b"\r\n") for frame in _counted(*chunks({"content": "one "}, {"content": "two"}))
    ),
}  # fmt: skip

STREAMS: Mapping[str, Mapping[str, tuple[bytes, ...]]] = {"anthropic": ANTHROPIC, "gemini": GEMINI, "openai": OPENAI}
