"""The request that starts a turn."""

import json
import uuid
from typing import Any

from pydantic import ConfigDict, Field, StrictBool, field_validator, model_validator

from common import limits
from common.bodies import Body
from common.transcript.ids import ID_RULE, is_id

# What a reply to a paused turn has in the place of a message: the turn has its question already.
_GO_ON = "Go on."
_NAMESPACE = uuid.UUID("5a0a8b0e-6c4e-4d21-9d5f-0d3f6f5f2b77")


class Approval(Body):
    """The person's yes or no to one change that waits; ``arguments``, if given, must be those that were shown."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(min_length=1, max_length=limits.MAX_ID_CHARS)
    approved: StrictBool
    arguments: dict[str, Any] | None = None


class SendRequest(Body):
    """The body of a send: a message, and the conversation it continues; or the answer to changes that wait there."""

    message: str = Field(min_length=1, max_length=limits.MAX_MESSAGE_CHARS)
    conversation_id: str | None = Field(None, min_length=1)
    message_id: str | None = Field(None, min_length=1, max_length=limits.MAX_ID_CHARS)
    approvals: tuple[Approval, ...] = Field((), max_length=limits.MAX_APPROVALS)

    @model_validator(mode="before")
    @classmethod
    def _answers_instead(cls, body: Any) -> Any:
        """Approvals stand in the place of a message, and have one id: sent again, they are answered once."""
        if not isinstance(body, dict) or not body.get("approvals"):
            return body
        if body.get("message") is not None:
            raise ValueError("send a message or approvals, not both")
        if body.get("conversation_id") is None:
            raise ValueError("send the conversation_id that the approvals are of")
        decided = json.dumps([body["conversation_id"], body["approvals"]], sort_keys=True)
        return {"message_id": str(uuid.uuid5(_NAMESPACE, decided)), **body, "message": _GO_ON}

    @field_validator("message")
    @classmethod
    def _says_something(cls, message: str) -> str:
        if not message.strip():
            raise ValueError("the message is empty")
        return message

    @field_validator("message_id")
    @classmethod
    def _can_be_stored(cls, message_id: str | None) -> str | None:
        if message_id is not None and not is_id(message_id):
            raise ValueError(ID_RULE)
        return message_id

    @property
    def names_a_conversation(self) -> bool:
        """True if a conversation with this id could exist."""
        return self.conversation_id is not None and is_id(self.conversation_id)
