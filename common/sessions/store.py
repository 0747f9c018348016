"""Conversations and messages in Firestore, and the outbox from which the record is written."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from common import limits
from common.agents.events import ToolFinished
from common.documents import Create, Data, DocumentConflict, Documents, Patch, Put, Write
from common.errors import ConversationBusy
from common.sessions.history import with_message
from common.sessions.records import Conversation, Lease, Message, conversation_of
from common.tenant import Principal, Tenant


@dataclass(frozen=True, slots=True)
class Answer:
    """What is stored of an answered turn: the assistant's message and the tool calls behind it."""

    message: Message
    agent_name: str
    tools: tuple[ToolFinished, ...]


class SessionStore:
    """Every write is one commit: the documents, and the outbox entries that carry them to the record."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    async def begin(
        self, principal: Principal, conversation: Conversation, question: Message, *, resumed: bool = False
    ) -> Conversation:
        """Store the user's message and take the lease; ``resumed`` takes only the lease, for a stored message.

        Raises ConversationBusy when another turn has the lease.
        """
        tenant = principal.tenant
        lease = Lease(question.message_id, question.created_at + timedelta(seconds=limits.LEASE_SECONDS))
        begun = replace(conversation, lease=lease)
        stored: list[Write] = []
        if not resumed:
            begun = replace(
                begun,
                message_count=conversation.message_count + 1,
                last_message_at=question.created_at,
                recent=with_message(conversation.recent, question),
            )
            path = message_path(tenant, begun.conversation_id, question.message_id)
            stored = [Create(path, question.document()), *_outbox(tenant, begun, question, question.created_at)]
        path = conversation_path(tenant, conversation.conversation_id)
        first: Write = (
            Create(path, begun.document())
            if conversation.version is None
            else Patch(path, begun.document(), conversation.version)
        )
        try:
            updated = await self._documents.commit([first, *stored])
        except DocumentConflict as conflict:
            raise ConversationBusy(retry_after=1) from conflict
        return replace(begun, version=updated[0])

    async def finish(self, principal: Principal, conversation: Conversation, answer: Answer) -> None:
        """Store the answer, its tool calls and the new state of the conversation, and give the lease back."""
        tenant = principal.tenant
        message = answer.message

        def answered(current: Conversation) -> list[Write]:
            after = replace(
                current,
                message_count=current.message_count + 1,
                last_message_at=message.created_at,
                last_agent=answer.agent_name,
                recent=with_message(current.recent, message),
                lease=None,
            )
            return [
                Patch(conversation_path(tenant, after.conversation_id), after.document(), current.version),
                Put(message_path(tenant, after.conversation_id, message.message_id), message.document()),
                *_outbox(tenant, after, message, message.created_at),
                *_audit(tenant, after, answer),
            ]

        await self._while_leased(tenant, conversation, answered)

    async def abandon(self, principal: Principal, conversation: Conversation) -> None:
        """Give the lease back without an answer; the user's message stays."""
        path = conversation_path(principal.tenant, conversation.conversation_id)
        await self._while_leased(
            principal.tenant, conversation, lambda current: [Patch(path, {"lease": None}, current.version)]
        )

    async def _while_leased(
        self, tenant: Tenant, conversation: Conversation, writes: Callable[[Conversation], list[Write]]
    ) -> None:
        """Commit against the newest state of the conversation, as long as this turn still holds its lease."""
        current = conversation
        while True:
            try:
                await self._documents.commit(writes(current))
                return
            except DocumentConflict:
                path = conversation_path(tenant, conversation.conversation_id)
                document = (await self._documents.get_all([path]))[path]
                newest = conversation_of(document) if document else None
                if newest is None or newest.lease is None or newest.lease != conversation.lease:
                    raise ConversationBusy from None
                current = newest


def conversation_path(tenant: Tenant, conversation_id: str) -> str:
    """Where a conversation's document is; under its organisation, so that an id alone reaches nothing."""
    return f"orgs/{tenant.org_slug}/conversations/{conversation_id}"


def message_path(tenant: Tenant, conversation_id: str, message_id: str) -> str:
    """Where a message's document is."""
    return f"{conversation_path(tenant, conversation_id)}/messages/{message_id}"


def _outbox(tenant: Tenant, conversation: Conversation, message: Message, now: datetime) -> list[Write]:
    return [
        _entry("org_chat_conversations", conversation.conversation_id, conversation.row(tenant), now),
        _entry("org_chat_messages", message.message_id, message.row(tenant, conversation.conversation_id), now),
    ]


def _audit(tenant: Tenant, conversation: Conversation, answer: Answer) -> list[Write]:
    return [
        _entry("org_chat_tool_calls", row["tool_call_id"], row, answer.message.created_at)
        for row in tool_call_rows(tenant, conversation.conversation_id, answer.message, answer.tools)
    ]


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
                "input_params": call.arguments[: limits.AUDIT_RESULT_CHARS],
                "output_result": None if error else _capped(call.result.get("summary")),
                "bytes_processed": call.result.get("bytes_processed"),
                "duration_ms": call.duration_ms,
                "status": "error" if error else "success",
                "error_message": f"{error['code']}: {error['message']}" if error else None,
                "created_at": message.created_at.isoformat(),
            }
        )
    return rows


def _capped(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)[: limits.AUDIT_RESULT_CHARS]


def _entry(table: str, row_id: str, row: Data, now: datetime) -> Put:
    # A message id is the client's to choose: only with its organisation and conversation is it unique.
    entry_id = ":".join((row["org_slug"], table, row["conversation_id"], row_id))
    data = {"table": table, "row_id": row_id, "row": row, "org_slug": row["org_slug"], "created_at": now, "attempts": 0}
    return Put(f"outbox/{entry_id}", data)
