"""What is written of a turn, however it ends, and of the request that it is streamed to."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import httpx
import pytest
from httpx_sse import ServerSentEvent, aconnect_sse

from common.errors import ProviderUnavailable
from common.models.completion import ModelCall, Reply, Usage
from local.emulators.rpc import SeamsClient
from tests.clients.conftest import HeldModel, Product, Serving
from tests.conftest import Cloud
from tests.fakes.scripted_model import ScriptedModel, call_tool, say, transfer

STAGES = {"read_ms", "key_ms", "question_ms", "first_token_ms", "model_ms", "tools_ms", "answer_ms"}


async def written(product: Product, event: str, count: int = 1) -> list[dict[str, Any]]:
    """Wait until so many records of an event are written, and return them."""
    async with asyncio.timeout(120):
        while len(found := logged(product, event)) < count:  # noqa: ASYNC110  the log has no event
            await asyncio.sleep(0.01)
    return found


def logged(product: Product, event: str) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in product.logs.getvalue().splitlines()]
    return [record for record in records if record["message"] == event]


async def ask(product: Product, name: str = "send") -> httpx.Response:
    async with httpx.AsyncClient(timeout=120) as client:
        return await client.post(product.address(name), json={"message": "hi"}, headers=product.headers())


@asynccontextmanager
async def streamed(product: Product) -> AsyncIterator[AsyncGenerator[ServerSentEvent, None]]:
    """The events of an answer; who leaves the block leaves the stream."""
    body, headers = {"message": "hi"}, product.headers()
    async with (
        httpx.AsyncClient(timeout=120) as client,
        aconnect_sse(client, "POST", product.address("stream"), json=body, headers=headers) as source,
        aclosing(source.aiter_sse()) as events,
    ):
        yield events


async def test_a_query_is_billed_once_and_its_answer_from_memory_is_not(serving: Serving) -> None:
    steps = [call_tool("query_costs", group_by="provider"), say("ok")] * 2
    product: Product = await serving(ScriptedModel(steps))
    assert (await ask(product)).status_code == 200
    assert (await ask(product)).status_code == 200
    first, second = await written(product, "turn.finished", 2)
    assert first["bytes_billed"] >= first["bytes_processed"] > 0
    assert (second["bytes_billed"], second["bytes_processed"], second["tool_calls"]) == (0, 0, 1)
    assert first["tools_ms"] is not None
    assert first["estimated_cost_usd"] is None


async def test_a_streamed_request_is_written_when_its_stream_ends_and_not_before(serving: Serving) -> None:
    held = asyncio.Event()

    class Gated(ScriptedModel):
        async def stream(self, call: ModelCall):  # type: ignore[no-untyped-def]
            yield "one "
            await held.wait()
            yield Reply("one ", usage=Usage(10, 5))

    product: Product = await serving(Gated([]))
    async with streamed(product) as events:
        async for event in events:
            if event.event == "token":
                assert not logged(product, "request.finished")
                held.set()
    (request,) = await written(product, "request.finished")
    (turn,) = logged(product, "turn.finished")
    assert (request["finish"], request["status"], request["route"]) == ("ok", 200, "stream")
    assert int(request["httpRequest"]["responseSize"]) > 100
    assert request["duration_ms"] >= turn["latency_ms"] >= turn["first_token_ms"]


async def test_a_client_that_leaves_ends_its_request_and_its_turn_and_both_say_so(serving: Serving) -> None:
    product: Product = await serving(HeldModel([say("half of it")]))
    async with streamed(product) as events:
        async for event in events:
            if event.event == "token":
                break
    (request,) = await written(product, "request.finished")
    (turn,) = await written(product, "turn.finished")
    assert (request["finish"], request["status"]) == ("left", 200)
    assert (turn["finish"], turn["model_calls"]) == ("cancelled", 1)
    # Its provider could not say what it took: that is estimated.
    assert turn["input_tokens"] > turn["output_tokens"] > 0
    assert turn.keys() >= STAGES
    assert min(turn[name] for name in STAGES - {"tools_ms"}) >= 0
    assert turn["tools_ms"] is None


async def test_a_turn_that_fails_after_a_step_tells_what_it_took_until_then(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel([transfer("UsageAnalyst"), ProviderUnavailable()]))
    assert (await ask(product)).status_code == 503
    (turn,) = await written(product, "turn.finished")
    assert (turn["finish"], turn["model_calls"]) == ("provider_unavailable", 2)
    assert (turn["input_tokens"], turn["output_tokens"]) == (10, 5)
    assert turn["first_token_ms"] is None
    (failed,) = await written(product, "request.failed")
    assert (failed["severity"], failed["code"], failed["org"]) == ("ERROR", "provider_unavailable", "acme_inc")


@pytest.mark.parametrize("name", ["send", "stream", "copilotkit", "a2a"])
async def test_a_key_service_that_fails_is_counted_whichever_way_the_question_came(
    serving: Serving, cloud: Cloud, name: str
) -> None:
    product: Product = await serving(ScriptedModel([say("ok")]))
    kms = SeamsClient(cloud.environment["KMS_EMULATOR_HOST"])
    bodies: dict[str, dict[str, Any]] = {
        "copilotkit": {
            "threadId": "t1", "runId": "r1", "messages": [{"id": "m1", "role": "user", "content": "hi"}],
            "state": {}, "tools": [], "context": [], "forwardedProps": {},
        },
        "a2a": {
            "jsonrpc": "2.0", "id": 1, "method": "message/send",
            "params": {"message": {"messageId": "m1", "role": "user", "kind": "message",
                                   "parts": [{"kind": "text", "text": "hi"}]}},
        },
    }  # fmt: skip
    try:
        kms.fail("Decrypt", "PERMISSION_DENIED")
        async with httpx.AsyncClient(timeout=120) as client:
            await client.post(
                product.address(name), json=bodies.get(name, {"message": "hi"}), headers=product.headers()
            )
    finally:
        kms.reset()
        kms.close()
    (failed,) = await written(product, "key.failed")
    assert (failed["severity"], failed["code"], failed["org"]) == ("ERROR", "key_service_unavailable", "acme_inc")
    assert failed["error_class"] == "PermissionDenied"
    # A protocol that answers 200 with an error inside hides it from nobody.
    (request,) = await written(product, "request.failed")
    assert (request["code"], request["request_id"]) == (failed["code"], failed["request_id"])
