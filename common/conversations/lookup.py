"""From a credentials and an id to the caller's own conversation: Firestore first, the record on a miss."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from common.documents import Document
from common.errors import ConversationNotFound
from common.identity.authenticate import Authenticator, Credentials
from common.record.reader import Record
from common.tenant import Principal
from common.transcript.conversation import Conversation, conversation_of
from common.transcript.ids import is_id, own_conversation_id
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

    def ids(self, credentials: Credentials, conversation_id: str) -> tuple[str, str]:
        """The ids of what a caller may mean: the conversation itself, and the caller's own under a name it chose."""
        tenant = self._authenticator.tenant(credentials)
        return conversation_id, own_conversation_id(tenant, credentials.person, conversation_id)

    async def find(self, credentials: Credentials, conversation_id: str, *also: tuple[str, ...]) -> Found:
        """Authenticate, and read the conversation and the documents below it that ``also`` names by their paths' ends.

        Raises ConversationNotFound for an id of nobody, of another user and of a deleted conversation.
        """
        tenant = self._authenticator.tenant(credentials)
        if not is_id(conversation_id):
            await self._authenticator.authenticate(credentials)
            raise ConversationNotFound
        ids = self.ids(credentials, conversation_id)
        places = [conversation_path(tenant, each) for each in ids]
        paths = tuple("/".join((place, *parts)) for place in places for parts in ((), *also))
        principal, entry = await self._authenticator.authenticate(credentials, paths)
        return Found(principal, await self.owned_by(principal, ids, entry.documents), entry.documents)

    async def owned_by(
        self, principal: Principal, ids: Sequence[str], documents: Mapping[str, Document | None]
    ) -> Conversation:
        """The first of these conversations that is the caller's, if it is active. Raises ConversationNotFound."""
        conversation = held_by(principal, ids, documents)
        if conversation is None:
            # Another user's id takes the same time as one that never existed.
            conversation = await self._record.conversation(principal, ids)
        if conversation is None or conversation.status != "active":
            raise ConversationNotFound
        return conversation


def held_by(principal: Principal, ids: Sequence[str], documents: Mapping[str, Document | None]) -> Conversation | None:
    """The first of these conversations that Firestore holds as the caller's, of any status; None if there is none."""
    for each in ids:
        document = documents.get(conversation_path(principal.tenant, each))
        held = conversation_of(document) if document else None
        if held is not None and held.user_id == principal.user_id:
            return held
    return None
