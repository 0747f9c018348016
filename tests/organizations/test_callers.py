"""Who may do what: every route with every caller that may not, by key, by scope and by the organisation's status."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest

from common.app import Services
from common.identity.authenticate import read_credentials
from common.organizations import key_lookup
from common.tenant import EVERY_PERMISSION, WITHOUT_SCOPES
from common.web.routes import ROUTES, Route
from local.gateway import Gateway
from tests.fakes.scripted_model import call_tool
from tests.organizations.organizations import NOW, Made, Rows
from tests.organizations.serving import Product

GUARDED = [route for route in ROUTES if route.needs is not None]
QUESTION: dict[str, Any] = {"message": "hello"}
RUN = {
    "threadId": "a-thread",
    "runId": "a-run",
    "messages": [{"id": "1", "role": "user", "content": "hello"}],
    "tools": [],
    "context": [],
    "state": {},
    "forwardedProps": {},
}
CALL = {"name": "create_alert", "arguments": {"name": "x", "threshold": 5, "currency": "USD"}}
ASKED_BY_AGENT = {"message": {"messageId": "m1", "role": "ROLE_USER", "parts": [{"text": "hello"}]}}
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("send", "send"): QUESTION,
    ("send", "stream"): QUESTION,
    ("copilotkit", "run"): RUN,
    ("a2a", "message"): {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": ASKED_BY_AGENT},
    ("mcp", "message"): {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": CALL},
    ("settings_status", "change"): {"provider": "openai", "model": "gpt-4o", "key": "sk-of-a-wrong-caller-0123"},
    ("conversations", "rename"): {"title": "mine"},
    ("messages", "feedback"): {"rating": "up"},
    ("conversations", "fork"): {"message_id": "m1"},
    ("copilotkit", "message"): {"id": "c1", "messages": []},
    ("access", "add_issuer"): {"issuer": "https://evil.example", "algorithm": "RS256", "audience": "a"},
    ("access", "set_agents"): {"tools": {"query_costs": {"enabled": False}}},
    ("mcp", "call"): {"arguments": {}},
    ("access", "set_member"): {"role": "admin"},
    ("access", "make_key"): {"name": "mine"},
    ("knowledge", "upload"): {"name": "a.md", "bytes": 1, "sha256": "0" * 64},
    ("knowledge", "search"): {"query": "who approves?"},
    ("mcp", "make_digest"): {"name": "Weekly", "cadence": "weekly"},
    ("mcp", "preview_digest"): {"cadence": "weekly"},
    ("mcp", "change_digest"): {"hour": 9},
    ("destinations", "create"): {"name": "hook", "kind": "webhook", "url": "https://hooks.example.com/x"},
    ("destinations", "change"): {"active": False},
    ("completions", "complete"): {"model": "cloudcost", "messages": []},
}
WRONG_KEYS = {"none": 401, "unknown": 401, "expired": 401, "inactive": 401, "another": 403}
STATUSES = ("SUSPENDED", "DELETED", "suspended", "", "ACTIVATED")


@dataclass
class Everything:
    """The product at its original paths, and an organisation that is set up."""

    http: httpx.AsyncClient
    product: Product
    made: Made

    async def call(self, route: Route, headers: dict[str, str], made: Made | None = None) -> httpx.Response:
        named = {
            "conversation_id": "c1",
            "message_id": "m1",
            "model": "m",
            "user_id": "u1",
            "key_id": "k1",
            "tool_name": "t1",
            "document_id": "0" * 32,
            "destination_id": "0" * 32,
            "digest_id": "0" * 32,
            "alert_history_id": f"alert-{'0' * 36}",
        }
        path = route.path.format(org_slug=(made or self.made).slug, issuer_id="i1", **named)
        accept = {"Accept": "application/json, text/event-stream"} if route.function == "mcp" else {}
        body = BODIES.get((route.function, route.name))
        return await self.http.request(route.method, path, json=body, headers=headers | accept)

    def untouched(self, asked: int) -> bool:
        """Return true if no model was asked, no row was read and nothing was written since counting began."""
        counts = self.product.firestore.calls()
        reads = counts["RunQuery"] + counts["RunAggregationQuery"]
        return (len(self.product.model.calls), reads, counts["Commit"], self.product.bigquery_calls()) == (
            asked,
            0,
            0,
            0,
        )

    async def refused(self, route: Route, headers: dict[str, str], status: int, code: str, made: Made) -> None:
        # What is known of the caller is brought to Firestore once: what is counted is what the refusal itself does.
        await self.call(route, headers, made)
        asked = len(self.product.model.calls)
        self.product.reset_counts()
        response = await self.call(route, headers, made)
        told = response.json()
        assert (response.status_code, told.get("error", told)["code"]) == (status, code)
        assert told.keys() in ({"detail", "code", "request_id"}, {"error", "request_id"})
        assert self.untouched(asked)


@pytest.fixture
async def everything(product: Product, made: Made, rows: Rows) -> AsyncIterator[Everything]:
    assert (
        await product.put(made, provider="openai", model="gpt-4o", key="sk-everything-0123456789")
    ).status_code == 200
    rows.add_key(made.slug, "expired", sorted(EVERY_PERMISSION), expires_at=(NOW - timedelta(days=1)).isoformat())
    rows.add_key(made.slug, "inactive", sorted(EVERY_PERMISSION), is_active=False)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(Gateway()), base_url="http://all", timeout=60) as http:
        yield Everything(http, product, made)


@pytest.mark.parametrize("who", WRONG_KEYS)
async def test_a_wrong_key_reaches_no_model_no_row_and_no_document(
    everything: Everything, rows: Rows, who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_lookup, "UNKNOWN_KEY_SECONDS", 600.0)
    headers = everything.made.key(who)
    if who == "none":
        del headers["X-API-Key"]
    if who == "another":
        headers["X-API-Key"] = rows.make().member["X-API-Key"]
    code = "org_forbidden" if who == "another" else "invalid_api_key"
    for route in GUARDED:
        await everything.refused(route, headers, WRONG_KEYS[who], code, everything.made)


async def test_a_key_without_the_scope_of_a_route_is_refused(everything: Everything, rows: Rows) -> None:
    for left_out in EVERY_PERMISSION:
        rows.add_key(everything.made.slug, f"not-{left_out}", sorted(EVERY_PERMISSION - {left_out}))
    rows.add_key(everything.made.slug, "elsewhere", ["billing:read", "CHAT:READ", "chat", ""])
    for route in GUARDED:
        assert route.needs is not None
        but_one = everything.made.key(f"not-{route.needs}")
        for headers in (but_one, everything.made.key("elsewhere")):
            await everything.refused(route, headers, 403, "scope_missing", everything.made)
        assert route.needs in (await everything.call(route, but_one)).text


async def test_a_key_that_was_made_without_scopes_may_do_what_every_key_of_the_platform_may(
    everything: Everything, rows: Rows
) -> None:
    rows.add_key(everything.made.slug, "plain", [])
    for route in GUARDED:
        response = await everything.call(route, everything.made.key("plain"))
        assert (response.status_code != 403) is (route.needs in WITHOUT_SCOPES), route


@pytest.mark.parametrize("status", STATUSES)
async def test_an_organisation_that_is_not_active_is_refused_everywhere(
    everything: Everything, rows: Rows, status: str
) -> None:
    inactive = rows.make(status=status)
    for route in GUARDED:
        await everything.refused(route, inactive.admin, 403, "org_inactive", inactive)


async def test_an_organisation_that_is_suspended_is_refused_once_its_copy_is_old(everything: Everything) -> None:
    made, product = everything.made, everything.product
    assert (await product.send(made.member)).status_code == 200
    made.rows.change_status(made.slug, "SUSPENDED")
    assert (await product.send(made.member)).status_code == 200
    aged = product.documents.document(f"orgs/{made.slug}")
    seconds = product.services.settings.cache_ttl_seconds
    aged.update({"cached_at": NOW - timedelta(seconds=seconds + 1)})
    assert (await product.send(made.member)).json()["code"] == "org_inactive"
    made.rows.change_status(made.slug, "Active")
    aged.update({"cached_at": NOW - timedelta(seconds=seconds + 1)})
    assert (await product.send(made.member)).status_code == 200


async def test_a_tool_that_sets_up_alerts_checks_the_scope_in_a_turn_and_over_mcp(
    everything: Everything, rows: Rows
) -> None:
    made, product = everything.made, everything.product
    rows.add_key(made.slug, "asks-only", ["chat:read", "chat:write"])
    arguments = CALL["arguments"]
    assert isinstance(arguments, dict)
    product.model.steps = [
        call_tool("transfer_to_agent", agent_name="AlertManager"),
        call_tool("create_alert", "c1", **arguments),
        call_tool("acknowledge_alert", "c2", alert_history_id="a1"),
        *product.model.steps,
    ]
    await product.status(made.key("asks-only"))
    product.model.calls.clear()
    product.reset_counts()
    assert (await product.send(made.key("asks-only"))).status_code == 200
    results = [message["content"] for message in product.model.calls[-1].messages if message["role"] == "tool"]
    assert [each.count("scope_missing") for each in results[-2:]] == [1, 1]
    over_mcp = next(route for route in GUARDED if route.function == "mcp")
    answer = (await everything.call(over_mcp, made.key("asks-only"))).json()["result"]
    assert answer["isError"]
    assert answer["structuredContent"]["error"]["code"] == "scope_missing"
    assert product.bigquery_calls() == 0


async def test_a_thread_is_shown_over_ag_ui_only_to_a_key_that_reads(everything: Everything, rows: Rows) -> None:
    made = everything.made
    rows.add_key(made.slug, "asks-only", ["chat:write"])
    run = next(route for route in GUARDED if route.function == "copilotkit")
    path = run.path.format(org_slug=made.slug)
    connect = {"method": "agent/connect", "params": {"agentId": "default"}, "body": RUN}
    refused = await everything.http.post(path, json=connect, headers=made.key("asks-only"))
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
    assert (await everything.http.post(path, json=connect, headers=made.member)).status_code == 200


async def test_the_local_bypass_has_every_scope(everything: Everything) -> None:
    services = Services(everything.product.services.settings.model_copy(update={"disable_auth": True}))
    try:
        caller = await services.authenticator.principal(read_credentials({"x-org-slug": everything.made.slug}, None))
        assert caller.scopes == EVERY_PERMISSION
    finally:
        await services.close()
