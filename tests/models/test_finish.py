"""How an answer ends, in the words of each provider, and what is tried once more."""

import asyncio
import json
from typing import Any

import pytest

from common import limits
from common.errors import ContentRefused, ProviderTimeout, ProviderUnavailable
from common.models import deadline
from common.models.call import FinishReason
from common.models.completion import Message, Usage
from common.models.finish_reasons import meaning_of
from tests.fakes.provider_rules import SIGNATURE
from tests.fakes.wire_stub import Answer, Call, anthropic_blocks, candidates, chunks
from tests.models.conftest import QUESTION, THREE, Wire, a_call, each_provider, refused

# litellm still reads pydantic's fields from instances.
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_.*fields' attribute:DeprecationWarning")
LENGTH = {"anthropic": "max_tokens", "gemini": "MAX_TOKENS"}
PLAIN = {"anthropic": "end_turn", "gemini": "STOP"}
ASKED = {"id": "c1", "type": "function", "function": {"name": "query_costs", "arguments": "{}"}}
WITH_RESULT: list[Message] = [
    *QUESTION,
    {"role": "assistant", "content": None, "tool_calls": [ASKED]},
    {"role": "tool", "tool_call_id": "c1", "content": '{"total": 42}'},
]


@each_provider
@pytest.mark.parametrize(("words", "reason"), [(LENGTH, "length"), (PLAIN, "stop")])
async def test_a_cut_answer_is_told_from_a_whole_one(
    wire: Wire, provider: str, words: dict[str, str], reason: FinishReason
) -> None:
    wire.play([Answer("one two three", finish=words.get(provider, reason))])
    _, reply = await wire.ask(a_call(provider))
    assert (reply.text, reply.finish_reason) == ("one two three", reason)


@each_provider
async def test_an_answer_whose_thoughts_used_up_the_limit_is_empty_and_says_length(wire: Wire, provider: str) -> None:
    wire.play([Answer(reasoning="hmm, let me think", finish=LENGTH.get(provider, "length"))])
    pieces, reply = await wire.ask(a_call(provider))
    assert (pieces, reply.text, reply.finish_reason, reply.is_empty) == ([], "", "length", True)
    assert len(wire.stub.received) == 1


async def test_an_answer_that_fills_claudes_window_is_cut(wire: Wire) -> None:
    wire.play([Answer("Half of", finish="model_context_window_exceeded")])
    _, reply = await wire.ask(a_call("anthropic"))
    assert (reply.text, reply.finish_reason) == ("Half of", "length")


@pytest.mark.parametrize("provider", ["openai", "deepseek"])
async def test_a_refusal_in_a_stream_is_the_answers_text(wire: Wire, provider: str) -> None:
    words = ({"role": "assistant", "content": None, "refusal": ""}, {"refusal": "I cannot "}, {"refusal": "help."})
    wire.play([Answer(frames=chunks(*words))])
    pieces, reply = await wire.ask(a_call(provider))
    assert ("".join(pieces), reply.text, reply.finish_reason) == ("I cannot help.", "I cannot help.", "refused")


async def test_a_refusal_of_a_whole_answer_is_the_answers_text(wire: Wire) -> None:
    message = {"role": "assistant", "content": None, "refusal": "I cannot help."}
    wire.play([Answer(whole={"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})])
    _, reply = await wire.ask(a_call("openai"))
    assert (reply.text, reply.finish_reason) == ("I cannot help.", "refused")


@pytest.mark.parametrize("reason", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "MALFORMED_RESPONSE"])
async def test_a_tool_call_that_gemini_could_not_write_is_tried_once_more(wire: Wire, reason: str) -> None:
    wire.play([Answer(frames=candidates({"finishReason": reason})), THREE])
    pieces, reply = await wire.ask(a_call("gemini"))
    assert ("".join(pieces), reply.finish_reason) == ("one two three", "stop")
    assert len(wire.stub.received) == 2
    # Both attempts are paid for.
    assert reply.usage.input_tokens > Usage(7, 3).input_tokens


@pytest.mark.parametrize("reason", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL"])
async def test_one_that_stays_malformed_is_an_empty_reply_after_two_attempts(wire: Wire, reason: str) -> None:
    wire.play([Answer(frames=candidates({"finishReason": reason}))])
    _, reply = await wire.ask(a_call("gemini"))
    assert (reply.is_empty, reply.finish_reason, len(wire.stub.received)) == (True, "malformed", 2)


async def test_a_malformed_call_after_words_is_not_tried_again_since_they_are_read_already(wire: Wire) -> None:
    words = {"content": {"role": "model", "parts": [{"text": "Let me see."}]}}
    wire.play([Answer(frames=candidates(words, {"finishReason": "MALFORMED_FUNCTION_CALL"}))])
    _, reply = await wire.ask(a_call("gemini"))
    assert (reply.text, reply.finish_reason, len(wire.stub.received)) == ("Let me see.", "malformed", 1)


@pytest.mark.parametrize("content", [{}, {"content": {"role": "model", "parts": []}}])
async def test_silence_of_gemini_after_a_tool_result_is_tried_once_more(wire: Wire, content: dict[str, object]) -> None:
    wire.play([Answer(frames=candidates({**content, "finishReason": "STOP"})), THREE])
    _, reply = await wire.ask(a_call("gemini", messages=WITH_RESULT))
    assert (reply.text, len(wire.stub.received)) == ("one two three", 2)
    wire.play([Answer(frames=candidates({**content, "finishReason": "STOP"})), THREE])
    _, reply = await wire.ask(a_call("gemini"))
    assert (reply.is_empty, len(wire.stub.received)) == (True, 1)


async def test_a_provider_that_ran_out_of_resources_is_unavailable(wire: Wire) -> None:
    wire.play([Answer("one two", finish="insufficient_system_resource")])
    assert type(await refused(wire, "deepseek")) is ProviderUnavailable
    wire.play([Answer(finish="insufficient_system_resource"), THREE])
    _, reply = await wire.ask(a_call("deepseek"))
    assert reply.text == "one two three"


@pytest.mark.parametrize("reason", ["SAFETY", "RECITATION", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII"])
async def test_what_gemini_filters_is_refused_content(wire: Wire, reason: str) -> None:
    wire.play([Answer(frames=candidates({"finishReason": reason}))])
    assert type(await refused(wire, "gemini")) is ContentRefused


def test_a_word_that_nobody_knows_is_a_plain_end_and_none_is_none() -> None:
    assert (meaning_of("because"), meaning_of(""), meaning_of(None), meaning_of(3)) == ("stop", None, None, None)


@each_provider
async def test_pings_are_life_however_long_the_model_thinks(
    wire: Wire, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MODEL_FIRST_TOKEN_SECONDS", "MODEL_REASONING_SECONDS"):
        monkeypatch.setattr(deadline, name, 4.0)
    monkeypatch.setattr(deadline, "MODEL_BETWEEN_TOKENS_SECONDS", 4.0)
    wire.play([Answer("thought through", reasoning="hmm", pings=10, ping_seconds=0.5)])
    async with asyncio.timeout(120):
        _, reply = await wire.ask(a_call(provider))
    assert reply.text == "thought through"


@each_provider
async def test_pings_that_never_end_are_cut_at_the_calls_total(
    wire: Wire, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MODEL_TOTAL_SECONDS", 1.0)
    wire.play([Answer("late", pings=10_000, ping_seconds=0.1)])
    assert type(await refused(wire, provider)) is ProviderTimeout


async def test_claudes_thoughts_are_kept_as_they_were_signed(wire: Wire) -> None:
    wire.play([Answer(calls=(Call("query_costs", "{}"),), reasoning="I should look it up")])
    _, reply = await wire.ask(a_call("anthropic", "claude-opus-5-5"))
    assert reply.thoughts is not None
    (block,) = reply.thoughts["thinking_blocks"]
    assert block == {"type": "thinking", "thinking": "I should look it up", "signature": block["signature"]}
    assert "look it up" not in reply.text + repr(reply)


async def test_thoughts_without_words_and_hidden_ones_go_back_as_they_came(wire: Wire) -> None:
    blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]] = [
        ({"type": "thinking", "thinking": "", "signature": ""}, [{"type": "signature_delta", "signature": SIGNATURE}]),
        ({"type": "redacted_thinking", "data": "c2VjcmV0"}, []),
        ({"type": "tool_use", "id": "t1", "name": "query_costs", "input": {}}, []),
    ]
    wire.play([Answer(frames=tuple(anthropic_blocks(blocks, "tool_use"))), THREE])
    _, reply = await wire.ask(a_call("anthropic", "claude-opus-5-5"))
    assert [call.arguments for call in reply.tool_calls] == ["{}"]
    assert reply.thoughts is not None
    asked = {"id": "t1", "type": "function", "function": {"name": "query_costs", "arguments": "{}"}}
    history: list[Message] = [
        *QUESTION,
        {"role": "assistant", "content": None, "tool_calls": [asked], "thoughts": reply.thoughts},
        {"role": "tool", "tool_call_id": "t1", "content": "{}"},
    ]
    await wire.ask(a_call("anthropic", "claude-opus-5-5", messages=history))
    sent = wire.stub.received[-1].body["messages"][1]["content"]
    assert sent[:2] == [
        {"type": "thinking", "thinking": "", "signature": SIGNATURE},
        {"type": "redacted_thinking", "data": "c2VjcmV0"},
    ]


@each_provider
async def test_thoughts_of_another_model_are_not_sent(wire: Wire, provider: str) -> None:
    thoughts = {"model": "other/model", "reasoning_content": "secret-a", "thinking_blocks": [{"type": "secret-b"}]}
    history = [dict(message) for message in WITH_RESULT]
    history[2]["thoughts"] = thoughts
    wire.play([THREE])
    await wire.ask(a_call(provider, messages=history))
    assert "secret" not in json.dumps(dict(wire.stub.received[0].body))
