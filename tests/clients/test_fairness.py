"""One organisation cannot keep the others from an instance, by whichever way its questions come in."""

import asyncio
import json
import uuid
from collections import Counter
from typing import Any

import httpx
import pytest

from common import limits
from common.settings import load_settings
from common.tenant import Principal
from common.tools.context import ToolContext
from common.tools.registry import Registry, tool
from common.tools.result import ToolResult
from common.turn import admission
from tests.clients.conftest import Product, Serving
from tests.fakes.scripted_model import ScriptedModel, say

WAYS = ("send", "stream", "copilotkit", "a2a")
each_way = pytest.mark.parametrize("way", WAYS)


def body(way: str) -> dict[str, Any]:
    if way == "copilotkit":
        message = {"id": uuid.uuid4().hex, "role": "user", "content": "hi"}
        return {
            "threadId": uuid.uuid4().hex, "runId": "r1", "messages": [message],
            "tools": [], "context": [], "state": {}, "forwardedProps": {},
        }  # fmt: skip
    if way == "a2a":
        parts = [{"kind": "text", "text": "hi"}]
        said = {"messageId": uuid.uuid4().hex, "role": "user", "kind": "message", "parts": parts}
        return {"jsonrpc": "2.0", "id": 1, "method": "message/send", "params": {"message": said}}
    return {"message": "hi"}


async def ask(client: httpx.AsyncClient, product: Product, way: str, org: str = "acme_inc") -> httpx.Response:
    return await client.post(product.address(way, org), json=body(way), headers=product.headers(org))


async def until_waiting(product: Product, count: int) -> None:
    """Wait until so many turns wait for a place."""
    async with asyncio.timeout(120):
        while product.services.turns.admission.waiting != count:  # noqa: ASYNC110  the queue has no event
            await asyncio.sleep(0.005)


async def until_asked(product: Product, count: int) -> None:
    """Wait until the model was asked so many times."""
    async with asyncio.timeout(120):
        while len(product.model.calls) != count:  # noqa: ASYNC110  the model has no event
            await asyncio.sleep(0.005)


async def held(serving: Serving, **bounds: int) -> tuple[Product, asyncio.Event]:
    """The product with these bounds, and a model that answers once the event is set."""
    model = ScriptedModel([say("hello")])
    model.gate = asyncio.Event()
    return await serving(model, settings=load_settings().model_copy(update=bounds)), model.gate


@each_way
async def test_a_turn_beyond_the_bound_waits_without_storing_anything_and_is_then_answered(
    serving: Serving, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the first one commits while it runs is not looked for here.
    monkeypatch.setattr(limits, "LEASE_RENEW_SECONDS", 3_600.0)
    product, gate = await held(serving, turns_per_org=1)
    async with httpx.AsyncClient(timeout=120) as client:
        product.firestore.reset()
        first = asyncio.create_task(ask(client, product, "send"))
        await until_asked(product, 1)
        while not product.firestore.calls()["Commit"]:  # noqa: ASYNC110  another process's state
            await asyncio.sleep(0.01)
        product.firestore.reset()
        second = asyncio.create_task(ask(client, product, way))
        await until_waiting(product, 1)
        assert "Commit" not in product.firestore.calls()
        gate.set()
        for response in await asyncio.gather(first, second):
            assert response.status_code == httpx.codes.OK
            assert "hello" in response.text
    assert len(product.model.calls) == 2


@each_way
async def test_a_turn_that_waits_too_long_is_refused_with_when_to_come_back(
    serving: Serving, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "QUEUE_SECONDS", 0.05)
    product, gate = await held(serving, turns_per_org=1)
    async with httpx.AsyncClient(timeout=120) as client:
        first = asyncio.create_task(ask(client, product, "send"))
        await until_asked(product, 1)
        refused = await ask(client, product, way)
        if way == "a2a":
            assert "too_many_turns" in json.dumps(refused.json()["error"])
        else:
            assert (refused.status_code, refused.json()["code"]) == (429, "too_many_turns")
            assert refused.headers["retry-after"] == str(admission.QUEUE_RETRY_SECONDS)
        monkeypatch.undo()
        gate.set()
        assert (await first).status_code == httpx.codes.OK
        assert (await ask(client, product, way)).status_code == httpx.codes.OK


@each_way
async def test_a_client_that_goes_away_leaves_the_queue(serving: Serving, way: str) -> None:
    product, gate = await held(serving, turns_per_org=1)
    async with httpx.AsyncClient(timeout=120) as client:
        first = asyncio.create_task(ask(client, product, "send"))
        await until_asked(product, 1)
        waiting = asyncio.create_task(ask(client, product, way))
        await until_waiting(product, 1)
        waiting.cancel()
        await until_waiting(product, 0)
        gate.set()
        await first
        assert (await ask(client, product, "send")).status_code == httpx.codes.OK
    assert len(product.model.calls) == 2
    assert '"a2a.crashed"' not in product.logs.getvalue()


@each_way
async def test_a_full_organisation_holds_up_no_other(serving: Serving, way: str) -> None:
    product, gate = await held(serving, turns_per_org=2)
    async with httpx.AsyncClient(timeout=120) as client:
        acme = [asyncio.create_task(ask(client, product, way)) for _ in range(6)]
        await until_waiting(product, 4)
        globex = asyncio.create_task(ask(client, product, way, "globex_inc"))
        await until_asked(product, 3)
        assert product.services.turns.admission.waiting == 4
        gate.set()
        assert {response.status_code for response in await asyncio.gather(globex, *acme)} == {200}
    assert len(product.model.calls) == 7


async def test_the_places_of_turns_that_failed_or_were_left_are_free_again(serving: Serving) -> None:
    product, gate = await held(serving, turns_per_org=1)
    async with httpx.AsyncClient(timeout=120) as client:
        left = asyncio.create_task(ask(client, product, "stream"))
        await until_asked(product, 1)
        left.cancel()
        await product.turns_ended(1)
        product.model.steps = [RuntimeError("boom"), RuntimeError("boom"), say("hello")]
        gate.set()
        assert (await ask(client, product, "send")).status_code == httpx.codes.INTERNAL_SERVER_ERROR
        assert (await ask(client, product, "send")).status_code == httpx.codes.OK


CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "wait_here", "arguments": {}}}


async def waiting_tool(serving: Serving, **bounds: int) -> tuple[Product, asyncio.Event, Counter[str]]:
    """The product with these bounds and one tool, which answers once the event is set and counts who is in it."""
    release, inside = asyncio.Event(), Counter[str]()

    async def wait_here(principal: Principal, context: ToolContext) -> ToolResult:
        """Wait."""
        assert context.labels["org"] == principal.org_slug
        inside[principal.org_slug] += 1
        await release.wait()
        return ToolResult(None, (), {"waited": "yes"})

    settings = load_settings().model_copy(update=bounds)
    return await serving(settings=settings, registry=Registry([tool("test", wait_here)])), release, inside


async def call_tool(client: httpx.AsyncClient, product: Product, org: str = "acme_inc") -> httpx.Response:
    accept = {"Accept": "application/json, text/event-stream"}
    return await client.post(product.address("mcp", org), json=CALL, headers=product.headers(org) | accept)


async def test_mcp_calls_wait_for_a_place_like_turns(serving: Serving) -> None:
    product, release, inside = await waiting_tool(serving, turns_per_org=1, turns_per_instance=2)
    async with httpx.AsyncClient(timeout=60) as client, asyncio.TaskGroup() as calls:
        many = [calls.create_task(call_tool(client, product)) for _ in range(3)]
        await until_waiting(product, 2)
        other = calls.create_task(call_tool(client, product, "globex_inc"))
        async with asyncio.timeout(60):
            while not inside["globex_inc"]:  # noqa: ASYNC110  the tool has no event
                await asyncio.sleep(0.005)
        assert inside == {"acme_inc": 1, "globex_inc": 1}
        release.set()
    for each in (*many, other):
        assert each.result().status_code == 200
        assert each.result().json()["result"]["structuredContent"]["summary"] == {"waited": "yes"}
    assert product.services.admission.waiting == 0


async def test_an_mcp_call_that_finds_no_place_is_told_when_to_come_back(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    product, release, inside = await waiting_tool(serving, turns_per_org=1, turns_per_instance=2)
    async with httpx.AsyncClient(timeout=60) as client, asyncio.TaskGroup() as calls:
        first = calls.create_task(call_tool(client, product))
        async with asyncio.timeout(60):
            while not inside:  # noqa: ASYNC110  the tool has no event
                await asyncio.sleep(0.005)
        monkeypatch.setattr(limits, "QUEUE_SECONDS", 0.05)
        refused = await call_tool(client, product)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_turns")
        assert refused.headers["retry-after"] == str(admission.QUEUE_RETRY_SECONDS)
        # Turns and MCP calls have their places together.
        assert (await ask(client, product, "send")).json()["code"] == "too_many_turns"
        release.set()
    assert first.result().status_code == 200
