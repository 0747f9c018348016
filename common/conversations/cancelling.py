"""Cancelling the answer under way in a conversation, on whichever instance it runs."""

import asyncio
import time
from typing import Literal

from pydantic import Field
from typing_extensions import TypedDict

from common import limits
from common.bodies import Body
from common.conversations.lookup import ConversationLookup
from common.conversations.store import ConversationStore
from common.documents import Documents
from common.errors import ConversationBusy, NothingToCancel
from common.identity.authenticate import Credentials
from common.tenant import Principal
from common.transcript.conversation import Conversation, Lease, conversation_of
from common.transcript.ids import answer_id_for
from common.transcript.message import Message, message_of
from common.transcript.paths import conversation_path, message_path

POLL_SECONDS = 0.25
_SECONDS = limits.LEASE_SECONDS + limits.LEASE_CALL_SECONDS
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


def _names(asked: Cancel, conversation_id: str, lease: Lease) -> bool:
    """Return true if the answer that the lease is for is the one that is meant."""
    message_id = asked.message_id
    if message_id in (None, lease.message_id, lease.answer_id):
        return True
    # An answer that goes on after a yes is that of the yes, and its lease names the question.
    return message_id is not None and lease.answer_id == answer_id_for(conversation_id, message_id)
