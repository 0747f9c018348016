"""A model that really runs, on llama.cpp's server, behind the whole product."""

import json
from typing import Any

from httpx_sse import aconnect_sse

from tests.organizations.organizations import Made
from tests.organizations.serving import Product

GREETING = "Hello! Please say hello to me."
DATA = "What did we spend on each provider last month?"


async def choose(product: Product, made: Made) -> None:
    """Set the organisation up with the real model."""
    response = await product.put(made, provider="local", model="smollm2", max_tokens=48, temperature=0)
    assert (response.status_code, response.json()["status"]) == (200, "ready"), response.text


async def stream(product: Product, made: Made, message: str) -> list[tuple[str, Any]]:
    request = {"message": message}
    async with aconnect_sse(product.chat, "POST", "/stream", json=request, headers=made.member) as events:
        return [(event.event, json.loads(event.data)) async for event in events.aiter_sse()]


def stored(product: Product, made: Made, conversation_id: str) -> list[dict[str, Any]]:
    path = f"orgs/{made.slug}/conversations/{conversation_id}/messages"
    return [entry.to_dict() or {} for entry in product.documents.collection(path).order_by("sequence").stream()]


async def test_a_turn_is_answered_and_stored(product: Product, made: Made) -> None:
    await choose(product, made)
    answer = await product.send(made.member, GREETING)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["response"].strip()
    assert (body["provider"], body["model_id"], body["fallback_from"]) == ("local", "smollm2", None)
    assert body["usage"]["input_tokens"] > 0 < body["usage"]["output_tokens"]
    question, kept = stored(product, made, body["conversation_id"])
    assert (question["content"], kept["content"]) == (GREETING, body["response"])
    assert (kept["provider"], kept["model_id"]) == ("local", "smollm2")
    assert kept["output_tokens"] == body["usage"]["output_tokens"]


async def test_a_turn_is_streamed_as_it_is_made(product: Product, made: Made) -> None:
    await choose(product, made)
    events = await stream(product, made, GREETING)
    tokens = [data["text"] for name, data in events if name == "token"]
    assert events[-1][0] == "done", events[-1]
    assert len(tokens) > 1
    _, kept = stored(product, made, events[-1][1]["conversation_id"])
    assert kept["content"] == "".join(tokens)


async def test_a_data_question_is_refused_and_no_figure_is_made_up(product: Product, made: Made) -> None:
    await choose(product, made)
    refused = await product.send(made.member, DATA)
    assert (refused.status_code, refused.json()["code"]) == (422, "model_cannot_use_tools")
    events = await stream(product, made, DATA)
    assert (events[-1][0], events[-1][1]["code"]) == ("error", "model_cannot_use_tools")
    assert not [data for name, data in events if name == "token"]
