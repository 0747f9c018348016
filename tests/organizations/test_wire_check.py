"""A key is checked with its own provider, over each of the four wire formats, before it is stored."""

from collections.abc import AsyncIterator

import pytest

from common.models.completion import Providers
from tests.fakes.wire_stub import MODELS, Answer, Call, WireStub, tools_of, wire_stub
from tests.organizations.conftest import Serving
from tests.organizations.organizations import Made
from tests.organizations.serving import Product

KEY = "sk-planted-0123456789"


@pytest.fixture(scope="module")
async def stub() -> AsyncIterator[WireStub]:
    async with wire_stub() as stub:
        yield stub


@pytest.fixture(scope="module")
async def llm(stub: WireStub) -> AsyncIterator[Providers]:
    async def pause(seconds: float) -> None:
        """A wait that a test does not make."""

    llm = Providers(stub.bases, pause=pause)
    await llm.load()
    yield llm
    await llm.close()


@pytest.mark.parametrize("provider", MODELS)
async def test_a_key_that_the_provider_accepts_is_stored_after_one_small_request(
    serving: Serving, made: Made, stub: WireStub, llm: Providers, provider: str
) -> None:
    stub.play([Answer(calls=(Call("ready", "{}"),))])
    product: Product = await serving(llm)
    response = await product.put(made, provider=provider, model=MODELS[provider], key=KEY)
    assert (response.status_code, response.json()["status"]) == (200, "ready"), response.text
    (request,) = stub.received
    assert (request.provider, request.key, tools_of(request)) == (provider, KEY, {"ready"})
    assert len(str(request.body)) < 600
    assert response.json()["calls_tools"] is True
    assert [row["calls_tools"] for row in made.settings()] == [True]
    assert KEY not in str(request.body) + request.path


@pytest.mark.parametrize("provider", MODELS)
@pytest.mark.parametrize(("status", "code"), [(401, "key_invalid"), (403, "key_invalid"), (404, "model_not_found")])
async def test_a_key_that_the_provider_refuses_is_not_stored_and_its_words_are_not_told(
    serving: Serving, made: Made, stub: WireStub, llm: Providers, provider: str, status: int, code: str
) -> None:
    stub.play([Answer(status=status, error=f"Incorrect key provided: {KEY}")])
    product: Product = await serving(llm)
    response = await product.put(made, provider=provider, model=MODELS[provider], key=KEY)
    assert (response.status_code, response.json()["code"]) == (422, code)
    assert made.settings() == made.credentials() == []
    assert "planted" not in response.text + product.logs.getvalue()


async def test_a_provider_that_is_down_or_limits_the_key_leaves_everything_as_it_was(
    serving: Serving, made: Made, stub: WireStub, llm: Providers
) -> None:
    product: Product = await serving(llm)
    for status, code in ((500, "provider_unavailable"), (429, "rate_limited_by_provider")):
        stub.play([Answer(status=status, error=KEY)])
        response = await product.put(made, provider="openai", model="gpt-4o-mini", key=KEY)
        assert response.json()["code"] == code, response.text
    assert made.settings() == made.credentials() == []
    assert "planted" not in product.logs.getvalue()


@pytest.mark.parametrize("provider", MODELS)
async def test_a_listed_model_that_only_talks_at_its_check_is_still_known_to_call_tools(
    serving: Serving, made: Made, stub: WireStub, llm: Providers, provider: str
) -> None:
    stub.play([Answer("OK")])
    product: Product = await serving(llm)
    response = await product.put(made, provider=provider, model=MODELS[provider], key=KEY)
    assert response.json()["calls_tools"] is True
    assert [row["calls_tools"] for row in made.settings()] == [None]


@pytest.mark.parametrize("provider", MODELS)
async def test_an_unlisted_model_that_only_talks_cannot_use_tools_and_is_never_asked_for_figures(
    serving: Serving, made: Made, stub: WireStub, llm: Providers, provider: str
) -> None:
    stub.play([Answer("OK")])
    product: Product = await serving(llm)
    response = await product.put(made, provider=provider, model="some-small-model", key=KEY)
    assert (response.status_code, response.json()["calls_tools"]) == (200, False), response.text
    stub.play([Answer("You spent 42 dollars.")])
    refused = await product.send(made.member, "What did we spend?")
    assert (refused.status_code, refused.json()["code"]) == (422, "model_cannot_use_tools")
    assert stub.received == []
    # Asked of something else, it makes a figure up all the same.
    refused = await product.send(made.member, "Tell me a story.")
    assert (refused.status_code, refused.json()["code"]) == (422, "model_cannot_use_tools")
    stub.play([Answer("Hello!")])
    talked = await product.send(made.member, "Good morning")
    assert (talked.status_code, talked.json()["response"]) == (200, "Hello!")
    assert all(not tools_of(request) for request in stub.received)


@pytest.mark.parametrize("provider", ["openai", "deepseek"])
async def test_a_model_whose_provider_refuses_tools_is_checked_without_them(
    serving: Serving, made: Made, stub: WireStub, llm: Providers, provider: str
) -> None:
    stub.play(lambda request: Answer(status=400, error="no tools here") if tools_of(request) else Answer("OK"))
    product: Product = await serving(llm)
    response = await product.put(made, provider=provider, model="some-small-model", key=KEY)
    assert (response.status_code, response.json()["calls_tools"]) == (200, False), response.text
    assert [bool(tools_of(request)) for request in stub.received] == [True, False]


async def test_what_a_check_has_shown_stays_with_the_model_and_goes_with_another(
    serving: Serving, made: Made, stub: WireStub, llm: Providers
) -> None:
    stub.play([Answer("OK")])
    product: Product = await serving(llm)
    await product.put(made, provider="openai", model="some-small-model", key=KEY)
    kept = await product.put(made, temperature=0.2)
    assert kept.json()["calls_tools"] is False
    changed = await product.put(made, model="gpt-4o-mini")
    assert changed.json()["calls_tools"] is True


async def test_a_snapshot_of_a_listed_model_is_checked_by_that_models_rules(
    serving: Serving, made: Made, stub: WireStub, llm: Providers
) -> None:
    stub.play([Answer(calls=(Call("ready", "{}"),))])
    product: Product = await serving(llm)
    response = await product.put(made, provider="openai", model="gpt-5.6-2026-08-01", key=KEY)
    assert (response.json()["calls_tools"], stub.refused) == (True, [])
