"""Readers of /stream as they come: a browser's fetch, one byte at a time, and those that go away."""

import asyncio
import json
import uuid
from typing import Any

import httpx
import pytest

from common import limits
from tests.clients.conftest import HeldModel, Node, PacedModel, Product, Serving
from tests.fakes.scripted_model import ScriptedModel, call_tool, say, transfer

QUESTION = [
    transfer("UsageAnalyst"),
    call_tool("top_consumers", dimension="provider"),
    say("Here it is, as asked."),
]
NAMES = ["start", "agent", "agent", "tool", "tool", "token", "token", "token", "token", "token", "done"]


@pytest.mark.parametrize("reader", ["fetch", "byte"])
async def test_a_reader_gets_every_event_whole(serving: Serving, node: Node, reader: str) -> None:
    product: Product = await serving(ScriptedModel(QUESTION))
    asked = {"reader": reader, "url": product.address("stream"), "headers": product.headers(), "message": "Ünïcode €?"}
    seen = await node.run("sse.mjs", asked)
    assert [event["name"] for event in seen["events"]] == NAMES
    text = "".join(event["data"]["text"] for event in seen["events"] if event["name"] == "token")
    assert text == "Here it is, as asked. "
    assert seen["events"][-1]["data"].keys() >= {"conversation_id", "message_id", "usage"}


async def test_a_browser_of_an_allowed_origin_may_read(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel([say("one")]))
    origin = "http://localhost:3000"
    async with httpx.AsyncClient(headers=product.headers() | {"Origin": origin}, timeout=120) as http:
        allowed = await http.options(product.address("stream"))
        answer = await http.post(product.address("stream"), json={"message": "hi"})
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (204, origin)
    assert {"X-API-Key", "MCP-Protocol-Version", "A2A-Version"} <= set(
        allowed.headers["access-control-allow-headers"].split(", ")
    )
    assert answer.headers["access-control-allow-origin"] == origin


@pytest.mark.parametrize("path", ["stream", "copilotkit"])
async def test_a_client_that_goes_away_at_any_event_leaves_nothing_behind(serving: Serving, path: str) -> None:
    model = PacedModel(QUESTION, seconds=0.02)
    product: Product = await serving(model)
    left = 0
    ended = False
    while not ended:
        model.calls.clear()
        conversation_id, ended = await left_after(product, path, left)
        left += 1
        await product.turns_ended(left)
        assert model.open_streams == 0
        conversation = product.conversation(conversation_id)
        stored = product.messages(conversation_id)
        assert conversation["lease"] is None
        assert [message["role"] for message in stored] in (["user"], ["user", "assistant"])
        assert len(stored) == conversation["message_count"]
        assert not ended or stored[1]["content"] == "Here it is, as asked. "
    assert left >= len(NAMES)
    assert product.logs.getvalue().count('"finish": "cancelled"') >= len(NAMES) // 2


async def left_after(product: Product, path: str, count: int) -> tuple[str, bool]:
    """Read so many events and close the connection; the conversation, and whether the stream had ended."""
    conversation_id = str(uuid.uuid4())
    message = {"id": "1", "role": "user", "content": "hi"}
    body: dict[str, Any] = {"threadId": conversation_id, "runId": "r-1", "messages": [message]}
    if path == "stream":
        body = {"message": "hi"}
    events = 0
    async with (
        httpx.AsyncClient(headers=product.headers(), timeout=120) as http,
        http.stream("POST", product.address(path), json=body) as response,
    ):
        assert response.status_code == 200, await response.aread()
        async for line in response.aiter_lines():
            if not line.startswith("data:"):
                continue
            conversation_id = json.loads(line.removeprefix("data:")).get("conversation_id", conversation_id)
            if events == count:
                return conversation_id, False
            events += 1
    return conversation_id, True


async def test_a_client_that_goes_away_while_the_model_is_silent_stops_it(serving: Serving) -> None:
    model = HeldModel([say("one two")])
    product: Product = await serving(model)
    async with (
        httpx.AsyncClient(headers=product.headers(), timeout=120) as http,
        http.stream("POST", product.address("stream"), json={"message": "hi"}) as response,
    ):
        lines = response.aiter_lines()
        started = json.loads((await until(lines, "data:")).removeprefix("data:"))
        await until(lines, "event: token")
    await product.released(started["conversation_id"])
    assert model.open_streams == 0
    assert [(message["content"], message["status"]) for message in product.messages(started["conversation_id"])] == [
        ("hi", "complete"), ("one ", "cancelled"),
    ]  # fmt: skip


async def until(lines: Any, beginning: str) -> str:
    async with asyncio.timeout(120):
        async for line in lines:
            if line.startswith(beginning):
                return str(line)
    raise AssertionError(beginning)


@pytest.mark.parametrize("path", ["stream", "copilotkit"])
async def test_a_silent_turn_is_kept_alive_by_comments(
    serving: Serving, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "HEARTBEAT_SECONDS", 0.02)
    product: Product = await serving(HeldModel([say("one two")]))
    message = {"id": "1", "role": "user", "content": "hi"}
    run = {"threadId": str(uuid.uuid4()), "runId": "r-1", "messages": [message]}
    async with (
        httpx.AsyncClient(headers=product.headers(), timeout=120) as http,
        http.stream("POST", product.address(path), json={"message": "hi", **run}) as response,
    ):
        lines = response.aiter_lines()
        for _ in range(3):
            assert await until(lines, ":") == ": keep-alive"
    await product.turns_ended(1)
