"""The one read of a request: its caller, its conversation, and what is stored of its own message."""

from dataclasses import dataclass
from datetime import datetime

from common.errors import ConversationNotFound
from common.identity.authenticate import Credentials
from common.metering.rate_limits import Allowance
from common.organizations.directory import Lookup, hash_api_key
from common.telemetry.timing import Timing
from common.tenant import Principal, Tenant
from common.transcript.conversation import Conversation
from common.transcript.ids import answer_id_for, conversation_id_for
from common.transcript.message import Message, message_of
from common.transcript.paths import conversation_path, message_path, pending_path
from common.turn.client_features import ClientFeatures
from common.turn.prepared import TurnServices
from common.turn.request import SendRequest
from common.turn.turn import Turn


@dataclass(frozen=True, slots=True)
class Opening:
    """A request on its way to a turn; ``joins_until``, monotonic, ends the waiting for another attempt at it."""

    services: TurnServices
    credentials: Credentials
    request: SendRequest
    features: ClientFeatures
    timed: Timing
    turn: Turn
    joins_until: float

    @property
    def tenant(self) -> Tenant:
        return self.services.authenticator.tenant(self.credentials)


def _paths(tenant: Tenant, credentials: Credentials, request: SendRequest, features: ClientFeatures) -> dict[str, str]:
    """The documents that a turn reads beside key and
    organisation: the conversation, and the messages of a client's message id."""
    conversation_id = request.conversation_id if request.names_a_conversation else None
    if conversation_id is None and request.message_id is not None:
        caller = f"{hash_api_key(credentials.api_key or '')}/{credentials.user_id or ''}"
        conversation_id = conversation_id_for(tenant, caller, request.message_id)
    if conversation_id is None:
        return {}
    paths = {"conversation": conversation_path(tenant, conversation_id)}
    if features.may_pause:
        paths["pending"] = pending_path(tenant, conversation_id)
    if request.message_id is not None:
        answer_id = answer_id_for(conversation_id, request.message_id)
        paths["question"] = message_path(tenant, conversation_id, request.message_id)
        paths["answer"] = message_path(tenant, conversation_id, answer_id)
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
    principal: Principal
    entry: Lookup
    stored: StoredState


async def load(opening: Opening) -> Loaded:
    """Read what the turn needs, in one read where Firestore has it, and authenticate. Raises ConversationNotFound."""
    services, request = opening.services, opening.request
    now = services.clock()
    paths = _paths(opening.tenant, opening.credentials, request, opening.features)
    allowed = services.rate_limits.for_caller(opening.tenant, opening.credentials, now)
    with opening.timed.stage("read"):
        principal, entry = await services.authenticator.authenticate(
            opening.credentials, (*paths.values(), *allowed.paths)
        )
    if request.conversation_id is not None and not request.names_a_conversation:
        raise ConversationNotFound
    with opening.timed.stage("read"):
        stored = await _read_stored(opening, principal, entry, paths)
    return Loaded(now, paths, allowed, principal, entry, stored)


async def _read_stored(opening: Opening, principal: Principal, entry: Lookup, paths: dict[str, str]) -> StoredState:
    """Read what is stored, from the record where Firestore has it no longer. Raises ConversationNotFound."""
    services, request = opening.services, opening.request
    conversation_id = paths["conversation"].rsplit("/", 1)[1] if paths else None
    document = entry.documents.get(paths.get("conversation", ""))
    if document is None and request.conversation_id is None:
        return StoredState(conversation_id, None, None, resumed=False)
    assert conversation_id is not None
    own_id = document is None and opening.features.own_ids
    if own_id and not await services.record.holds(principal.tenant, conversation_id):
        return StoredState(conversation_id, None, None, resumed=False)
    question, answer = entry.documents.get(paths.get("question", "")), entry.documents.get(paths.get("answer", ""))
    stored = message_of(answer) if answer else None
    conversation = await services.lookup.owned_by(principal, conversation_id, document)
    resumed = question is not None
    if not conversation.window_held:
        conversation = await services.record.with_window(principal.tenant, conversation)
        if request.message_id is not None:
            answer_id = answer_id_for(conversation_id, request.message_id)
            named = await services.record.named(principal.tenant, conversation_id, request.message_id, answer_id)
            stored = stored or named.get(answer_id)
            resumed = resumed or request.message_id in named
    return StoredState(conversation_id, conversation, stored, resumed)
