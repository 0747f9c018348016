"""From a request to a turn under way: load, authorise, check, open the key."""

import math
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial

from common import limits
from common.agents.events import Event, TurnFailed
from common.conversations.kept_steps import kept_of
from common.conversations.paused_turn import pending_of
from common.errors import ConversationBusy, KeyServiceUnavailable, ServiceError
from common.identity.authenticate import Credentials
from common.metering.ledger import Ledger, MeteredCompletion
from common.metering.rate_limits import Allowance
from common.metering.usage_rows import Channel
from common.models.catalog import Model
from common.organizations.fast_model import fast_model_of
from common.organizations.offering import Offering
from common.organizations.organization import Credential
from common.organizations.serving import calls_tools, fallback_of, served_by, settings_of
from common.secret import Secret
from common.telemetry import timing
from common.tenant import Principal
from common.transcript.conversation import Conversation, title_of
from common.transcript.ids import answer_id_for, new_id
from common.transcript.message import Message
from common.turn.admission import Disconnect, Slot
from common.turn.answer_cache import look_up
from common.turn.answering import AnsweringModels
from common.turn.approvals import decided, go_on, still_waiting
from common.turn.client_features import NO_FEATURES, ClientFeatures
from common.turn.drafting import Check
from common.turn.grounding import unverified_in
from common.turn.joining import join, replay
from common.turn.loading import Loaded, Opening, load
from common.turn.prepared import PreparedTurn, TurnServices
from common.turn.request import SendRequest
from common.turn.running import TurnRunner
from common.turn.turn import Turn

_SILENT = (
    "Another message of this conversation was being answered, and there is no word of it any more. Send this one again "
    "in {seconds} s."
)


@dataclass(frozen=True, slots=True)
class Work:
    """The work of a turn to its end; ``close`` gives back what it holds, also where it never begins."""

    steps: Coroutine[None, None, None]
    close: Callable[[], None] = lambda: None


async def open_turn(
    services: TurnServices,
    credentials: Credentials,
    request: SendRequest,
    features: ClientFeatures = NO_FEATURES,
    disconnect: Disconnect | None = None,
    channel: Channel = "send",
) -> Turn:
    """Load, authorise, find a slot and open the key, then start the turn. ``channel`` is what its usage is filed under.

    Raises a ServiceError before anything is stored, or ClientDisconnect while the turn waits for its slot.
    """
    until = time.monotonic() + limits.JOIN_SECONDS
    opening = Opening(services, credentials, request, channel, features, timing.begin(), Turn(), until)
    work = await _find_work(opening, disconnect)
    opening.turn.start(work.steps, then=work.close)
    return opening.turn


async def _find_work(opening: Opening, disconnect: Disconnect | None = None) -> Work:
    """Find the work for the request, once there is a place to do it."""
    async with opening.services.bursts.spread(opening.credentials, opening.timed):
        work = await _open(opening)
    if isinstance(work, Allowance):
        with opening.timed.stage("queue"):
            place = await _wait(opening, work, disconnect)
        # What was read before it waited may be old.
        with ExitStack() as held:
            held.callback(place.leave)
            work = await _open(replace(opening, let_in=work.counters), held, place)
    assert isinstance(work, Work)
    return work


async def _wait(opening: Opening, allowed: Allowance, disconnect: Disconnect | None) -> Slot:
    """Wait for a place. Who gets none was not let in."""
    try:
        return await opening.services.admission.wait(opening.tenant.org_slug, disconnect)
    except BaseException:
        allowed.give_back()
        raise


async def _open(opening: Opening, held: ExitStack | None = None, slot: Slot | None = None) -> Work | Allowance:
    """Return the work, in the place that is ``held`` if a model is asked.

    Where it finds no place, it returns the limits at which it counts while it waits for one.
    """
    services, turn = opening.services, opening.turn
    loaded = await load(opening)
    document = loaded.entry.documents.get(loaded.paths.get("pending", ""))
    stored, pending = loaded.stored, pending_of(document) if document else None
    if stored.answer is not None and stored.conversation is not None:
        waiting = still_waiting(stored.answer, stored.conversation, pending, loaded.now)
        return Work(_replayed(turn, stored.answer, stored.conversation.conversation_id, waiting))
    joins = opening.request.message_id is not None and stored.conversation_id is not None
    if joins and stored.in_flight(opening.request):
        return Work(_join(opening, stored.conversation_id))
    reply = opening.features.reply or decided(opening.request)
    prepared = _after_steps(go_on(_prepare(opening, loaded), reply, pending, opening.request.message), loaded)
    if held is None or slot is None:
        slot = services.admission.enter(opening.tenant.org_slug)
        if slot is None:
            return prepared.allowed
        held = ExitStack()
        held.callback(slot.leave)
    with held:
        prepared = await look_up(services, prepared)
        stack = AsyncExitStack()
        open_key = partial(_open_key, services, loaded.principal, stack)
        with opening.timed.stage("key"):
            key = await open_key(prepared.credential)
        org = loaded.principal.org_slug
        ledger = Ledger()
        metered = partial(MeteredCompletion, ledger=ledger, check=partial(prepared.allotment.check, ledger))
        answering = AnsweringModels(
            prepared.model, prepared.fallback, open_key, slot, services.log, org, metered, _fast(prepared)
        )
        runner = TurnRunner(services, prepared, turn, opening.timed, answering, ledger, joins=joins)
        kept = held.pop_all()
        return Work(_answer(opening, runner, kept.close, stored.conversation_id, (key, stack)), kept.close)


def _fast(prepared: PreparedTurn) -> tuple[Model, Check] | None:
    """The model that drafts, and the check of its words; None where the settings have none."""
    if prepared.fast_model is None:
        return None
    return prepared.fast_model, lambda text, results: unverified_in(text, prepared, results, strict=True)


async def _replayed(turn: Turn, answer: Message, conversation_id: str, waiting: list[Event]) -> None:
    replay(turn.emit, answer, conversation_id, waiting)


async def _answer(
    opening: Opening,
    runner: TurnRunner,
    leave: Callable[[], None],
    conversation_id: str | None,
    opened: tuple[Secret, AsyncExitStack],
) -> None:
    """Answer the request here, or wait for another attempt at it that was first."""
    ended = await runner.run(*opened)
    leave()
    if not ended:
        await _join(opening, conversation_id)


async def _join(opening: Opening, conversation_id: str | None) -> None:
    """Say the answer of the attempt under way; once that one ended without an answer or is silent, answer it here."""
    services, turn, message_id = opening.services, opening.turn, opening.request.message_id
    assert conversation_id is not None
    assert message_id is not None
    try:
        if not await join(services, opening.tenant, conversation_id, message_id, turn.emit, opening.joins_until):
            work = await _find_work(opening)
            with closing(work):
                await work.steps
    except ServiceError as error:
        turn.emit(TurnFailed(error))


async def _open_key(
    services: TurnServices, principal: Principal, stack: AsyncExitStack, credential: Credential | None
) -> Secret:
    """Open the provider key for as long as the stack is open; it is empty for a server that needs none.

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


def _prepare(opening: Opening, loaded: Loaded) -> PreparedTurn:
    """Check what the turn needs, without I/O. Raises SetupRequired, KeyInvalid, ConversationBusy or RateLimited."""
    stored, organization, request = loaded.stored, loaded.entry.organization, opening.request
    settings = settings_of(organization)
    assert organization is not None
    offering = Offering.of(opening.services.settings)
    served = served_by(organization, offering, loaded.now)
    model = served.model
    _check_free(stored.conversation)
    loaded.allowed.check(loaded.entry.documents)
    allotment = loaded.spending.allotment(loaded.documents, settings)
    allotment.check(Ledger())
    conversation = _conversation(loaded, model, request.message)
    question_id = request.message_id or new_id()
    return PreparedTurn(
        principal=loaded.principal,
        organization=organization,
        settings=settings,
        credential=served.credential,
        fast_model=fast_model_of(settings, model, offering),
        fallback=fallback_of(organization, offering, loaded.now, needs_tools=calls_tools(model, settings.calls_tools)),
        allowed=loaded.allowed,
        allotment=allotment,
        channel=opening.channel,
        model=model,
        conversation=conversation,
        question=Message(question_id, "user", request.message, loaded.now, sequence=conversation.message_count),
        answer_id=answer_id_for(conversation.conversation_id, question_id),
        resumed=stored.resumed,
        now=loaded.now,
        features=opening.features,
    )


def _after_steps(prepared: PreparedTurn, loaded: Loaded) -> PreparedTurn:
    """The turn after the steps that an earlier attempt at it has finished, if there was one."""
    if not prepared.resumed:
        return prepared
    document = loaded.entry.documents.get(loaded.paths.get("steps", ""))
    return replace(prepared, steps=kept_of(document, prepared.answer_id, prepared.question.content, prepared.now))


def _check_free(conversation: Conversation | None) -> None:
    """Raise ConversationBusy where another turn has the conversation, and say when it will be worth another try."""
    lease = conversation.lease if conversation else None
    if lease is None or not lease.holds:
        return
    if lease.is_renewed:
        raise ConversationBusy(retry_after=limits.BUSY_RETRY_SECONDS)
    seconds = max(1, math.ceil(lease.seconds_left))
    raise ConversationBusy(_SILENT.format(seconds=seconds), retry_after=seconds)


def _conversation(loaded: Loaded, model: Model, question: str) -> Conversation:
    """The conversation that is stored, or a new one, with the model that answers now."""
    stored = loaded.stored
    if stored.conversation is not None:
        return replace(stored.conversation, provider=model.provider, model_id=model.model_id)
    return Conversation(
        conversation_id=stored.conversation_id or new_id(),
        user_id=loaded.principal.user_id,
        title=title_of(question),
        provider=model.provider,
        model_id=model.model_id,
        created_at=loaded.now,
        last_message_at=loaded.now,
        first_message_at=loaded.now,
    )
