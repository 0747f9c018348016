"""A protocol's message as the request of a turn."""

import uuid
from collections.abc import Mapping

from pydantic import ValidationError

from common.bodies import problems
from common.errors import ConversationNotFound, Unprocessable
from common.transcript.ids import ID_RULE, is_id
from common.turn import SendRequest

_NAMESPACE = uuid.UUID("0b2a1a3e-5f0f-4f0e-9a55-3a1a7c9e8d10")


def question(text: str, name: str, conversation_id: str | None, message_id: str | None) -> SendRequest:
    """The request of a turn. Raises Unprocessable for a text that is no question.

    ``name`` is the protocol's own for the conversation's id. Raises Unprocessable where that could be none.
    """
    if conversation_id is not None:
        check_id(name, conversation_id)
    try:
        return SendRequest(message=text, conversation_id=conversation_id, message_id=message_id)
    except ValidationError as error:
        raise Unprocessable(problems(error)) from None


def answered(
    given: Mapping[str, object], name: str, conversation_id: str | None, message_id: str | None
) -> SendRequest:
    """The request that answers what waits, with its ``approvals`` or ``answer``. Raises Unprocessable for others."""
    if conversation_id is not None:
        check_id(name, conversation_id)
    own = {} if message_id is None else {"message_id": message_id}
    try:
        return SendRequest.model_validate({**given, "conversation_id": conversation_id, **own})
    except ValidationError as error:
        raise Unprocessable(problems(error)) from None


def check_id(name: str, text: str) -> None:
    """Raise Unprocessable, in the words of the protocol, for an id that no conversation can have."""
    if not is_id(text):
        raise Unprocessable(f"{name}: {ID_RULE}.")


def gone(name: str) -> ConversationNotFound:
    """The refusal of a conversation that its user has deleted, in the words of the protocol."""
    return ConversationNotFound(f"The conversation of this {name} was deleted. Begin one with another {name}.")


def as_id(text: str) -> str:
    """An id of this product for an id that a client made; its own where that could be one."""
    return text if is_id(text) else str(uuid.uuid5(_NAMESPACE, text))
