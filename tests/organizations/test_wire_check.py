"""A key is checked with its own provider, over each of the four wire formats, before it is stored."""

from collections.abc import AsyncIterator

import pytest

from common.models.completion import Providers
from tests.fakes.wire_stub import MODELS, Answer, WireStub, wire_stub
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
    stub.play([Answer("OK")])
    product: Product = await serving(llm)
    response = await product.put(made, provider=provider, model=MODELS[provider], key=KEY)
    assert (response.status_code, response.json()["status"]) == (200, "ready"), response.text
    (request,) = stub.received
    assert (request.provider, request.key) == (provider, KEY)
    assert len(str(request.body)) < 600
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
