"""One model call over the four providers' own streaming formats."""

import asyncio
import gc
import json
import logging
import os
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from common.errors import (
    KeyInvalid,
    ModelError,
    ServiceError,
)
from common.models.catalog import models_of
from common.models.completion import Reply, ToolCall, Usage
from tests.fakes.wire_stub import KEY_HEADERS, Answer, Call, faulty
from tests.models.conftest import FIRST, PROVIDERS, QUESTION, THREE, Wire, a_call, each_provider, refused

# litellm still reads pydantic's fields from instances.
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_.*fields' attribute:DeprecationWarning")


@each_provider
async def test_text_comes_piece_by_piece_and_the_reply_adds_it_up(wire: Wire, provider: str) -> None:
    pace = asyncio.Semaphore(FIRST[provider] + 1)
    wire.play([replace(THREE, pace=pace)])
    *pieces, reply = [piece async for piece in paced(wire, provider, pace)]
    assert pieces == ["one ", "two ", "three"]
    assert reply == Reply("one two three", (), Usage(7, 3), "stop")


async def paced(wire: Wire, provider: str, pace: asyncio.Semaphore) -> AsyncIterator[str | Reply]:
    """What the model says; it says the next word when the one before has come, and its end after the third."""
    words = 0
    async for piece in wire.llm.stream(a_call(provider)):
        yield piece
        words += 1
        for _ in range(1 if words < 3 else 20):
            pace.release()


@each_provider
async def test_words_that_arrive_together_leave_together(wire: Wire, provider: str) -> None:
    words = Answer(" ".join(f"word{number}" for number in range(200)))
    wire.play([words])
    pieces, reply = await wire.ask(a_call(provider))
    assert "".join(pieces) == reply.text == words.text
    if a_call(provider).model.wire != "litellm":
        assert len(pieces) < 100


@each_provider
async def test_the_key_is_in_its_header_and_nowhere_else(wire: Wire, provider: str) -> None:
    wire.play([THREE])
    await wire.ask(a_call(provider, key="sk-only-here"))
    (request,) = wire.stub.received
    holders = {name for name, value in request.headers.items() if "sk-only-here" in value}
    assert holders == {KEY_HEADERS[request.provider]}
    assert "sk-only-here" not in request.path + json.dumps(dict(request.body))
    assert not [name for name, value in os.environ.items() if "sk-only-here" in value]


@each_provider
async def test_a_turn_with_a_tool_goes_there_and_back(wire: Wire, provider: str) -> None:
    wire.play([Answer(calls=(Call("query_costs", '{"group_by": "provider"}', "call_7"),)), Answer("42 dollars")])
    _, asked = await wire.ask(a_call(provider))
    (call,) = asked.tool_calls
    assert (call.name, json.loads(call.arguments)) == ("query_costs", {"group_by": "provider"})
    assert asked.finish_reason == "tool_calls"
    function = {"name": call.name, "arguments": call.arguments}
    history = [
        *QUESTION,
        {"role": "assistant", "content": None,
         "tool_calls": [{"id": call.call_id, "type": "function", "function": function}]},
        {"role": "tool", "tool_call_id": call.call_id, "content": '{"total": 42}'},
    ]  # fmt: skip
    pieces, _ = await wire.ask(a_call(provider, messages=history))
    assert "".join(pieces) == "42 dollars"
    body = json.dumps(dict(wire.stub.received[1].body))
    assert "query_costs" in body
    assert "42" in body


@each_provider
async def test_parallel_calls_are_told_apart(wire: Wire, provider: str) -> None:
    groups = ["provider", "service_name", "region_of_the_world"]
    asked = tuple(Call("query_costs", json.dumps({"group_by": group}), f"id_{group}") for group in groups)
    wire.play([Answer("Let me see.", asked)])
    pieces, reply = await wire.ask(a_call(provider))
    assert "".join(pieces) == "Let me see."
    assert [json.loads(call.arguments)["group_by"] for call in reply.tool_calls] == groups
    assert len({call.call_id for call in reply.tool_calls}) == 3


async def test_calls_without_ids_get_ids_that_no_other_step_has(wire: Wire) -> None:
    wire.play([Answer(calls=(Call("query_costs", "{}", ""),))])
    ids = set()
    for provider in ("openai", "gemini", "deepseek"):
        for _ in range(2):
            _, reply = await wire.ask(a_call(provider))
            ids |= {call.call_id for call in reply.tool_calls}
    assert len(ids) == 6
    assert "" not in ids


@pytest.mark.parametrize("provider", ["openai", "anthropic", "deepseek"])
async def test_arguments_that_break_off_are_passed_on_as_written_and_sent_back_as_none(
    wire: Wire, provider: str
) -> None:
    wire.play([Answer(calls=(Call("query_costs", '{"group_by": "prov', "call_1"),)), THREE])
    _, reply = await wire.ask(a_call(provider))
    assert reply.tool_calls == (ToolCall("call_1", "query_costs", '{"group_by": "prov'),)
    function = {"name": "query_costs", "arguments": reply.tool_calls[0].arguments}
    history = [
        *QUESTION,
        {"role": "assistant", "content": None,
         "tool_calls": [{"id": "call_1", "type": "function", "function": function}]},
        {"role": "tool", "tool_call_id": "call_1", "content": '{"error": "invalid_arguments"}'},
    ]  # fmt: skip
    pieces, _ = await wire.ask(a_call(provider, messages=history))
    assert pieces
    assert '"prov' not in json.dumps(dict(wire.stub.received[1].body))


@each_provider
async def test_what_a_model_thinks_is_not_part_of_its_answer(wire: Wire, provider: str) -> None:
    wire.play([Answer("42 dollars", reasoning="the user wants a number")])
    pieces, reply = await wire.ask(a_call(provider))
    assert ("".join(pieces), reply.text) == ("42 dollars", "42 dollars")


@each_provider
async def test_a_stream_without_usage_is_an_answer(wire: Wire, provider: str) -> None:
    wire.play([Answer("42", usage=None)])
    _, reply = await wire.ask(a_call(provider, messages=[{"role": "user", "content": "word " * 1000}]))
    assert reply.text == "42"
    # Estimated, so that bounds on tokens hold.
    assert reply.usage.input_tokens >= 1000


@pytest.mark.parametrize(
    ("provider", "model_id"),
    [(provider, offer.model_id) for provider in PROVIDERS for offer in models_of(provider, deployed=True)],
)
async def test_every_listed_model_is_asked_as_it_wants_to_be(wire: Wire, provider: str, model_id: str) -> None:
    wire.play([THREE])
    call = a_call(provider, model_id, temperature=1.7, max_tokens=1_000_000)
    pieces, _ = await wire.ask(call)
    assert "".join(pieces) == "one two three"
    (request,) = wire.stub.received
    api_name = call.model.litellm_name.split("/", 1)[1]
    body = dict(request.body)
    if provider == "gemini":
        assert f"/models/{api_name}:streamGenerateContent" in request.path
        body |= body["generationConfig"]
        assert body["max_output_tokens"] == call.model.max_output
    else:
        assert body["model"] == api_name
        sent = {name for name in ("max_tokens", "max_completion_tokens") if name in body}
        assert sent == {call.model.output_limit}
        assert body[call.model.output_limit] == call.model.max_output
    wanted = None if call.model.max_temperature is None else min(1.7, call.model.max_temperature)
    assert body.get("temperature") == wanted


@each_provider
async def test_a_model_that_is_not_listed_works(wire: Wire, provider: str) -> None:
    wire.play([THREE])
    pieces, _ = await wire.ask(a_call(provider, "a-model-of-tomorrow"))
    assert "".join(pieces) == "one two three"


@pytest.mark.parametrize("key", ["", " \n", "sk-é", "sk-a\nb", "sk-\x00"])
async def test_a_key_that_no_header_can_hold_is_invalid_and_never_sent(
    wire: Wire, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    wire.play([THREE])
    if key.strip() or not key:
        assert type(await refused(wire, "openai", key=key)) is KeyInvalid
        assert not wire.stub.received


async def test_a_redirect_takes_the_key_nowhere(wire: Wire) -> None:
    for provider in PROVIDERS:
        wire.play([Answer(status=307, headers={"location": f"{wire.stub.url}/openai/elsewhere"})])
        assert isinstance(await refused(wire, provider), ModelError)
        assert len(wire.stub.received) == 1


async def test_calls_at_the_same_time_keep_their_keys_apart(wire: Wire) -> None:
    wire.play(lambda request: Answer(f"for {request.key}"))
    calls = [a_call(provider, key=f"sk-{provider}-{number}") for provider in PROVIDERS for number in range(10)]
    answers = await asyncio.gather(*(wire.ask(call) for call in calls))
    assert [reply.text for _, reply in answers] == [f"for {call.key.reveal()}" for call in calls]


async def test_nothing_is_left_behind_by_many_calls(wire: Wire) -> None:
    wire.play([THREE])

    async def round_of_calls() -> None:
        await asyncio.gather(*(wire.ask(a_call(provider, key="sk-left-behind")) for provider in PROVIDERS * 3))

    await round_of_calls()
    async with asyncio.timeout(100):
        while lingering():  # noqa: ASYNC110  litellm's own short tasks
            await asyncio.sleep(0.01)
    gc.collect()
    import litellm

    assert not [key for key in litellm.in_memory_llm_clients_cache.cache_dict if "sk-left-behind" in str(key)]
    dicts = [each for each in gc.get_objects() if isinstance(each, dict)]
    held = [each for each in dicts if any("sk-left-behind" in value for value in each.values() if type(value) is str)]
    assert not held


def lingering() -> list[str]:
    """The tasks of litellm that are under way."""
    names = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
    return [name for name in names if "dispatch" in name or "Logging" in name or "cache" in name]


@each_provider
@pytest.mark.parametrize(
    "answer",
    [
        THREE,
        Answer(status=401, error="bad sk-planted-in-error"),
        Answer(status=500, error="sk-planted-in-error"),
        faulty(replace(THREE, error="sk-planted-in-error"), "error", 2),
    ],
)
async def test_nothing_of_a_call_is_logged_or_printed_at_any_level(
    wire: Wire, provider: str, answer: Answer, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    wire.play([answer])
    caplog.set_level(logging.DEBUG)
    logging.getLogger().setLevel(logging.DEBUG)
    try:
        await wire.ask(a_call(provider, key="sk-planted-as-key"))
    except ServiceError:
        assert answer is not THREE
    written = caplog.text + "".join(capfd.readouterr())
    assert "sk-planted" not in written
    assert "What did we spend?" not in written


ANSWERS = [
    Answer("42 dollars", reasoning="the user wants a number"),
    Answer("Let me see.", tuple(Call("query_costs", json.dumps({"group_by": each}), f"id_{each}") for each in "abc")),
    Answer(calls=(Call("query_costs", "{}", "call_1"),)),
    Answer("cut short", finish="length"),
]


@pytest.mark.parametrize("answer", ANSWERS, ids=["text", "calls", "call alone", "length"])
@pytest.mark.parametrize("provider", ["openai-litellm", "deepseek-litellm"])
async def test_the_providers_own_stream_says_what_litellms_wrapper_says(
    wire: Wire, provider: str, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire.play([answer])
    beneath = await wire.ask(a_call(provider))
    monkeypatch.setattr("common.models.wires.litellm._KNOWN_STREAMS", frozenset())
    wrapped = await wire.ask(a_call(provider))
    assert "".join(beneath[0]) == "".join(wrapped[0])
    assert comparable(beneath[1]) == comparable(wrapped[1])


@pytest.mark.parametrize("answer", ANSWERS, ids=["text", "calls", "call alone", "length"])
@pytest.mark.parametrize("provider", ["openai", "deepseek"])
async def test_a_provider_that_is_read_directly_says_what_it_says_through_litellm(
    wire: Wire, provider: str, answer: Answer
) -> None:
    wire.play([answer])
    _, direct = await wire.ask(a_call(provider))
    _, through = await wire.ask(a_call(f"{provider}-litellm"))
    assert comparable(direct) == comparable(through)


def comparable(reply: Reply) -> Reply:
    """The reply without ids, which are made anew where a provider says none."""
    return replace(reply, tool_calls=tuple(replace(call, call_id="") for call in reply.tool_calls))


@pytest.mark.parametrize(
    ("provider", "model_id"),
    [(name, offer.model_id) for name in ("openai", "deepseek") for offer in models_of(name, deployed=True)],
)
async def test_a_provider_that_is_read_directly_is_sent_what_litellm_sends(
    wire: Wire, provider: str, model_id: str
) -> None:
    wire.play([THREE])
    for way in (provider, f"{provider}-litellm"):
        await wire.ask(a_call(way, model_id))
    direct, through = (dict(request.body) for request in wire.stub.received)
    if model_id in ("o3", "o3-mini", "o4-mini"):
        # litellm says the system's words as the user's here; OpenAI takes them as what they are.
        assert [message.pop("role") for message in through["messages"]] == ["user", "user"]
        assert [message.pop("role") for message in direct["messages"]] == ["system", "user"]
    assert direct == through
