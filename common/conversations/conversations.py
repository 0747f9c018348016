"""A user's conversations: list, rename, delete."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NotRequired

from typing_extensions import TypedDict

from common import cursor, limits
from common.conversations.bodies import Rename
from common.conversations.lookup import ConversationLookup
from common.conversations.store import ConversationStore
from common.documents import Create, Data, Document, DocumentConflict, Documents, Patch, Put, Sort, Where, Write
from common.errors import DocumentsUnavailable, WarehouseUnavailable
from common.identity.authenticate import Authenticator, Credentials
from common.organizations.organization import hash_api_key
from common.record.reader import ListPosition, Record
from common.tenant import Principal, Tenant
from common.transcript.conversation import Conversation, Escalation, conversation_of, read_escalation
from common.transcript.paths import conversation_path, conversations_path, listed_path

LISTED_DAYS = 20

_ORDER = (Sort("last_message_at", descending=True), Sort("__name__", descending=True))
_LISTED = (
    "conversation_id", "user_id", "title", "status", "message_count", "provider", "model_id", "created_at",
    "last_message_at", "escalation",
)  # fmt: skip


class Summary(TypedDict):
    """A conversation in a list."""

    conversation_id: str
    title: str
    status: str
    message_count: int
    provider: str
    model_id: str
    created_at: str
    last_message_at: str
    escalated: Escalation | None


class ConversationPage(TypedDict):
    """A page of a list; ``partial`` where some may be missing."""

    org_slug: str
    conversations: list[Summary]
    next_cursor: NotRequired[str]
    partial: NotRequired[bool]


class Renamed(TypedDict):
    """The answer to a rename."""

    status: Literal["renamed"]
    conversation_id: str
    title: str


class Deleted(TypedDict):
    """The answer to a deletion."""

    status: Literal["deleted"]
    conversation_id: str


@dataclass(frozen=True, slots=True)
class _Listed:
    """The part of a caller's list that Firestore holds: all of it, or all back to ``held_from``."""

    at: datetime
    held_from: ListPosition | None

    def data(self, expire_at: datetime) -> Data:
        place = {"at": self.held_from.at, "row_id": self.held_from.row_id} if self.held_from else None
        return {"at": self.at, "held_from": place, "expire_at": expire_at}


class Conversations:
    """Every call is one caller's, on what is the caller's."""

    def __init__(
        self,
        authenticator: Authenticator,
        lookup: ConversationLookup,
        documents: Documents,
        record: Record,
        store: ConversationStore,
        clock: Callable[[], datetime],
    ) -> None:
        self._authenticator = authenticator
        self._lookup = lookup
        self._documents = documents
        self._record = record
        self._store = store
        self._clock = clock

    async def page(self, credentials: Credentials, limit: int, after: str | None) -> ConversationPage:
        """One page of the caller's active conversations, newest first, from one query.

        What Firestore does not hold is first brought there from the record. ``partial`` is said of a page that may
        lack some because the record did not answer.
        """
        tenant = self._authenticator.tenant(credentials)
        noted_path = listed_path(tenant, f"{hash_api_key(credentials.api_key or '')}/{credentials.user_id or ''}")
        principal, entry = await self._authenticator.authenticate(credentials, (noted_path,))
        scope = ("conversations", tenant.org_slug, principal.user_id)
        place = cursor.decode(scope, after, (datetime, str)) if after else None
        noted = self._noted(entry.documents[noted_path])
        found: list[Document] = []
        if noted is not None:
            found = await self._query(principal, place, limit)
        partial = False
        if noted is None or (noted.held_from is not None and len(found) <= limit):
            partial = not await self._warmed(principal, noted_path, noted)
            found = await self._query(principal, place, limit)
        page = found[:limit]
        body: ConversationPage = {
            "org_slug": tenant.org_slug,
            "conversations": [summary(conversation_of(document)) for document in page],
        }
        if len(found) > limit:
            last = page[-1].data
            body["next_cursor"] = cursor.encode(scope, (last["last_message_at"], last["conversation_id"]))
        if partial:
            body["partial"] = True
        return body

    async def rename(self, credentials: Credentials, conversation_id: str, body: Rename) -> Renamed:
        """Give a conversation another title."""
        found = await self._lookup.find(credentials, conversation_id)
        await self._store.rename(found.principal, found.conversation, body.title, self._clock())
        return {"status": "renamed", "conversation_id": found.conversation.conversation_id, "title": body.title}

    async def delete(self, credentials: Credentials, conversation_id: str) -> Deleted:
        """Delete a conversation; from now on it is nowhere to be found."""
        found = await self._lookup.find(credentials, conversation_id)
        await self._store.delete(found.principal, found.conversation, self._clock())
        return {"status": "deleted", "conversation_id": found.conversation.conversation_id}

    async def _query(self, principal: Principal, place: tuple[cursor.Value, ...] | None, limit: int) -> list[Document]:
        return await self._documents.query(
            conversations_path(principal.tenant),
            where=(Where("user_id", "==", principal.user_id), Where("status", "==", "active")),
            order=_ORDER,
            after=place,
            fields=_LISTED,
            limit=limit + 1,
        )

    def _noted(self, document: Document | None) -> _Listed | None:
        if document is None or self._clock() - document.data["at"] > timedelta(days=LISTED_DAYS):
            return None
        held = document.data["held_from"]
        return _Listed(document.data["at"], ListPosition(held["at"], held["row_id"]) if held else None)

    async def _warmed(self, principal: Principal, noted_path: str, noted: _Listed | None) -> bool:
        """Copy the next part of the list from the record to Firestore. Returns false if the record does not answer."""
        before = noted.held_from if noted else None
        try:
            listed = await self._record.conversations(principal, before, limits.WARMED_CONVERSATIONS)
        except WarehouseUnavailable:
            return False
        now = self._clock()
        expire_at = now + timedelta(days=limits.HOT_DAYS)
        last = listed[-1] if len(listed) == limits.WARMED_CONVERSATIONS else None
        after = _Listed(
            noted.at if noted else now, ListPosition(last.last_message_at, last.conversation_id) if last else None
        )
        try:
            await self._keep(principal.tenant, listed, expire_at)
            await self._documents.commit([Put(noted_path, after.data(expire_at))])
        except (DocumentConflict, DocumentsUnavailable):
            return False
        return True

    async def _keep(self, tenant: Tenant, listed: list[Conversation], expire_at: datetime) -> None:
        """Write what is not there; let live on what is there and would expire sooner. Newer states stay."""
        size = limits.MAX_WRITES_PER_COMMIT
        for start in range(0, len(listed), size):
            part = {conversation_path(tenant, one.conversation_id): one for one in listed[start : start + size]}
            there = await self._documents.get_all(list(part), fields=["expire_at"])
            writes: list[Write] = []
            for path, conversation in part.items():
                document = there[path]
                if document is None:
                    writes.append(Create(path, conversation.document() | {"expire_at": expire_at}))
                elif (expires := document.data.get("expire_at")) is not None and expires < expire_at:
                    writes.append(Patch(path, {"expire_at": expire_at}, document.updated_at))
            if writes:
                await self._documents.commit(writes)


def summary(conversation: Conversation) -> Summary:
    """The fields of a conversation in a list."""
    return {
        "conversation_id": conversation.conversation_id,
        "title": conversation.title,
        "status": conversation.status,
        "message_count": conversation.message_count,
        "provider": conversation.provider,
        "model_id": conversation.model_id,
        "created_at": conversation.created_at.isoformat(),
        "last_message_at": conversation.last_message_at.isoformat(),
        "escalated": read_escalation(conversation.escalation),
    }
