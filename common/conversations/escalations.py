"""A conversation that its person hands over to people: its state, and the notice that asks for help."""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from typing_extensions import TypedDict

from common.conversations.bodies import Escalate
from common.conversations.lookup import ConversationLookup
from common.conversations.store import TRIES
from common.documents import Create, DocumentConflict, Documents, Patch, Write
from common.errors import ConversationBusy, ConversationNotFound, NotFound
from common.identity.authenticate import Credentials
from common.notices.destination import chosen
from common.notices.destinations import Destinations
from common.notices.notice import Notice, link_to
from common.notices.outbox import notice_writes
from common.record.outbox import conversation_entry
from common.tenant import Principal, Tenant
from common.transcript.conversation import Conversation, Escalation, conversation_of, read_escalation
from common.transcript.paths import conversation_path


class Escalated(TypedDict):
    """The state of a conversation that was handed over; ``told`` is how many destinations a notice goes to."""

    conversation_id: str
    escalated: Escalation
    told: int


@dataclass(frozen=True, slots=True)
class Escalations:
    """Hands conversations over, once until that is resolved. Every call is one person's, on what is the person's."""

    lookup: ConversationLookup
    documents: Documents
    destinations: Destinations
    clock: Callable[[], datetime]

    async def escalate(self, credentials: Credentials, conversation_id: str, body: Escalate) -> Escalated:
        """Hand a conversation over. One that waits for help already stays as it is, and nobody is told again."""
        found = await self.lookup.find(credentials, conversation_id)
        return await self._escalate(found.principal, found.conversation, body.reason or "")

    async def escalate_own(self, principal: Principal, conversation_id: str, reason: str) -> Escalated:
        """Hand over the conversation of an answer under way. Raises ConversationNotFound."""
        path = conversation_path(principal.tenant, conversation_id)
        held = await self.documents.get_all([path])
        return await self._escalate(principal, await self.lookup.owned_by(principal, (conversation_id,), held), reason)

    async def resolve(self, credentials: Credentials, conversation_id: str) -> Escalated:
        """Say that the person was helped. Raises NotFound where the conversation was not handed over."""
        found = await self.lookup.find(credentials, conversation_id)
        now, principal = self.clock(), found.principal

        def resolved(current: Conversation) -> Escalation:
            state = read_escalation(current.escalation)
            if state is None:
                raise NotFound("This conversation was not handed over to a person.")
            if state["resolved_at"] is not None:
                return state
            return {**state, "resolved_at": now.isoformat(), "resolved_by": principal.name or principal.user_id}

        state, _ = await self._store(principal.tenant, found.conversation, resolved, [], now)
        return Escalated(conversation_id=found.conversation.conversation_id, escalated=state, told=0)

    async def _escalate(self, principal: Principal, conversation: Conversation, reason: str) -> Escalated:
        now, tenant = self.clock(), principal.tenant
        who = principal.name or principal.user_id
        made = Escalation(at=now.isoformat(), by=who, reason=reason, resolved_at=None, resolved_by=None)

        def escalated(current: Conversation) -> Escalation:
            state = read_escalation(current.escalation)
            return made if state is None or state["resolved_at"] is not None else state

        destinations = await self.destinations.all(tenant)
        ids = chosen(destinations)
        to = [each for each in destinations if each.destination_id in ids]
        writes = notice_writes(tenant, _notice(principal, conversation, made, now), to, now)
        state, is_new = await self._store(tenant, conversation, escalated, writes, now)
        told = len(to) if is_new else 0
        return Escalated(conversation_id=conversation.conversation_id, escalated=state, told=told)

    async def _store(
        self,
        tenant: Tenant,
        conversation: Conversation,
        change: Callable[[Conversation], Escalation],
        also: list[Write],
        now: datetime,
    ) -> tuple[Escalation, bool]:
        """Commit the state that follows from the newest one, with ``also``; false where the state stays as it is."""
        path, current = conversation_path(tenant, conversation.conversation_id), conversation
        for _ in range(TRIES):
            state = change(current)
            if state == read_escalation(current.escalation):
                return state, False
            after = current.changed(now, escalation=json.dumps(state))
            changed = {"escalation": after.escalation, "updated_at": after.updated_at, "expire_at": None}
            write = Create(path, after.document()) if current.version is None else Patch(path, changed, current.version)
            try:
                await self.documents.commit([write, conversation_entry(tenant, after, now), *also])
                return state, True
            except DocumentConflict:
                document = (await self.documents.get_all([path]))[path]
                current = conversation_of(document) if document else replace(current, version=None)
                if current.status != "active":
                    raise ConversationNotFound from None
        raise ConversationBusy(retry_after=1)


def _notice(principal: Principal, conversation: Conversation, state: Escalation, now: datetime) -> Notice:
    link = link_to(principal.tenant, conversation=conversation.conversation_id)
    return Notice(
        notice_id=f"escalation-{uuid.uuid4().hex}",
        kind="escalation",
        severity="warning",
        title=f"{state['by']} asks for a person: {conversation.title}",
        text=state["reason"] or "No reason was given.",
        facts=(("Asked by", state["by"]), ("Conversation", conversation.title)),
        link=link,
        details={"conversation_id": conversation.conversation_id, "user_id": principal.user_id, **state},
        occurred_at=now,
    )
