"""The contract of each call beyond its address: what it takes, what it answers, and how it may fail.

Types are named, not imported: a function that only reads loads neither the agents nor the protocols' SDKs. A route
without a contract here is described by its address alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from common import limits
from common.errors import (
    AccessChanged,
    ApprovalGone,
    ConversationBusy,
    ConversationNotFound,
    DestinationNotFound,
    DestinationsFull,
    DocumentBusy,
    DocumentNotFound,
    KeyInvalid,
    KnowledgeFull,
    ModelError,
    NotFound,
    NothingToCancel,
    RateLimited,
    ServiceError,
    SetupRequired,
)
from common.web.routes import Route

JSON, EVENTS, CSV = "application/json", "text/event-stream", "text/csv"
_TURN = (ConversationNotFound, ConversationBusy, SetupRequired, KeyInvalid, RateLimited, ModelError)
_RPC_BODY, _RPC_ANSWER = "common.protocols.json_rpc:RpcRequest", "common.protocols.json_rpc:RpcResponse"

_ESCALATIONS = "common.conversations.escalations:"
_OWN, _NOTICES, _DIGESTS = "common.web.administration:", "common.web.destinations:", "common.web.digests:"
_OPENAI_ERROR = "common.protocols.chat_completions.encoder:ErrorBody"


@dataclass(frozen=True, slots=True)
class Query:
    """A parameter of the query string; ``schema`` is its JSON schema."""

    name: str
    schema: Mapping[str, Any]
    description: str


@dataclass(frozen=True, slots=True)
class Contract:
    """A call: ``body`` and ``answer`` name types as ``module:Type``, ``fails`` branches of the error tree.

    ``open`` calls know no caller, ``bearer`` ones take the key as a bearer token that names the organisation too.
    ``also`` names the type of an answer with another status than 200, ``errors`` that of a protocol's own errors. A
    query string that is ``checked`` is refused as a body is.
    """

    summary: str = ""
    body: str | None = None
    answer: str | None = None
    media: tuple[str, ...] = (JSON,)
    query: tuple[Query, ...] = ()
    fails: tuple[type[ServiceError], ...] = ()
    also: Mapping[int, str | None] = field(default_factory=dict)
    errors: str | None = None
    body_may_be_empty: bool = False
    open: bool = False
    bearer: bool = False
    checked: bool = False


def _page(most: int = limits.PAGE_MAX, default: int = limits.PAGE_DEFAULT) -> Query:
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return Query("limit", schema, "The most entries of a page.")


_CURSOR = Query("cursor", {"type": "string"}, "The next_cursor of the page before.")
_SEARCHED = Query(
    "q", {"type": "string", "maxLength": limits.SEARCH_CHARS}, "The text to find; % and _ are literal, empty is none."
)
_PROVIDER = Query("provider", {"type": "string"}, "A provider; left out, the organisation's own.")
_MONTH = Query(
    "month", {"type": "string", "pattern": "^20[0-9]{2}-(0[1-9]|1[0-2])$"}, "A month (UTC); left out, this one."
)
_USAGE = (
    _MONTH,
    Query(
        "by",
        {"type": "string", "enum": ["model", "user", "agent", "day", "channel"], "default": "model"},
        "What the usage is grouped by.",
    ),
    Query(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": limits.MAX_USAGE_ROWS, "default": limits.MAX_USAGE_ROWS},
        "The most rows.",
    ),
    _CURSOR,
)
_STATEMENT = (
    _MONTH,
    Query("format", {"type": "string", "enum": ["json", "csv"]}, "The form; left out, Accept says it."),
)

_CONTRACTS: Mapping[str, Contract] = {
    "send/send": Contract(
        "Ask, and get the answer as JSON, or as server-sent events where Accept asks for them",
        "common.turn.request:SendRequest", "common.web.sse:SentAnswer", (JSON, EVENTS), fails=_TURN,
    ),
    "send/stream": Contract(
        "Ask, and get the answer as server-sent events: start, agent, tool, token, and done or error",
        "common.turn.request:SendRequest", media=(EVENTS,), fails=_TURN,
    ),
    "send/cancel": Contract(
        "Cancel the answer under way in a conversation", "common.conversations.cancelling:Cancel",
        "common.conversations.cancelling:Cancelled", fails=(ConversationBusy, NothingToCancel),
        body_may_be_empty=True,
    ),
    "copilotkit/run": Contract(
        "Run a thread over AG-UI, or call CopilotKit's single endpoint",
        "common.protocols.agui.input:Received", media=(EVENTS, JSON), fails=(NotFound, *_TURN),
    ),
    "copilotkit/message": Contract(
        "Send a message, and get the AI SDK's UI message stream",
        "common.protocols.ui_message.input:UIMessageRequest", media=(EVENTS,), fails=(NotFound, *_TURN),
    ),
    "copilotkit/resume": Contract("Ask for a stream to be resumed: there is none", also={204: None}),
    "completions/complete": Contract(
        "Ask as OpenAI's API is asked", "common.protocols.chat_completions.input:ChatCompletionRequest",
        media=(JSON, EVENTS), fails=(NotFound, *_TURN), errors=_OPENAI_ERROR, bearer=True,
    ),
    "completions/models": Contract("List the one model, as OpenAI's API does", errors=_OPENAI_ERROR, bearer=True),
    "completions/model": Contract("Read the one model, as OpenAI's API does", errors=_OPENAI_ERROR, bearer=True),
    "a2a/card": Contract("Read the agent card", open=True),
    "a2a/message": Contract(
        "Send a message to the agent (A2A, JSON-RPC)", _RPC_BODY, _RPC_ANSWER, (JSON, EVENTS), fails=(RateLimited,)
    ),
    "mcp/message": Contract(
        "Call the tools (MCP, streamable HTTP)", _RPC_BODY, _RPC_ANSWER, (JSON, EVENTS), fails=(RateLimited,),
        also={202: None, 400: _RPC_ANSWER, 406: _RPC_ANSWER},
    ),
    "mcp/tools": Contract("List the tools that the caller may call", answer="common.protocols.tool_calls:ToolList"),
    "mcp/call": Contract(
        "Call a tool", "common.protocols.tool_calls:ToolCallBody", fails=(NotFound, ApprovalGone, RateLimited)
    ),
    "mcp/digests": Contract("List the digests, oldest first", answer=f"{_DIGESTS}DigestList"),
    "mcp/make_digest": Contract(
        "Make a digest: a weekly or monthly summary, sent to destinations", "common.digests.digest:NewDigest",
        fails=(DestinationNotFound, RateLimited), also={201: "common.digests.digest:ShownDigest"},
    ),
    "mcp/preview_digest": Contract(
        "Read what a digest would say of the last week or month", "common.digests.digest:DigestScope",
        "common.digests.digests:Preview", fails=(RateLimited,),
    ),
    "mcp/change_digest": Contract(
        "Change a digest; what is left out stays", "common.digests.digest:DigestChange",
        "common.digests.digest:ShownDigest", fails=(NotFound, DestinationNotFound, RateLimited),
    ),
    "mcp/delete_digest": Contract("Delete a digest", answer=f"{_DIGESTS}DeletedDigest", fails=(NotFound, RateLimited)),
    "settings_status/status": Contract(
        "Read whether a model is set up", answer="common.organizations.settings_view:Status"
    ),
    "settings_status/models": Contract(
        "List the providers, and the models of one", answer="common.organizations.settings_view:Models",
        query=(_PROVIDER,), fails=(NotFound, SetupRequired),
    ),
    "settings_status/change": Contract(
        "Change the settings", "common.organizations.settings_change:SettingsChange",
        "common.organizations.settings_view:Whole", fails=(SetupRequired, KeyInvalid, ModelError),
    ),
    "settings_status/delete": Contract(
        "End the chat and retire its provider keys", answer="common.organizations.settings_view:SettingsDeleted"
    ),
    "access/caller": Contract("Read who the caller is, and what the caller may do", answer=f"{_OWN}Caller"),
    "access/agents": Contract("Read the rules for agents, tools and features", answer=f"{_OWN}AgentSettings"),
    "access/set_agents": Contract(
        "Set the rules for agents, tools and features", "common.organizations.agent_rules:AgentRulesChange",
        f"{_OWN}AgentSettings", fails=(AccessChanged,),
    ),
    "access/issuers": Contract("List the issuers of people's tokens", answer=f"{_OWN}IssuerList"),
    "access/add_issuer": Contract(
        "Register an issuer of people's tokens", "common.organizations.issuers:NewIssuer",
        fails=(NotFound, AccessChanged),
    ),
    "access/remove_issuer": Contract(
        "Refuse the tokens of an issuer from now on", answer=f"{_OWN}Changed", fails=(AccessChanged,)
    ),
    "access/members": Contract("List the people with a role of the organisation's own", answer=f"{_OWN}MemberList"),
    "access/set_member": Contract(
        "Give a person a role, or block them", "common.organizations.access:Member", f"{_OWN}Changed",
        fails=(AccessChanged,),
    ),
    "access/remove_member": Contract(
        "Let the token alone say what a person may do", answer=f"{_OWN}Changed", fails=(AccessChanged,)
    ),
    "access/keys": Contract("List the API keys, newest first", answer=f"{_OWN}ApiKeyList"),
    "access/make_key": Contract("Make an API key, shown once", f"{_OWN}NewApiKey", f"{_OWN}MadeApiKey"),
    "access/revoke_key": Contract("Refuse an API key from now on", answer=f"{_OWN}Changed"),
    "conversations/list": Contract(
        "List the caller's own conversations, newest first",
        answer="common.conversations.conversations:ConversationPage", query=(_page(), _CURSOR),
    ),
    "conversations/rename": Contract(
        "Rename a conversation", "common.conversations.bodies:Rename",
        "common.conversations.conversations:Renamed", fails=(ConversationBusy,),
    ),
    "conversations/escalate": Contract(
        "Hand a conversation over to a person", "common.conversations.bodies:Escalate", f"{_ESCALATIONS}Escalated",
        fails=(ConversationNotFound, ConversationBusy, RateLimited),
    ),
    "conversations/resolve": Contract(
        "Say that the person was helped", answer=f"{_ESCALATIONS}Escalated",
        fails=(ConversationNotFound, ConversationBusy, RateLimited),
    ),
    "conversations/delete": Contract(
        "Delete a conversation", answer="common.conversations.conversations:Deleted", fails=(ConversationBusy,)
    ),
    "conversations/fork": Contract(
        "Branch a conversation", "common.conversations.bodies:Fork", fails=(NotFound, ConversationBusy)
    ),
    "conversations/export": Contract("Export a conversation as a file"),
    "messages/history": Contract(
        "Read the messages of a conversation, oldest first", answer="common.conversations.messages:MessagePage",
        query=(_page(), _CURSOR),
    ),
    "messages/search": Contract(
        "Search the caller's own conversations", answer="common.conversations.search:SearchResults",
        query=(_SEARCHED, _page(limits.SEARCH_MAX, limits.SEARCH_DEFAULT)),
    ),
    "knowledge/list": Contract(
        "List the organisation's documents, newest first", answer="common.web.knowledge:DocumentList",
        query=(_page(), _CURSOR), checked=True,
    ),
    "knowledge/upload": Contract(
        "Announce a document, and get an address for its bytes; of bytes that are there already, none",
        "common.web.knowledge:NewDocument", "common.web.knowledge:UploadStarted",
        fails=(DocumentBusy, KnowledgeFull, RateLimited), also={201: "common.web.knowledge:UploadStarted"},
    ),
    "knowledge/document": Contract(
        "Read what has become of a document", answer="common.web.knowledge:DocumentEntry", fails=(DocumentNotFound,),
    ),
    "knowledge/delete": Contract(
        "Delete a document: it is in no answer from now on", answer="common.web.knowledge:DeletedDocument",
        fails=(DocumentNotFound, RateLimited),
    ),
    "knowledge/reindex": Contract(
        "Have a document's file read anew, in the background", fails=(DocumentNotFound, DocumentBusy, RateLimited),
        also={202: "common.web.knowledge:DocumentEntry"},
    ),
    "knowledge/search": Contract(
        "Find the passages that are nearest to a question", "common.web.knowledge:KnowledgeQuestion",
        "common.web.knowledge:FoundPassages", fails=(RateLimited,),
    ),
    "knowledge/stats": Contract(
        "Count documents and passages", answer="common.web.knowledge:KnowledgeStats",
    ),
    "destinations/list": Contract(
        "List the destinations of notices, oldest first", answer=f"{_NOTICES}DestinationList"
    ),
    "destinations/create": Contract(
        "Make a destination; the secret of a webhook is shown this once", "common.notices.destination:NewDestination",
        fails=(DestinationsFull, RateLimited), also={201: f"{_NOTICES}MadeDestination"},
    ),
    "destinations/read": Contract(
        "Read a destination, without anything secret", answer="common.notices.destination:ShownDestination",
        fails=(DestinationNotFound,),
    ),
    "destinations/change": Contract(
        "Change a destination, or switch it off or on", "common.notices.destination:DestinationChange",
        "common.notices.destination:ShownDestination", fails=(DestinationNotFound, RateLimited),
    ),
    "destinations/delete": Contract(
        "Delete a destination: nothing is sent there any more", answer=f"{_NOTICES}DeletedDestination",
        fails=(DestinationNotFound, RateLimited),
    ),
    "destinations/rotate": Contract(
        "Give a webhook a new secret, shown once; for a day the one before signs too",
        answer=f"{_NOTICES}NewSecret", fails=(DestinationNotFound, RateLimited),
    ),
    "destinations/test": Contract(
        "Send a test to a destination, once, and say what became of it", answer=f"{_NOTICES}TestResult",
        fails=(DestinationNotFound, RateLimited),
    ),
    "destinations/sent": Contract(
        "List what was sent to a destination, newest first", answer=f"{_NOTICES}DeliveryList", query=(_page(),),
        fails=(DestinationNotFound,), checked=True,
    ),
    "destinations/told": Contract("List who was told of an alert", answer=f"{_NOTICES}DeliveryList"),
    "deliver/deliver": Contract(
        "Try a delivery; Cloud Tasks calls it", "common.notices.delivery:DeliveryTask",
        "common.delivery.deliveries:DeliveryReport", open=True,
    ),
    "deliver/due": Contract(
        "Queue the deliveries that are due; the scheduler calls it", answer="common.delivery.deliveries:Enqueued",
        open=True,
    ),
    "ingest/event": Contract("Take an event of Cloud Storage; Eventarc calls it", open=True),
    "ingest/due": Contract("Do what is left to do with documents; the scheduler calls it", open=True),
    "usage/figures": Contract("Read what the chat used in a month, and the ceilings", query=_USAGE, checked=True),
    "usage/statement": Contract(
        "Read the statement of a month", media=(JSON, CSV), query=_STATEMENT, checked=True
    ),
    "messages/feedback": Contract(
        "Rate an answer", "common.conversations.bodies:Opinion", "common.conversations.feedback:StoredOpinion"
    ),
    "sync/sync": Contract(
        "Bring what was said to the record; called by the scheduler", answer="common.record.sync:Synced", open=True
    ),
    "health/live": Contract(
        "Ask whether an instance lives", answer="common.telemetry.readiness:Health", open=True
    ),
    "health/ready": Contract(
        "Ask whether questions can be asked", answer="common.telemetry.readiness:Health", open=True,
        also={503: "common.telemetry.readiness:Health"},
    ),
    "health/openapi": Contract("Read this description", open=True),
}  # fmt: skip


def contract_of(route: Route) -> Contract:
    """The contract of a route's call."""
    return _CONTRACTS.get(f"{route.function}/{route.name}", Contract())
