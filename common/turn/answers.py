"""The person's answer to a question that was asked back: by its id, or as the next message."""

from dataclasses import replace

from common.agents.asking_back import AskedBack
from common.conversations.paused_turn import Pending
from common.errors import ApprovalGone, QuestionAnswered, QuestionExpired, QuestionGone, Unprocessable
from common.transcript.conversation import Conversation
from common.turn.client_features import ClientReply
from common.turn.prepared import PreparedTurn

_NO_ANSWER = "(No answer.)"


def answer(prepared: PreparedTurn, reply: ClientReply | None, pending: Pending | None, said: str) -> PreparedTurn:
    """The turn where it asked back, if this answers that; as it is, if it is a message of its own.

    Raises QuestionGone, QuestionAnswered or QuestionExpired for an answer that comes too late, Unprocessable for one
    that was not offered.
    """
    asked = pending.paused.question if pending else None
    waits = pending is not None and _waits(pending, prepared)
    if reply is None or not (reply.answers or reply.decisions):
        return _in_words(prepared, pending if waits else None, said)
    # A client that dismisses a question declines it as it does an approval.
    named = dict.fromkeys(reply.decisions, "") | dict(reply.answers)
    if pending is None or asked is None or named.keys() != {asked[0]}:
        raise QuestionGone if reply.answers else ApprovalGone
    if not waits:
        raise QuestionAnswered if _is_answered(pending, prepared.conversation) else QuestionGone
    if pending.expired(prepared.now):
        raise QuestionExpired
    return _with_answer(prepared, pending, asked, named[asked[0]])


def _in_words(prepared: PreparedTurn, pending: Pending | None, said: str) -> PreparedTurn:
    """The message as the answer, if the question still waits; else it is a message like any other one."""
    asked, replies_to = pending.paused.question if pending else None, prepared.features.replies_to
    is_gone = pending is None or asked is None or pending.expired(prepared.now) or _taken_back(pending, prepared)
    if is_gone or (replies_to is not None and pending and pending.answer_ids[-1] != replies_to):
        if replies_to is not None:
            raise QuestionGone
        return prepared
    assert pending is not None
    assert asked is not None
    return _with_answer(prepared, pending, asked, said)


def _with_answer(
    prepared: PreparedTurn, pending: Pending, asked: tuple[str, AskedBack], given: str | tuple[str, ...]
) -> PreparedTurn:
    waiting_id, question = asked
    if isinstance(given, tuple):
        _check_choices(question, given)
        given = ", ".join(given)
    message = replace(prepared.question, content=given or _NO_ANSWER)
    return replace(prepared, reply=ClientReply({}, {}, {waiting_id: given}), pending=pending, question=message)


def _check_choices(question: AskedBack, given: tuple[str, ...]) -> None:
    if not set(given) <= set(question.choices):
        raise Unprocessable(f"answer: choose among {', '.join(question.choices) or 'nothing: answer with text'}.")
    if len(given) > 1 and not question.multiple:
        raise Unprocessable("answer: choose one.")


def _waits(pending: Pending, prepared: PreparedTurn) -> bool:
    """Return true if nothing was said after the question but this very message, in an earlier attempt at it."""
    conversation = prepared.conversation
    if pending.message_count == conversation.message_count:
        return True
    after = _after(pending, conversation)
    is_own = bool(after) and after[0]["message_id"] == prepared.question.message_id
    return prepared.resumed and is_own and all(entry["role"] == "assistant" for entry in after[1:])


def _taken_back(pending: Pending, prepared: PreparedTurn) -> bool:
    """Return true if the client no longer shows the question, since its person went back before it."""
    shown = prepared.features.history(prepared.conversation.recent)
    return prepared.features.shown is not None and pending.answer_ids[-1] not in {each["message_id"] for each in shown}


def _is_answered(pending: Pending, conversation: Conversation) -> bool:
    """Return true if a message of the person followed the question."""
    return any(entry["role"] == "user" for entry in _after(pending, conversation))


def _after(pending: Pending, conversation: Conversation) -> list[dict[str, object]]:
    """The messages that the window has after the question."""
    ids = [entry["message_id"] for entry in conversation.recent]
    at = ids.index(pending.answer_ids[-1]) + 1 if pending.answer_ids[-1] in ids else len(ids)
    return [*conversation.recent[at:]]
