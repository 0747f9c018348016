"""A protocol's message as the request of a turn."""

import uuid

from pydantic import ValidationError

from common.errors import Unprocessable
from common.transcript.ids import is_id
from common.turn import SendRequest

_NAMESPACE = uuid.UUID("0b2a1a3e-5f0f-4f0e-9a55-3a1a7c9e8d10")


def question(text: str, conversation_id: str | None, message_id: str | None) -> SendRequest:
    """The request of a turn. Raises Unprocessable for a text that is no question."""
    try:
        return SendRequest(message=text, conversation_id=conversation_id, message_id=message_id)
    except ValidationError as error:
        problems = "; ".join(f"{problem['loc'][0]}: {problem['msg']}" for problem in error.errors())
        raise Unprocessable(f"{problems}.") from None


def as_id(text: str) -> str:
    """An id of this product for an id that a client made; its own where that could be one."""
    return text if is_id(text) else str(uuid.uuid5(_NAMESPACE, text))
