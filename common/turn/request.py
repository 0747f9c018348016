"""The request that starts a turn."""

from pydantic import BaseModel, ConfigDict, Field, field_validator

from common import limits
from common.transcript.ids import is_id

_ID = r"^[A-Za-z0-9_-]+$"


class SendRequest(BaseModel):
    """The body of a send: a message, and the conversation it continues."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    message: str = Field(min_length=1, max_length=limits.MAX_MESSAGE_CHARS)
    conversation_id: str | None = Field(None, min_length=1)
    message_id: str | None = Field(None, min_length=1, max_length=limits.MAX_ID_CHARS, pattern=_ID)

    @field_validator("message")
    @classmethod
    def _says_something(cls, message: str) -> str:
        if not message.strip():
            raise ValueError("the message is empty")
        return message

    @property
    def names_a_conversation(self) -> bool:
        """True if a conversation with this id could exist."""
        return self.conversation_id is not None and is_id(self.conversation_id)
