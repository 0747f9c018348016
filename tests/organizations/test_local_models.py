"""Models on the operator's own servers: listed, chosen by name, with or without a key."""

from collections.abc import AsyncIterator

import pytest

from common.models.completion import Providers
from common.settings import LocalModel
from tests.fakes.wire_stub import Answer, WireStub, wire_stub
from tests.organizations.conftest import Serving
from tests.organizations.organizations import Made
from tests.organizations.serving import Product

KEY = "sk-home-0123456789"


@pytest.fixture
async def stub() -> AsyncIterator[WireStub]:
    async with wire_stub() as stub:
        stub.play([Answer("Hello from home.")])
        yield stub


@pytest.fixture
async def home(stub: WireStub, serving: Serving) -> AsyncIterator[Product]:
    """The product with two models of the operator's own: one that wants a key, and one that does not."""
    llm = Providers()
    open_model = LocalModel(
        base_url=f"{stub.url}/openai/v1/", model_id="org/smol-135m", context_window=8192, max_output=512
    )
    closed = open_model.model_copy(update={"needs_key": True, "model_id": "closed"})
    yield await serving(llm, local_models={"smol": open_model, "closed": closed})
    await llm.close()


async def test_they_are_listed_where_there_are_any(home: Product, made: Made) -> None:
    await home.put(made, provider="local", model="smol")
    body = (await home.settings.get("/models", headers=made.member)).json()
    assert (body["provider"], [each["model_id"] for each in body["models"]]) == ("local", ["smol", "closed"])
    assert body["models"][0] == {
        "model_id": "smol", "context_window": 8192, "max_output": 512, "input_price": 0.0, "output_price": 0.0,
    }  # fmt: skip
    assert body["providers"][-1] == "local"
    assert "127.0.0.1" not in str(body)


async def test_they_are_unknown_where_there_are_none(product: Product, made: Made) -> None:
    response = await product.put(made, provider="local", model="smol", key=KEY)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_body")
    found = await product.settings.get("/models?provider=local", headers=made.member)
    assert found.status_code == 404
    assert product.model.calls == []


async def test_a_server_without_a_key_is_checked_and_answers_without_kms(
    home: Product, stub: WireStub, made: Made
) -> None:
    body = (await home.put(made, provider="local", model="smol")).json()
    assert (body["status"], body["credential_name"]) == ("ready", None)
    assert made.credentials() == []
    assert len(stub.received) == 1
    home.kms.reset()
    answer = await home.send(made.member)
    assert answer.json()["response"] == "Hello from home."
    assert (answer.json()["provider"], answer.json()["model_id"]) == ("local", "smol")
    assert home.kms.calls() == {}
    assert all("authorization" not in request.headers for request in stub.received)
    assert {request.body["model"] for request in stub.received} == {"org/smol-135m"}


@pytest.mark.parametrize("model", ["smol", "closed"])
async def test_a_key_that_is_given_is_kept_by_kms_and_sent(
    home: Product, stub: WireStub, made: Made, model: str
) -> None:
    body = (await home.put(made, provider="local", model=model, key=KEY)).json()
    assert (body["status"], body["credential_name"]) == ("ready", "local key")
    home.kms.reset()
    assert (await home.send(made.member)).status_code == 200
    assert home.kms.calls() == {"Decrypt": 1}
    assert [request.key for request in stub.received] == [KEY, KEY]


async def test_a_server_that_wants_a_key_is_not_set_up_without_one(home: Product, made: Made) -> None:
    refused = await home.put(made, provider="local", model="closed")
    assert (refused.status_code, refused.json()["code"]) == (422, "setup_required")
    await home.put(made, provider="local", model="smol")
    refused = await home.put(made, model="closed")
    assert (refused.status_code, refused.json()["code"]) == (422, "setup_required")


async def test_a_model_that_the_operator_took_away_is_said_to_be_gone(
    home: Product, serving: Serving, made: Made
) -> None:
    await home.put(made, provider="local", model="smol")
    bare: Product = await serving()
    assert (await bare.status(made.member))["status"] == "provider_unavailable"
    assert (await bare.send(made.member)).json()["code"] == "setup_required"


async def test_a_row_that_names_no_credential_is_not_served_by_a_provider_that_wants_one(
    product: Product, made: Made
) -> None:
    made.add_settings(credential_id="none")
    assert (await product.send(made.member)).json()["code"] == "setup_required"
    assert product.model.calls == []


async def test_no_tenant_names_a_host(home: Product, stub: WireStub, made: Made) -> None:
    for change in ({"base_url": stub.url}, {"api_base": stub.url}, {"model": "http://127.0.0.1/v1"}):
        response = await home.put(made, **{"provider": "local", "model": "smol", **change})
        assert response.status_code == 422, response.text
    assert stub.received == []
