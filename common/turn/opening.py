"""From a request to a turn under way: load, authorise, check, open the key."""

from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from common.agents.events import Event
from common.conversations.paused_turn import pending_of
from common.documents import Document
from common.errors import ConversationBusy, ConversationNotFound, KeyServiceUnavailable, Unprocessable
from common.identity.authenticate import Claim
from common.metering.rate_limits import Allowance
from common.models import catalog
from common.organizations.directory import Entry, hash_api_key
from common.organizations.serving import credential_of, settings_of
from common.secret import Secret
from common.telemetry import timing
from common.telemetry.timing import Timing
from common.tenant import Principal, Tenant
from common.transcript import conversation as records
from common.transcript.conversation import Conversation, Message
from common.transcript.paths import conversation_path, message_path, pending_path
from common.turn.admission import Gone
from common.turn.client_features import PLAIN, Offers
from common.turn.joining import join, replay
from common.turn.request import SendRequest
from common.turn.running import Parts, Run, Setup
from common.turn.turn import Turn


async def open_turn(
    parts: Parts, claim: Claim, request: SendRequest, offers: Offers = PLAIN, gone: Gone | None = None
) -> Turn:
    """Load, authorise, find a place and open the key, then start the turn.

    Raises a ServiceError while nothing is stored or said, or what ``gone`` raises while the turn waits for its place.
    """
    timed = timing.begin()
    turn = await _open(parts, claim, request, offers, timed)
    if turn is None:
        with timed.stage("queue"):
            place = await parts.admission.wait(parts.authenticator.tenant(claim).org_slug, gone)
        # What was read before it waited may be old.
        with ExitStack() as held:
            held.callback(place.leave)
            turn = await _open(parts, claim, request, offers, timed, held)
    assert turn is not None
    return turn


async def _open(
    parts: Parts, claim: Claim, request: SendRequest, offers: Offers, timed: Timing, held: ExitStack | None = None
) -> Turn | None:
    """The turn, which takes over the place that is ``held`` if it asks a model; None where it finds no place."""
    tenant = parts.authenticator.tenant(claim)
    paths = _paths(tenant, claim, request, offers)
    allowed = parts.rate_limits.of(tenant, claim, parts.clock())
    with timed.stage("read"):
        principal, entry = await parts.authenticator.authenticate(claim, (*paths.values(), *allowed.paths))
    if request.conversation_id is not None and not request.names_a_conversation:
        raise ConversationNotFound
    turn = Turn()
    with timed.stage("read"):
        known = await _known(parts, principal, entry, paths, request, offers)
    if known.answer is not None and known.conversation is not None:
        waiting = _waiting(known.answer, known.conversation, entry.documents.get(paths.get("pending", "")))
        replay(turn.emit, known.answer, known.conversation.conversation_id, waiting)
        return turn
    joining = None
    if request.message_id is not None and known.conversation_id is not None:
        joining = partial(join, parts, principal, known.conversation_id, request.message_id, turn.emit)
        if known.in_flight(request, parts.clock()):
            turn.start(joining())
            return turn
    setup = _set_up(parts, principal, entry, known, request, allowed)
    setup = _offered(setup, offers, entry.documents.get(paths.get("pending", "")))
    if held is None:
        place = parts.admission.enter(tenant.org_slug)
        if place is None:
            return None
        held = ExitStack()
        held.callback(place.leave)
    with held:
        stack = AsyncExitStack()
        with timed.stage("key"):
            key = await _opened_key(parts, setup, stack)
        turn.start(Run(parts, setup, turn.emit, joining, timed).run(key, stack), then=held.pop_all().close)
    return turn


async def _opened_key(parts: Parts, setup: Setup, stack: AsyncExitStack) -> Secret:
    """The provider key, for as long as the stack is open. Raises KeyInvalid or KeyServiceUnavailable."""
    tenant, credential = setup.principal.tenant, setup.credential
    try:
        return await stack.enter_async_context(
            parts.provider_keys.opened(tenant, credential.credential_id, credential.ciphertext)
        )
    except KeyServiceUnavailable as error:
        parts.log.failure("key.failed", error, org=setup.principal.org_slug)
        raise


def _paths(tenant: Tenant, claim: Claim, request: SendRequest, offers: Offers) -> dict[str, str]:
    """What a turn reads beside key and organisation: the conversation, and the messages of a client's message id."""
    conversation_id = request.conversation_id if request.names_a_conversation else None
    if conversation_id is None and request.message_id is not None:
        caller = f"{hash_api_key(claim.api_key or '')}/{claim.user_id or ''}"
        conversation_id = records.conversation_id_for(tenant, caller, request.message_id)
    if conversation_id is None:
        return {}
    paths = {"conversation": conversation_path(tenant, conversation_id)}
    if offers.may_pause:
        paths["pending"] = pending_path(tenant, conversation_id)
    if request.message_id is not None:
        answer_id = records.answer_id_for(conversation_id, request.message_id)
        paths["question"] = message_path(tenant, conversation_id, request.message_id)
        paths["answer"] = message_path(tenant, conversation_id, answer_id)
    return paths


@dataclass(frozen=True, slots=True)
class _Known:
    """What is stored of the conversation and of the request's own message."""

    conversation_id: str | None
    conversation: Conversation | None
    answer: Message | None
    resumed: bool

    def in_flight(self, request: SendRequest, now: datetime) -> bool:
        """Whether an attempt at this very message is under way."""
        lease = self.conversation.lease if self.conversation else None
        return lease is not None and lease.message_id == request.message_id and lease.expires_at > now


async def _known(
    parts: Parts, principal: Principal, entry: Entry, paths: dict[str, str], request: SendRequest, offers: Offers
) -> _Known:
    """Read what is stored, from the record where Firestore has it no longer. Raises ConversationNotFound."""
    conversation_id = paths["conversation"].rsplit("/", 1)[1] if paths else None
    document = entry.documents.get(paths.get("conversation", ""))
    if document is None and request.conversation_id is None:
        return _Known(conversation_id, None, None, resumed=False)
    assert conversation_id is not None
    if document is None and offers.own_ids and not await parts.record.holds(principal.tenant, conversation_id):
        return _Known(conversation_id, None, None, resumed=False)
    question, answer = entry.documents.get(paths.get("question", "")), entry.documents.get(paths.get("answer", ""))
    stored = records.message_of(answer) if answer else None
    conversation = await parts.finder.own(principal, conversation_id, document)
    resumed = question is not None
    if not conversation.window_held:
        conversation = await parts.record.with_window(principal.tenant, conversation)
        if request.message_id is not None:
            answer_id = records.answer_id_for(conversation_id, request.message_id)
            named = await parts.record.named(principal.tenant, conversation_id, request.message_id, answer_id)
            stored = stored or named.get(answer_id)
            resumed = resumed or request.message_id in named
    return _Known(conversation_id, conversation, stored, resumed)


def _set_up(
    parts: Parts, principal: Principal, entry: Entry, known: _Known, request: SendRequest, allowed: Allowance
) -> Setup:
    """Check what the turn needs, without I/O. Raises SetupRequired, KeyInvalid, ConversationBusy or RateLimited."""
    now = parts.clock()
    conversation = known.conversation
    organization = entry.organization
    settings = settings_of(organization)
    assert organization is not None
    model = catalog.resolve(settings.provider, settings.model_id, deployed=parts.settings.environment.is_deployed)
    credential = credential_of(organization, now)
    if conversation is not None and conversation.lease is not None and conversation.lease.expires_at > now:
        raise ConversationBusy(retry_after=max(1, round((conversation.lease.expires_at - now).total_seconds())))
    allowed.admit(entry.documents)
    question_id = request.message_id or records.new_id()
    if conversation is not None:
        conversation = replace(conversation, provider=model.provider, model_id=model.model_id)
    else:
        conversation = Conversation(
            conversation_id=known.conversation_id or records.new_id(),
            user_id=principal.user_id,
            title=records.title_of(request.message),
            provider=model.provider,
            model_id=model.model_id,
            created_at=now,
            last_message_at=now,
        )
    return Setup(
        principal=principal,
        organization=organization,
        settings=settings,
        credential=credential,
        allowed=allowed,
        model=model,
        conversation=conversation,
        question=Message(question_id, "user", request.message, now, sequence=conversation.message_count),
        answer_id=records.answer_id_for(conversation.conversation_id, question_id),
        resumed=known.resumed,
    )


def _offered(setup: Setup, offers: Offers, document: Document | None) -> Setup:
    """The turn with what its client offers; a reply takes it to where it paused. Raises Unprocessable."""
    if offers.reply is None:
        return replace(setup, offers=offers)
    pending = pending_of(document) if document else None
    if pending is None or pending.message_count != setup.conversation.message_count:
        raise Unprocessable("Nothing waits for this result any more. Ask again.")
    question = replace(setup.question, message_id=pending.question_id, content=pending.question)
    return replace(setup, offers=offers, pending=pending, question=question, resumed=True)


def _waiting(answer: Message, conversation: Conversation, document: Document | None) -> list[Event]:
    """What an answer that is said again still waits for."""
    pending = pending_of(document) if document else None
    if pending is None or pending.answer_ids[-1] != answer.message_id:
        return []
    if pending.message_count != conversation.message_count:
        return []
    return [each.event(answer.agent_name or "") for each in pending.paused.waiting]
