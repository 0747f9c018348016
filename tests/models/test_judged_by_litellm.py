"""Our wires beside litellm's: the same answer from the same stream, and the same request for the same call."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from common.models.catalog import models_of
from common.models.completion import Message, Reply, Usage
from common.skills.loading import load_skills
from tests.fakes.wire_stub import Answer, candidates
from tests.models.conftest import QUESTION, THREE, TOOL, Wire, a_call
from tests.models.streams import STREAMS, sse

# litellm still reads pydantic's fields from instances.
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_.*fields' attribute:DeprecationWarning")
CASES = [(provider, name) for provider, streams in STREAMS.items() for name in streams]


@pytest.mark.parametrize(("provider", "name"), CASES, ids=lambda value: value.replace(" ", "-"))
async def test_a_stream_says_the_same_as_through_litellm(wire: Wire, provider: str, name: str) -> None:
    wire.play([Answer(frames=STREAMS[provider][name])])
    ours, theirs = [await wire.ask(a_call(way)) for way in (provider, f"{provider}-litellm")]
    assert "".join(ours[0]).strip() == "".join(theirs[0]).strip()
    assert comparable(ours[1]) == comparable(theirs[1])


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 60
    assert all(len(streams) >= 12 for streams in STREAMS.values())


def comparable(reply: Reply) -> dict[str, Any]:
    """The reply without the ids of calls, which are made anew where a provider has none."""
    calls = [(call.name, arguments_of(call.arguments)) for call in reply.tool_calls]
    said = {"text": reply.text, "calls": calls, "finish": reply.finish_reason, "usage": reply.usage}
    thoughts = (reply.thoughts or {}).get("thinking_blocks")
    return said | {"thinking_blocks": thoughts, "estimated": reply.usage_is_estimated}


def arguments_of(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _asked(*calls: tuple[str, str]) -> list[Mapping[str, Any]]:
    return [
        {"id": call_id, "type": "function", "function": {"name": "query_costs", "arguments": arguments}}
        for call_id, arguments in calls
    ]


CALLED = _asked(("c1", '{"group_by": "team"}'), ("c2", '{"group_by": "te'))
RESULTS: list[Message] = [
    {"role": "tool", "tool_call_id": "c1", "content": '{"total": 42}'},
    {"role": "tool", "tool_call_id": "c2", "content": "no JSON at all"},
]
HISTORIES: dict[str, list[Message]] = {
    "a question": QUESTION,
    "a conversation": [
        *QUESTION, {"role": "assistant", "content": "42 dollars."}, {"role": "user", "content": "And AWS alone?"},
    ],
    "two questions": [*QUESTION, {"role": "user", "content": "Please."}],
    "results": [*QUESTION, {"role": "assistant", "content": None, "tool_calls": CALLED}, *RESULTS],
    "words beside calls": [*QUESTION, {"role": "assistant", "content": "Let me see.", "tool_calls": CALLED}, *RESULTS],
    "a question after results": [
        *QUESTION, {"role": "assistant", "content": None, "tool_calls": CALLED}, *RESULTS,
        {"role": "user", "content": "Answer now."},
    ],
    "two steps": [
        *QUESTION, {"role": "assistant", "content": None, "tool_calls": CALLED}, *RESULTS,
        {"role": "assistant", "content": None, "tool_calls": _asked(("c3", "{}"))},
        {"role": "tool", "tool_call_id": "c3", "content": "[1, 2]"},
    ],
}  # fmt: skip


@pytest.mark.parametrize("history", HISTORIES)
@pytest.mark.parametrize("may_call_tools", [True, False])
@pytest.mark.parametrize("provider", ["anthropic", "gemini"])
async def test_a_call_is_written_as_litellm_writes_it(
    wire: Wire, provider: str, may_call_tools: bool, history: str
) -> None:
    wire.play([THREE])
    for way in (provider, f"{provider}-litellm"):
        await wire.ask(a_call(way, messages=HISTORIES[history], may_call_tools=may_call_tools))
    ours, theirs = wire.stub.received
    assert ours.path == theirs.path
    assert written(ours.body) == written(theirs.body)
    # Neither has a header that the provider does not need.
    assert ours.headers.keys() - theirs.headers.keys() == set()


@pytest.mark.parametrize(
    ("provider", "model_id"),
    [(name, offer.model_id) for name in ("anthropic", "gemini") for offer in models_of(name, deployed=True)],
)
async def test_every_listed_model_is_asked_as_litellm_asks_it(wire: Wire, provider: str, model_id: str) -> None:
    wire.play([THREE])
    for way in (provider, f"{provider}-litellm"):
        await wire.ask(a_call(way, model_id, temperature=0.3))
    ours, theirs = (written(request.body) for request in wire.stub.received)
    if model_id in ("gemini-2.0-flash", "gemini-1.5-pro", "gemini-1.5-flash"):
        # litellm says the system's words as the user's here; Gemini takes them as what they are.
        theirs["system_instruction"] = {"parts": [theirs["contents"][0]["parts"].pop(0)]}
    if provider == "gemini" and a_call(provider, model_id).model.max_temperature is None:
        # litellm says the model's own default; we leave it to the model.
        assert theirs["generationConfig"].pop("temperature") == 1.0
    assert ours == theirs


async def test_anthropic_gets_every_tool_of_the_product_as_litellm_writes_it(wire: Wire) -> None:
    wire.play([THREE])
    tools = [tool.schema() for tool in load_skills().registry.tools]
    for way in ("anthropic", "anthropic-litellm"):
        await wire.ask(a_call(way, tools=tools))
    ours, theirs = wire.stub.received
    assert len(ours.body["tools"]) == len(tools)
    assert ours.body["tools"] == theirs.body["tools"]


async def test_gemini_gets_every_tool_of_the_product_with_its_whole_schema(wire: Wire) -> None:
    wire.play([THREE])
    tools = [tool.schema()["function"] for tool in load_skills().registry.tools]
    await wire.ask(a_call("gemini", tools=[{"type": "function", "function": tool} for tool in tools]))
    (declared,) = wire.stub.received[0].body["tools"]
    assert declared["function_declarations"] == [
        {"name": tool["name"], "description": tool["description"], "parametersJsonSchema": tool["parameters"]}
        for tool in tools
    ]


def written(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body with one name for a tool's schema: litellm makes OpenAPI's form of it, which says the same of this."""
    found: dict[str, Any] = json.loads(json.dumps(body).replace('"parametersJsonSchema"', '"parameters"'))
    return found


async def test_ids_that_another_provider_made_are_ids_that_anthropic_takes(wire: Wire) -> None:
    odd = "call:1/2+3="
    history: list[Message] = [
        *QUESTION,
        {"role": "assistant", "content": None, "tool_calls": _asked((odd, "{}"), ("fine_1", "{}"))},
        {"role": "tool", "tool_call_id": odd, "content": "{}"},
        {"role": "tool", "tool_call_id": "fine_1", "content": "{}"},
    ]
    wire.play([THREE])
    await wire.ask(a_call("anthropic", messages=history))
    _, asked, told = wire.stub.received[0].body["messages"]
    ids = [block["id"] for block in asked["content"]]
    assert ids == [block["tool_use_id"] for block in told["content"]]
    assert ids[1] == "fine_1"
    assert ids[0].replace("_", "").isalnum()


async def test_words_of_white_space_alone_are_not_sent(wire: Wire) -> None:
    history: list[Message] = [
        *QUESTION, {"role": "assistant", "content": " \n"}, {"role": "user", "content": "Still there?"},
    ]  # fmt: skip
    wire.play([THREE])
    for provider in ("anthropic", "gemini"):
        await wire.ask(a_call(provider, messages=history))
    claude, gemini = wire.stub.received
    assert [len(each["content"]) for each in claude.body["messages"]] == [2]
    assert [len(each["parts"]) for each in gemini.body["contents"]] == [2]


@pytest.mark.parametrize(("model_id", "expected"), [("gemini-3.8-flash", True), ("gemini-2.5-flash", False)])
async def test_a_call_that_gemini_did_not_sign_has_the_signature_that_stands_for_none(
    wire: Wire, model_id: str, expected: bool
) -> None:
    wire.play([THREE])
    await wire.ask(a_call("gemini", model_id, messages=HISTORIES["results"]))
    _, asked, told = wire.stub.received[0].body["contents"]
    assert ["thoughtSignature" in part for part in asked["parts"]] == [expected, False]
    # There, calls are told apart by their ids too.
    assert ["id" in part["function_response"] for part in told["parts"]] == [expected, expected]


async def test_a_call_of_gemini_without_arguments_has_none(wire: Wire) -> None:
    call = {"functionCall": {"name": "query_costs"}}
    wire.play([Answer(frames=candidates({"content": {"role": "model", "parts": [call]}, "finishReason": "STOP"}))])
    _, reply = await wire.ask(a_call("gemini"))
    assert [(each.name, each.arguments) for each in reply.tool_calls] == [("query_costs", "{}")]


async def test_what_anthropic_counts_later_is_what_counts(wire: Wire) -> None:
    counts: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"usage": {"input_tokens": 25, "output_tokens": 1}}},
        {"type": "message_delta", "delta": {"stop_reason": None}, "usage": {"output_tokens": 4, "input_tokens": None}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "Hi"}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 15}},
        {"type": "message_stop"},
    ]
    wire.play([Answer(frames=sse(*counts))])
    _, reply = await wire.ask(a_call("anthropic"))
    assert (reply.text, reply.usage) == ("Hi", Usage(25, 15))


async def test_a_tool_is_offered_by_the_same_object_every_time(wire: Wire) -> None:
    before = json.dumps(TOOL)
    wire.play([THREE])
    for provider in ("anthropic", "gemini"):
        await wire.ask(a_call(provider))
    assert json.dumps(TOOL) == before
