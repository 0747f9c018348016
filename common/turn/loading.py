"""The one read of a request: its caller, its conversation, and what is stored of its own message."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from common.conversations.lookup import held_by
from common.documents import Document
from common.errors import ConversationNotFound
from common.identity.authenticate import Credentials
from common.metering.ceilings import Spending
from common.metering.rate_limits import Allowance
from common.metering.usage_rows import Channel
from common.organizations.directory import Lookup
from common.organizations.organization import hash_api_key
from common.telemetry.timing import Timing
from common.tenant import Principal, Tenant
from common.transcript.conversation import Conversation
from common.transcript.ids import answer_id_for, conversation_id_for, is_random
from common.transcript.message import Message, message_of
from common.transcript.paths import conversation_path, message_path, pending_path, steps_path
from common.turn.client_features import ClientFeatures
from common.turn.prepared import TurnServices
from common.turn.request import SendRequest
from common.turn.turn import Turn


@dataclass(frozen=True, slots=True)
class Opening:
    """A request on its way to a turn; ``joins_until``, monotonic, ends the waiting for another attempt at it.

    ``let_in`` are the limits at which it counts already, because it has waited for its place.
    """

    services: TurnServices
    credentials: Credentials
    request: SendRequest
    channel: Channel
    features: ClientFeatures
    timed: Timing
    turn: Turn
    joins_until: float
    let_in: frozenset[str] = frozenset()

    @property
    def tenant(self) -> Tenant:
        return self.services.authenticator.tenant(self.credentials)


def _ids(opening: Opening) -> tuple[str, ...]:
    """The conversations that the request may mean, or the one that its message opens; none for a new random one."""
    request, credentials = opening.request, opening.credentials
    if request.conversation_id is not None and request.names_a_conversation:
        return opening.services.lookup.ids(credentials, request.conversation_id)
    if request.message_id is None:
        return ()
    caller = f"{hash_api_key(credentials.api_key or '')}/{credentials.user_id or ''}"
    return (conversation_id_for(opening.tenant, caller, request.message_id),)


def _paths(opening: Opening, conversation_id: str) -> dict[str, str]:
    """The documents that a turn reads beside key and
    organisation: the conversation, and the messages of a client's message id."""
    tenant, message_id = opening.tenant, opening.request.message_id
    paths = {
        "conversation": conversation_path(tenant, conversation_id),
        "pending": pending_path(tenant, conversation_id),
    }
    if message_id is not None:
        paths["question"] = message_path(tenant, conversation_id, message_id)
        answer_id = answer_id_for(conversation_id, message_id)
        paths["answer"] = message_path(tenant, conversation_id, answer_id)
        paths["steps"] = steps_path(tenant, conversation_id, answer_id)
    return paths


@dataclass(frozen=True, slots=True)
class StoredState:
    """The stored state of the conversation and of the request's own message."""

    conversation_id: str | None
    conversation: Conversation | None
    answer: Message | None
    resumed: bool

    def in_flight(self, request: SendRequest) -> bool:
        """Return true if another attempt at this message is under way."""
        lease = self.conversation.lease if self.conversation else None
        return lease is not None and lease.message_id == request.message_id and lease.holds


@dataclass(frozen=True, slots=True)
class Loaded:
    """The state that an authenticated request found, at its one moment ``now``."""

    now: datetime
    paths: dict[str, str]
    allowed: Allowance
    spending: Spending
    documents: Mapping[str, Document | None]
    principal: Principal
    entry: Lookup
    stored: StoredState


async def load(opening: Opening) -> Loaded:
    """Read what the turn needs, in one read where Firestore has it, and authenticate. Raises ConversationNotFound."""
    services, request = opening.services, opening.request
    now = services.clock()
    places = {each: _paths(opening, each) for each in _ids(opening)}
    read = [path for paths in places.values() for path in paths.values()]
    allowed = services.rate_limits.for_caller(opening.tenant, opening.credentials, now, let_in=opening.let_in)
    spending = services.cost_ceilings.for_caller(opening.tenant, opening.credentials, now)
    with opening.timed.stage("read"):
        principal, entry = await services.authenticator.authenticate(
            opening.credentials, (*read, *allowed.paths, *spending.paths)
        )
        documents = dict(entry.documents)
        while further := spending.further_paths(documents):
            documents |= await services.documents.get_all(further)
    if request.conversation_id is not None and not request.names_a_conversation:
        raise ConversationNotFound
    if not any(entry.documents.get(path) for path in read):
        # What is refused anyway is not looked up in the record.
        allowed.check_room(entry.documents)
    with opening.timed.stage("read"):
        stored = await _read_stored(opening, principal, entry, places)
    paths = places.get(stored.conversation_id or "", {})
    return Loaded(now, paths, allowed, spending, documents, principal, entry, stored)


async def _read_stored(
    opening: Opening, principal: Principal, entry: Lookup, places: Mapping[str, Mapping[str, str]]
) -> StoredState:
    """Read what is stored, from the record where Firestore has it no longer. Raises ConversationNotFound."""
    services, request = opening.services, opening.request
    ids, documents = tuple(places), entry.documents
    free = await _free_id(opening, principal, ids, documents)
    if not ids or free is not None:
        return StoredState(free, None, None, resumed=False)
    conversation = await services.lookup.owned_by(principal, ids, documents)
    conversation_id = conversation.conversation_id
    paths = places[conversation_id]
    question, answer = documents.get(paths.get("question", "")), documents.get(paths.get("answer", ""))
    stored = message_of(answer) if answer else None
    resumed = question is not None
    if not conversation.window_held:
        conversation = await services.record.with_window(principal.tenant, conversation)
        if request.message_id is not None:
            answer_id = answer_id_for(conversation_id, request.message_id)
            named = await services.record.named(principal.tenant, conversation, request.message_id, answer_id)
            stored = stored or named.get(answer_id)
            resumed = resumed or request.message_id in named
    return StoredState(conversation_id, conversation, stored, resumed)


async def _free_id(
    opening: Opening, principal: Principal, ids: tuple[str, ...], documents: Mapping[str, Document | None]
) -> str | None:
    """The id of the conversation that this request begins. Returns None where it goes on with one that there is.

    An id that the client chose is the person's: a name, or one that somebody else has, is not taken literally.
    """
    if held_by(principal, ids, documents) is not None:
        return None
    if opening.request.conversation_id is None:
        taken = any(documents.get(conversation_path(principal.tenant, each)) for each in ids)
        return None if taken or not ids else ids[0]
    if not opening.features.own_ids:
        return None
    chosen, own = ids
    owners = await opening.services.record.owners(principal.tenant, ids)
    if principal.user_id in owners.values():
        return None
    taken = chosen in owners or documents.get(conversation_path(principal.tenant, chosen)) is not None
    return own if taken or not is_random(chosen) else chosen
