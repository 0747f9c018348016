"""A user's opinion of an answer."""

from collections.abc import Callable
from datetime import datetime
from typing import Literal

from typing_extensions import TypedDict

from common.conversations.bodies import Opinion
from common.conversations.lookup import ConversationLookup
from common.documents import DocumentConflict, Documents, Patch
from common.errors import NotFound
from common.identity.authenticate import Credentials
from common.record import outbox
from common.record.reader import Record
from common.transcript.conversation import TICK
from common.transcript.ids import is_id
from common.transcript.message import Message, message_of
from common.transcript.paths import message_path

_MISSING = "There is no such answer in this conversation."


class StoredOpinion(TypedDict):
    """The answer to a feedback."""

    status: Literal["stored"]
    conversation_id: str
    message_id: str
    rating: str
    reason: str | None
    comment: str | None


class Feedback:
    """Stores one opinion per user and answer; the last one counts."""

    def __init__(
        self, lookup: ConversationLookup, documents: Documents, record: Record, clock: Callable[[], datetime]
    ) -> None:
        self._lookup = lookup
        self._documents = documents
        self._record = record
        self._clock = clock

    async def give(
        self, credentials: Credentials, conversation_id: str, message_id: str, opinion: Opinion
    ) -> StoredOpinion:
        """Store an opinion of an answer of the caller's own conversation. Raises NotFound for anything else."""
        if not is_id(message_id):
            await self._lookup.find(credentials, conversation_id)
            raise NotFound(_MISSING)
        found = await self._lookup.find(credentials, conversation_id, ("messages", message_id))
        tenant, conversation_id = found.principal.tenant, found.conversation.conversation_id
        path = message_path(tenant, conversation_id, message_id)
        held = found.documents[path]
        message = message_of(held) if held else await self._record.message(tenant, found.conversation, message_id)
        if message is None or message.role != "assistant":
            raise NotFound(_MISSING)
        said = {**opinion.model_dump(), "updated_at": self._later_than(message)}
        entry = outbox.feedback_entry(found.principal, conversation_id, message, said)
        try:
            await self._documents.commit([entry, *([Patch(path, {"feedback": said})] if held else [])])
        except DocumentConflict:
            # The message expired from Firestore in this moment; the record has it.
            await self._documents.commit([entry])
        return {
            "status": "stored",
            "conversation_id": conversation_id,
            "message_id": message_id,
            "rating": opinion.rating,
            "reason": opinion.reason,
            "comment": opinion.comment,
        }

    def _later_than(self, message: Message) -> datetime:
        """Now, or later than the opinion before this one: instances' clocks differ, and the last one counts."""
        before: datetime | None = message.feedback["updated_at"] if message.feedback else None
        return max(self._clock(), before + TICK) if before else self._clock()
