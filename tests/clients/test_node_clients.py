"""The JavaScript clients of MCP and A2A, against the functions."""

import json
from typing import Any

import pytest

from tests.clients.conftest import Node, Product, Serving
from tests.fakes.scripted_model import ScriptedModel, call_tool, say, transfer


@pytest.mark.parametrize("client", ["sdk", "client"])
async def test_an_mcp_client_uses_the_tools_prompts_and_resources(serving: Serving, node: Node, client: str) -> None:
    product: Product = await serving()
    asked = {"client": client, "url": product.address("mcp"), "headers": product.headers()}
    seen = await node.run("mcp.mjs", asked)
    assert seen["error"] is None
    assert {each["name"] for each in seen["tools"]} == {each.name for each in product.services.registry.tools}
    assert all(each["annotations"]["readOnlyHint"] in (True, False) for each in seen["tools"])
    assert seen["answer"]["structuredContent"]["rows"]
    structured = seen["answer"]["structuredContent"]
    assert structured.pop("chart")["data"]["values"]
    assert json.loads(seen["answer"]["content"][0]["text"]) == structured
    assert seen["refused"]["isError"]
    assert "2024-09" in seen["prompt"]["messages"][0]["content"]["text"]
    assert json.loads(seen["resource"]["contents"][0]["text"])["columns"]


@pytest.mark.parametrize("client", ["sdk", "client"])
@pytest.mark.parametrize("broken", [{"X-API-Key": "wrong"}, {"X-API-Key": "demo-globex-key"}])
async def test_an_mcp_client_with_a_wrong_key_sees_nothing(
    serving: Serving, node: Node, client: str, broken: dict[str, str]
) -> None:
    product: Product = await serving()
    asked = {"client": client, "url": product.address("mcp"), "headers": product.headers() | broken}
    seen: dict[str, Any] = await node.run("mcp.mjs", asked)
    assert seen["error"]
    assert "tools" not in seen


async def test_an_a2a_client_reads_the_card_and_asks(serving: Serving, node: Node) -> None:
    alert = call_tool("create_alert", name="Too much", threshold=100, currency="USD")
    script = [say("one"), say("two"), transfer("AlertManager"), alert, say("It is set up.")]
    product: Product = await serving(ScriptedModel(script))
    asked = {"url": product.url, "headers": product.headers(), "change": "Watch my costs"}
    seen = await node.run("a2a.mjs", asked)
    assert seen["error"] is None
    assert seen["card"]["skills"]
    first, *second = seen["answers"]
    assert "Create alert" in json.dumps(seen["task"]["status"])
    assert "It is set up." in json.dumps(seen["done"])
    assert [row["status"] for row in product.audited() if row["conversation_id"] == seen["task"]["contextId"]] == [
        "success"
    ]
    stored = product.messages(first["contextId"])
    assert [message["content"] for message in stored] == ["What did we spend?", "one ", "and now?", "two "]
    assert "one " in json.dumps(first)
    assert "two " in json.dumps(second)


async def test_an_a2a_client_with_a_wrong_key_is_refused(serving: Serving, node: Node) -> None:
    product: Product = await serving()
    seen = await node.run("a2a.mjs", {"url": product.url, "headers": product.headers() | {"X-API-Key": "wrong"}})
    assert "401" in seen["error"]
    assert product.model.calls == []
