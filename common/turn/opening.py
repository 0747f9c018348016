"""From a request to a turn under way: load, authorise, check, open the key."""

from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from common.agents.events import Event
from common.conversations.paused_turn import pending_of
from common.documents import Document
from common.errors import ConversationBusy, ConversationNotFound, KeyServiceUnavailable, Unprocessable
from common.identity.authenticate import Credentials
from common.metering.rate_limits import Allowance
from common.organizations.directory import Credential, Lookup, hash_api_key
from common.organizations.offering import Offering
from common.organizations.serving import calls_tools, fallback_of, served_by, settings_of
from common.secret import Secret
from common.telemetry import timing
from common.telemetry.timing import Timing
from common.tenant import Principal, Tenant
from common.transcript import conversation as records
from common.transcript.conversation import Conversation, Message
from common.transcript.paths import conversation_path, message_path, pending_path
from common.turn.admission import Disconnect, Slot
from common.turn.answering import AnsweringModels
from common.turn.client_features import NO_FEATURES, ClientFeatures
from common.turn.joining import join, replay
from common.turn.request import SendRequest
from common.turn.running import PreparedTurn, TurnRunner, TurnServices
from common.turn.turn import Turn


async def open_turn(
    services: TurnServices,
    credentials: Credentials,
    request: SendRequest,
    features: ClientFeatures = NO_FEATURES,
    disconnect: Disconnect | None = None,
) -> Turn:
    """Load, authorise, find a slot and open the key, then start the turn.

    Raises a ServiceError before anything is stored, or ClientDisconnect while the turn waits for its slot.
    """
    timed = timing.begin()
    turn = await _open(services, credentials, request, features, timed)
    if turn is None:
        with timed.stage("queue"):
            place = await services.admission.wait(services.authenticator.tenant(credentials).org_slug, disconnect)
        # What was read before it waited may be old.
        with ExitStack() as held:
            held.callback(place.leave)
            turn = await _open(services, credentials, request, features, timed, held, place)
    assert turn is not None
    return turn


async def _open(
    services: TurnServices,
    credentials: Credentials,
    request: SendRequest,
    features: ClientFeatures,
    timed: Timing,
    held: ExitStack | None = None,
    place: Slot | None = None,
) -> Turn | None:
    """The turn, which takes over the place that is ``held`` if it asks a model; None where it finds no place."""
    tenant = services.authenticator.tenant(credentials)
    paths = _paths(tenant, credentials, request, features)
    allowed = services.rate_limits.for_caller(tenant, credentials, services.clock())
    with timed.stage("read"):
        principal, entry = await services.authenticator.authenticate(credentials, (*paths.values(), *allowed.paths))
    if request.conversation_id is not None and not request.names_a_conversation:
        raise ConversationNotFound
    turn = Turn()
    with timed.stage("read"):
        stored_state = await _read_stored(services, principal, entry, paths, request, features)
    if stored_state.answer is not None and stored_state.conversation is not None:
        waiting = _waiting(
            stored_state.answer, stored_state.conversation, entry.documents.get(paths.get("pending", ""))
        )
        replay(turn.emit, stored_state.answer, stored_state.conversation.conversation_id, waiting)
        return turn
    joining = None
    if request.message_id is not None and stored_state.conversation_id is not None:
        joining = partial(join, services, principal, stored_state.conversation_id, request.message_id, turn.emit)
        if stored_state.in_flight(request, services.clock()):
            turn.start(joining())
            return turn
    prepared = _prepare(services, principal, entry, stored_state, request, allowed)
    prepared = _offered(prepared, features, entry.documents.get(paths.get("pending", "")))
    if held is None or place is None:
        place = services.admission.enter(tenant.org_slug)
        if place is None:
            return None
        held = ExitStack()
        held.callback(place.leave)
    with held:
        stack = AsyncExitStack()
        open_key = partial(_open_key, services, principal, stack)
        with timed.stage("key"):
            key = await open_key(prepared.credential)
        answering = AnsweringModels(
            prepared.model, prepared.fallback, open_key, place, services.log, principal.org_slug
        )
        runner = TurnRunner(services, prepared, turn.emit, joining, timed, answering)
        turn.start(runner.run(key, stack), then=held.pop_all().close)
    return turn


async def _open_key(
    services: TurnServices, principal: Principal, stack: AsyncExitStack, credential: Credential | None
) -> Secret:
    """The provider key, for as long as the stack is open; empty for a server that needs none.

    Raises KeyInvalid or KeyServiceUnavailable.
    """
    tenant = principal.tenant
    if credential is None:
        return Secret("")
    try:
        return await stack.enter_async_context(
            services.provider_keys.opened(tenant, credential.credential_id, credential.ciphertext)
        )
    except KeyServiceUnavailable as error:
        services.log.failure("key.failed", error, org=principal.org_slug)
        raise


def _paths(tenant: Tenant, credentials: Credentials, request: SendRequest, features: ClientFeatures) -> dict[str, str]:
    """What a turn reads beside key and organisation: the conversation, and the messages of a client's message id."""
    conversation_id = request.conversation_id if request.names_a_conversation else None
    if conversation_id is None and request.message_id is not None:
        caller = f"{hash_api_key(credentials.api_key or '')}/{credentials.user_id or ''}"
        conversation_id = records.conversation_id_for(tenant, caller, request.message_id)
    if conversation_id is None:
        return {}
    paths = {"conversation": conversation_path(tenant, conversation_id)}
    if features.may_pause:
        paths["pending"] = pending_path(tenant, conversation_id)
    if request.message_id is not None:
        answer_id = records.answer_id_for(conversation_id, request.message_id)
        paths["question"] = message_path(tenant, conversation_id, request.message_id)
        paths["answer"] = message_path(tenant, conversation_id, answer_id)
    return paths


@dataclass(frozen=True, slots=True)
class StoredState:
    """What is stored of the conversation and of the request's own message."""

    conversation_id: str | None
    conversation: Conversation | None
    answer: Message | None
    resumed: bool

    def in_flight(self, request: SendRequest, now: datetime) -> bool:
        """Whether an attempt at this very message is under way."""
        lease = self.conversation.lease if self.conversation else None
        return lease is not None and lease.message_id == request.message_id and lease.expires_at > now


async def _read_stored(
    services: TurnServices,
    principal: Principal,
    entry: Lookup,
    paths: dict[str, str],
    request: SendRequest,
    features: ClientFeatures,
) -> StoredState:
    """Read what is stored, from the record where Firestore has it no longer. Raises ConversationNotFound."""
    conversation_id = paths["conversation"].rsplit("/", 1)[1] if paths else None
    document = entry.documents.get(paths.get("conversation", ""))
    if document is None and request.conversation_id is None:
        return StoredState(conversation_id, None, None, resumed=False)
    assert conversation_id is not None
    if document is None and features.own_ids and not await services.record.holds(principal.tenant, conversation_id):
        return StoredState(conversation_id, None, None, resumed=False)
    question, answer = entry.documents.get(paths.get("question", "")), entry.documents.get(paths.get("answer", ""))
    stored = records.message_of(answer) if answer else None
    conversation = await services.lookup.owned_by(principal, conversation_id, document)
    resumed = question is not None
    if not conversation.window_held:
        conversation = await services.record.with_window(principal.tenant, conversation)
        if request.message_id is not None:
            answer_id = records.answer_id_for(conversation_id, request.message_id)
            named = await services.record.named(principal.tenant, conversation_id, request.message_id, answer_id)
            stored = stored or named.get(answer_id)
            resumed = resumed or request.message_id in named
    return StoredState(conversation_id, conversation, stored, resumed)


def _prepare(
    services: TurnServices,
    principal: Principal,
    entry: Lookup,
    stored_state: StoredState,
    request: SendRequest,
    allowed: Allowance,
) -> PreparedTurn:
    """Check what the turn needs, without I/O. Raises SetupRequired, KeyInvalid, ConversationBusy or RateLimited."""
    now = services.clock()
    conversation = stored_state.conversation
    organization = entry.organization
    settings = settings_of(organization)
    assert organization is not None
    offering = Offering.of(services.settings)
    served = served_by(organization, offering, now)
    model = served.model
    if conversation is not None and conversation.lease is not None and conversation.lease.expires_at > now:
        raise ConversationBusy(retry_after=max(1, round((conversation.lease.expires_at - now).total_seconds())))
    allowed.check(entry.documents)
    question_id = request.message_id or records.new_id()
    if conversation is not None:
        conversation = replace(conversation, provider=model.provider, model_id=model.model_id)
    else:
        conversation = Conversation(
            conversation_id=stored_state.conversation_id or records.new_id(),
            user_id=principal.user_id,
            title=records.title_of(request.message),
            provider=model.provider,
            model_id=model.model_id,
            created_at=now,
            last_message_at=now,
        )
    return PreparedTurn(
        principal=principal,
        organization=organization,
        settings=settings,
        credential=served.credential,
        fallback=fallback_of(organization, offering, now, needs_tools=calls_tools(model, settings.calls_tools)),
        allowed=allowed,
        model=model,
        conversation=conversation,
        question=Message(question_id, "user", request.message, now, sequence=conversation.message_count),
        answer_id=records.answer_id_for(conversation.conversation_id, question_id),
        resumed=stored_state.resumed,
    )


def _offered(prepared: PreparedTurn, features: ClientFeatures, document: Document | None) -> PreparedTurn:
    """The turn with what its client offers; a reply takes it to where it paused. Raises Unprocessable."""
    if features.reply is None:
        return replace(prepared, features=features)
    pending = pending_of(document) if document else None
    if pending is None or pending.message_count != prepared.conversation.message_count:
        raise Unprocessable("Nothing waits for this result any more. Ask again.")
    question = replace(prepared.question, message_id=pending.question_id, content=pending.question)
    return replace(prepared, features=features, pending=pending, question=question, resumed=True)


def _waiting(answer: Message, conversation: Conversation, document: Document | None) -> list[Event]:
    """What an answer that is said again still waits for."""
    pending = pending_of(document) if document else None
    if pending is None or pending.answer_ids[-1] != answer.message_id:
        return []
    if pending.message_count != conversation.message_count:
        return []
    return [each.event(answer.agent_name or "") for each in pending.paused.waiting]
