"""The changes of a turn or its user in Firestore. Each commit also writes to the outbox."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from common.agents.events import ToolFinished
from common.documents import Count, Create, DocumentConflict, Documents, Patch, Put, Write
from common.errors import ConversationBusy, ConversationNotFound
from common.record import outbox
from common.tenant import Principal, Tenant
from common.transcript.conversation import LEASED_AT, TICK, Conversation, Lease, conversation_of
from common.transcript.message import Message, fitted, message_of
from common.transcript.paths import conversation_path, message_path, purge_path
from common.transcript.summary import RollingSummary, SummaryPause
from common.transcript.window import with_message

TRIES = 8
# One commit takes so many calls beside the answer itself; the rest of an answer of very many calls goes before it.
_AUDITED_WITH_ANSWER = 100
_MOVED_ON = "The conversation has moved on meanwhile: another message was sent, or is being answered. Send it again."


@dataclass(frozen=True, slots=True)
class Answer:
    """The stored part of an answered turn: the assistant's message and the tool calls behind it.

    Under ``lost_id`` the calls are kept where the answer itself cannot be: its own id may be another attempt's.
    There, the first ``kept`` of them are not: they are part of what another attempt goes on from.
    ``retitles`` is the title that the conversation has had, and the one it has then unless its user gave it another.
    """

    message: Message
    agent_name: str
    tools: tuple[ToolFinished, ...]
    lost_id: str = ""
    kept: int = 0
    retitles: tuple[str, str] = ("", "")
    summary: RollingSummary | SummaryPause | None = None

    def title_for(self, conversation: Conversation) -> str:
        """The title of the conversation after this answer."""
        was, becomes = self.retitles
        return becomes if becomes and conversation.title == was else conversation.title


@dataclass(frozen=True, slots=True)
class Used:
    """The writes that file and count what a turn used: ``whole`` with its end, ``alone`` where that cannot be stored.

    ``alone`` leaves out the steps that another attempt goes on from: it counts those.
    """

    whole: Sequence[Put | Count] = ()
    alone: Sequence[Put | Count] = ()


NOTHING_USED = Used()


class ConversationStore:
    """Writes conversations. Each write is one commit against a known state, and is repeated on a newer one.

    A commit whose reply was lost is found again, never made twice.
    """

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._watched: dict[str, asyncio.Event] = {}

    async def begin(
        self,
        principal: Principal,
        conversation: Conversation,
        question: Message,
        holder: str,
        *,
        answer_id: str = "",
        resumed: bool = False,
        also: Sequence[Write] = (),
    ) -> Conversation:
        """Store the user's message and take the lease for ``holder``; ``resumed`` takes only the lease.

        ``answer_id`` is what the answer will be stored under. ``also`` is written in the same commit.
        Raises ConversationBusy when another turn has the lease or has just answered, ConversationNotFound when the
        conversation was deleted meanwhile.
        """
        tenant = principal.tenant
        lease = Lease(question.message_id, holder, answer_id)
        current = conversation
        for _ in range(TRIES):
            begun, writes = _begun(tenant, current, question, lease, resumed=resumed)
            taking = _written(tenant, begun, current.version, LEASED_AT)
            try:
                updated = await self._documents.commit([taking, *writes, *also])
            except DocumentConflict:
                newest = await self._newest(tenant, conversation.conversation_id)
                if newest is not None and newest.lease == lease:
                    return newest
                if newest is not None and newest.status != "active":
                    raise ConversationNotFound from None
                if newest is None or not _same_place(newest, conversation):
                    raise ConversationBusy(_MOVED_ON, retry_after=1) from None
                # One that was only listed since has no window; the turn has read it.
                current = newest if newest.window_held else _with_window_of(conversation, newest)
            else:
                return replace(begun, version=updated[0])
        raise ConversationBusy(_MOVED_ON, retry_after=1)

    async def renew(
        self, principal: Principal, conversation: Conversation, also: Sequence[Write] = ()
    ) -> Conversation | None:
        """Say that the holder of the lease is alive; the conversation as it then is, or None when it is no longer its.

        Only a turn that has the lease calls this, with what ``begin`` or this returned. One that is asked to stop is
        not renewed: the conversation's lease then says so. ``also`` is written in the same commit.
        """
        tenant, lease = principal.tenant, conversation.lease
        assert lease is not None
        path = conversation_path(tenant, conversation.conversation_id)
        current = conversation
        while True:
            alive = Patch(path, {"lease": lease.document()}, current.version, LEASED_AT)
            try:
                updated = await self._documents.commit([alive, *also])
                return replace(current, version=updated[0])
            except DocumentConflict:
                newest = await self._newest(tenant, conversation.conversation_id)
                if newest is None or newest.lease != lease:
                    return None
                if newest.lease.is_cancelled:
                    return newest
                current = newest

    async def cancel(self, principal: Principal, conversation: Conversation) -> None:
        """Ask the holder of the conversation's lease to stop; nothing is asked of a later holder."""
        tenant, lease, current = principal.tenant, conversation.lease, conversation
        assert lease is not None
        path = conversation_path(tenant, conversation.conversation_id)
        asked = {"lease": replace(lease, is_cancelled=True).document()}
        while current.lease == lease:
            try:
                await self._documents.commit([Patch(path, asked, current.version)])
                break
            except DocumentConflict:
                newest = await self._newest(tenant, conversation.conversation_id)
                if newest is None:
                    return
                current = newest
        if lease.holder in self._watched:
            self._watched[lease.holder].set()

    @contextmanager
    def watching(self, lease: Lease) -> Iterator[asyncio.Event]:
        """Yield what is set when the holder is asked, on this very instance, to stop."""
        told = self._watched[lease.holder] = asyncio.Event()
        try:
            yield told
        finally:
            del self._watched[lease.holder]

    async def finish(
        self,
        principal: Principal,
        conversation: Conversation,
        answer: Answer,
        also: Sequence[Write] = (),
        used: Used = NOTHING_USED,
    ) -> Message:
        """Store the answer, its tool calls and the new state of the conversation, and give the lease back.

        ``also`` and ``used`` are written in the same commit, ``used`` where the answer cannot be stored too. Returns
        the message that is stored under the answer's id: it is another attempt's where that one came first. Raises
        ConversationBusy where another turn went on without this answer.
        """
        tenant = principal.tenant
        stored: list[Message] = []

        def answered(current: Conversation) -> list[Write]:
            message, writes = _answer_writes(tenant, current, answer)
            stored[:] = [message]
            return [*writes, *also, *used.whole]

        entries = outbox.tool_call_entries(tenant, conversation, answer.message, answer.tools)
        await self._commit_parts(entries[_AUDITED_WITH_ANSWER:])
        try:
            if await self._while_leased(tenant, conversation, answered):
                return stored[0]
            await self.spend(used.alone)
            found = await self._stored(tenant, conversation.conversation_id, answer.message.message_id)
            if found is None:
                raise ConversationBusy(_MOVED_ON, retry_after=1)
            return found
        except (ConversationBusy, ConversationNotFound):
            # The conversation goes on without the answer; its calls were made all the same.
            await self.spend(used.alone)
            await self.audit(principal, conversation, answer)
            raise

    async def add(
        self, principal: Principal, conversation: Conversation, answer: Answer, also: Sequence[Write] = ()
    ) -> None:
        """Store an answer that no turn gives. Raises ConversationBusy where the conversation has moved on.

        ``also`` is written in the same commit.
        """
        try:
            await self._documents.commit([*_answer_writes(principal.tenant, conversation, answer)[1], *also])
        except DocumentConflict:
            raise ConversationBusy(_MOVED_ON, retry_after=1) from None

    async def audit(self, principal: Principal, conversation: Conversation, answer: Answer) -> None:
        """Store the tool calls behind an answer without the answer itself."""
        message = replace(answer.message, message_id=answer.lost_id or answer.message.message_id)
        tools = answer.tools[answer.kept :]
        await self._commit_parts(outbox.tool_call_entries(principal.tenant, conversation, message, tools))

    async def _commit_parts(self, writes: Sequence[Write]) -> None:
        for start in range(0, len(writes), _AUDITED_WITH_ANSWER):
            await self._documents.commit(writes[start : start + _AUDITED_WITH_ANSWER])

    async def spend(self, spent: Sequence[Put | Count]) -> None:
        """Store what a turn used apart from its end, once: a commit that was made without a reply counts."""
        if spent:
            once = [Create(each.path, each.data) if isinstance(each, Put) else each for each in spent]
            with suppress(DocumentConflict):
                await self._documents.commit(once)

    async def abandon(
        self,
        principal: Principal,
        conversation: Conversation,
        also: Sequence[Write] = (),
        used: Used = NOTHING_USED,
    ) -> None:
        """Give the lease back without an answer; the user's message stays.

        ``also`` and ``used`` are written in the same commit, ``used`` in any case.
        """
        path = conversation_path(principal.tenant, conversation.conversation_id)
        last = [*also, *used.whole]
        try:
            if await self._while_leased(
                principal.tenant, conversation, lambda current: [Patch(path, {"lease": None}, current.version), *last]
            ):
                return
        except ConversationNotFound:
            await self.spend(used.alone)
            raise
        await self.spend(used.alone)

    async def give_back(
        self, principal: Principal, conversation_id: str, holder: str, used: Used = NOTHING_USED
    ) -> None:
        """Give the lease back if ``holder`` has it: the commit that took it may have been made without a reply.

        ``used`` is written in any case.
        """
        newest = await self._newest(principal.tenant, conversation_id)
        if newest is not None and newest.lease is not None and newest.lease.holder == holder:
            with suppress(ConversationNotFound):
                await self.abandon(principal, newest, used=used)
        else:
            await self.spend(used.alone)

    async def rename(self, principal: Principal, conversation: Conversation, title: str, now: datetime) -> None:
        """Give the conversation another title. Raises ConversationNotFound when it was deleted meanwhile."""
        await self._change(principal.tenant, conversation, now, {"title": title})

    async def delete(self, principal: Principal, conversation: Conversation, now: datetime) -> None:
        """Delete the conversation for its user, end the turn in it, and note when it may be purged."""
        tenant = principal.tenant
        nothing_said = {"recent": (), "window_held": False, "summary": None, "through_sequence": None}
        changes = {"status": "deleted", "lease": None, "escalation": None, **nothing_said}
        due = {"org_slug": tenant.org_slug, "conversation_id": conversation.conversation_id, "deleted_at": now}
        await self._change(
            tenant, conversation, now, changes, Put(purge_path(tenant, conversation.conversation_id), due)
        )

    async def _change(
        self, tenant: Tenant, conversation: Conversation, now: datetime, changes: Mapping[str, Any], *also: Write
    ) -> None:
        current = conversation
        for _ in range(TRIES):
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
        self, tenant: Tenant, conversation: Conversation, writes: Callable[[Conversation], list[Write]]
    ) -> bool:
        """Commit against the newest state of the conversation; False when this turn no longer holds its lease.

        It is also False where an earlier try of the same commit was made and its reply was lost.
        """
        current = conversation
        while True:
            try:
                await self._documents.commit(writes(current))
                return True
            except DocumentConflict:
                newest = await self._newest(tenant, conversation.conversation_id)
                if newest is None or newest.status != "active":
                    raise ConversationNotFound from None
                if newest.lease != conversation.lease:
                    return False
                current = newest

    async def _newest(self, tenant: Tenant, conversation_id: str) -> Conversation | None:
        path = conversation_path(tenant, conversation_id)
        document = (await self._documents.get_all([path]))[path]
        return conversation_of(document) if document else None

    async def _stored(self, tenant: Tenant, conversation_id: str, message_id: str) -> Message | None:
        path = message_path(tenant, conversation_id, message_id)
        document = (await self._documents.get_all([path]))[path]
        return message_of(document) if document else None


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


def _answered(current: Conversation, answer: Answer) -> tuple[Conversation, Message]:
    """The conversation after an answer, and the answer as it is stored there."""
    now = max(answer.message.created_at, current.last_message_at + TICK)
    message = fitted(replace(answer.message, created_at=now, sequence=current.message_count))
    after = current.changed(
        now,
        message_count=current.message_count + 1,
        last_message_at=now,
        last_agent=answer.agent_name,
        title=answer.title_for(current),
        recent=with_message(current.recent, message),
        lease=None,
    )
    return after.remembering(answer.summary), message


def _answer_writes(tenant: Tenant, current: Conversation, answer: Answer) -> tuple[Message, list[Write]]:
    """The answer as it is stored after ``current``, and what stores it with the first of its calls."""
    after, message = _answered(current, answer)
    return message, [
        Patch(conversation_path(tenant, after.conversation_id), after.document(), current.version),
        Put(message_path(tenant, after.conversation_id, message.message_id), message.document()),
        *outbox.message_entries(tenant, after, message, message.created_at),
        *outbox.tool_call_entries(tenant, after, message, answer.tools)[:_AUDITED_WITH_ANSWER],
    ]


def _with_window_of(known: Conversation, newest: Conversation) -> Conversation:
    return replace(newest, recent=known.recent, last_agent=known.last_agent, window_held=known.window_held)


def _written(tenant: Tenant, after: Conversation, version: datetime | None, stamp: str | None = None) -> Write:
    path, data = conversation_path(tenant, after.conversation_id), after.document()
    return Create(path, data, stamp) if version is None else Patch(path, data, version, stamp)


def _same_place(newest: Conversation, conversation: Conversation) -> bool:
    """Return true if no message and no foreign lease has come in
    between: a title, an expiry. A lease that ran out may be renewed."""
    free = newest.lease is None or (newest.lease == conversation.lease and not newest.lease.holds)
    unchanged = newest.message_count == conversation.message_count and newest.user_id == conversation.user_id
    return free and unchanged
