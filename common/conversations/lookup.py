"""From a credentials and an id to the caller's own conversation: Firestore first, the record on a miss."""

from collections.abc import Mapping
from dataclasses import dataclass

from common.documents import Document
from common.errors import ConversationNotFound
from common.identity.authenticate import Authenticator, Credentials
from common.record.reader import Record
from common.tenant import Principal
from common.transcript.conversation import Conversation, conversation_of
from common.transcript.ids import is_id
from common.transcript.paths import conversation_path


@dataclass(frozen=True, slots=True)
class Found:
    """The caller, the conversation, and the other documents that were asked for in the same read."""

    principal: Principal
    conversation: Conversation
    documents: Mapping[str, Document | None]


class ConversationLookup:
    """Finds what is the caller's; for everything else there is one answer, and one way to it."""

    def __init__(self, authenticator: Authenticator, record: Record) -> None:
        self._authenticator = authenticator
        self._record = record

    async def find(self, credentials: Credentials, conversation_id: str, *also: tuple[str, ...]) -> Found:
        """Authenticate, and read the conversation and the documents below it that ``also`` names by their paths' ends.

        Raises ConversationNotFound for an id of nobody, of another user and of a deleted conversation.
        """
        tenant = self._authenticator.tenant(credentials)
        if not is_id(conversation_id):
            await self._authenticator.authenticate(credentials)
            raise ConversationNotFound
        path = conversation_path(tenant, conversation_id)
        paths = (path, *("/".join((path, *parts)) for parts in also))
        principal, entry = await self._authenticator.authenticate(credentials, paths)
        conversation = await self.owned_by(principal, conversation_id, entry.documents[path])
        return Found(principal, conversation, entry.documents)

    async def owned_by(self, principal: Principal, conversation_id: str, document: Document | None) -> Conversation:
        """The caller's active conversation. Raises ConversationNotFound."""
        held = conversation_of(document) if document else None
        if held is not None and held.user_id == principal.user_id:
            conversation: Conversation | None = held
        else:
            # Another user's id takes the same time as one that never existed.
            conversation = await self._record.conversation(principal, conversation_id)
        if conversation is None or conversation.status != "active":
            raise ConversationNotFound
        return conversation
