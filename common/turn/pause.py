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
    before, message_id = prepared.pending, prepared.question.message_id
    first_id = before.question_id if before else message_id
    earlier = before.answer_ids if before else ()
    # An answer to a question is a message of its own.
    own = () if message_id == first_id else (message_id,)
    pending = Pending(
        question_id=first_id,
        question=prepared.asked,
        answer_ids=(*earlier, *own, prepared.answer_id),
        message_count=conversation.message_count + 1,
        paused=paused,
    )
    write = pending.write(prepared.principal.tenant, conversation.conversation_id, now)
    return [write] if write is not None else []
