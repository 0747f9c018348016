"""That another model answered is told wherever the answer is read: by every protocol, and as long as it is kept."""

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from common.errors import ProviderUnavailable
from common.models.completion import ModelCall, Reply
from tests.clients.conftest import Product, Serving
from tests.clients.runs import posted
from tests.clients.test_a2a import ask, resolved
from tests.fakes.scripted_model import ScriptedModel, Step, say

CHOSEN, SPARE = "demo/analyst-1", "analyst-2"


def stand_in(call: ModelCall) -> Reply:
    """The chosen model does not answer; the other one does."""
    if call.model.model_id != SPARE:
        raise ProviderUnavailable
    return say("I stand in.")


@pytest.fixture
def model() -> ScriptedModel:
    steps: list[Step] = [stand_in]
    return ScriptedModel(steps)


@pytest.fixture
def with_fallback() -> Iterator[Callable[[Product], Any]]:
    """Name a fallback in the copy of acme_inc's settings; afterwards they are read anew."""
    used: list[Product] = []

    async def choose(product: Product) -> None:
        tenant_headers = product.headers()
        async with httpx.AsyncClient(headers=tenant_headers, timeout=120) as http:
            assert (await http.get(product.address("settings/status"))).status_code == 200
        copy = product.documents.document("orgs/acme_inc")
        settings = (copy.get().to_dict() or {})["settings"]
        spare = {"provider": "demo", "model_id": SPARE, "credential_id": settings["credential_id"]}
        copy.update({"settings": settings | {"fallback": json.dumps([spare])}})
        used.append(product)

    yield choose
    for product in used:
        product.documents.document("orgs/acme_inc").delete()


def told(answer: dict[str, Any]) -> tuple[Any, ...]:
    return answer["provider"], answer["model_id"], answer["fallback_from"]


async def test_in_json_and_in_the_history_also_when_only_the_record_has_it(
    serving: Serving, model: ScriptedModel, with_fallback: Callable[[Product], Any]
) -> None:
    product: Product = await serving(model)
    await with_fallback(product)
    async with httpx.AsyncClient(headers=product.headers(), timeout=120) as http:
        body = (await http.post(product.address("send"), json={"message": "hello"})).json()
        assert told(body) == ("demo", SPARE, CHOSEN)
        conversation = f"conversations/{body['conversation_id']}"

        async def kept() -> list[tuple[Any, ...]]:
            page = (await http.get(product.address(f"{conversation}/messages"))).json()["messages"]
            export = (await http.get(product.address(f"{conversation}/export"))).json()["messages"]
            return [told(page[-1]), told(export[-1]), told(page[0])]

        expected = [("demo", SPARE, CHOSEN), ("demo", SPARE, CHOSEN), (None, None, None)]
        assert await kept() == expected
        await product.forget(body["conversation_id"])
        assert await kept() == expected


async def test_in_the_events_of_a_stream(
    serving: Serving, model: ScriptedModel, with_fallback: Callable[[Product], Any]
) -> None:
    product: Product = await serving(model)
    await with_fallback(product)
    async with httpx.AsyncClient(headers=product.headers(), timeout=120) as http:
        text = (await http.post(product.address("stream"), json={"message": "hello"})).text
    (done,) = [part for part in text.split("\n\n") if part.startswith("event: done")]
    assert told(json.loads(done.split("data: ", 1)[1])) == ("demo", SPARE, CHOSEN)


async def test_in_the_state_of_an_ag_ui_run(
    serving: Serving, model: ScriptedModel, with_fallback: Callable[[Product], Any]
) -> None:
    product: Product = await serving(model)
    await with_fallback(product)
    question = {"id": str(uuid.uuid4()), "role": "user", "content": "hello"}
    response = await posted(product, messages=[question], state={}, tools=[], context=[], forwardedProps={})
    events = [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ")]
    deltas = {each["path"]: each["value"] for event in events for each in event.get("delta") or () if "path" in each}
    assert (deltas["/model_id"], deltas["/fallback_from"]) == (SPARE, CHOSEN)


async def test_in_the_metadata_of_an_a2a_message(
    serving: Serving, model: ScriptedModel, with_fallback: Callable[[Product], Any]
) -> None:
    product: Product = await serving(model)
    await with_fallback(product)
    async with httpx.AsyncClient(headers=product.headers(), timeout=120) as http:
        message = await ask(http, await resolved(http, product.url), "hello")
    assert told(dict(message.metadata.items())) == ("demo", SPARE, CHOSEN)
