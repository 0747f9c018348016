"""Changes over MCP: a client that can ask its person does, any other one confirms with what the first answer says."""

import asyncio
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from mcp import types as mcp

from common import limits
from common.tenant import Principal
from common.tools.context import ToolContext
from common.tools.registry import Registry, tool
from common.tools.result import ToolResult
from tests.clients.conftest import Node, Product, Serving
from tests.clients.test_mcp import ACCEPT, MODES, connected, said

WANTED = {"what": "limit", "much": 3}


def registry(made: list[tuple[str, int, str]]) -> Registry:
    """One tool that changes something, and notes what it was called with and under which key."""

    async def set_it(principal: Principal, context: ToolContext, *, what: str, much: int = 1) -> ToolResult:
        """Change something."""
        made.append((what, much, context.idempotency_key))
        return said(changed=what)

    return Registry([tool("test", set_it, writes="alerts:write")])


async def first_answer(client: Any, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool("set_it", {**WANTED, **arguments})
    assert result.is_error
    structured: dict[str, Any] = result.structured_content
    assert json.loads(result.content[0].text) == structured
    return structured


@pytest.mark.parametrize("mode", MODES)
async def test_a_client_that_cannot_ask_confirms_with_what_the_first_answer_says(serving: Serving, mode: str) -> None:
    made: list[tuple[str, int, str]] = []
    product: Product = await serving(registry=registry(made))
    async with connected(product, mode) as client:
        asked = await first_answer(client)
        assert asked["error"]["code"] == "approval_needed"
        assert 'Set it: what "limit", much 3. Allow it?' in asked["error"]["message"]
        assert made == []
        done = await client.call_tool("set_it", {**WANTED, "confirm": asked["confirm"]})
        assert not done.is_error
        assert made == [("limit", 3, asked["confirm"])]
        again = await first_answer(client, confirm=asked["confirm"])
        assert again["error"]["code"] == "approval_answered"
    assert len(made) == 1


async def test_what_does_not_fit_the_first_answer_is_refused(serving: Serving) -> None:
    made: list[tuple[str, int, str]] = []
    product: Product = await serving(registry=registry(made))
    async with connected(product) as client, connected(product, user="somebody") as other:
        asked = await first_answer(client)
        for confirm in ("yes", "true", str(uuid.uuid4()), "../pending/turn", "x" * 300, True, 1, [asked["confirm"]]):
            assert (await first_answer(client, confirm=confirm))["error"]["code"] == "approval_gone", confirm
        assert (await first_answer(other, confirm=asked["confirm"]))["error"]["code"] == "approval_gone"
        changed = await first_answer(client, confirm=asked["confirm"], much=4)
        assert changed["error"]["code"] == "approval_changed"
        assert (await first_answer(client, confirm=None))["error"]["code"] == "approval_needed"
        assert made == []
        assert not (await client.call_tool("set_it", {**WANTED, "confirm": asked["confirm"]})).is_error


async def test_a_confirmation_expires(serving: Serving) -> None:
    made: list[tuple[str, int, str]] = []
    moment = [datetime(2026, 3, 1, 12, tzinfo=UTC)]
    product: Product = await serving(registry=registry(made), clock=lambda: moment[0])
    async with connected(product) as client:
        late, in_time = await first_answer(client), await first_answer(client)
        moment[0] += timedelta(hours=limits.APPROVAL_HOURS, seconds=-1)
        assert not (await client.call_tool("set_it", {**WANTED, "confirm": in_time["confirm"]})).is_error
        moment[0] += timedelta(seconds=1)
        assert (await first_answer(client, confirm=late["confirm"]))["error"]["code"] == "approval_expired"
    assert len(made) == 1


async def test_a_confirmation_that_is_used_twice_at_once_is_used_once(serving: Serving) -> None:
    made: list[tuple[str, int, str]] = []
    product: Product = await serving(registry=registry(made))
    async with connected(product) as client:
        asked = await first_answer(client)
        calls = [client.call_tool("set_it", {**WANTED, "confirm": asked["confirm"]}) for _ in range(5)]
        results = await asyncio.gather(*calls)
    assert sorted(result.is_error for result in results) == [False, True, True, True, True]
    assert len(made) == 1


async def test_a_call_that_would_be_refused_is_not_asked_about(serving: Serving) -> None:
    product: Product = await serving(registry=registry([]))
    async with connected(product) as client:
        assert (await first_answer(client, much="many"))["error"]["code"] == "invalid_arguments"


@pytest.mark.parametrize(
    ("answer", "allowed"),
    [
        (mcp.ElicitResult(action="accept", content={"confirm": True}), True),
        (mcp.ElicitResult(action="accept", content={"confirm": False}), False),
        (mcp.ElicitResult(action="accept", content={}), False),
        (mcp.ElicitResult(action="decline"), False),
        (mcp.ElicitResult(action="cancel"), False),
    ],
)
async def test_a_client_that_can_ask_its_person_does(serving: Serving, answer: Any, allowed: bool) -> None:
    made: list[tuple[str, int, str]] = []
    asked: list[str] = []

    async def elicited(_: Any, params: Any) -> Any:
        asked.append(params.message)
        assert made == []
        return answer

    product: Product = await serving(registry=registry(made))
    async with connected(product, "2026-07-28", elicitation_callback=elicited) as client:
        result = await client.call_tool("set_it", WANTED)
    assert asked == ['Set it: what "limit", much 3. Allow it?']
    assert [each[:2] for each in made] == ([("limit", 3)] if allowed else [])
    assert result.is_error is not allowed
    if not allowed:
        assert result.structured_content["error"]["code"] == "not_approved"


async def test_a_models_own_confirm_counts_for_nothing_where_the_person_can_be_asked(serving: Serving) -> None:
    made: list[tuple[str, int, str]] = []
    product: Product = await serving(registry=registry(made))

    async def declined(_: Any, params: Any) -> Any:
        return mcp.ElicitResult(action="decline")

    async with connected(product) as plain:
        asked = await first_answer(plain)
    async with connected(product, "2026-07-28", elicitation_callback=declined) as client:
        result = await client.call_tool("set_it", {**WANTED, "confirm": asked["confirm"]})
    assert result.structured_content["error"]["code"] == "not_approved"
    assert made == []


ACCEPT_IT: dict[str, Any] = {"action": "accept", "content": {"confirm": True}}
NEW = "2026-07-28"


async def changed_by(node: Node, product: Product, client: str, **more: Any) -> Any:
    asked = {"client": client, "url": product.address("mcp"), "headers": product.headers(), "call": WANTED}
    seen = await node.run("mcp-change.mjs", asked | more)
    assert seen["error"] is None
    return seen


@pytest.mark.parametrize(
    ("answer", "allowed"),
    [
        (ACCEPT_IT, True),
        ({"action": "accept", "content": {"confirm": False}}, False),
        ({"action": "decline"}, False),
        ({"action": "cancel"}, False),
    ],
)
async def test_a_javascript_client_that_can_ask_its_person_does(
    serving: Serving, node: Node, answer: dict[str, Any], allowed: bool
) -> None:
    made: list[tuple[str, int, str]] = []
    product: Product = await serving(registry=registry(made))
    seen = await changed_by(node, product, "client", answer=answer, version=NEW)
    (elicited,) = seen["elicited"]
    assert elicited["message"] == 'Set it: what "limit", much 3. Allow it?'
    assert elicited["schema"]["properties"].keys() == {"confirm"}
    assert [each[:2] for each in made] == ([("limit", 3)] if allowed else [])
    assert seen["first"].get("isError", False) is not allowed
    assert allowed or seen["first"]["structuredContent"]["error"]["code"] == "not_approved"


@pytest.mark.parametrize(
    ("client", "more"),
    [
        ("sdk", {}),
        ("client", {}),
        ("client", {"version": NEW}),
        # Its protocol asks over a second connection, which may end at another instance.
        ("sdk", {"answer": ACCEPT_IT}),
        ("client", {"answer": ACCEPT_IT}),
    ],
    ids=["sdk", "client", "new client that cannot ask", "sdk that could ask", "client that could ask"],
)
async def test_javascript_clients_confirm(serving: Serving, node: Node, client: str, more: dict[str, Any]) -> None:
    made: list[tuple[str, int, str]] = []
    product: Product = await serving(registry=registry(made))
    seen = await changed_by(node, product, client, **more)
    assert seen["elicited"] == []
    assert seen["first"]["structuredContent"]["error"]["code"] == "approval_needed"
    assert not seen["second"].get("isError")
    assert [each[:2] for each in made] == [("limit", 3)]


@pytest.mark.parametrize("accept", ["text/event-stream", "*/*", None, "application/json", "text/*", "application/*"])
@pytest.mark.parametrize("version", [{}, {"MCP-Protocol-Version": "2025-06-18"}])
async def test_each_accept_is_served(serving: Serving, accept: str | None, version: dict[str, str]) -> None:
    product: Product = await serving(registry=registry([]))
    headers = {**product.headers(), **version, **({"Accept": accept} if accept else {})}
    async with httpx.AsyncClient(timeout=120) as http:
        request = http.build_request("POST", product.address("mcp"), json=LIST, headers=headers)
        if accept is None:
            del request.headers["accept"]
        response = await http.send(request)
    assert response.status_code == 200, response.text
    as_events = accept in ("text/event-stream", "text/*")
    assert response.headers["content-type"].startswith("text/event-stream" if as_events else "application/json")
    data = response.text.split("data: ")[1] if as_events else response.text
    assert json.loads(data)["result"]["tools"][0]["name"] == "set_it"


async def test_an_accept_of_something_else_is_refused(serving: Serving) -> None:
    product: Product = await serving(registry=registry([]))
    async with httpx.AsyncClient(headers=product.headers() | ACCEPT | {"Accept": "text/html"}, timeout=120) as http:
        response = await http.post(product.address("mcp"), json=LIST)
    assert 400 <= response.status_code < 500


LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
