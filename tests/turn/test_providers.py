"""The whole turn through the send function over the four providers' own streaming formats."""

import asyncio
import gc
import hashlib
import json
import logging
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from httpx_sse import aconnect_sse

from common.models import deadline
from common.models.completion import Providers
from common.warehouse.client import Warehouse
from tests.conftest import Cloud
from tests.fakes.wire_stub import KEY_HEADERS, Answer, Call, Received, WireStub, as_a_model, faulty, wire_stub
from tests.turn.conftest import Product, Serving
from tests.turn.providers import PROVIDERS, Customer, bring_keys

# litellm still reads pydantic's fields from instances.
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_.*fields' attribute:DeprecationWarning")
each_provider = pytest.mark.parametrize("provider", PROVIDERS)
WORDS = Answer("one two three four")


@dataclass
class Stage:
    """The function, the providers behind it, and the organisations before it."""

    product: Product
    stub: WireStub
    customers: list[Customer]

    def of(self, provider: str) -> Customer:
        return next(customer for customer in self.customers if customer.provider == provider)

    async def send(self, customer: Customer, message: str = "What did we spend?", **body: Any) -> httpx.Response:
        return await self.product.send(message, customer.headers, **body)

    async def stream(
        self, customer: Customer, message: str = "What did we spend?", **body: Any
    ) -> list[tuple[str, Any]]:
        request = {"message": message, **body}
        client = self.product.client
        async with aconnect_sse(client, "POST", "/stream", json=request, headers=customer.headers) as events:
            return [(event.event, json.loads(event.data)) async for event in events.aiter_sse()]


@pytest.fixture(scope="module")
def customers(cloud: Cloud) -> list[Customer]:
    return bring_keys(cloud)


@pytest.fixture
async def stage(customers: list[Customer], serving: Serving) -> AsyncIterator[Stage]:
    async def no_pause(_: float) -> None:
        return None

    async with wire_stub() as stub:
        model = Providers(stub.bases, pause=no_pause)
        product = await serving(model, user_messages_per_minute=100_000)
        stub.play(as_a_model)
        yield Stage(product, stub, customers)
        await model.close()


@each_provider
async def test_a_turn_routes_calls_a_tool_and_answers_in_a_stream(stage: Stage, provider: str) -> None:
    customer = stage.of(provider)
    events = await stage.stream(customer)
    names = [name for name, _ in events]
    assert names[-1] == "done"
    assert "".join(data["text"] for name, data in events if name == "token").endswith("You spent 42 dollars.")
    assert "token" in names
    done = events[-1][1]
    assert done["agent_name"] == "UsageAnalyst"
    assert done["usage"] == {"input_tokens": 21, "output_tokens": 9}
    _, answer = stage.product.messages(done["conversation_id"], customer.slug)
    assert json.loads(answer["tool_calls_json"])[0]["name"] == "top_consumers"
    assert len(stage.stub.received) == 3


@each_provider
async def test_the_key_is_in_its_header_and_nowhere_else(stage: Stage, provider: str) -> None:
    customer = stage.of(provider)
    assert (await stage.send(customer)).status_code == 200
    for request in stage.stub.received:
        assert request.provider == provider
        holders = {name for name, value in request.headers.items() if customer.key in value}
        assert holders == {KEY_HEADERS[provider]}
        assert customer.key not in request.path + json.dumps(dict(request.body))


async def test_a_hundred_turns_at_once_carry_their_own_organisations_keys(stage: Stage) -> None:
    def play(request: Received) -> Answer:
        return as_a_model(request, f"paid by {digest(request.key)}")

    # Warm, so that the wave is not taken for guesses at API keys.
    for customer in stage.customers:
        assert (await stage.send(customer)).status_code == httpx.codes.OK
    stage.stub.play(play)
    asking = [stage.send(customer, f"question {number}") for number in range(10) for customer in stage.customers]
    responses = await asyncio.gather(*asking)
    assert not [response.text for response in responses if response.status_code != httpx.codes.OK]
    for customer, response in zip(stage.customers * 10, responses, strict=True):
        assert response.json()["response"].endswith(f"paid by {digest(customer.key)}")
    assert len(stage.stub.received) == 300
    used = {(request.provider, request.key) for request in stage.stub.received}
    assert used == {(customer.provider, customer.key) for customer in stage.customers}


def digest(key: str) -> str:
    """What names a key without being one: answers are stored."""
    return hashlib.sha256(key.encode()).hexdigest()


ERRORS = [
    (Answer(status=401, error="bad key sk-planted-in-error"), 422, "key_invalid"),
    (Answer(status=403, error="sk-planted-in-error"), 422, "key_invalid"),
    (Answer(status=404, error="sk-planted-in-error"), 422, "model_not_found"),
    (Answer(status=429, headers={"retry-after": "77"}), 429, "rate_limited_by_provider"),
    (Answer(status=500, error="sk-planted-in-error"), 503, "provider_unavailable"),
    (Answer(status=529, error="sk-planted-in-error"), 503, "provider_unavailable"),
    (Answer(status=400, error="prompt is too long: sk-planted-in-error"), 422, "context_too_long"),
    (Answer(status=400, error="blocked by content policy sk-planted-in-error"), 422, "content_refused"),
    (Answer(status=400, error="sk-planted-in-error"), 502, "model_error"),
    (faulty(WORDS, "cut", 5), 503, "provider_unavailable"),
    (faulty(WORDS, "end", 5), 503, "provider_unavailable"),
    (faulty(WORDS, "malformed", 5), 503, "provider_unavailable"),
    (faulty(WORDS, "stall", 5), 504, "provider_timeout"),
    (Answer(fault="stall", after=0), 504, "provider_timeout"),
]


@each_provider
@pytest.mark.parametrize(("answer", "status", "code"), ERRORS)
async def test_every_error_has_its_code_a_stored_question_no_half_answer_and_a_next_turn_that_works(
    stage: Stage, provider: str, answer: Answer, status: int, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if answer.fault == "stall":
        for name in ("MODEL_FIRST_TOKEN_SECONDS", "MODEL_REASONING_SECONDS", "MODEL_BETWEEN_TOKENS_SECONDS"):
            monkeypatch.setattr(deadline, name, 0.7)
    customer = stage.of(provider)
    # Gemini says a word a frame from the first on, so that fewer frames are left to go wrong.
    if answer.after == 5 and provider == "gemini":
        answer = faulty(WORDS, answer.fault, 2)
    stage.stub.play([answer])
    message_id = uuid.uuid4().hex
    failed = await stage.send(customer, "first try", message_id=message_id)
    assert (failed.status_code, failed.json()["code"]) == (status, code)
    if code == "rate_limited_by_provider":
        assert failed.headers["retry-after"] == "77"
    entry = next(entry for name, entry in stage.product.outbox().items() if name.endswith(message_id))
    conversation_id = entry["row"]["conversation_id"]
    streamed = await stage.stream(customer, "second try", conversation_id=conversation_id)
    assert (streamed[-1][0], streamed[-1][1]["code"]) == ("error", code)
    assert "done" not in [name for name, _ in streamed]
    monkeypatch.undo()
    stage.stub.play(as_a_model)
    again = await stage.send(customer, "third try", conversation_id=conversation_id)
    assert again.status_code == 200, again.text
    assert again.json()["response"].endswith("You spent 42 dollars.")
    stored = stage.product.messages(conversation_id, customer.slug)
    assert [message["role"] for message in stored] == ["user", "user", "user", "assistant"]
    assert "planted" not in failed.text + json.dumps(streamed) + stage.product.logs.getvalue() + str(stored)


@each_provider
async def test_a_history_that_is_too_long_is_cut_to_its_newer_half_once(stage: Stage, provider: str) -> None:
    customer = stage.of(provider)
    conversation_id = (await stage.send(customer, "old question")).json()["conversation_id"]
    for number in range(2):
        await stage.send(customer, f"newer question {number}", conversation_id=conversation_id)
    too_long = Answer(status=400, error="prompt is too long: 210000 tokens > 200000 maximum")
    stage.stub.play([too_long, Answer("It fits now.")])
    answered = await stage.send(customer, "and today?", conversation_id=conversation_id)
    assert answered.json()["response"] == "It fits now."
    whole, half = (json.dumps(dict(request.body)) for request in stage.stub.received)
    assert "old question" in whole
    assert "old question" not in half
    for kept in ("newer question 1", "and today?"):
        assert kept in half
    stage.stub.play([too_long])
    refused = await stage.send(customer, "and now?", conversation_id=conversation_id)
    assert (refused.status_code, refused.json()["code"]) == (422, "context_too_long")
    assert len(stage.stub.received) == 2


@each_provider
async def test_a_planted_key_is_found_nowhere(
    stage: Stage,
    provider: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def failing(*_: object, **__: object) -> None:
        raise RuntimeError("boom sk-planted-in-chain") from ValueError("sk-planted-in-cause")

    caplog.set_level(logging.DEBUG)
    customer = stage.of(provider)
    seen: list[str] = []
    for script in (
        as_a_model,
        [Answer(status=401, error="sk-planted-in-error")],
        [Answer(status=500, error="sk-planted-in-error")],
    ):
        stage.stub.play(script)
        seen.append((await stage.send(customer)).text)
        seen.append(json.dumps(await stage.stream(customer)))
    stage.stub.play(as_a_model)
    monkeypatch.setattr(Warehouse, "run", failing)
    crashed = await stage.send(customer)
    monkeypatch.undo()
    # A tool that crashes is told to the model, and the turn goes on.
    assert crashed.status_code == 200
    assert '"error_class": "RuntimeError"' in stage.product.logs.getvalue()
    seen.append(crashed.text)
    documents = [f"{snapshot.reference.path} {snapshot.to_dict()}" for snapshot in all_documents(stage, customer)]
    assert len(documents) > 5
    places = {
        "responses": "\n".join(seen),
        "log": stage.product.logs.getvalue(),
        "libraries": caplog.text,
        "output": "".join(capfd.readouterr()),
        "documents": "\n".join(documents),
    }
    assert not [place for place, text in places.items() if "sk-planted" in text]


def all_documents(stage: Stage, customer: Customer) -> list[Any]:
    documents = stage.product.documents
    found = [documents.document(f"orgs/{customer.slug}").get(), *documents.collection("outbox").stream()]
    for conversation in documents.collection(f"orgs/{customer.slug}/conversations").stream():
        found += [conversation, *conversation.reference.collection("messages").stream()]
    return found


@each_provider
async def test_a_reader_that_leaves_closes_the_providers_stream(stage: Stage, provider: str) -> None:
    from common.agents.events import TextDelta
    from common.identity.authenticate import read_credentials
    from common.turn import SendRequest, open_turn

    customer = stage.of(provider)
    stage.stub.play([faulty(WORDS, "stall", 2 if provider == "gemini" else 5)])
    credentials = read_credentials({name.lower(): value for name, value in customer.headers.items()}, None)
    turn = await open_turn(stage.product.services.turns, credentials, SendRequest(message="a question"))
    batches = turn.batches()
    async for batch in batches:
        if any(isinstance(event, TextDelta) for event in batch):
            break
    await batches.aclose()
    await asyncio.wait_for(stage.stub.received[0].disconnected.wait(), 60)
    await turn.ended()


@each_provider
async def test_two_tools_of_one_step_go_there_and_back(stage: Stage, provider: str) -> None:
    groups = ("provider", "service")

    def play(request: Received) -> Answer:
        planned = as_a_model(request)
        if planned.calls and planned.calls[0].name == "top_consumers":
            return Answer(
                calls=tuple(Call("top_consumers", json.dumps({"dimension": each}), f"id_{each}") for each in groups)
            )
        return planned

    stage.stub.play(play)
    customer = stage.of(provider)
    body = (await stage.send(customer)).json()
    _, answer = stage.product.messages(body["conversation_id"], customer.slug)
    assert [call["name"] for call in json.loads(answer["tool_calls_json"])] == ["top_consumers"] * 2


# What an earlier test still holds may be let go of in that moment; what a turn leaves is found each time.
TRIES = range(3)


@contextmanager
def garbage() -> Iterator[list[str]]:
    """Collect the product's own kinds of objects that are let go of inside, and only a search finds."""
    found: list[str] = []
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield found
        gc.collect()
        kinds = [type(each) for each in gc.garbage]
        found += [f"{kind.__module__}.{kind.__name__}" for kind in kinds if kind.__module__.startswith("common.")]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


@each_provider
async def test_a_turn_that_is_over_leaves_nothing_to_a_search_for_garbage(stage: Stage, provider: str) -> None:
    customer = stage.of(provider)
    # What is made once, as a cache is, comes with the first.
    await stage.stream(customer)
    for _ in TRIES:
        with garbage() as found:
            names = [name for name, _ in await stage.stream(customer)]
        assert names[-1] == "done"
        if not found:
            break
    assert found == []


@each_provider
@pytest.mark.parametrize("status", [401, 500])
async def test_a_turn_that_failed_leaves_nothing_either(stage: Stage, provider: str, status: int) -> None:
    customer = stage.of(provider)
    stage.stub.play([Answer(status=status, error="no")])
    await stage.stream(customer)
    for _ in TRIES:
        with garbage() as found:
            assert (await stage.send(customer)).status_code in (422, 503)
            assert (await stage.stream(customer))[-1][0] == "error"
        if not found:
            break
    assert found == []
