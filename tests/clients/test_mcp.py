"""The Python MCP client, in all its modes, against the function: the registry's tools, apart per tenant."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import httpx2
import pytest
from google.cloud import bigquery
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from common import limits
from common.protocols.mcp import prompts as prompts_module
from common.tenant import WRITE_ALERTS, Principal
from common.tools.context import ToolContext
from common.tools.registry import Registry, tool
from common.tools.result import ENVELOPE_SCHEMA, ToolResult
from local.data.__main__ import emulated_bigquery
from tests.clients.conftest import Product, Serving
from tests.conftest import Cloud
from tests.skills import drawn
from tests.turn.providers import bring_keys

MODES = ["auto", "legacy", "2026-07-28"]
LIST_TOOLS = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
ACCEPT = {"Accept": "application/json, text/event-stream"}


def said(**summary: str) -> ToolResult:
    """What a tool made for a test answers."""
    return ToolResult(None, (), summary)


@asynccontextmanager
async def connected(
    product: Product, mode: str = "auto", org: str = "acme_inc", user: str = "u1", **options: Any
) -> AsyncIterator[Client]:
    async with httpx2.AsyncClient(headers=product.headers(org, user), timeout=120) as http:
        transport = streamable_http_client(product.address("mcp", org), http_client=http)
        async with Client(transport, mode=mode, **options) as client:
            yield client


@pytest.mark.parametrize("mode", MODES)
async def test_a_client_lists_and_calls_the_tools_of_the_registry(serving: Serving, mode: str) -> None:
    product: Product = await serving()
    async with connected(product, mode) as client:
        listed = {each.name: each for each in (await client.list_tools()).tools}
        assert listed.keys() == {each.name for each in product.services.registry.tools}
        for each in product.services.registry.tools:
            parameters = each.schema()["function"]["parameters"]
            shown = dict(listed[each.name].input_schema["properties"])
            assert (shown.pop("confirm", None) is not None) == (each.writes is not None)
            assert {**listed[each.name].input_schema, "properties": shown} == parameters
            assert listed[each.name].output_schema == ENVELOPE_SCHEMA
            assert listed[each.name].description == each.description
        result = await client.call_tool("query_costs", {"group_by": "provider"})
    assert not result.is_error
    assert result.structured_content is not None
    assert {"rows", "columns", "row_count", "truncated", "bytes_processed", "job_id", "sql"} <= (
        result.structured_content.keys()
    )
    assert result.structured_content["rows"]
    told = {name: value for name, value in result.structured_content.items() if name != "chart"}
    assert json.loads(result.content[0].text) == told  # type: ignore[union-attr]
    drawn.check(result.structured_content["chart"])


@pytest.mark.parametrize("mode", MODES)
async def test_arguments_are_checked_and_the_model_is_told_what_to_correct(serving: Serving, mode: str) -> None:
    product: Product = await serving()
    async with connected(product, mode) as client:
        wrong: list[tuple[str, dict[str, Any]]] = [
            ("unknown_dimension", {"group_by": "planet"}),
            ("invalid_arguments", {"limit": 0}),
            ("invalid_arguments", {"org_slug": "globex_inc"}),
            ("invalid_arguments", {"limit": "x" * 30_000}),
        ]
        for code, arguments in wrong:
            result = await client.call_tool("query_costs", arguments)
            assert result.is_error
            assert result.structured_content is not None
            assert result.structured_content["error"]["code"] == code
        with pytest.raises(MCPError, match="There is no tool 'drop_everything'"):
            await client.call_tool("drop_everything", {})


def recorded_calls(cloud: Cloud, ids: list[str]) -> list[dict[str, Any]]:
    client = emulated_bigquery(cloud.environment)
    sql = "SELECT tool_name, status FROM `organizations.org_chat_tool_calls` WHERE tool_call_id IN UNNEST(@ids)"
    config = bigquery.QueryJobConfig(query_parameters=[bigquery.ArrayQueryParameter("ids", "STRING", ids)])
    return [dict(row) for row in client.query(sql, job_config=config).result()]


async def test_every_call_is_on_the_record(serving: Serving, cloud: Cloud) -> None:
    product: Product = await serving()
    before = {row["tool_call_id"] for row in product.audited()}
    async with connected(product) as client:
        await client.call_tool("query_costs", {"group_by": "team"})
        await client.call_tool("query_costs", {"group_by": "planet"})
    rows = sorted(
        (row for row in product.audited() if row["tool_call_id"] not in before), key=lambda row: row["created_at"]
    )
    assert [row["status"] for row in rows] == ["success", "error"]
    assert [row["agent_name"] for row in rows] == ["mcp", "mcp"]
    assert json.loads(rows[0]["input_params"]) == {"group_by": "team"}
    assert rows[0]["bytes_processed"] > 0
    assert rows[1]["error_message"].startswith("unknown_dimension: ")
    assert all(row["conversation_id"].startswith("mcp:") for row in rows)
    await product.recorded()
    found = recorded_calls(cloud, [row["tool_call_id"] for row in rows])
    assert sorted((row["tool_name"], row["status"]) for row in found) == [
        ("query_costs", "error"), ("query_costs", "success"),
    ]  # fmt: skip


async def test_a_call_that_cannot_be_recorded_is_not_answered(serving: Serving) -> None:
    product: Product = await serving()
    async with connected(product) as client:
        await client.list_tools()
        product.firestore.fail("Commit", "DATA_LOSS", times=100)
        with pytest.raises(MCPError, match="session store") as caught:
            await client.call_tool("query_costs", {})
    assert caught.value.data == {"code": "session_store_unavailable"}
    assert product.logs.getvalue().count('"request.failed"') == 1


async def test_thirty_interleaved_calls_of_three_tenants_stay_apart(serving: Serving, cloud: Cloud) -> None:
    (third,) = bring_keys(cloud, 1)
    started = asyncio.Event()
    waiting = 0

    async def whose(principal: Principal, context: ToolContext) -> ToolResult:
        """Say whose call this is, once all calls are here."""
        nonlocal waiting
        waiting += 1
        if waiting == 30:
            started.set()
        await started.wait()
        return said(org=principal.org_slug, user=principal.user_id, label=context.labels["org"])

    product: Product = await serving(registry=Registry([tool("test", whose)]))
    headers = {org: product.headers(org) for org in ("acme_inc", "globex_inc")} | {third.slug: third.headers}
    people = [("acme_inc", "u1"), ("globex_inc", "u1"), (third.slug, "u1"), ("acme_inc", "u2"), ("globex_inc", "u2")]
    callers = people * 6

    async def call(org: str, user: str) -> tuple[str, str, str]:
        own = headers[org] | {"X-User-Id": user}
        async with httpx2.AsyncClient(headers=own, timeout=120) as http:
            transport = streamable_http_client(product.address("mcp", org), http_client=http)
            async with Client(transport, mode="2026-07-28") as client:
                found = (await client.call_tool("whose", {})).structured_content
        assert found is not None
        summary = found["summary"]
        return summary["org"], summary["user"], summary["label"]

    found = await asyncio.gather(*(call(org, user) for org, user in callers))
    assert found == [(org, user, org) for org, user in callers]


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"X-API-Key": "wrong"}, 401, "invalid_api_key"),
        ({"X-API-Key": ""}, 401, "invalid_api_key"),
        ({"X-API-Key": "demo-globex-key"}, 403, "org_forbidden"),
        ({"X-Org-Slug": "globex_inc"}, 403, "org_forbidden"),
        ({"Origin": "https://evil.example"}, 403, "origin_refused"),
    ],
)
async def test_a_caller_is_refused_before_anything_is_listed(
    serving: Serving, headers: dict[str, str], status: int, code: str
) -> None:
    product: Product = await serving()
    for version in ({}, {"MCP-Protocol-Version": "2026-07-28"}):
        async with httpx.AsyncClient(headers=product.headers() | ACCEPT | headers | version, timeout=120) as http:
            response = await http.post(product.address("mcp"), json=LIST_TOOLS)
        assert (response.status_code, response.json()["code"]) == (status, code)
        assert "query_costs" not in response.text


async def test_a_wrong_key_does_not_connect(serving: Serving) -> None:
    product: Product = await serving()
    headers = product.headers() | {"X-API-Key": "wrong"}
    for mode in MODES:
        with pytest.raises((MCPError, ExceptionGroup)) as caught:  # noqa: PT012  connecting may fail too
            async with httpx2.AsyncClient(headers=headers, timeout=120) as http:
                transport = streamable_http_client(product.address("mcp"), http_client=http)
                async with Client(transport, mode=mode) as client:
                    await client.list_tools()
        assert "query_costs" not in repr(caught.value)


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "PATCH", "HEAD"])
async def test_only_post_is_answered(serving: Serving, method: str) -> None:
    product: Product = await serving()
    async with httpx.AsyncClient(headers=product.headers() | ACCEPT, timeout=120) as http:
        response = await http.request(method, product.address("mcp"))
    assert response.status_code == 405
    assert response.headers["allow"] == "POST, OPTIONS"


async def test_tools_say_whether_they_change_anything(serving: Serving) -> None:
    async def change_it(principal: Principal, context: ToolContext) -> ToolResult:
        """Change something."""
        raise AssertionError

    async def read_it(principal: Principal, context: ToolContext) -> ToolResult:
        """Read something."""
        raise AssertionError

    product: Product = await serving(
        registry=Registry([tool("test", change_it, writes=WRITE_ALERTS), tool("test", read_it)])
    )
    async with connected(product) as client:
        hints = {each.name: each.annotations for each in (await client.list_tools()).tools}
    writing, reading = hints["change_it"], hints["read_it"]
    assert writing is not None
    assert reading is not None
    assert (writing.read_only_hint, writing.destructive_hint) == (False, True)
    assert (reading.read_only_hint, reading.destructive_hint) == (True, False)


@pytest.mark.parametrize("mode", MODES)
async def test_an_unexpected_failure_keeps_its_text_to_itself(serving: Serving, mode: str) -> None:
    async def explode(principal: Principal, context: ToolContext) -> ToolResult:
        """Fail."""
        raise RuntimeError("planted-secret")

    product: Product = await serving(registry=Registry([tool("test", explode)]))
    async with connected(product, mode) as client:
        failed = await client.call_tool("explode", {})
    assert failed.is_error
    assert "tool_failed" in str(failed)
    assert "planted-secret" not in str(failed) + product.logs.getvalue()
    assert '"error_class": "RuntimeError"' in product.logs.getvalue()


@pytest.mark.parametrize("mode", MODES)
async def test_prompts_ask_the_common_questions(serving: Serving, mode: str) -> None:
    product: Product = await serving()
    async with connected(product, mode) as client:
        prompts = (await client.list_prompts()).prompts
        assert len(prompts) >= 5
        for prompt in prompts:
            text = (await client.get_prompt(prompt.name, {})).messages[0].content.text  # type: ignore[union-attr]
            assert "{" not in text
        asked = await client.get_prompt("spend_by_provider", {"period": "{September} 2024"})
        assert "{September} 2024" in asked.messages[0].content.text  # type: ignore[union-attr]
        for name, arguments in (
            ("no_such_prompt", {}),
            ("spend_by_provider", {"planet": "x"}),
            ("spend_by_provider", {"period": "x" * (prompts_module.PROMPT_ARGUMENT_CHARS + 1)}),
        ):
            with pytest.raises(MCPError):
                await client.get_prompt(name, arguments)


@pytest.mark.parametrize("mode", MODES)
async def test_resources_are_the_columns_of_readable_tables(serving: Serving, mode: str) -> None:
    product: Product = await serving()
    async with connected(product, mode) as client:
        resources = {each.name: each.uri for each in (await client.list_resources()).resources}
        assert "cost_data_standard_1_3" in resources
        assert "org_api_keys" not in resources
        contents = (await client.read_resource(resources["cost_data_standard_1_3"])).contents[0]
        columns = {column["name"] for column in json.loads(contents.text)["columns"]}  # type: ignore[union-attr]
        assert {"BilledCost", "EffectiveCost", "ChargePeriodStart"} <= columns
        contents = (await client.read_resource(resources["org_integration_credentials"])).contents[0]
        assert "encrypted_credential" not in contents.text  # type: ignore[union-attr]
        for uri in ("cloudcost://tables/org_api_keys", "file:///etc/passwd"):
            with pytest.raises(MCPError):
                await client.read_resource(uri)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"jsonrpc": "2.0"}', b"\xff"])
async def test_what_is_not_a_message_is_refused(serving: Serving, body: bytes) -> None:
    product: Product = await serving()
    for version in ({}, {"MCP-Protocol-Version": "2026-07-28"}):
        headers = product.headers() | ACCEPT | version | {"Content-Type": "application/json"}
        async with httpx.AsyncClient(headers=headers, timeout=120) as http:
            response = await http.post(product.address("mcp"), content=body)
        assert 400 <= response.status_code < 500, response.text


async def test_a_body_that_is_too_large_is_refused(serving: Serving) -> None:
    product: Product = await serving()
    headers = product.headers() | ACCEPT | {"Content-Type": "application/json"}
    async with httpx.AsyncClient(headers=headers, timeout=120) as http:
        response = await http.post(product.address("mcp"), content=b" " * (limits.MAX_BODY_BYTES + 1))
    assert response.status_code == 413
