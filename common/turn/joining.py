"""The same message sent again: its stored answer is said again, and one under way is waited for."""

import asyncio
from collections.abc import Callable, Iterable

from common import limits
from common.agents.events import AgentChanged, Event, TextDelta, TurnFailed, TurnFinished, TurnStarted
from common.documents import Document
from common.errors import ConversationBusy, ServiceError
from common.models.completion import Usage
from common.tenant import Principal
from common.transcript import conversation as records
from common.transcript.conversation import Message
from common.transcript.paths import conversation_path, message_path
from common.turn.running import TurnServices


async def join(
    services: TurnServices, principal: Principal, conversation_id: str, message_id: str, emit: Callable[[Event], None]
) -> None:
    """Wait until the attempt under way has stored its answer, and say it; the model is not asked.

    Ends with ConversationBusy when that attempt gives up, or after limits.JOIN_SECONDS.
    """
    tenant = principal.tenant
    place = conversation_path(tenant, conversation_id)
    answer = message_path(tenant, conversation_id, records.answer_id_for(conversation_id, message_id))
    try:
        async with asyncio.timeout(limits.JOIN_SECONDS):
            while True:
                found = await services.documents.get_all([place, answer])
                stored = found[answer]
                if stored is not None:
                    replay(emit, records.message_of(stored), conversation_id)
                    return
                if not _under_way(services, found[place], message_id):
                    emit(TurnFailed(ConversationBusy(retry_after=1)))
                    return
                await asyncio.sleep(limits.JOIN_POLL_SECONDS)
    except TimeoutError:
        emit(TurnFailed(ConversationBusy(retry_after=5)))
    except ServiceError as error:
        emit(TurnFailed(error))


def _under_way(services: TurnServices, document: Document | None, message_id: str) -> bool:
    lease = records.conversation_of(document).lease if document else None
    return lease is not None and lease.message_id == message_id and lease.expires_at > services.clock()


def replay(emit: Callable[[Event], None], answer: Message, conversation_id: str, waiting: Iterable[Event] = ()) -> None:
    """Say a stored answer again, with what still waits for the client; the model is not asked."""
    usage = Usage(answer.input_tokens or 0, answer.output_tokens or 0)
    model_id = answer.model_id or ""
    provider = answer.provider or ""
    agent_name = answer.agent_name or ""
    emit(TurnStarted(conversation_id, answer.message_id, provider, model_id))
    emit(AgentChanged(agent_name))
    emit(TextDelta(answer.content))
    for event in waiting:
        emit(event)
    emit(
        TurnFinished(
            conversation_id=conversation_id,
            message_id=answer.message_id,
            agent_name=agent_name,
            provider=provider,
            model_id=model_id,
            text=answer.content,
            usage=usage,
            latency_ms=answer.latency_ms or 0,
            finish=answer.finish or "stop",
            fallback_from=answer.fallback_from,
        )
    )
