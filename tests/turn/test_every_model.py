"""Every listed model answers a question with two tools, over a stub that refuses what the model's API refuses."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from httpx_sse import aconnect_sse

from common.models.catalog import Offer, models_of, resolve
from common.models.completion import Providers
from tests.conftest import Cloud
from tests.fakes.provider_rules import SIGNATURE
from tests.fakes.wire_stub import Answer, Call, Received, WireStub, result_count, tools_of, wire_stub
from tests.turn.conftest import ACME, Product, Serving
from tests.turn.providers import PROVIDERS, Customer, bring_keys

# litellm still reads pydantic's fields from instances.
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_.*fields' attribute:DeprecationWarning")
OFFERS = [offer for provider in PROVIDERS for offer in models_of(provider, deployed=True)]
WITH_TOOLS = [offer for offer in OFFERS if resolve(offer.provider, offer.model_id, deployed=True).tools]
WITHOUT_TOOLS = [offer for offer in OFFERS if offer not in WITH_TOOLS]
each_model = pytest.mark.parametrize("offer", WITH_TOOLS, ids=lambda offer: offer.model_id)
STEPS = ("top_consumers", "genai_usage")


def two_tools(request: Received) -> Answer:
    """A model that thinks before every step: it hands over, calls one tool, then another, and answers."""
    done = result_count(request)
    if done == len(STEPS):
        return Answer("You spent 42 dollars.", reasoning="all is known")
    if STEPS[0] not in tools_of(request):
        transfer = Call("transfer_to_agent", json.dumps({"agent_name": "UsageAnalyst"}), "call_transfer")
        return Answer(calls=(transfer,), reasoning="an analyst is needed")
    arguments = [{"dimension": "provider"}, {"group_by": "provider"}][done]
    return Answer(calls=(Call(STEPS[done], json.dumps(arguments), f"call_{done}"),), reasoning=f"step {done} of two")


@dataclass
class Models:
    """The product over the stub, whose one organisation may choose any model."""

    product: Product
    stub: WireStub
    customers: list[Customer]

    def choose(self, offer: Offer) -> Customer:
        """Let the organisation of the model's provider use the model from now on."""
        customer = next(each for each in self.customers if each.provider == offer.provider)
        copy = self.product.documents.document(f"orgs/{customer.slug}")
        copy.update({"settings.model_id": offer.model_id})
        return customer


@pytest.fixture(scope="module")
def customers(cloud: Cloud) -> list[Customer]:
    return bring_keys(cloud, len(PROVIDERS))


@pytest.fixture
async def models(customers: list[Customer], serving: Serving) -> AsyncIterator[Models]:
    async with wire_stub() as stub:
        llm = Providers(stub.bases)
        product = await serving(llm, user_messages_per_minute=100_000, cache_ttl_seconds=3600)
        stub.play([Answer("Ready.")])
        for customer in customers:
            # The first turn leaves the organisation's copy, in which a test then changes the model.
            if product.documents.document(f"orgs/{customer.slug}").get().exists:
                continue
            assert (await product.send("hi", customer.headers)).status_code == 200
        stub.play(two_tools)
        yield Models(product, stub, customers)
        # The next one to ask reads the settings that the organisations really have.
        for customer in customers:
            product.documents.document(f"orgs/{customer.slug}").delete()
        await llm.close()


@each_model
async def test_a_two_tool_turn_of_every_listed_model_answers_in_one_piece_and_in_a_stream(
    models: Models, offer: Offer
) -> None:
    customer = models.choose(offer)
    answered = await models.product.send("What did we spend?", customer.headers)
    assert (models.stub.refused, answered.status_code) == ([], 200), answered.text
    assert answered.json()["response"] == "You spent 42 dollars."
    assert (answered.json()["model_id"], answered.json()["finish"]) == (offer.model_id, "stop")
    body = {"message": "What did we spend?"}
    async with aconnect_sse(
        models.product.client, "POST", "/stream", json=body, headers=ACME | customer.headers
    ) as source:
        events = [(event.event, json.loads(event.data)) async for event in source.aiter_sse()]
    assert models.stub.refused == []
    assert [data["name"] for name, data in events if name == "tool" and data["status"] == "finished"] == list(STEPS)
    assert "".join(data["text"] for name, data in events if name == "token") == "You spent 42 dollars."
    assert (events[-1][0], events[-1][1]["finish"]) == ("done", "stop")
    seen = answered.text + json.dumps(events) + models.product.logs.getvalue()
    stored = models.product.messages(answered.json()["conversation_id"], customer.slug)
    for thought in ("an analyst is needed", "of two", "all is known"):
        assert thought not in seen + str(stored)
    if offer.provider != "gemini":
        assert SIGNATURE not in seen + str(stored)


@pytest.mark.parametrize("offer", WITHOUT_TOOLS, ids=lambda offer: offer.model_id)
async def test_a_listed_model_whose_api_refuses_tools_talks_and_refuses_questions_about_data(
    models: Models, offer: Offer
) -> None:
    customer = models.choose(offer)
    refused = await models.product.send("What did we spend?", customer.headers)
    assert (refused.status_code, refused.json()["code"]) == (422, "model_cannot_use_tools")
    assert models.stub.received == []
    models.stub.play([Answer("Hello, how can I help?")])
    talked = await models.product.send("Hello!", customer.headers)
    assert (talked.status_code, models.stub.refused) == (200, []), talked.text
    assert talked.json()["response"] == "Hello, how can I help?"


def test_only_models_whose_api_refuses_tools_are_left_out_of_the_table() -> None:
    assert [offer.model_id for offer in WITHOUT_TOOLS] == ["o1-mini"]


THINKING = [("deepseek", "deepseek-v4-pro"), ("anthropic", "claude-opus-5-5"), ("gemini", "gemini-3.8-flash")]


@pytest.mark.parametrize(("provider", "model_id"), THINKING)
async def test_thoughts_go_back_unchanged_with_the_calls_that_they_led_to_and_only_within_the_turn(
    models: Models, provider: str, model_id: str
) -> None:
    customer = models.choose(next(offer for offer in OFFERS if offer.model_id == model_id))
    first = await models.product.send("What did we spend?", customer.headers)
    sent = thoughts_of(models.stub.received[-1])
    expected: dict[str, list[object]] = {
        "deepseek": ["step 0 of two", "step 1 of two"],
        "anthropic": [["step 0 of two", SIGNATURE], ["step 1 of two", SIGNATURE]],
        "gemini": [SIGNATURE, SIGNATURE],
    }
    assert sent == expected[provider]
    models.stub.play(two_tools)
    conversation_id = first.json()["conversation_id"]
    await models.product.send("And now?", customer.headers, conversation_id=conversation_id)
    assert thoughts_of(models.stub.received[0]) == []


def thoughts_of(request: Received) -> list[object]:
    """The thoughts in a request, in order: DeepSeek's text, Anthropic's text and signature, Gemini's signature."""
    if request.provider == "deepseek":
        return [each["reasoning_content"] for each in request.body["messages"] if "reasoning_content" in each]
    if request.provider == "anthropic":
        blocks = [b for each in request.body["messages"] if isinstance(each["content"], list) for b in each["content"]]
        return [[block["thinking"], block["signature"]] for block in blocks if block["type"] == "thinking"]
    parts = [part for content in request.body["contents"] for part in content["parts"]]
    return [part["thoughtSignature"] for part in parts if "thoughtSignature" in part]
