"""The further providers, most of them through litellm, at the address that the place in a model's name says."""

import asyncio
import json
from contextlib import aclosing

import pytest

from common import limits
from common.errors import (
    ContextTooLong,
    KeyInvalid,
    ModelError,
    ModelNotFound,
    ProviderRateLimited,
    ProviderUnavailable,
    ServiceError,
    SetupRequired,
)
from common.models.catalog import form_of, lists, models_of, resolve
from common.models.completion import Message, Reply, Usage
from common.organizations.key_check import KeyCheck
from common.secret import Secret
from tests.fakes.further_formats import FURTHER, FURTHER_KEY_HEADERS
from tests.fakes.wire_stub import Answer, Call, faulty
from tests.models.conftest import QUESTION, THREE, Wire, a_call, refused

# litellm still reads pydantic's fields from instances.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Accessing the 'model_.*fields' attribute:DeprecationWarning"),
    # botocore's and litellm's own uses of what is deprecated.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:botocore.*"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:litellm.*"),
]
KEY = "sk-test-0123456789-abcdef"
each_further = pytest.mark.parametrize("provider", sorted(FURTHER))
ASKED = {"id": "call_1", "type": "function", "function": {"name": "query_costs", "arguments": '{"group_by": "team"}'}}
WITH_RESULT: list[Message] = [
    *QUESTION,
    {"role": "assistant", "content": None, "tool_calls": [ASKED]},
    {"role": "tool", "tool_call_id": "call_1", "content": '{"total": 42}'},
]


@each_further
async def test_text_comes_with_its_usage_and_end(wire: Wire, provider: str) -> None:
    wire.play([THREE])
    pieces, reply = await wire.ask(a_call(provider))
    assert "".join(pieces) == "one two three"
    assert reply == Reply("one two three", (), Usage(7, 3), "stop")


@each_further
async def test_the_key_is_in_its_header_and_nowhere_else(wire: Wire, provider: str) -> None:
    wire.play([THREE])
    await wire.ask(a_call(provider, key="sk-only-here-0123456789"))
    (request,) = wire.stub.received
    holders = {name for name, value in request.headers.items() if "sk-only-here" in value}
    assert holders == {FURTHER_KEY_HEADERS.get(provider, "authorization")}
    assert "sk-only-here" not in request.path + json.dumps(dict(request.body))
    # It went over the shared sockets, which alone ask for this.
    assert request.headers["accept-encoding"] == "identity"


@each_further
async def test_parallel_calls_go_there_and_back(wire: Wire, provider: str) -> None:
    groups = ["provider", "service_name"]
    calls = tuple(Call("query_costs", json.dumps({"group_by": group}), f"id_{group}") for group in groups)
    wire.play([Answer("Let me see.", calls), THREE])
    pieces, reply = await wire.ask(a_call(provider))
    assert "".join(pieces).strip() == "Let me see."
    assert [json.loads(call.arguments)["group_by"] for call in reply.tool_calls] == groups
    assert reply.finish_reason == "tool_calls"
    functions = [
        {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in reply.tool_calls
    ]
    history: list[Message] = [
        *QUESTION,
        {"role": "assistant", "content": "Let me see.", "tool_calls": functions},
        *({"role": "tool", "tool_call_id": each["id"], "content": '{"total": 42}'} for each in functions),
    ]
    _, answer = await wire.ask(a_call(provider, messages=history))
    assert (answer.text, wire.stub.refused) == ("one two three", [])
    assert json.dumps(dict(wire.stub.received[1].body)).count("total") >= 2


@each_further
async def test_the_last_call_of_a_turn_may_call_nothing(wire: Wire, provider: str) -> None:
    wire.play([THREE])
    call = a_call(provider, messages=[*WITH_RESULT, {"role": "user", "content": "Answer now."}], may_call_tools=False)
    _, reply = await wire.ask(call)
    assert (reply.text, wire.stub.refused) == ("one two three", [])


@each_further
async def test_an_answer_that_is_cut_says_so(wire: Wire, provider: str) -> None:
    wire.play([Answer("Half of", finish="MAX_TOKENS" if provider == "vertex_ai" else "length")])
    _, reply = await wire.ask(a_call(provider))
    assert (reply.text, reply.finish_reason) == ("Half of", "length")


@each_further
async def test_a_stream_without_usage_is_an_answer(wire: Wire, provider: str) -> None:
    wire.play([Answer("42", usage=None)])
    _, reply = await wire.ask(a_call(provider))
    assert (reply.text, reply.usage.total_tokens > 0) == ("42", True)
    # litellm counts by itself what Bedrock does not say.
    assert reply.usage_is_estimated is (provider != "bedrock")


@each_further
@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        (401, "bad key sk-planted", KeyInvalid),
        (403, "The security token included in the request is invalid.", KeyInvalid),
        (404, "no such model", ModelNotFound),
        (400, "something else", ModelError),
        (400, "Input is too long for requested model.", ContextTooLong),
    ],
)
async def test_a_refusal_has_its_code_and_is_asked_once(
    wire: Wire, provider: str, status: int, error: str, expected: type[ServiceError]
) -> None:
    wire.play([Answer(status=status, error=error), THREE])
    failure = await refused(wire, provider)
    assert type(failure) is expected
    assert len(wire.stub.received) == 1
    assert error not in f"{failure!r} {failure.detail}"
    assert (failure.__cause__, failure.__context__) == (None, None)


@each_further
@pytest.mark.parametrize(("status", "expected"), [(429, ProviderRateLimited), (503, ProviderUnavailable)])
async def test_a_limit_or_an_outage_is_tried_again_and_then_a_code(
    wire: Wire, provider: str, status: int, expected: type[ServiceError]
) -> None:
    wire.play([Answer(status=status), THREE])
    _, reply = await wire.ask(a_call(provider))
    assert reply.text == "one two three"
    wire.play([Answer(status=status)])
    assert type(await refused(wire, provider)) is expected


@each_further
@pytest.mark.parametrize("fault", ["cut", "end", "error"])
async def test_a_stream_that_breaks_off_after_words_is_an_error_that_has_begun(
    wire: Wire, provider: str, fault: str
) -> None:
    wire.play([faulty(THREE, fault, 2 if provider == "vertex_ai" else 3)])
    failure = await refused(wire, provider)
    assert isinstance(failure, ProviderUnavailable)
    assert failure.__context__ is None
    assert len(wire.stub.received) == 1


@each_further
async def test_whoever_stops_reading_closes_the_providers_stream(wire: Wire, provider: str) -> None:
    wire.play([faulty(THREE, "stall", 2 if provider == "vertex_ai" else 4)])
    async with aclosing(wire.llm.stream(a_call(provider))) as pieces:
        async for _ in pieces:
            break
    await asyncio.wait_for(wire.stub.received[0].disconnected.wait(), 60)


@each_further
async def test_text_without_end_is_cut(wire: Wire, provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MODEL_REPLY_CHARS", 20)
    wire.play([Answer("word " * 100)])
    pieces, reply = await wire.ask(a_call(provider))
    assert (len("".join(pieces)), reply.finish_reason) == (20, "length")


@each_further
async def test_a_redirect_takes_the_key_nowhere(wire: Wire, provider: str) -> None:
    wire.play([Answer(status=307, headers={"location": f"{wire.stub.url}/openai/elsewhere"})])
    assert isinstance(await refused(wire, provider), ModelError)
    assert len(wire.stub.received) == 1


async def test_calls_of_all_of_them_at_once_keep_their_keys_apart(wire: Wire) -> None:
    wire.play(lambda request: Answer(f"for {request.key}"))
    calls = [a_call(provider, key=f"{KEY}-{provider}-{number}") for provider in sorted(FURTHER) for number in range(3)]
    answers = await asyncio.gather(*(wire.ask(call) for call in calls))
    assert [reply.text for _, reply in answers] == [f"for {call.key.reveal()}" for call in calls]


async def test_the_path_names_what_the_settings_named(wire: Wire) -> None:
    wire.play([THREE])
    await wire.ask(a_call("azure"))
    await wire.ask(a_call("azure", "acme-costs/gpt-prod@2025-04-01-preview"))
    await wire.ask(a_call("bedrock"))
    await wire.ask(a_call("cohere"))
    azure, preview, bedrock, cohere = (request.path for request in wire.stub.received)
    assert azure == "/azure/openai/deployments/gpt-prod/chat/completions?api-version=2024-10-21"
    assert preview == "/azure/openai/deployments/gpt-prod/chat/completions?api-version=2025-04-01-preview"
    assert bedrock == "/bedrock/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream"
    assert cohere == "/cohere/compatibility/v1/chat/completions"


@pytest.mark.parametrize(
    ("provider", "model_id", "api_base"),
    [
        ("azure", "acme-costs/gpt-prod", "https://acme-costs.openai.azure.com"),
        ("azure_openai", "acme/o3@2025-04-01-preview", "https://acme.openai.azure.com"),
        ("bedrock", "eu-central-1/us.amazon.nova-pro-v1:0", "https://bedrock-runtime.eu-central-1.amazonaws.com"),
        ("bedrock", "us-gov-west-1/us.amazon.nova-pro-v1:0", "https://bedrock-runtime.us-gov-west-1.amazonaws.com"),
        (
            "vertex_ai",
            "acme-costs/europe-west4/gemini-2.5-pro",
            "https://europe-west4-aiplatform.googleapis.com/v1/projects/acme-costs/locations/europe-west4/publishers/google",
        ),
        (
            "vertex",
            "acme-costs/global/gemini-3.8-flash",
            "https://aiplatform.googleapis.com/v1/projects/acme-costs/locations/global/publishers/google",
        ),
        ("mistral", "mistral-large-latest", "https://api.mistral.ai/v1"),
        ("cohere", "command-a-03-2025", "https://api.cohere.ai/compatibility/v1"),
        ("groq", "openai/gpt-oss-120b", "https://api.groq.com/openai/v1"),
        ("openrouter", "anthropic/claude-sonnet-4.5", "https://openrouter.ai/api/v1"),
    ],
)
def test_the_host_is_the_catalogues_with_the_place_that_the_model_names(
    provider: str, model_id: str, api_base: str
) -> None:
    assert resolve(provider, model_id, deployed=True).api_base == api_base


@pytest.mark.parametrize(
    ("provider", "model_id"),
    [
        ("azure", "gpt-4o"),
        ("azure", "evil.example/gpt-4o"),
        ("azure", "evil.example#/gpt-4o"),
        ("azure", "evil.example:443/gpt-4o"),
        ("azure", "user@evil/gpt-4o"),
        ("azure", "-acme/gpt-4o"),
        ("azure", "acme-/gpt-4o"),
        ("azure", "ACME/gpt-4o"),
        ("azure", "a" * 65 + "/gpt-4o"),
        ("azure", "acme/gpt-4o/more"),
        ("azure", "acme/gpt-4o@latest"),
        ("azure", "acme/gpt-4o@2025-04-01&x=1"),
        ("azure", "acme/../gpt-4o"),
        ("azure", "{resource}/gpt-4o"),
        ("bedrock", "us.amazon.nova-pro-v1:0"),
        ("bedrock", "us-east-1.evil.example/us.amazon.nova-pro-v1:0"),
        ("bedrock", "us-east-1/agent/ABC"),
        ("bedrock", "us-east-1/invoke/model"),
        ("bedrock", "us-east-1/nova:0:kb"),
        ("bedrock", "localhost/us.amazon.nova-pro-v1:0"),
        ("vertex_ai", "gemini-2.5-pro"),
        ("vertex_ai", "acme-costs/gemini-2.5-pro"),
        ("vertex_ai", "acme-costs/evil.example/gemini-2.5-pro"),
        ("vertex_ai", "acme-costs/us-central1/../x"),
        ("vertex_ai", "acme.costs/us-central1/gemini-2.5-pro"),
        ("vertex_ai", "acme-costs/us-central1/gemini-2.5-pro:countTokens"),
        ("mistral", "vendor/model"),
        ("cohere", "v1/command"),
    ],
)
def test_a_name_that_would_lead_elsewhere_is_no_models(provider: str, model_id: str) -> None:
    with pytest.raises(SetupRequired):
        resolve(provider, model_id, deployed=True)
    assert not lists(provider, model_id)


@pytest.mark.parametrize(
    ("provider", "key"),
    [("bedrock", "AKIAIOSFODNN7EXAMPLE"), ("vertex_ai", '{"type":"service_account","project_id":"acme-costs"}')],
)
async def test_a_key_of_another_kind_is_refused_with_what_is_wanted_and_never_sent(
    wire: Wire, provider: str, key: str
) -> None:
    wire.play([THREE])
    with pytest.raises(KeyInvalid, match=r"takes an? "):
        await KeyCheck(wire.llm).check(a_call(provider).model, Secret(key))
    assert wire.stub.received == []


@each_further
async def test_a_key_is_checked_by_a_call_with_a_tool(wire: Wire, provider: str) -> None:
    wire.play([Answer(calls=(Call("ready", "{}"),))])
    assert await KeyCheck(wire.llm).check(a_call(provider).model, Secret("ABSK-a-key-0123456789-0123456789")) is True


def test_a_place_is_part_of_a_name_and_of_what_is_listed() -> None:
    assert (form_of("azure"), form_of("vertex_ai")) == ("{resource}/{model}", "{project}/{location}/{model}")
    assert (form_of("openai"), form_of("nobody")) == (None, None)
    assert all(offer.model_id.startswith("{region}/") for offer in models_of("bedrock", deployed=True))
    assert lists("bedrock", "eu-west-1/us.amazon.nova-pro-v1:0")
    assert not lists("azure", "acme/gpt-4o")
