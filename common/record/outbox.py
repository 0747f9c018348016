"""The outbox: what the record still lacks, as documents written in the same commit as what they say."""

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from common import limits
from common.agents.events import ToolFinished
from common.documents import Data, Document, Put, Write
from common.tenant import Principal, Tenant
from common.text import shorten
from common.tools.result import bytes_read
from common.transcript.conversation import Conversation
from common.transcript.message import Message
from common.transcript.paths import OUTBOX, conversation_path, message_path
from common.warehouse.schema import purged_tables

AUDIT_RESULT_CHARS = 4_000
# Entries are made in the order of an indexed time, which one part of an index takes only so many of a second.
SHARDS = 8


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """One row on its way to the record; ``version`` is when its document last changed.

    ``expires`` is the path of the document that may expire once the record has the row; None if there is none.
    """

    path: str
    table: str
    row: Data
    org_slug: str
    conversation_id: str
    row_id: str
    expires: str | None
    attempts: int
    version: datetime


def entry_of(document: Document) -> OutboxEntry:
    """Read an entry back from its document."""
    data = document.data
    return OutboxEntry(
        path=document.path,
        table=data["table"],
        row=data["row"],
        org_slug=data["org_slug"],
        conversation_id=data["row"].get("conversation_id", ""),
        row_id=data["row_id"],
        expires=data["expires"],
        attempts=data["attempts"],
        version=document.updated_at,
    )


def shard_of(entry_id: str) -> int:
    """The part of the outbox that an entry is in."""
    return zlib.crc32(entry_id.encode()) % SHARDS


def conversation_entry(tenant: Tenant, conversation: Conversation, now: datetime) -> Write:
    """The conversation's newest state; it takes the place of an older one."""
    path = conversation_path(tenant, conversation.conversation_id)
    return _entry("org_chat_conversations", conversation.conversation_id, conversation.row(tenant), now, expires=path)


def message_entries(tenant: Tenant, conversation: Conversation, message: Message, now: datetime) -> list[Write]:
    """A new message, and the conversation that it changed."""
    entry = message_entry(tenant, conversation.conversation_id, message, now)
    return [conversation_entry(tenant, conversation, now), entry]


def message_entry(tenant: Tenant, conversation_id: str, message: Message, now: datetime) -> Write:
    """A new message alone."""
    path = message_path(tenant, conversation_id, message.message_id)
    row = message.row(tenant, conversation_id)
    return _entry("org_chat_messages", message.message_id, row, now, expires=path)


def tool_call_entries(
    tenant: Tenant, conversation: Conversation, message: Message, tools: Sequence[ToolFinished]
) -> list[Write]:
    """The audit of the calls behind an answer."""
    rows = tool_call_rows(tenant, conversation.conversation_id, message, tools)
    return [_entry("org_chat_tool_calls", row["tool_call_id"], row, message.created_at) for row in rows]


def lone_call_entry(tenant: Tenant, conversation_id: str, message: Message, call: ToolFinished) -> Write:
    """The audit of a call that was made outside of any conversation."""
    (row,) = tool_call_rows(tenant, conversation_id, message, [call])
    return _entry("org_chat_tool_calls", row["tool_call_id"], row, message.created_at)


def usage_entry(row: Data, now: datetime) -> Put:
    """A row of what a turn used. A purge of its conversation leaves it: it is the basis of a statement."""
    return _entry("org_chat_usage", row["usage_id"], row, now)


def feedback_entry(principal: Principal, conversation_id: str, answer: Message, feedback: Mapping[str, Any]) -> Write:
    """The user's opinion of an answer. It replaces an older one."""
    at: datetime = feedback["updated_at"]
    row = {
        "message_id": answer.message_id,
        "conversation_id": conversation_id,
        "org_slug": principal.org_slug,
        "user_id": principal.user_id,
        "rating": feedback["rating"],
        "reason": feedback["reason"],
        "comment": feedback["comment"],
        "created_at": at.isoformat(),
        "updated_at": at.isoformat(),
        # No column: by it the merge finds an older opinion without reading every day.
        "answered_at": answer.created_at.isoformat(),
    }
    return _entry("org_chat_feedback", answer.message_id, row, at)


def alert_entry(row: Data, now: datetime) -> Put:
    """An alert's newest state; it takes the place of an older one. It belongs to no conversation."""
    return _entry("org_alert_history", row["alert_history_id"], row, now)


def tool_call_rows(tenant: Tenant, conversation_id: str, message: Message, tools: Sequence[ToolFinished]) -> list[Data]:
    """The rows of org_chat_tool_calls for one answer, one per call."""
    rows = []
    for index, call in enumerate(tools):
        error = call.result.get("error")
        rows.append(
            {
                "tool_call_id": f"{message.message_id}.{index}",
                "message_id": message.message_id,
                "conversation_id": conversation_id,
                "org_slug": tenant.org_slug,
                "agent_name": call.agent_name,
                "tool_name": call.tool_name[: limits.MAX_ID_CHARS],
                "tool_domain": call.tool_domain,
                "input_params": call.arguments[:AUDIT_RESULT_CHARS],
                "output_result": None if error else _capped(call.result.get("summary")),
                "bytes_processed": bytes_read(call.result),
                "duration_ms": call.duration_ms,
                "status": "error" if error else "success",
                "error_message": shorten(f"{error['code']}: {error['message']}", AUDIT_RESULT_CHARS) if error else None,
                "created_at": message.created_at.isoformat(),
            }
        )
    return rows


def _capped(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)[:AUDIT_RESULT_CHARS]


def _entry(table: str, row_id: str, row: Data, now: datetime, expires: str | None = None) -> Put:
    # A message id is the client's to choose: only with its organisation and conversation is it unique.
    # A model's id, which is part of a usage row's, may hold a slash.
    entry_id = ":".join((row["org_slug"], table, row.get("conversation_id", ""), row_id)).replace("/", "%2F")
    data = {
        "table": table,
        "row_id": row_id,
        "row": row,
        "shard": shard_of(entry_id),
        "org_slug": row["org_slug"],
        # By this a purge finds the entries that go with a conversation.
        "conversation_id": row["conversation_id"] if table in purged_tables() else "",
        "expires": expires,
        "created_at": now,
        "attempts": 0,
        "next_try_at": now,
        "error_class": None,
    }
    return Put(f"{OUTBOX}/{entry_id}", data)
