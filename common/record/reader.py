"""Reading the record: what of conversations and messages Firestore no longer holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from common import limits
from common.record.start import MARGIN, RecordStart
from common.tenant import Principal, Tenant
from common.transcript.conversation import Conversation, conversation_in
from common.transcript.message import Message, message_in
from common.transcript.window import with_message
from common.warehouse.client import Warehouse
from common.warehouse.query import Parameter, fixed

CONVERSATION_SQL = """
SELECT conversation_id, user_id, title, provider, model_id, status, message_count, created_at, updated_at,
  last_message_at, first_message_at, summary, through_sequence, escalation
FROM {shared.org_chat_conversations}
WHERE org_slug = @org_slug AND created_at >= @began AND user_id = @user_id
  AND conversation_id IN UNNEST(@conversation_ids)
LIMIT 10
"""
OWNERS_SQL = """
SELECT conversation_id, user_id
FROM {shared.org_chat_conversations}
WHERE org_slug = @org_slug AND created_at >= @began AND conversation_id IN UNNEST(@conversation_ids)
LIMIT 10
"""
CONVERSATIONS_SQL = """
SELECT conversation_id, user_id, title, provider, model_id, status, message_count, created_at, updated_at,
  COALESCE(last_message_at, created_at) AS last_message_at, first_message_at,
  summary, through_sequence, escalation
FROM {shared.org_chat_conversations}
WHERE org_slug = @org_slug AND created_at >= @began AND user_id = @user_id AND status = 'active'
  AND (@before IS NULL OR COALESCE(last_message_at, created_at) < @before
    OR (COALESCE(last_message_at, created_at) = @before AND conversation_id < @before_id))
ORDER BY last_message_at DESC, conversation_id DESC
LIMIT @most
"""
MESSAGES_SQL = """
SELECT m.message_id, m.role, m.content, m.agent_name, m.tool_calls_json, m.tool_results_json, m.provider,
  m.model_id, m.fallback_from, m.input_tokens, m.output_tokens, m.latency_ms, m.finish,
  m.unverified_figures_json, m.citations_json, m.cached_at, m.status, m.created_at,
  f.rating, f.reason, f.comment, f.updated_at AS feedback_at
FROM {shared.org_chat_messages} AS m
LEFT JOIN {shared.org_chat_feedback} AS f
  ON f.org_slug = m.org_slug AND f.conversation_id = m.conversation_id AND f.message_id = m.message_id
  AND f.org_slug = @org_slug AND f.created_at >= @earliest
WHERE m.org_slug = @org_slug AND m.created_at BETWEEN @earliest AND @latest AND m.conversation_id = @conversation_id
  AND (@after IS NULL OR m.created_at > @after OR (m.created_at = @after AND m.message_id > @after_id))
ORDER BY m.created_at, m.message_id
LIMIT @most
"""
WINDOW_SQL = """
SELECT message_id, role, content, agent_name, finish, unverified_figures_json, citations_json, created_at,
  tool_calls_json,
  IF(LENGTH(tool_results_json) <= 50000, tool_results_json, NULL) AS tool_results_json
FROM {shared.org_chat_messages}
WHERE org_slug = @org_slug AND created_at BETWEEN @earliest AND @latest AND conversation_id = @conversation_id
ORDER BY created_at DESC, message_id DESC
LIMIT @most
"""
SAID_SQL = """
SELECT message_id, role, content, finish, status, unverified_figures_json, created_at
FROM {shared.org_chat_messages}
WHERE org_slug = @org_slug AND created_at BETWEEN @earliest AND @latest AND conversation_id = @conversation_id
ORDER BY created_at, message_id
LIMIT @most OFFSET @first
"""
NAMED_SQL = """
SELECT message_id, role, content, agent_name, tool_calls_json, tool_results_json, provider, model_id, fallback_from,
  input_tokens, output_tokens, latency_ms, finish, unverified_figures_json, citations_json, cached_at, status,
  created_at
FROM {shared.org_chat_messages}
WHERE org_slug = @org_slug AND created_at BETWEEN @earliest AND @latest AND conversation_id = @conversation_id
  AND message_id IN UNNEST(@message_ids)
LIMIT 10
"""
# For a conversation that does not say it: one of before the column, or of another platform.
SPAN_SQL = """
SELECT MIN(created_at) AS earliest, MAX(created_at) AS latest
FROM {shared.org_chat_messages}
WHERE org_slug = @org_slug AND created_at >= @began AND conversation_id = @conversation_id
"""
SEARCH_SQL = """
SELECT m.message_id, m.conversation_id, m.role, m.content, m.created_at
FROM {shared.org_chat_messages} AS m
JOIN {shared.org_chat_conversations} AS c
  ON c.org_slug = m.org_slug AND c.conversation_id = m.conversation_id
WHERE m.org_slug = @org_slug AND m.created_at >= @began
  AND c.org_slug = @org_slug AND c.created_at >= @began AND c.user_id = @user_id AND c.status = 'active'
  AND STRPOS(LOWER(m.content), LOWER(@text)) > 0
ORDER BY m.created_at DESC, m.message_id DESC
LIMIT @most
"""
PLANNED_SQL = """
SELECT m.message_id, m.role, m.content, m.created_at, m.tool_calls_json, m.tool_results_json
FROM {shared.org_chat_messages} AS m
JOIN {shared.org_chat_conversations} AS c
  ON c.org_slug = m.org_slug AND c.conversation_id = m.conversation_id
WHERE m.org_slug = @org_slug AND m.created_at >= @began
  AND c.org_slug = @org_slug AND c.created_at >= @began AND c.user_id = @user_id AND c.status = 'active'
  AND STRPOS(m.tool_calls_json, @tool_name) > 0 AND STRPOS(m.tool_results_json, @text) > 0
ORDER BY m.created_at, m.message_id
LIMIT @most
"""
IDLE_SQL = """
SELECT conversation_id
FROM {shared.org_chat_conversations}
WHERE org_slug = @org_slug AND created_at BETWEEN @began AND @before
  AND COALESCE(last_message_at, created_at) < @before
ORDER BY conversation_id
LIMIT @most
"""
OF_USER_SQL = """
SELECT DISTINCT conversation_id
FROM {shared.org_chat_conversations}
WHERE org_slug = @org_slug AND created_at >= @began AND user_id = @user_id AND conversation_id > @after_id
ORDER BY conversation_id
LIMIT @most
"""


@dataclass(frozen=True, slots=True)
class ListPosition:
    """A place in an ordered list: the time and the id of the row before it."""

    at: datetime
    row_id: str


@dataclass(frozen=True, slots=True)
class _Span:
    """The times of a conversation's first and last message."""

    earliest: datetime
    latest: datetime


class Record:
    """Reads one user's conversations, or one conversation's messages. Raises WarehouseUnavailable."""

    def __init__(self, warehouse: Warehouse, start: RecordStart) -> None:
        self._warehouse = warehouse
        self._start = start

    async def conversation(self, principal: Principal, ids: Sequence[str]) -> Conversation | None:
        """Read the first of these that is the caller's own, without its window, of any status. None if none is."""
        given = {"user_id": _text(principal.user_id), "conversation_ids": Parameter("STRING", tuple(ids))}
        rows = await self._read_all(principal.tenant, CONVERSATION_SQL, given)
        return min(map(conversation_in, rows), key=lambda each: ids.index(each.conversation_id), default=None)

    async def owners(self, tenant: Tenant, ids: Sequence[str]) -> dict[str, str]:
        """The users, by conversation, of those of these conversations that the organisation has, of any status."""
        rows = await self._read_all(tenant, OWNERS_SQL, {"conversation_ids": Parameter("STRING", tuple(ids))})
        return {row["conversation_id"]: row["user_id"] for row in rows}

    async def conversations(self, principal: Principal, before: ListPosition | None, most: int) -> list[Conversation]:
        """The caller's active conversations from a place on, newest first, without their windows."""
        given = {
            "user_id": _text(principal.user_id),
            "before": Parameter("TIMESTAMP", before.at if before else None),
            "before_id": _text(before.row_id if before else ""),
            "most": Parameter("INT64", most),
        }
        return [conversation_in(row) for row in await self._read_all(principal.tenant, CONVERSATIONS_SQL, given)]

    async def messages(
        self, tenant: Tenant, conversation: Conversation, after: ListPosition | None, most: int
    ) -> tuple[Message, ...]:
        """The messages of a conversation from a place on, oldest first; their sequence is not known here."""
        span = await self._span(tenant, conversation)
        if after is not None:
            # No message from there on is older.
            span = replace(span, earliest=max(span.earliest, after.at))
        given = {
            "after": Parameter("TIMESTAMP", after.at if after else None),
            "after_id": _text(after.row_id if after else ""),
            "most": Parameter("INT64", most),
        }
        rows = await self._read_messages(tenant, conversation.conversation_id, span, MESSAGES_SQL, given)
        return tuple(map(_message, rows))

    async def said(self, tenant: Tenant, conversation: Conversation, first: int, most: int) -> list[Message]:
        """The texts of a conversation from its message numbered ``first`` on, oldest first."""
        given = {"first": Parameter("INT64", first), "most": Parameter("INT64", most)}
        span = await self._span(tenant, conversation)
        rows = await self._read_messages(tenant, conversation.conversation_id, span, SAID_SQL, given)
        return [message_in(row) for row in rows]

    async def message(self, tenant: Tenant, conversation: Conversation, message_id: str) -> Message | None:
        """Read one message. Returns None if it does not exist."""
        return (await self.named(tenant, conversation, message_id)).get(message_id)

    async def named(self, tenant: Tenant, conversation: Conversation, *message_ids: str) -> dict[str, Message]:
        """The messages of these ids, as far as there are any."""
        given = {"message_ids": Parameter("STRING", message_ids)}
        span = await self._span(tenant, conversation)
        rows = await self._read_messages(tenant, conversation.conversation_id, span, NAMED_SQL, given)
        return {row["message_id"]: message_in(row) for row in rows}

    async def with_window(self, tenant: Tenant, conversation: Conversation) -> Conversation:
        """The conversation with its recent window, its last agent and, where that can be noted, its beginning."""
        span = await self._span(tenant, conversation)
        given = {"most": Parameter("INT64", limits.RECENT_WINDOW_MESSAGES)}
        rows = await self._read_messages(tenant, conversation.conversation_id, span, WINDOW_SQL, given)
        recent = conversation.recent
        for row in reversed(rows):
            recent = with_message(recent, message_in(row))
        last_agent = next((row["agent_name"] for row in rows if row["agent_name"]), None)
        if conversation.first_message_at is None and span.latest <= conversation.last_message_at + MARGIN:
            conversation = replace(conversation, first_message_at=span.earliest)
        return replace(conversation, recent=recent, last_agent=last_agent, window_held=True)

    async def search(self, principal: Principal, text: str, most: int) -> tuple[Mapping[str, Any], ...]:
        """The newest messages of the caller's active conversations that hold the text, in any case."""
        given = {
            "user_id": _text(principal.user_id),
            "text": _text(text),
            "most": Parameter("INT64", most),
        }
        return await self._read_all(principal.tenant, SEARCH_SQL, given)

    async def planned(self, principal: Principal, tool_name: str, text: str, most: int) -> list[Message]:
        """The oldest answers in the caller's active conversations that called a tool and have the text in a result."""
        given = {
            "user_id": _text(principal.user_id),
            "tool_name": _text(tool_name),
            "text": _text(text),
            "most": Parameter("INT64", most),
        }
        return [message_in(row) for row in await self._read_all(principal.tenant, PLANNED_SQL, given)]

    async def idle(self, tenant: Tenant, before: datetime, most: int) -> list[str]:
        """The ids of an organisation's conversations without a message since ``before``."""
        given = {"before": Parameter("TIMESTAMP", before), "most": Parameter("INT64", most)}
        return [row["conversation_id"] for row in await self._read_all(tenant, IDLE_SQL, given)]

    async def of_user(self, tenant: Tenant, user_id: str, after: str, most: int) -> list[str]:
        """The ids of a person's conversations behind an id, of any status, in order."""
        given = {"user_id": _text(user_id), "after_id": _text(after), "most": Parameter("INT64", most)}
        return [row["conversation_id"] for row in await self._read_all(tenant, OF_USER_SQL, given)]

    async def _span(self, tenant: Tenant, conversation: Conversation) -> _Span:
        """The times of a conversation's messages, which the record tells where nobody has noted them."""
        if conversation.first_message_at is not None:
            return _Span(conversation.first_message_at, conversation.last_message_at)
        given = {"conversation_id": _text(conversation.conversation_id)}
        (row,) = await self._read_all(tenant, SPAN_SQL, given)
        return _Span(row["earliest"] or conversation.created_at, row["latest"] or conversation.last_message_at)

    async def _read_messages(
        self, tenant: Tenant, conversation_id: str, span: _Span, sql: str, given: Mapping[str, Parameter]
    ) -> tuple[dict[str, Any], ...]:
        """Read rows of one conversation's messages, on the days that it has any."""
        bound = {
            "conversation_id": _text(conversation_id),
            "earliest": Parameter("TIMESTAMP", span.earliest - MARGIN),
            "latest": Parameter("TIMESTAMP", span.latest + MARGIN),
        }
        return await self._read(tenant, sql, {**given, **bound})

    async def _read_all(self, tenant: Tenant, sql: str, given: Mapping[str, Parameter]) -> tuple[dict[str, Any], ...]:
        """Read rows of the whole record of an organisation, from its beginning on."""
        return await self._read(tenant, sql, {**given, "began": Parameter("TIMESTAMP", await self._start.of(tenant))})

    async def _read(self, tenant: Tenant, sql: str, given: Mapping[str, Parameter]) -> tuple[dict[str, Any], ...]:
        labels = {"org": tenant.org_slug, "purpose": "sessions"}
        return (await self._warehouse.look_up(fixed(tenant, sql, given), labels=labels)).rows


def _text(value: str) -> Parameter:
    return Parameter("STRING", value)


def _message(row: Mapping[str, Any]) -> Message:
    feedback = None
    if row["rating"] is not None:
        feedback = {name: row[name] for name in ("rating", "reason", "comment")} | {"updated_at": row["feedback_at"]}
    return replace(message_in(row), feedback=feedback)
