"""Every way to ask is filed under its own name: turns with their tokens, calls over MCP with their bytes."""

import asyncio
from typing import Any

import httpx
import pytest

from common.errors import ProviderUnavailable
from local.gateway import function_app
from tests.fakes.scripted_model import ScriptedModel, call_tool, say
from tests.metering.filed import counted, rows, serve
from tests.organizations.conftest import Serving
from tests.organizations.organizations import Made
from tests.organizations.serving import Product

QUESTION = "What did we spend?"
_RUN = {"threadId": "a-thread", "runId": "a-run", "state": {}, "tools": [], "context": [], "forwardedProps": {}}
_UI = {"id": "a-chat", "trigger": "submit-message"}
_A2A = {"kind": "message", "messageId": "a-message", "role": "user", "parts": [{"kind": "text", "text": QUESTION}]}
# The channel, its function, the path and the body.
CHANNELS: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("send", "send", "/send", {"message": QUESTION}),
    ("stream", "send", "/stream", {"message": QUESTION}),
    ("copilotkit", "copilotkit", "/", {**_RUN, "messages": [{"id": "m", "role": "user", "content": QUESTION}]}),
    (
        "ui_message_stream",
        "copilotkit",
        "/ui-message-stream",
        {**_UI, "messages": [{"id": "m", "role": "user", "parts": [{"type": "text", "text": QUESTION}]}]},
    ),
    (
        "completions",
        "completions",
        "/v1/chat/completions",
        {"model": "cloud-cost-chat", "messages": [{"role": "user", "content": QUESTION}]},
    ),
    ("a2a", "a2a", "/", {"jsonrpc": "2.0", "id": 1, "method": "message/send", "params": {"message": _A2A}}),
)


def client(function: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(function_app(function))
    return httpx.AsyncClient(transport=transport, base_url=f"http://{function}", timeout=60)


@pytest.mark.parametrize(("channel", "function", "path", "body"), CHANNELS, ids=[each[0] for each in CHANNELS])
@pytest.mark.parametrize("fails", [False, True], ids=["answered", "failed"])
async def test_a_turn_is_filed_and_audited_under_its_channel(
    serving: Serving, made: Made, channel: str, function: str, path: str, body: dict[str, Any], fails: bool
) -> None:
    steps = [call_tool("list_org_tables"), ProviderUnavailable() if fails else say("That much.")]
    product = await serve(serving, made, ScriptedModel([call_tool("transfer_to_agent", agent_name="Explorer"), *steps]))
    async with client(function) as http:
        answer = await http.post(path, json=body, headers=made.member)
    assert (answer.status_code >= 500) <= fails, answer.text
    (row,) = rows(product, made)
    assert (row["channel"], row["finish"]) == (channel, "provider_unavailable" if fails else "stop")
    assert (row["user_id"], row["provider"], row["model_id"]) == (made.member["X-User-Id"], "openai", "gpt-4o")
    asked = 2 if fails else 3
    assert (row["model_calls"], row["tool_calls"]) == (3, 1)
    assert (row["input_tokens"], row["output_tokens"]) == (10 * asked, 5 * asked)
    (audit,) = rows(product, made, "org_chat_tool_calls")
    assert (audit["tool_name"], audit["message_id"]) == ("list_org_tables", row["message_id"])
    assert counted(product, made) == 15 * asked


@pytest.mark.parametrize(("channel", "function", "path", "body"), CHANNELS, ids=[each[0] for each in CHANNELS])
async def test_a_ceiling_that_is_reached_is_told_on_every_channel(
    serving: Serving, made: Made, channel: str, function: str, path: str, body: dict[str, Any]
) -> None:
    model = ScriptedModel([say("That much.")])
    await serve(serving, made, model, user_tokens_per_day=15)
    async with client("send") as http:
        first = (await http.post("/send", json={"message": QUESTION}, headers=made.member)).json()
    assert first["usage_warning"] == "100 %: You have used 15 of 15 model tokens of today (UTC)."
    async with client(function) as http:
        refused = await http.post(path, json=body, headers=made.member)
    assert "You have used 15 of 15 model tokens of today (UTC)." in refused.text
    if channel == "a2a":
        assert refused.json()["error"]["data"] == {"code": "cost_ceiling", "retry_after": str(12 * 3600 - 15)}
    else:
        assert (refused.status_code, refused.headers["retry-after"]) == (429, str(12 * 3600 - 15))
    assert len(model.calls) == 1


async def call(http: httpx.AsyncClient, made: Made, name: str, /, **arguments: Any) -> dict[str, Any]:
    params = {"name": name, "arguments": arguments}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    answer = await http.post("/", json=body, headers=made.member)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def audited(product: Product, made: Made) -> list[dict[str, Any]]:
    return rows(product, made, "org_chat_tool_calls")


async def test_calls_over_mcp_are_filed_whatever_their_end(serving: Serving, made: Made) -> None:
    product = await serve(serving, made, ScriptedModel([say("not asked")]))
    async with client("mcp") as http:
        assert "error" not in (await call(http, made, "list_org_tables"))["result"]["structuredContent"]
        assert (await call(http, made, "chat_usage", month="2031-01"))["result"]["isError"]
        # A change that nobody agreed to is not made, so there is nothing to file.
        await call(http, made, "create_alert", name="Much", threshold=1, currency="USD", severity="warning")
    filed = rows(product, made)
    assert [(row["channel"], row["finish"], row["tool_calls"]) for row in filed] == [
        ("mcp", "invalid_arguments", 1),
        ("mcp", "stop", 1),
    ]
    assert all(row["provider"] is None and row["model_calls"] == 0 for row in filed)
    assert {row["message_id"] for row in filed} == {row["message_id"] for row in audited(product, made)}
    assert sorted(row["status"] for row in audited(product, made)) == ["error", "success"]
    assert counted(product, made) == 0


@pytest.mark.parametrize("where", ["the tool", "the commit"])
async def test_a_call_over_mcp_whose_caller_leaves_is_on_the_record(
    serving: Serving, made: Made, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    product = await serve(serving, made, ScriptedModel([say("not asked")]))
    warehouse, documents = product.services.warehouse, product.services.documents
    begun, goes_on = asyncio.Event(), asyncio.Event()
    run, commit = warehouse.run, documents.commit

    async def slow_run(*args: Any, **named: Any) -> Any:
        begun.set()
        await goes_on.wait()
        return await run(*args, **named)

    async def slow_commit(writes: Any) -> None:
        if any("org_chat_tool_calls" in str(write) for write in writes):
            begun.set()
            await goes_on.wait()
        await commit(writes)

    if where == "the tool":
        monkeypatch.setattr(warehouse, "run", slow_run)
    else:
        monkeypatch.setattr(documents, "commit", slow_commit)
    async with client("mcp") as http:
        asking = asyncio.create_task(call(http, made, "chat_usage"))
        await asyncio.wait_for(begun.wait(), 60)
        asking.cancel()
        await asyncio.wait([asking])
    goes_on.set()
    async with asyncio.timeout(60):
        while not audited(product, made):  # noqa: ASYNC110  in another process
            await asyncio.sleep(0.01)
    (row,), (audit,) = rows(product, made), audited(product, made)
    assert row["message_id"] == audit["message_id"]
    assert row["finish"] == ("interrupted" if where == "the tool" else "stop")
    assert audit["status"] == ("error" if where == "the tool" else "success")
