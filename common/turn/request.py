"""The request that starts a turn."""

from pydantic import Field, field_validator

from common import limits
from common.bodies import Body
from common.transcript.ids import ID_RULE, is_id


class SendRequest(Body):
    """The body of a send: a message, and the conversation it continues."""

    message: str = Field(min_length=1, max_length=limits.MAX_MESSAGE_CHARS)
    conversation_id: str | None = Field(None, min_length=1)
    message_id: str | None = Field(None, min_length=1, max_length=limits.MAX_ID_CHARS)

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
