"""Every address of the product: which function answers it, and under which name."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from common.organizations.agent_rules import Feature
from common.tenant import READ_CHAT, WRITE_ACCESS, WRITE_ALERTS, WRITE_CHAT, WRITE_SETTINGS, Permission

BASE = "/api/v1/chat/{org_slug}"
_ID = "{conversation_id}"
_ONE = f"/conversations/{_ID}"
_RESUME = f"/ui-message-stream/{_ID}/stream"
_ISSUER, _MEMBER, _KEY = "/issuers/{issuer_id}", "/members/{user_id}", "/keys/{key_id}"
_DOCUMENTS = "/knowledge/documents"
_DOCUMENT = f"{_DOCUMENTS}/{{document_id}}"
_REINDEX = f"{_DOCUMENT}/reindex"
_DIGEST = "/digests/{digest_id}"
_DESTINATION = "/destinations/{destination_id}"
_SECRET, _TEST, _SENT = f"{_DESTINATION}/secret", f"{_DESTINATION}/test", f"{_DESTINATION}/deliveries"
_TOLD = "/alerts/{alert_history_id}/deliveries"
_FEEDBACK = f"{_ONE}/messages/{{message_id}}/feedback"


_FEATURES: Mapping[tuple[str, str], Feature] = {
    ("mcp", ""): "mcp",
    ("mcp", "tools"): "tools",
    ("a2a", ""): "a2a",
    ("copilotkit", ""): "copilotkit",
    ("completions", ""): "completions",
}


@dataclass(frozen=True, slots=True)
class Route:
    """One address. ``path`` is the original one; a function also answers to ``short`` at its own URL.

    ``needs`` is the permission without which the caller is refused; None where nobody has to be known.
    """

    function: str
    name: str
    method: str
    path: str
    short: tuple[str, ...]
    needs: Permission | None = None

    @property
    def feature(self) -> Feature | None:
        """The feature that an organisation may switch off, with which the caller is refused."""
        parts = {f"{BASE}/tools": "tools", f"{BASE}/digests": "digests"}
        return _FEATURES.get((self.function, parts.get("/".join(self.path.split("/")[:6]), "")))


@dataclass(frozen=True, slots=True)
class Match:
    """A route with the values its path holds."""

    route: Route
    values: dict[str, str]


ROUTES = (
    Route("send", "send", "POST", f"{BASE}/send", ("/", "/send"), WRITE_CHAT),
    Route("send", "stream", "POST", f"{BASE}/stream", ("/stream",), WRITE_CHAT),
    # Where the answers are made: on the instance that is asked, one ends at once.
    Route("send", "cancel", "POST", f"{BASE}{_ONE}/cancel", (f"{_ONE}/cancel",), WRITE_CHAT),
    Route("copilotkit", "run", "POST", f"{BASE}/copilotkit", (), WRITE_CHAT),
    Route("copilotkit", "run", "POST", "/copilotkit", ("/",), WRITE_CHAT),
    Route("copilotkit", "message", "POST", f"{BASE}/ui-message-stream", ("/ui-message-stream",), WRITE_CHAT),
    Route("copilotkit", "resume", "GET", f"{BASE}{_RESUME}", (_RESUME,), READ_CHAT),
    Route("a2a", "card", "GET", "/.well-known/agent-card.json", ()),
    Route("a2a", "card", "GET", "/.well-known/agent.json", ()),
    Route("a2a", "card", "GET", f"{BASE}/a2a/.well-known/agent-card.json", ()),
    Route("a2a", "card", "GET", f"{BASE}/a2a/.well-known/agent.json", ()),
    Route("a2a", "message", "POST", f"{BASE}/a2a", (), WRITE_CHAT),
    Route("a2a", "message", "POST", "/a2a", ("/",), WRITE_CHAT),
    Route("mcp", "message", "POST", f"{BASE}/mcp", (), WRITE_CHAT),
    Route("mcp", "message", "POST", "/mcp", ("/",), WRITE_CHAT),
    Route("mcp", "tools", "GET", f"{BASE}/tools", ("/tools",), READ_CHAT),
    Route("mcp", "call", "POST", f"{BASE}/tools/{{tool_name}}", ("/tools/{tool_name}",), WRITE_CHAT),
    # Made of the tools' results, as a plain call is.
    Route("mcp", "digests", "GET", f"{BASE}/digests", ("/digests",), READ_CHAT),
    Route("mcp", "make_digest", "POST", f"{BASE}/digests", ("/digests",), WRITE_ALERTS),
    Route("mcp", "preview_digest", "POST", f"{BASE}/digests/preview", ("/digests/preview",), READ_CHAT),
    Route("mcp", "change_digest", "PATCH", f"{BASE}{_DIGEST}", (_DIGEST,), WRITE_ALERTS),
    Route("mcp", "delete_digest", "DELETE", f"{BASE}{_DIGEST}", (_DIGEST,), WRITE_ALERTS),
    # The organisation is the one that the key names: OpenAI's clients send nothing else.
    Route("completions", "complete", "POST", "/v1/chat/completions", (), WRITE_CHAT),
    Route("completions", "models", "GET", "/v1/models", (), READ_CHAT),
    Route("completions", "model", "GET", "/v1/models/{model}", (), READ_CHAT),
    Route("settings_status", "status", "GET", f"{BASE}/settings/status", ("/", "/status"), READ_CHAT),
    Route("settings_status", "models", "GET", f"{BASE}/settings/models", ("/models",), READ_CHAT),
    Route("settings_status", "change", "PUT", f"{BASE}/settings", ("/", "/settings"), WRITE_SETTINGS),
    Route("settings_status", "delete", "DELETE", f"{BASE}/settings", ("/", "/settings"), WRITE_SETTINGS),
    Route("access", "caller", "GET", f"{BASE}/settings/caller", ("/", "/caller"), READ_CHAT),
    Route("access", "agents", "GET", f"{BASE}/settings/agents", ("/agents",), WRITE_SETTINGS),
    Route("access", "set_agents", "PUT", f"{BASE}/settings/agents", ("/agents",), WRITE_SETTINGS),
    Route("access", "issuers", "GET", f"{BASE}/settings/issuers", ("/issuers",), WRITE_ACCESS),
    Route("access", "add_issuer", "POST", f"{BASE}/settings/issuers", ("/issuers",), WRITE_ACCESS),
    Route("access", "remove_issuer", "DELETE", f"{BASE}/settings{_ISSUER}", (_ISSUER,), WRITE_ACCESS),
    Route("access", "members", "GET", f"{BASE}/settings/members", ("/members",), WRITE_ACCESS),
    Route("access", "set_member", "PUT", f"{BASE}/settings{_MEMBER}", (_MEMBER,), WRITE_ACCESS),
    Route("access", "remove_member", "DELETE", f"{BASE}/settings{_MEMBER}", (_MEMBER,), WRITE_ACCESS),
    Route("access", "keys", "GET", f"{BASE}/settings/keys", ("/keys",), WRITE_ACCESS),
    Route("access", "make_key", "POST", f"{BASE}/settings/keys", ("/keys",), WRITE_ACCESS),
    Route("access", "revoke_key", "DELETE", f"{BASE}/settings{_KEY}", (_KEY,), WRITE_ACCESS),
    Route("conversations", "list", "GET", f"{BASE}/conversations", ("/", "/conversations"), READ_CHAT),
    Route("conversations", "delete", "DELETE", f"{BASE}{_ONE}", (_ONE,), WRITE_CHAT),
    Route("conversations", "rename", "PATCH", f"{BASE}{_ONE}/rename", (f"{_ONE}/rename",), WRITE_CHAT),
    Route("conversations", "export", "GET", f"{BASE}{_ONE}/export", (f"{_ONE}/export",), READ_CHAT),
    Route("conversations", "fork", "POST", f"{BASE}{_ONE}/fork", (f"{_ONE}/fork",), WRITE_CHAT),
    Route("conversations", "escalate", "POST", f"{BASE}{_ONE}/escalation", (f"{_ONE}/escalation",), WRITE_CHAT),
    Route("conversations", "resolve", "DELETE", f"{BASE}{_ONE}/escalation", (f"{_ONE}/escalation",), WRITE_CHAT),
    Route("messages", "history", "GET", f"{BASE}{_ONE}/messages", (f"{_ONE}/messages",), READ_CHAT),
    Route("messages", "search", "GET", f"{BASE}/messages/search", ("/search", "/messages/search"), READ_CHAT),
    Route("messages", "feedback", "POST", f"{BASE}{_FEEDBACK}", (_FEEDBACK,), WRITE_CHAT),
    # Whose figures a caller sees, its scopes say: see common/metering/statement.py.
    Route("usage", "figures", "GET", f"{BASE}/usage", ("/", "/usage"), READ_CHAT),
    Route("usage", "statement", "GET", f"{BASE}/usage/statement", ("/statement", "/usage/statement"), READ_CHAT),
    Route("knowledge", "list", "GET", f"{BASE}{_DOCUMENTS}", ("/", "/documents"), READ_CHAT),
    Route("knowledge", "upload", "POST", f"{BASE}{_DOCUMENTS}", ("/documents",), WRITE_SETTINGS),
    Route("knowledge", "document", "GET", f"{BASE}{_DOCUMENT}", ("/documents/{document_id}",), READ_CHAT),
    Route("knowledge", "delete", "DELETE", f"{BASE}{_DOCUMENT}", ("/documents/{document_id}",), WRITE_SETTINGS),
    Route("knowledge", "reindex", "POST", f"{BASE}{_REINDEX}", ("/documents/{document_id}/reindex",), WRITE_SETTINGS),
    Route("knowledge", "search", "POST", f"{BASE}/knowledge/search", ("/search",), READ_CHAT),
    Route("knowledge", "stats", "GET", f"{BASE}/knowledge/stats", ("/stats",), READ_CHAT),
    Route("destinations", "list", "GET", f"{BASE}/destinations", ("/", "/destinations"), READ_CHAT),
    Route("destinations", "create", "POST", f"{BASE}/destinations", ("/", "/destinations"), WRITE_SETTINGS),
    Route("destinations", "read", "GET", f"{BASE}{_DESTINATION}", (_DESTINATION,), READ_CHAT),
    Route("destinations", "change", "PATCH", f"{BASE}{_DESTINATION}", (_DESTINATION,), WRITE_SETTINGS),
    Route("destinations", "delete", "DELETE", f"{BASE}{_DESTINATION}", (_DESTINATION,), WRITE_SETTINGS),
    Route("destinations", "test", "POST", f"{BASE}{_TEST}", (_TEST,), WRITE_SETTINGS),
    Route("destinations", "rotate", "POST", f"{BASE}{_SECRET}", (_SECRET,), WRITE_SETTINGS),
    Route("destinations", "sent", "GET", f"{BASE}{_SENT}", (_SENT,), READ_CHAT),
    Route("destinations", "told", "GET", f"{BASE}{_TOLD}", (_TOLD,), READ_CHAT),
    # Called by Eventarc and the scheduler only: no organisation, no API key; who may call it is IAM's to say.
    Route("ingest", "event", "POST", "/ingest", ("/",)),
    Route("ingest", "due", "POST", "/ingest/due", ("/due",)),
    # Called by Cloud Tasks and the scheduler only.
    Route("deliver", "deliver", "POST", "/deliver", ("/",)),
    Route("deliver", "due", "POST", "/deliver/due", ("/due",)),
    # Called by the scheduler only.
    Route("sync", "sync", "POST", "/sync", ("/",)),
    Route("alerts", "evaluate", "POST", "/alerts", ("/",)),
    Route("health", "live", "GET", "/health", ("/",)),
    Route("health", "ready", "GET", "/health/ready", ("/ready",)),
    Route("health", "openapi", "GET", "/openapi.json", ()),
)


def matches(function: str, path: str) -> tuple[Match, ...]:
    """The routes of a function at ``path``, of any method; a slash at its end changes nothing."""
    path = _without_last_slash(path)
    found = []
    for route in ROUTES:
        if route.function != function:
            continue
        for template in (route.path, *route.short):
            match = _pattern(template).fullmatch(path)
            if match is not None:
                found.append(Match(route, match.groupdict()))
                break
    return tuple(found)


def function_at(path: str) -> str | None:
    """The function that answers at an original path. Returns None if there is no such path."""
    path = _without_last_slash(path)
    return next((route.function for route in ROUTES if _pattern(route.path).fullmatch(path)), None)


def _without_last_slash(path: str) -> str:
    return path.removesuffix("/") or "/"


@cache
def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template))
