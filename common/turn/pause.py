"""The state of a turn that waits for its client or its person, as the next request finds it."""

from datetime import datetime

from common.agents.pausing import Paused
from common.conversations.paused_turn import Pending
from common.documents import Write
from common.transcript.conversation import Conversation
from common.turn.prepared import PreparedTurn


def pause_writes(
    prepared: PreparedTurn, conversation: Conversation, paused: Paused | None, now: datetime
) -> list[Write]:
    """Keep what the next request continues from; nothing where the turn did not pause, or it is too long to keep."""
    if paused is None:
        return []
    before = prepared.pending.answer_ids if prepared.pending else ()
    pending = Pending(
        question_id=prepared.question.message_id,
        question=prepared.question.content,
        answer_ids=(*before, prepared.answer_id),
        message_count=conversation.message_count + 1,
        paused=paused,
    )
    write = pending.write(prepared.principal.tenant, conversation.conversation_id, now)
    return [write] if write is not None else []
