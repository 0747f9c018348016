"""A question back to the user: one at a time, with choices, and not for ever."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from common import limits
from common.agents.exchange import asked_calls
from common.bodies import problems
from common.models.call import Message, ToolCall
from common.tools.result import error_envelope

ASK_USER = "ask_user"
NOT_ANSWERED = "The user gave no answer. Go on without one: say what you assumed, or what is missing."

_DESCRIPTION = (
    "Ask the user one short question back, where the request can be read in ways that lead to different figures, and "
    "neither the conversation nor a tool tells which is meant. Offer the readings as choices. Never ask what a tool "
    "can look up, what has a usual reading (take that one and say so), or for the yes to a change: that is asked for "
    "by itself. The answer comes back as the result of this call."
)
_Choice = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=limits.CHOICE_CHARS)]


class AskedBack(BaseModel):
    """A question to the user; ``choices`` may be empty, and several may be taken if it says so."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    question: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] = Field(
        max_length=limits.ASKED_BACK_CHARS
    )
    choices: tuple[_Choice, ...] = Field((), max_length=limits.MAX_CHOICES)
    multiple: bool = False

    @property
    def text(self) -> str:
        """The question and its choices, for clients that show text."""
        listed = "\n".join(f"{number}. {choice}" for number, choice in enumerate(self.choices, 1))
        return f"{self.question}\n\n{listed}" if listed else self.question

    def chosen(self, said: str) -> list[str]:
        """The choices that a reply in words names, by their text or their numbers; none where it says anything else."""
        if choice := self._choice(said):
            return [choice]
        parts = [self._choice(part) for part in said.replace(" and ", ",").split(",")] if self.multiple else []
        return list(dict.fromkeys(part for part in parts if part)) if parts and all(parts) else []

    def _choice(self, said: str) -> str | None:
        plain = said.strip(" \t\r\n.!\"'").casefold()
        by_text = next((each for each in self.choices if each.casefold().strip(" .!\"'") == plain), None)
        by_number = plain.isascii() and plain.isdigit() and len(plain) < 3 and 1 <= int(plain) <= len(self.choices)
        return by_text or (self.choices[int(plain) - 1] if by_number else None)


def schema() -> dict[str, Any]:
    """The tool by which an agent asks the user."""
    choice = {"type": "string", "maxLength": limits.CHOICE_CHARS}
    return {
        "type": "function",
        "function": {
            "name": ASK_USER,
            "description": _DESCRIPTION,
            "parameters": {
                "type": "object",
                "properties": {
                    "question": {"type": "string", "maxLength": limits.ASKED_BACK_CHARS},
                    "choices": {"type": "array", "maxItems": limits.MAX_CHOICES, "items": choice},
                    "multiple": {"type": "boolean", "description": "The user may take several choices."},
                },
                "required": ["question"],
                "additionalProperties": False,
            },
        },
    }


def read_question(call: ToolCall) -> AskedBack:
    """The question of a call that was checked."""
    return AskedBack.model_validate_json(call.arguments)


def refusal_of(call: ToolCall, calls: Sequence[ToolCall], exchange: Sequence[Message]) -> dict[str, Any] | None:
    """Why the user is not asked; None where they are. The exchange ends with the reply that makes the calls."""
    try:
        read_question(call)
    except ValidationError as error:
        return error_envelope("invalid_arguments", f"Correct the arguments. {problems(error, 'The arguments')}")
    if next(each for each in calls if each.name == ASK_USER) is not call:
        return error_envelope("one_question", "Ask one question at a time.")
    before = sum(each.name == ASK_USER for message in exchange[:-1] for each in asked_calls(message))
    if before >= limits.MAX_ASKED_BACK:
        said = f"The user was asked {limits.MAX_ASKED_BACK} times already."
        return error_envelope("too_many_questions", f"{said} Answer with what you know, and say what you assumed.")
    return None


def as_result(asked: AskedBack, said: str | None) -> str:
    """The user's reply as the result of the call."""
    if not said:
        return json.dumps(error_envelope("not_answered", NOT_ANSWERED))
    chosen = asked.chosen(said)
    return json.dumps({"answer": said} | ({"choices": chosen} if chosen else {}), ensure_ascii=False)
