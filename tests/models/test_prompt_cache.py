"""What a provider's prompt cache can use of a call: a prefix that it has seen, and marks where it wants them."""

import json
from typing import Any

import pytest

from tests.fakes.wire_stub import Answer, Received
from tests.models.conftest import QUESTION, TOOL, Wire, a_call

ASKED = {"id": "c1", "type": "function", "function": {"name": "query_costs", "arguments": "{}"}}
EXCHANGE: list[dict[str, Any]] = [
    {"role": "assistant", "content": None, "tool_calls": [ASKED]},
    {"role": "tool", "tool_call_id": "c1", "content": '{"total": 42}'},
]
LATER = [*QUESTION, {"role": "assistant", "content": "42 dollars."}, {"role": "user", "content": "And AWS alone?"}]


def prefix_of(request: Received) -> str:
    """Tools, system and messages as the provider reads them, one after the other, without the marks."""
    body = request.body
    system = body.get("system") or body.get("system_instruction") or body.get("systemInstruction")
    parts = [body.get("tools"), system, *(body.get("messages") or body["contents"])]
    return "".join(json.dumps(unmarked(part)) for part in parts)


def unmarked(part: Any) -> Any:
    if isinstance(part, dict):
        return {name: unmarked(value) for name, value in part.items() if name != "cache_control"}
    return [unmarked(each) for each in part] if isinstance(part, list) else part


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini", "deepseek", "openai-litellm"])
async def test_the_whole_of_a_call_is_the_beginning_of_the_next_one_of_a_turn_and_of_the_next_turn(
    wire: Wire, provider: str
) -> None:
    wire.play([Answer("ok")])
    for messages in (QUESTION, [*QUESTION, *EXCHANGE], LATER):
        await wire.ask(a_call(provider, messages=messages))
    first, next_call, next_turn = (prefix_of(request) for request in wire.stub.received)
    assert next_call.startswith(first)
    assert next_turn.startswith(first)


async def test_anthropic_is_told_to_cache_the_system_with_its_tools_and_everything_so_far(wire: Wire) -> None:
    wire.play([Answer("ok")])
    for messages in (QUESTION, [*QUESTION, *EXCHANGE]):
        await wire.ask(a_call("anthropic", messages=messages))
    for request in wire.stub.received:
        assert request.body["system"][-1]["cache_control"] == {"type": "ephemeral"}
        assert request.body["messages"][-1]["content"][-1]["cache_control"] == {"type": "ephemeral"}
        assert json.dumps(dict(request.body)).count("cache_control") == 2


@pytest.mark.parametrize("provider", ["openai", "gemini", "deepseek"])
async def test_nobody_else_is_sent_marks(wire: Wire, provider: str) -> None:
    wire.play([Answer("ok")])
    await wire.ask(a_call(provider))
    assert "cache_control" not in json.dumps(dict(wire.stub.received[0].body))


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini", "deepseek", "openai-litellm"])
async def test_a_call_leaves_the_tools_that_everybody_shares_as_they_are(wire: Wire, provider: str) -> None:
    wire.play([Answer("ok")])
    before = json.dumps(TOOL)
    await wire.ask(a_call(provider))
    assert json.dumps(TOOL) == before


CACHED: dict[str, dict[str, Any]] = {
    "openai": {"prompt_tokens_details": {"cached_tokens": 5}},
    "deepseek": {"prompt_cache_hit_tokens": 5},
    "anthropic": {"cache_read_input_tokens": 5},
    "gemini": {"cachedContentTokenCount": 5},
}


WRITTEN: dict[str, dict[str, Any]] = {
    "openai": {"prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 4}},
    "anthropic": {"cache_creation_input_tokens": 4},
}


@pytest.mark.parametrize("provider", sorted(WRITTEN))
async def test_tokens_that_were_written_to_the_cache_are_told_apart(wire: Wire, provider: str) -> None:
    wire.play([Answer("ok", usage_details=WRITTEN[provider])])
    _, reply = await wire.ask(a_call(provider))
    assert reply.usage.cache_write_tokens == 4


@pytest.mark.parametrize("provider", sorted(CACHED))
async def test_tokens_that_were_cached_are_told_apart(wire: Wire, provider: str) -> None:
    wire.play([Answer("ok", usage_details=CACHED[provider])])
    _, reply = await wire.ask(a_call(provider))
    assert reply.usage.cached_tokens == 5
