"""The person's answer to what waits: to a change by its id or as a plain yes or no, to a question in any words."""

from dataclasses import replace
from datetime import datetime

from common.agents.approval import arguments_of
from common.agents.events import Event
from common.conversations.paused_turn import Pending
from common.errors import ApprovalAnswered, ApprovalChanged, ApprovalExpired, ApprovalGone, Unprocessable
from common.models.call import ToolCall
from common.transcript.conversation import Conversation
from common.transcript.message import Message
from common.turn.answers import answer
from common.turn.client_features import ClientReply, Decision
from common.turn.prepared import PreparedTurn
from common.turn.request import SendRequest

_YES = frozenset(
    {"yes", "y", "yes please", "yes do it", "approve", "approved", "allow", "allow it", "confirm", "go ahead"}
)
_NO = frozenset({"no", "n", "no thanks", "no thank you", "deny", "decline", "reject", "cancel", "do not", "don't"})
_LONGEST = 24


def in_words(message: str) -> bool | None:
    """Read a message that is a plain yes (True) or no (False) and nothing else. Returns None for any other one."""
    if len(message) > _LONGEST:
        return None
    said = " ".join(message.casefold().replace(",", " ").strip(" \t\r\n.!*\"'").split())
    return True if said in _YES else False if said in _NO else None


def decided(request: SendRequest) -> ClientReply | None:
    """The reply that a request's own ``approvals`` or ``answer`` are. Returns None for a request with a message."""
    if request.answer is not None:
        return ClientReply({}, {}, {request.answer.id: request.answer.text or request.answer.choices})
    if not request.approvals:
        return None
    return ClientReply({}, {each.id: Decision(each.approved, each.arguments) for each in request.approvals})


def go_on(prepared: PreparedTurn, reply: ClientReply | None, pending: Pending | None, said: str) -> PreparedTurn:
    """The turn where it paused, if its client or its person answers to that; as it is, if not.

    Raises ApprovalGone, ApprovalAnswered, ApprovalExpired or ApprovalChanged, or the same of a question; Unprocessable
    where only results of the client's tools come too late.
    """
    if (reply is not None and reply.answers) or (pending is not None and pending.paused.question):
        return answer(prepared, reply, pending, said)
    conversation, now = prepared.conversation, prepared.now
    if reply is None:
        yes = in_words(said)
        waits = pending is not None and _waits_for_a_word(pending, conversation, now)
        _check_reply(prepared, pending if waits else None, yes)
        if pending is None or yes is None or not waits:
            return prepared
        reply = ClientReply({}, {waiting_id: Decision(yes) for waiting_id in pending.paused.approvals})
    elif pending is None or not reply.decisions.keys() <= pending.paused.approvals.keys():
        raise _gone(reply)
    else:
        _check(pending, reply, conversation, now)
    question = replace(prepared.question, message_id=pending.question_id, content=pending.question)
    return replace(prepared, reply=reply, pending=pending, question=question, resumed=True)


def _check_reply(prepared: PreparedTurn, pending: Pending | None, yes: bool | None) -> None:
    """Raise ApprovalGone or Unprocessable where a message names the answer that it replies to, and cannot."""
    replies_to = prepared.features.replies_to
    if replies_to is None:
        return
    if pending is None or pending.answer_ids[-1] != replies_to:
        raise ApprovalGone
    if yes is None:
        raise Unprocessable("This waits for a yes or a no, and nothing else. To ask something else, do not name it.")


def still_waiting(answer: Message, conversation: Conversation, pending: Pending | None, now: datetime) -> list[Event]:
    """The calls that still wait behind an answer that is said again."""
    if pending is None or not pending.waits_behind(answer.message_id, conversation.message_count, now):
        return []
    return [each.event(answer.agent_name or "") for each in pending.paused.waiting]


def _waits_for_a_word(pending: Pending, conversation: Conversation, now: datetime) -> bool:
    """Return true if the newest thing said is the question about changes, and nothing but changes waits."""
    is_newest = pending.message_count == conversation.message_count
    asks_only = len(pending.paused.approvals) == len(pending.paused.waiting)
    return is_newest and asks_only and not pending.expired(now)


def _check(pending: Pending, reply: ClientReply, conversation: Conversation, now: datetime) -> None:
    if pending.message_count != conversation.message_count:
        raise ApprovalAnswered if reply.decisions and _answered(pending, conversation) else _gone(reply)
    if pending.expired(now):
        raise ApprovalExpired if reply.decisions else _gone(reply)
    calls = pending.paused.approvals
    if any(_differs(decision, calls[waiting_id]) for waiting_id, decision in reply.decisions.items()):
        raise ApprovalChanged


def _differs(decision: Decision, call: ToolCall) -> bool:
    return decision.arguments is not None and decision.arguments != arguments_of(call)


def _answered(pending: Pending, conversation: Conversation) -> bool:
    """Return true if an answer followed the pause, and not another question."""
    ids = [entry["message_id"] for entry in conversation.recent]
    if pending.answer_ids[-1] not in ids:
        return False
    after = conversation.recent[ids.index(pending.answer_ids[-1]) + 1 :]
    return bool(after) and after[0]["role"] == "assistant"


def _gone(reply: ClientReply) -> ApprovalGone | Unprocessable:
    return ApprovalGone() if reply.decisions else Unprocessable("Nothing waits for this result any more. Ask again.")
