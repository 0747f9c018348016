"""The bodies that the calls on conversations and their messages take."""

from typing import Literal

from pydantic import ConfigDict, Field, field_validator

from common import limits
from common.bodies import Body


class Rename(Body):
    """The body of a rename."""

    title: str = Field(min_length=1, max_length=limits.NEW_TITLE_CHARS)

    @field_validator("title")
    @classmethod
    def _says_something(cls, title: str) -> str:
        if not title.strip():
            raise ValueError("the title is empty")
        return title


class Fork(Body):
    """The body of a fork: the message before which it ends, and its title."""

    before_message_id: str | None = Field(None, min_length=1)
    title: str | None = Field(None, min_length=1, max_length=limits.NEW_TITLE_CHARS, pattern=r"\S")


class Escalate(Body):
    """The body of an escalation: what the person wants help with."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reason: str | None = Field(None, max_length=limits.ESCALATION_REASON_CHARS)


class Opinion(Body):
    """The body of a feedback."""

    rating: Literal["up", "down"]
    reason: str | None = Field(None, max_length=limits.FEEDBACK_REASON_CHARS)
    comment: str | None = Field(None, max_length=limits.FEEDBACK_COMMENT_CHARS)
