"""The same message sent again: its stored answer is said again, and one under way is waited for."""

import asyncio
import time
from collections.abc import Callable, Iterable

from common import limits
from common.agents.events import (
    AgentChanged,
    ApprovalNeeded,
    Event,
    QuestionAsked,
    TextDelta,
    TurnFinished,
    TurnStarted,
)
from common.documents import Document
from common.errors import ConversationBusy
from common.models.call import Usage
from common.tenant import Tenant
from common.transcript.conversation import conversation_of
from common.transcript.ids import answer_id_for
from common.transcript.message import Message, message_of
from common.transcript.paths import conversation_path, message_path
from common.transcript.plans import plan_fields
from common.turn.prepared import TurnServices

JOIN_POLL_SECONDS = 0.25

_STILL = "This very message is still being answered. Send it again with the same message_id to get its answer."


async def join(
    services: TurnServices,
    tenant: Tenant,
    conversation_id: str,
    message_id: str,
    emit: Callable[[Event], None],
    until: float,
) -> bool:
    """Wait for the attempt under way and say its answer; the model is not asked.

    Returns False when that attempt has ended without an answer or is silent. Raises ConversationBusy at ``until``, of
    the monotonic clock, and DocumentsUnavailable.
    """
    place = conversation_path(tenant, conversation_id)
    answer = message_path(tenant, conversation_id, answer_id_for(conversation_id, message_id))
    while True:
        found = await services.documents.get_all([place, answer])
        stored = found[answer]
        if stored is not None:
            replay(emit, message_of(stored), conversation_id)
            return True
        if not _under_way(found[place], message_id):
            return False
        if time.monotonic() >= until:
            raise ConversationBusy(_STILL, retry_after=limits.BUSY_RETRY_SECONDS)
        await asyncio.sleep(JOIN_POLL_SECONDS)


def _under_way(document: Document | None, message_id: str) -> bool:
    lease = conversation_of(document).lease if document else None
    return lease is not None and lease.message_id == message_id and lease.holds


def replay(emit: Callable[[Event], None], answer: Message, conversation_id: str, waiting: Iterable[Event] = ()) -> None:
    """Say a stored answer from its beginning, with what still waits for the client; the model is not asked."""
    waiting = tuple(waiting)
    finished = finished_of(answer, conversation_id, waiting)
    emit(TurnStarted(conversation_id, answer.message_id, finished.provider, finished.model_id))
    emit(AgentChanged(finished.agent_name))
    emit(TextDelta(answer.content))
    for event in waiting:
        emit(event)
    emit(finished)


def finished_of(answer: Message, conversation_id: str, waiting: Iterable[Event] = ()) -> TurnFinished:
    """The end of a turn whose answer is stored, with what waits for the person behind it."""
    waiting = tuple(waiting)
    return TurnFinished(
        conversation_id=conversation_id,
        message_id=answer.message_id,
        agent_name=answer.agent_name or "",
        provider=answer.provider or "",
        model_id=answer.model_id or "",
        text=answer.content,
        usage=Usage(answer.input_tokens or 0, answer.output_tokens or 0),
        latency_ms=answer.latency_ms or 0,
        finish=answer.finish or "stop",
        fallback_from=answer.fallback_from,
        unverified_figures=answer.unverified_figures,
        citations=answer.citations,
        cached_at=answer.cached_at,
        approvals=tuple(each for each in waiting if isinstance(each, ApprovalNeeded)),
        question=next((each for each in waiting if isinstance(each, QuestionAsked)), None),
        **plan_fields(answer),
    )
