"""What a turn or its user changes in Firestore; every change goes to the outbox in the same commit."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from common import limits
from common.agents.events import ToolFinished
from common.documents import Create, DocumentConflict, Documents, Patch, Put, Write
from common.errors import ConversationBusy, ConversationNotFound
from common.record import outbox
from common.tenant import Principal, Tenant
from common.transcript.conversation import TICK, Conversation, Lease, Message, conversation_of, fitted, new_id
from common.transcript.paths import conversation_path, message_path, purge_path
from common.transcript.window import with_message

_TRIES = 8


@dataclass(frozen=True, slots=True)
class Answer:
    """What is stored of an answered turn: the assistant's message and the tool calls behind it."""

    message: Message
    agent_name: str
    tools: tuple[ToolFinished, ...]


class ConversationStore:
    """Every write is one commit against the state it was based on; where that moved on, it is based on the newer one.

    A commit whose reply was lost is found again, never made twice.
    """

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    async def begin(
        self,
        principal: Principal,
        conversation: Conversation,
        question: Message,
        *,
        resumed: bool = False,
        also: Sequence[Write] = (),
    ) -> Conversation:
        """Store the user's message and take the lease; ``resumed`` takes only the lease, for a stored message.

        ``also`` is written in the same commit.
        Raises ConversationBusy when another turn has the lease or has just answered, ConversationNotFound when the
        conversation was deleted meanwhile.
        """
        tenant = principal.tenant
        now = question.created_at
        lease = Lease(question.message_id, now + timedelta(seconds=limits.LEASE_SECONDS), new_id())
        current = conversation
        for _ in range(_TRIES):
            begun, writes = _begun(tenant, current, question, lease, resumed=resumed)
            try:
                updated = await self._documents.commit([_written(tenant, begun, current.version), *writes, *also])
            except DocumentConflict:
                newest = await self._newest(tenant, conversation.conversation_id)
                if newest is not None and newest.lease == lease:
                    return newest
                if newest is not None and newest.status != "active":
                    raise ConversationNotFound from None
                if newest is None or not _same_place(newest, conversation):
                    raise ConversationBusy(retry_after=1) from None
                # One that was only listed since has no window; the turn has read it.
                current = newest if newest.window_held else _with_window_of(conversation, newest)
            else:
                return replace(begun, version=updated[0])
        raise ConversationBusy(retry_after=1)

    async def finish(
        self, principal: Principal, conversation: Conversation, answer: Answer, also: Sequence[Write] = ()
    ) -> None:
        """Store the answer, its tool calls and the new state of the conversation, and give the lease back.

        ``also`` is written in the same commit.
        """
        tenant = principal.tenant

        def answered(current: Conversation) -> list[Write]:
            now = max(answer.message.created_at, current.last_message_at + TICK)
            message = fitted(replace(answer.message, created_at=now, sequence=current.message_count))
            after = current.changed(
                now,
                message_count=current.message_count + 1,
                last_message_at=now,
                last_agent=answer.agent_name,
                recent=with_message(current.recent, message),
                lease=None,
            )
            return [
                Patch(conversation_path(tenant, after.conversation_id), after.document(), current.version),
                Put(message_path(tenant, after.conversation_id, message.message_id), message.document()),
                *outbox.message_entries(tenant, after, message, now),
                *outbox.tool_call_entries(tenant, after, message, answer.tools),
                *also,
            ]

        await self._while_leased(tenant, conversation, answered, answer.message.message_id)

    async def abandon(self, principal: Principal, conversation: Conversation) -> None:
        """Give the lease back without an answer; the user's message stays."""
        path = conversation_path(principal.tenant, conversation.conversation_id)
        await self._while_leased(
            principal.tenant, conversation, lambda current: [Patch(path, {"lease": None}, current.version)]
        )

    async def rename(self, principal: Principal, conversation: Conversation, title: str, now: datetime) -> None:
        """Give the conversation another title. Raises ConversationNotFound when it was deleted meanwhile."""
        await self._change(principal.tenant, conversation, now, {"title": title})

    async def delete(self, principal: Principal, conversation: Conversation, now: datetime) -> None:
        """Delete the conversation for its user, end the turn in it, and note when it may be purged."""
        tenant = principal.tenant
        changes = {"status": "deleted", "lease": None, "recent": (), "window_held": False}
        due = {"org_slug": tenant.org_slug, "conversation_id": conversation.conversation_id, "deleted_at": now}
        await self._change(
            tenant, conversation, now, changes, Put(purge_path(tenant, conversation.conversation_id), due)
        )

    async def _change(
        self, tenant: Tenant, conversation: Conversation, now: datetime, changes: Mapping[str, Any], *also: Write
    ) -> None:
        current = conversation
        for _ in range(_TRIES):
            after = current.changed(now, **changes)
            entry = outbox.conversation_entry(tenant, after, now)
            try:
                await self._documents.commit([_written(tenant, after, current.version), entry, *also])
                return
            except DocumentConflict:
                newest = await self._newest(tenant, conversation.conversation_id)
                if newest == after:
                    return
                if newest is not None and newest.status != "active":
                    raise ConversationNotFound from None
                current = newest or replace(current, version=None)
        raise ConversationBusy(retry_after=1)

    async def _while_leased(
        self,
        tenant: Tenant,
        conversation: Conversation,
        writes: Callable[[Conversation], list[Write]],
        answer_id: str | None = None,
    ) -> None:
        """Commit against the newest state of the conversation, as long as this turn still holds its lease."""
        current = conversation
        while True:
            try:
                await self._documents.commit(writes(current))
                return
            except DocumentConflict:
                newest = await self._newest(tenant, conversation.conversation_id)
                if newest is None or newest.status != "active":
                    raise ConversationNotFound from None
                if newest.lease != conversation.lease:
                    if answer_id is None or await self._stored(tenant, conversation.conversation_id, answer_id):
                        return
                    raise ConversationBusy from None
                current = newest

    async def _newest(self, tenant: Tenant, conversation_id: str) -> Conversation | None:
        path = conversation_path(tenant, conversation_id)
        document = (await self._documents.get_all([path]))[path]
        return conversation_of(document) if document else None

    async def _stored(self, tenant: Tenant, conversation_id: str, message_id: str) -> bool:
        # Its id is made of the question's: whoever holds the lease of that question wrote it, and that was this turn.
        path = message_path(tenant, conversation_id, message_id)
        return (await self._documents.get_all([path], fields=["message_id"]))[path] is not None


def _begun(
    tenant: Tenant, current: Conversation, question: Message, lease: Lease, *, resumed: bool
) -> tuple[Conversation, list[Write]]:
    if resumed:
        return replace(current, lease=lease), []
    earliest = current.last_message_at + TICK if current.message_count else question.created_at
    asked = replace(question, created_at=max(question.created_at, earliest), sequence=current.message_count)
    begun = current.changed(
        asked.created_at,
        message_count=current.message_count + 1,
        last_message_at=asked.created_at,
        recent=with_message(current.recent, asked),
        lease=lease,
    )
    path = message_path(tenant, begun.conversation_id, asked.message_id)
    entries = outbox.message_entries(tenant, begun, asked, asked.created_at)
    return begun, [Create(path, asked.document()), *entries]


def _with_window_of(known: Conversation, newest: Conversation) -> Conversation:
    return replace(newest, recent=known.recent, last_agent=known.last_agent, window_held=known.window_held)


def _written(tenant: Tenant, after: Conversation, version: datetime | None) -> Write:
    path = conversation_path(tenant, after.conversation_id)
    return Create(path, after.document()) if version is None else Patch(path, after.document(), version)


def _same_place(newest: Conversation, conversation: Conversation) -> bool:
    """Whether only what a turn is not about has changed: a title, an expiry."""
    return newest.message_count == conversation.message_count and newest.lease in (None, conversation.lease)
