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


class PersonAnswer(Body):
    """The person's answer to a question that was asked back: choices as they were offered, or words of their own."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(min_length=1, max_length=limits.MAX_ID_CHARS)
    choices: tuple[str, ...] = Field((), max_length=limits.MAX_CHOICES)
    text: str | None = Field(None, min_length=1, max_length=limits.MAX_MESSAGE_CHARS)

    @model_validator(mode="after")
    def _says_one_thing(self) -> "PersonAnswer":
        if bool(self.choices) == (self.text is not None):
            raise ValueError("answer with choices or with text, one of the two")
        return self


class SendRequest(Body):
    """The body of a send: a message, and the conversation it continues.

    In the place of a message, it may answer changes that wait there, or the question that was asked back.
    """

    message: str = Field(min_length=1, max_length=limits.MAX_MESSAGE_CHARS)
    conversation_id: str | None = Field(None, min_length=1)
    message_id: str | None = Field(None, min_length=1, max_length=limits.MAX_ID_CHARS)
    approvals: tuple[Approval, ...] = Field((), max_length=limits.MAX_APPROVALS)
    answer: PersonAnswer | None = None

    @model_validator(mode="before")
    @classmethod
    def _answers_instead(cls, body: Any) -> Any:
        """Approvals and answers stand in the place of a message, and have one id: sent again, they count once."""
        given = [name for name in ("approvals", "answer") if isinstance(body, dict) and body.get(name)]
        if not given:
            return body
        if body.get("message") is not None or len(given) > 1:
            raise ValueError("send a message, approvals or an answer, one of them")
        if body.get("conversation_id") is None:
            raise ValueError(f"send the conversation_id that the {given[0]} {'are' if len(given[0]) > 6 else 'is'} of")
        decided = json.dumps([body["conversation_id"], body[given[0]]], sort_keys=True)
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
