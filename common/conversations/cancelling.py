"""Cancelling what is not done: an answer under way, on any instance, and a change that waits for its person's yes."""

import asyncio
import time
from datetime import datetime
from typing import Literal

from pydantic import Field
from typing_extensions import TypedDict

from common import limits
from common.agents.events import ToolFinished
from common.bodies import Body
from common.conversations.lookup import ConversationLookup
from common.conversations.paused_turn import pending_of
from common.conversations.store import Answer, ConversationStore
from common.documents import Delete, Documents
from common.errors import ConversationBusy, NothingToCancel
from common.identity.authenticate import Credentials
from common.tenant import Principal
from common.tools.result import NOT_APPROVED
from common.transcript.conversation import Conversation, Lease, conversation_of
from common.transcript.ids import answer_id_for
from common.transcript.message import Message, message_of
from common.transcript.paths import conversation_path, message_path, pending_path

POLL_SECONDS = 0.25
_SECONDS = limits.LEASE_SECONDS + limits.LEASE_CALL_SECONDS
_WITHDRAWN = "This was cancelled, and nothing was changed."
_STILL = "The answer was asked to stop, and has not ended yet. Read the conversation, or cancel it again."


class Cancel(Body):
    """The body of a cancellation: the message whose answer is meant, or the answer; left out, whatever is under way."""

    message_id: str | None = Field(None, min_length=1)


class Cancelled(TypedDict):
    """The answer to a cancellation; ``message_id`` is the id of the answer."""

    status: Literal["cancelled"]
    conversation_id: str
    message_id: str


class Cancellations:
    """Every call is one caller's, on what is the caller's."""

    def __init__(self, lookup: ConversationLookup, documents: Documents, store: ConversationStore) -> None:
        self._lookup = lookup
        self._documents = documents
        self._store = store

    async def cancel(self, credentials: Credentials, conversation_id: str, asked: Cancel) -> Cancelled:
        """Stop the answer under way, or only the one that is named, and wait until it has ended.

        Its stream ends, and what was said is kept. The instance that answers looks for this when it renews its lease.
        Raises ConversationNotFound, NothingToCancel, or ConversationBusy where it goes on for too long.
        """
        found = await self._lookup.find(credentials, conversation_id)
        lease = found.conversation.lease
        if lease is None or not lease.holds or not _names(asked, found.conversation.conversation_id, lease):
            raise NothingToCancel
        await self._store.cancel(found.principal, found.conversation)
        answer = await self._end_of(found.principal, found.conversation, lease)
        if answer is not None and answer.status == "complete":
            raise NothingToCancel
        own_id = found.conversation.conversation_id
        return {"status": "cancelled", "conversation_id": own_id, "message_id": lease.answer_id}

    async def withdraw(self, credentials: Credentials, conversation_id: str, answer_id: str, now: datetime) -> None:
        """Decline all that waits for a yes behind an answer, without asking a model.

        Raises ConversationNotFound, NothingToCancel, or ConversationBusy where the yes or another message was first.
        """
        found = await self._lookup.find(credentials, conversation_id, ("pending", "turn"))
        conversation, tenant = found.conversation, found.principal.tenant
        place = pending_path(tenant, conversation.conversation_id)
        document = found.documents.get(place)
        pending = pending_of(document) if document else None
        if pending is None or not pending.waits_behind(answer_id, conversation.message_count, now):
            raise NothingToCancel
        if conversation.lease is not None and conversation.lease.holds:
            # The yes was first, and is being done.
            raise ConversationBusy(retry_after=limits.BUSY_RETRY_SECONDS)
        own_id, agent_name = conversation.conversation_id, conversation.last_agent or ""
        declined = tuple(
            ToolFinished(waiting_id, agent_name, call.name, "unknown", call.arguments, NOT_APPROVED, 0)
            for waiting_id, call in pending.paused.approvals.items()
        )
        said = Message(
            withdrawn_id(own_id, answer_id), "assistant", _WITHDRAWN, now, conversation.message_count, "cancelled",
            agent_name, conversation.provider, conversation.model_id, finish="cancelled",
        )  # fmt: skip
        await self._store.add(found.principal, conversation, Answer(said, agent_name, declined), [Delete(place)])

    async def _end_of(self, principal: Principal, conversation: Conversation, lease: Lease) -> Message | None:
        """Wait for the end of an attempt. Returns its answer, or None where the attempt left none."""
        place = conversation_path(principal.tenant, conversation.conversation_id)
        answer = message_path(principal.tenant, conversation.conversation_id, lease.answer_id)
        until = time.monotonic() + _SECONDS
        while True:
            read = await self._documents.get_all([place, answer])
            document, stored = read[place], read[answer]
            held = conversation_of(document).lease if document else None
            if held != lease:
                return message_of(stored) if stored else None
            if not held.holds:
                # Its instance is no longer there to end it.
                await self._store.give_back(principal, conversation.conversation_id, lease.holder)
                return None
            if time.monotonic() >= until:
                raise ConversationBusy(_STILL, retry_after=limits.BUSY_RETRY_SECONDS)
            await asyncio.sleep(POLL_SECONDS)


def withdrawn_id(conversation_id: str, answer_id: str) -> str:
    """The id of the message that says that what waited behind an answer was withdrawn."""
    return answer_id_for(conversation_id, f"{answer_id}/withdrawn")


def _names(asked: Cancel, conversation_id: str, lease: Lease) -> bool:
    """Return true if the answer that the lease is for is the one that is meant."""
    message_id = asked.message_id
    if message_id in (None, lease.message_id, lease.answer_id):
        return True
    # An answer that goes on after a yes is that of the yes, and its lease names the question.
    return message_id is not None and lease.answer_id == answer_id_for(conversation_id, message_id)
