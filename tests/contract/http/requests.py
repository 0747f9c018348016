"""The requests of the recording, in the order they are sent, each with the scripted model's replies.

``<<name>>`` stands for what an earlier answer held: see ``keep``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.contract.http import bill
from tests.fakes.scripted_model import call_tool, say, transfer

BASE = f"/api/v1/chat/{bill.ORG}"
DAY = 24 * 60
ADMIN = {"X-Org-Slug": bill.ORG, "X-API-Key": bill.ADMIN_KEY, "X-User-Id": "ada"}
MEMBER = ADMIN | {"X-API-Key": bill.MEMBER_KEY, "X-User-Id": "ben"}
_CONVERSATION = {"conversation": r'"conversation_id":"([^"]+)"'}
_ANSWER = {"answer": r'"message_id":"([^"]+)"'}
_ALERT = "fixed_inc-pipeline-failed-20250615"
_MCP = {"Accept": "application/json, text/event-stream"}


@dataclass(frozen=True, slots=True)
class Ask:
    """One request. ``function`` names the function it is sent to at its own URL; without, all are at their paths.

    ``keep`` takes values out of the answer: a name, and a pattern with one group. So many ``minutes`` have passed
    since the request before. ``beside`` sends it while the same request is being answered; ``expired`` names a kept
    conversation that Firestore holds no longer. ``any_order`` says that the answer's JSON has its members in any order.
    A model's reply that is a text is the code of the error it fails with.
    """

    name: str
    method: str
    path: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=lambda: ADMIN)
    model: tuple[Any, ...] = ()
    function: str | None = None
    keep: Mapping[str, str] = field(default_factory=dict)
    minutes: int = 1
    beside: bool = False
    expired: str | None = None
    any_order: bool = False

    @property
    def content(self) -> str | None:
        """The body as it is sent; a text goes as it is."""
        return self.body if self.body is None or isinstance(self.body, str) else json.dumps(self.body)


def _asked_back() -> tuple[Ask, ...]:
    """A turn that asks the person back, their answer, and one that comes too late."""
    kept = {"unclear": _CONVERSATION["conversation"], "question": r'"question":\{"id":"([^"]+)"'}
    ask = call_tool("ask_user", question="Which Mobile?", choices=["the team", "the service"])
    reply = {"conversation_id": "<<unclear>>", "answer": {"id": "<<question>>", "choices": ["the team"]}}
    late = {**reply, "answer": {"id": "<<question>>", "text": "the other one"}}
    return (
        Ask("asked back", "POST", f"{BASE}/send", {"message": "What does Mobile cost?"}, model=(ask,), keep=kept),
        Ask("asked back, answered", "POST", f"{BASE}/send", reply, model=(say("It costs 5."),)),
        Ask("asked back, answered too late", "POST", f"{BASE}/send", late),
        Ask("asked back, as events", "POST", f"{BASE}/stream", {"message": "And Web?"}, model=(ask,)),
    )


def _change(name: str, agent: str, tool: str, /, *, approved: bool = True, **arguments: Any) -> tuple[Ask, Ask]:
    """A turn that wants to change something, and the answer to what it asks."""
    kept = {"changed": _CONVERSATION["conversation"], "approval": r'"approvals":\[\{"id":"([^"]+)"'}
    decision = {"conversation_id": "<<changed>>", "approvals": [{"id": "<<approval>>", "approved": approved}]}
    asked = {"message": f"Please: {name}"}
    return (
        Ask(name, "POST", f"{BASE}/send", asked, model=(transfer(agent), call_tool(tool, **arguments)), keep=kept),
        Ask(f"{name}, answered", "POST", f"{BASE}/send", decision, model=(say("As you said."),)),
    )


def _turn(name: str, agent: str, tool: str, /, **arguments: Any) -> Ask:
    """A question in a conversation of its own that one tool of an agent answers."""
    handed = () if agent == "CostAnalyst" else (transfer(agent),)
    steps = (*handed, call_tool(tool, **arguments), say("Here it is."))
    return Ask(name, "POST", f"{BASE}/send", {"message": f"Please: {name}"}, model=steps)


def _mcp(title: str, method: str, function: str | None = None, /, **params: Any) -> Ask:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return Ask(title, "POST", "/" if function else f"{BASE}/mcp", body, ADMIN | _MCP, function=function)


def _a2a(name: str, method: str, message: Mapping[str, Any], version: str, *model: Any) -> Ask:
    body = {"jsonrpc": "2.0", "id": "a", "method": method, "params": {"message": message}}
    return Ask(name, "POST", f"{BASE}/a2a", body, ADMIN | {"A2A-Version": version}, model, any_order=True)


def _agui(name: str, run_id: str, *model: Any, keep: Mapping[str, str] | None = None, **fields: Any) -> Ask:
    body = {"threadId": "thread-1", "runId": run_id, "messages": [], "tools": [], "context": [], "state": {}, **fields}
    return Ask(name, "POST", f"{BASE}/copilotkit", body, model=model, keep=keep or {})


def _created(name: str) -> Any:
    return call_tool("create_alert", name=name, threshold=5000, currency="USD", provider="AWS", severity="critical")


SETTING_UP = (
    Ask("live", "GET", "/health", headers={}),
    Ask("ready", "GET", "/health/ready", headers={}),
    Ask("live at its own address", "GET", "/", headers={}, function="health"),
    Ask("status without settings", "GET", f"{BASE}/settings/status"),
    Ask("send without settings", "POST", f"{BASE}/send", {"message": "Hello"}),
    Ask("settings of a key that may not", "PUT", f"{BASE}/settings", {"model": "gpt-4o"}, MEMBER),
    Ask("settings that say nothing", "PUT", f"{BASE}/settings", {}),
    Ask(
        "settings",
        "PUT",
        f"{BASE}/settings",
        {"provider": "openai", "model": "gpt-4o", "key": "sk-recorded-0123456789", "credential_name": "Ours"},
        model=(say("OK"),),
    ),
    Ask("settings of the answer's length", "PUT", "/settings", {"max_tokens": 900}, function="settings_status"),
    Ask("status", "GET", "/status", headers=MEMBER, function="settings_status"),
    Ask("models", "GET", f"{BASE}/settings/models?provider=openai"),
    Ask("who the caller is", "GET", "/", function="access"),
    Ask("a turn of long ago", "POST", f"{BASE}/send", {"message": "Hello"}, model=(say("Hello."),)),
    Ask("sync of long ago", "POST", "/sync", headers={}),
)

TURNS = (
    Ask(
        "send",
        "POST",
        f"{BASE}/send",
        {"message": "What did we spend per provider in May?", "message_id": "question-1"},
        model=(
            call_tool("query_costs", start_date="2025-05-01", end_date="2025-05-31", group_by="provider"),
            say("AWS was the dearest."),
        ),
        keep=_CONVERSATION | _ANSWER,
        minutes=40 * DAY,
    ),
    Ask(
        "the same message again",
        "POST",
        f"{BASE}/send",
        {
            "message": "What did we spend per provider in May?",
            "message_id": "question-1",
            "conversation_id": "<<conversation>>",
        },
    ),
    Ask(
        "stream",
        "POST",
        f"{BASE}/stream",
        {"message": "And day by day?", "conversation_id": "<<conversation>>"},
        model=(
            call_tool("query_costs", start_date="2025-06-10", end_date="2025-06-17", group_by="day"),
            say("It grows."),
        ),
    ),
    Ask(
        "send as events, from a page",
        "POST",
        "/send",
        {"message": "Hello"},
        ADMIN | {"Accept": "text/event-stream", "Origin": "http://localhost:3000"},
        (say("Good morning."),),
        "send",
    ),
    _turn("compare", "CostAnalyst", "compare_periods", period_type="MoM"),
    replace(
        _turn("break down", "CostAnalyst", "cost_breakdown", dimension="service"),
        keep={"older": _CONVERSATION["conversation"]},
    ),
    _turn("forecast", "CostAnalyst", "cost_forecast", horizon_days=7),
    _turn("drivers", "CostAnalyst", "top_cost_drivers", days=14),
    _turn("arguments that are wrong", "CostAnalyst", "query_costs", group_by="planet"),
    _turn("rules", "AlertManager", "list_alerts"),
    _turn("alerts that fired", "AlertManager", "alert_history", start_date="2025-06-01", end_date="2025-06-17"),
    *_change("acknowledge", "AlertManager", "acknowledge_alert", alert_history_id=_ALERT),
    *_change(
        "an alert for a team",
        "AlertManager",
        "create_alert",
        name="Platform",
        threshold=100,
        currency="USD",
        hierarchy_entity="Platform",
    ),
    Ask(
        "an approval that is answered another way",
        "POST",
        f"{BASE}/send",
        {"conversation_id": "<<changed>>", "approvals": [{"id": "<<approval>>", "approved": False}]},
    ),
    *_change(
        "an alert that is declined",
        "AlertManager",
        "create_alert",
        approved=False,
        name="No",
        threshold=1,
        currency="USD",
    ),
    *_asked_back(),
    _turn("tokens", "UsageAnalyst", "genai_usage", start_date="2025-06-01", end_date="2025-06-17"),
    _turn("quotas", "UsageAnalyst", "quota_status"),
    _turn("consumers", "UsageAnalyst", "top_consumers", dimension="service"),
    _turn("runs", "UsageAnalyst", "pipeline_runs", provider="openai"),
    _turn("tables", "Explorer", "list_org_tables"),
    _turn("columns", "Explorer", "describe_table", table="genai_usage_daily_unified"),
    _turn(
        "free SQL",
        "Explorer",
        "run_read_query",
        sql="SELECT ServiceName, SUM(BilledCost) AS cost FROM cost_data_standard_1_3 "
        "WHERE ChargePeriodStart >= '2025-06-01' GROUP BY ServiceName ORDER BY cost DESC",
    ),
    _turn(
        "SQL on another's table",
        "Explorer",
        "run_read_query",
        sql="SELECT * FROM other_inc_prod.genai_usage_daily_unified",
    ),
    Ask("a provider that is down", "POST", f"{BASE}/send", {"message": "Hello"}, model=("provider_unavailable",)),
    Ask("a stream that fails", "POST", f"{BASE}/stream", {"message": "Hello"}, model=("rate_limited_by_provider",)),
)

SESSIONS = (
    Ask("conversations", "GET", f"{BASE}/conversations?limit=2", keep={"cursor": r'"next_cursor":"([^"]+)"'}),
    Ask("conversations, page two", "GET", "/?limit=1&cursor=<<cursor>>", function="conversations"),
    Ask("rename", "PATCH", f"{BASE}/conversations/<<conversation>>/rename", {"title": "Spend in May"}),
    Ask("history", "GET", f"{BASE}/conversations/<<conversation>>/messages?limit=3"),
    Ask("search", "GET", "/search?q=provider&limit=2", function="messages"),
    Ask(
        "feedback",
        "POST",
        f"{BASE}/conversations/<<conversation>>/messages/<<answer>>/feedback",
        {"rating": "up", "reason": "exact", "comment": "Thank you."},
    ),
    Ask("export", "GET", f"{BASE}/conversations/<<conversation>>/export"),
    Ask("history of somebody else", "GET", f"{BASE}/conversations/<<conversation>>/messages", headers=MEMBER),
    Ask(
        "409 while another message is answered",
        "POST",
        f"{BASE}/send",
        {"message": "Are you there?", "conversation_id": "<<conversation>>"},
        model=(say("I am."),),
        beside=True,
    ),
    Ask("sync", "POST", "/sync", headers={}),
    Ask("search in the record", "GET", f"{BASE}/messages/search?q=dearest"),
    Ask("history from the record", "GET", f"{BASE}/conversations/<<older>>/messages", expired="older"),
    Ask("export from the record", "GET", f"{BASE}/conversations/<<older>>/export"),
    Ask(
        "send that goes on from the record",
        "POST",
        f"{BASE}/send",
        {"message": "And now?", "conversation_id": "<<older>>"},
        model=(say("Still the same."),),
    ),
    Ask("branch", "POST", f"{BASE}/conversations/<<conversation>>/fork", {"title": "Another way"}),
    Ask("branch at no message", "POST", f"{BASE}/conversations/<<conversation>>/fork", {"before_message_id": "none"}),
    Ask("branch of somebody else", "POST", f"{BASE}/conversations/<<conversation>>/fork", {}, MEMBER),
    Ask("cancel where nothing is under way", "POST", f"{BASE}/conversations/<<conversation>>/cancel"),
    Ask("cancel with a wrong field", "POST", f"{BASE}/conversations/<<conversation>>/cancel", {"messageId": "m1"}),
    Ask("cancel of somebody else", "POST", f"{BASE}/conversations/<<conversation>>/cancel", {}, MEMBER),
    Ask("documents, of which there are none", "GET", f"{BASE}/knowledge/documents"),
    Ask("documents at their own address", "GET", "/?limit=1", headers=MEMBER, function="knowledge"),
    Ask("upload without a size", "POST", f"{BASE}/knowledge/documents", {"name": "a.pdf", "sha256": "0"}),
    Ask("upload by a member", "POST", f"{BASE}/knowledge/documents", {"name": "a.pdf"}, MEMBER),
    Ask("document that is not there", "GET", f"{BASE}/knowledge/documents/{'no-such-document'}"),
    Ask("deletion of a document that is not there", "DELETE", f"{BASE}/knowledge/documents/{'no-such-document'}"),
    Ask("search in no documents", "POST", f"{BASE}/knowledge/search", {"query": "who approves?"}),
    Ask("counts of documents", "GET", f"{BASE}/knowledge/stats"),
    Ask("event of no document", "POST", "/", headers={}, function="ingest"),
    Ask("documents that are due", "POST", "/due", headers={}, function="ingest"),
    Ask("usage by model", "GET", f"{BASE}/usage?month=2025-06"),
    Ask("usage by channel", "GET", "/?by=channel&limit=1", function="usage"),
    Ask("usage of a person", "GET", f"{BASE}/usage?by=agent", headers=MEMBER),
    Ask("statement", "GET", f"{BASE}/usage/statement"),
    Ask("statement as CSV", "GET", "/statement?format=csv", function="usage"),
    Ask("usage of a month to come", "GET", f"{BASE}/usage?month=2031-01"),
    Ask("usage by what is not there", "GET", f"{BASE}/usage?month=2025-13&by=org&limit=-1"),
    Ask("delete", "DELETE", f"{BASE}/conversations/<<conversation>>"),
    Ask("export of what is deleted", "GET", f"{BASE}/conversations/<<conversation>>/export"),
    Ask("sync after the deletion", "POST", "/", headers={}, function="sync"),
)

_CHANGE = {"id": "1", "role": "user", "content": "Tell me when AWS passes 5000"}
_PARTS_1 = {"messageId": "m-1", "contextId": "context-1", "role": "ROLE_USER", "parts": [{"text": "Spend in May?"}]}
_PARTS_03 = {"messageId": "m-2", "role": "user", "kind": "message", "parts": [{"kind": "text", "text": "And June?"}]}

_BEARER = {"Authorization": f"Bearer {ADMIN['X-API-Key']}"}
_SAID = {"id": "m-1", "role": "user", "parts": [{"type": "text", "text": "Hello"}]}
_CHAT = {"id": "chat-1", "messages": [_SAID], "trigger": "submit-message"}
_APPROVAL = {"type": "dynamic-tool", "state": "approval-responded", "approval": {"id": "none", "approved": True}}
_APPROVED = {**_CHAT, "messages": [_SAID, {"id": "m-2", "role": "assistant", "parts": [_APPROVAL]}]}
_COMPLETION = {"model": "cloud-cost-chat", "messages": [{"role": "user", "content": "Hello"}]}
_CHUNKS = {**_COMPLETION, "stream": True, "stream_options": {"include_usage": True}}

PROTOCOLS = (
    Ask("copilotkit's info", "POST", "/", {"method": "info"}, function="copilotkit"),
    _agui(
        "run that wants to change something",
        "run-1",
        transfer("AlertManager"),
        _created("AWS over 5000"),
        messages=[_CHANGE],
        forwardedProps={"interrupts": True},
        keep={"interrupt": r'"interrupts":\[\{"id":"([^"]+)"'},
    ),
    _agui(
        "run whose change is allowed",
        "run-2",
        say("It is set up."),
        messages=[_CHANGE],
        forwardedProps={"interrupts": True},
        resume=[{"interruptId": "<<interrupt>>", "status": "resolved", "payload": {"approved": True}}],
    ),
    _agui("run without a question", "run-3"),
    Ask(
        "thread as it is",
        "POST",
        f"{BASE}/copilotkit",
        {
            "method": "agent/connect",
            "params": {"agentId": "default"},
            "body": {
                "threadId": "thread-1",
                "runId": "run-4",
                "messages": [],
                "tools": [],
                "context": [],
                "state": {},
                "forwardedProps": {},
            },
        },
    ),
    Ask("message of a chat", "POST", f"{BASE}/ui-message-stream", _CHAT, model=(say("Hello to you."),)),
    Ask("answer in a chat that goes on", "POST", f"{BASE}/ui-message-stream", _APPROVED),
    Ask("stream to resume", "GET", f"{BASE}/ui-message-stream/chat-1/stream"),
    Ask("the one model", "GET", "/v1/models", headers=_BEARER, function="completions"),
    Ask("completion", "POST", "/v1/chat/completions", _COMPLETION, _BEARER, (say("Hello to you."),)),
    Ask("completion in chunks", "POST", "/v1/chat/completions", _CHUNKS, _BEARER, (say("Hello to you."),)),
    Ask("completion of another model", "POST", "/v1/chat/completions", {**_COMPLETION, "model": "gpt"}, _BEARER),
    Ask("completion without a key", "POST", "/v1/chat/completions", _COMPLETION, {}),
    Ask("card", "GET", "/.well-known/agent-card.json", headers={}, any_order=True),
    Ask("the organisation's card", "GET", f"{BASE}/a2a/.well-known/agent.json", headers={}, any_order=True),
    _a2a("a2a 1.0", "SendMessage", _PARTS_1, "1.0", say("As you see.")),
    _a2a("a2a 0.3", "message/send", _PARTS_03, "0.3", say("The same.")),
    _a2a("a2a as events", "SendStreamingMessage", _PARTS_1 | {"messageId": "m-3"}, "1.0", say("Once more.")),
    _a2a("a2a without a text", "SendMessage", {"messageId": "m-4", "role": "ROLE_USER", "parts": []}, "1.0"),
    _mcp(
        "mcp initialize",
        "initialize",
        protocolVersion="2025-06-18",
        capabilities={},
        clientInfo={"name": "recorded", "version": "1"},
    ),
    _mcp("mcp tools", "tools/list", "mcp"),
    _mcp("mcp costs", "tools/call", name="query_costs", arguments={"group_by": "service", "limit": 2}),
    _mcp("mcp alerts", "tools/call", name="list_alerts", arguments={"status": "active"}),
    _mcp("mcp columns", "tools/call", name="describe_table", arguments={"table_name": "cost_data_standard_1_3"}),
    _mcp("mcp change", "tools/call", name="acknowledge_alert", arguments={"alert_history_id": _ALERT}),
    _mcp("mcp tool that is not there", "tools/call", name="drop_everything", arguments={}),
    _mcp("mcp prompts", "prompts/list"),
    _mcp("mcp resources", "resources/list"),
)

_HELLO = {"message": "Hello"}
_EVE = MEMBER | {"X-User-Id": "eve"}

ERRORS = (
    Ask("400 bad slug", "POST", "/api/v1/chat/No-Slug/send", _HELLO),
    Ask("401 no key", "POST", f"{BASE}/send", _HELLO, {"X-Org-Slug": bill.ORG}),
    Ask("401 unknown key", "GET", f"{BASE}/conversations", headers=ADMIN | {"X-API-Key": "fixed-unknown-key"}),
    Ask("401 expired key", "GET", f"{BASE}/settings/status", headers=ADMIN | {"X-API-Key": bill.EXPIRED_KEY}),
    Ask("403 key of another organisation", "POST", f"{BASE}/send", _HELLO, ADMIN | {"X-API-Key": bill.OTHER_KEY}),
    Ask("403 page of another origin", "POST", f"{BASE}/mcp", {}, ADMIN | {"Origin": "https://other.example"}),
    Ask("404 address", "GET", f"{BASE}/nothing"),
    Ask("404 address of a function", "GET", "/nothing", function="send"),
    Ask("404 conversation", "POST", f"{BASE}/send", _HELLO | {"conversation_id": "not-there"}),
    Ask("405", "GET", f"{BASE}/send"),
    Ask("405 of several", "POST", f"{BASE}/settings", {}),
    Ask("413", "POST", f"{BASE}/send", json.dumps({"message": "x" * 262_144})),
    Ask("422 no message", "POST", f"{BASE}/send", {"message": " "}),
    Ask("422 no JSON", "POST", f"{BASE}/send", "{"),
    Ask("422 feedback", "POST", f"{BASE}/conversations/a/messages/b/feedback", {"rating": "sideways"}),
    Ask("within the limit of a minute", "POST", f"{BASE}/send", _HELLO, _EVE, (say("One."),)),
    Ask("at the limit of a minute", "POST", f"{BASE}/send", _HELLO, _EVE, (say("Two."),), minutes=0),
    Ask("429 past the limit of a minute", "POST", f"{BASE}/send", _HELLO, _EVE, minutes=0),
    Ask("preflight", "OPTIONS", f"{BASE}/send", headers={"Origin": "http://localhost:3000"}),
    Ask("settings taken away", "DELETE", f"{BASE}/settings"),
    Ask("status after that", "GET", "/", function="settings_status"),
    Ask("alert rules are evaluated", "POST", "/", headers={}, function="alerts"),
    Ask("sync that purges what was deleted", "POST", "/sync", headers={}, minutes=31 * DAY),
)

_DESTINATION = f"{BASE}/destinations/no-such-destination"
DESTINATIONS: tuple[Ask, ...] = (
    Ask("destinations, of which there are none", "GET", f"{BASE}/destinations"),
    Ask("destinations at their own address", "GET", "/", headers=MEMBER, function="destinations"),
    Ask("destination without an address", "POST", f"{BASE}/destinations", {"name": "ops", "kind": "webhook"}),
    Ask(
        "destination at an address inside",
        "POST",
        f"{BASE}/destinations",
        {"name": "ops", "kind": "slack", "url": "https://169.254.169.254/"},
    ),
    Ask("destination by a member", "POST", f"{BASE}/destinations", {"name": "ops"}, MEMBER),
    Ask("destination that is not there", "GET", _DESTINATION),
    Ask(
        "change of a destination that is not there",
        "PATCH",
        _DESTINATION,
        {"active": False},
    ),
    Ask("deletion of a destination that is not there", "DELETE", _DESTINATION),
    Ask("test of a destination that is not there", "POST", f"{_DESTINATION}/test"),
    Ask("deliveries that are due", "POST", "/due", headers={}, function="deliver"),
    Ask("task of no delivery", "POST", "/", {"org_slug": "fixed_inc", "delivery_id": "none"}, {}, function="deliver"),
    Ask("new secret of a destination that is not there", "POST", f"{_DESTINATION}/secret"),
    Ask("what was sent to a destination that is not there", "GET", f"{_DESTINATION}/deliveries"),
    Ask("who was told of an alert that is not there", "GET", f"{BASE}/alerts/no-such-alert/deliveries"),
)

_DIGEST = f"{BASE}/digests/no-such-digest"
DIGESTS: tuple[Ask, ...] = (
    Ask("digests, of which there are none", "GET", f"{BASE}/digests"),
    Ask("change of a digest that is not there", "PATCH", _DIGEST, {"hour": 9}),
    Ask("change of nothing of a digest", "PATCH", _DIGEST, {}),
    Ask("deletion of a digest that is not there", "DELETE", _DIGEST),
)

REQUESTS: tuple[Ask, ...] = (*SETTING_UP, *TURNS, *SESSIONS, *PROTOCOLS, *ERRORS, *DESTINATIONS, *DIGESTS)
