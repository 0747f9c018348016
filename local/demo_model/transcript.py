"""What a request's messages hold: the day, the questions so far, and what the tools of this turn returned."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from common.tools.result import read_model_message

Message = Mapping[str, Any]

TRANSFER = "transfer_to_agent"
# Whatever asks about costs does so within these characters; reading more would only hold up the event loop.
MAX_QUESTION = 1_000
_TODAY = re.compile(r"^Today is (\d{4}-\d{2}-\d{2}) \(UTC\)\.$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ToolResult:
    """One call of this turn with what came back; `payload` is None when that was not a JSON object."""

    name: str
    arguments: Mapping[str, Any]
    payload: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Transcript:
    """The last question, the user's earlier ones (oldest first), and the results of the turn under way.

    `message` is the question exactly as it was written: SQL in it has lines.
    """

    today: date | None
    question: str
    message: str
    earlier: tuple[str, ...]
    results: tuple[ToolResult, ...]


def read_transcript(messages: Sequence[Message]) -> Transcript:
    """Read OpenAI-shaped messages; the day comes from the system prompt's own line, never from a clock."""
    asked = [index for index, message in enumerate(messages) if message.get("role") == "user"]
    turn = messages[asked[-1] + 1 :] if asked else ()
    questions = [" ".join(_text(messages[index]).split())[:MAX_QUESTION] for index in asked]
    return Transcript(
        today=_today(messages),
        question=questions[-1] if questions else "",
        message=_text(messages[asked[-1]]) if asked else "",
        earlier=tuple(questions[:-1]),
        results=tuple(_results(turn)),
    )


def _today(messages: Sequence[Message]) -> date | None:
    if not messages or messages[0].get("role") not in ("system", "developer"):
        return None
    found = _TODAY.search(_text(messages[0]))
    try:
        return date.fromisoformat(found[1]) if found else None
    except ValueError:
        return None


def _text(message: Message) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return content if isinstance(content, str) else ""


def _results(turn: Sequence[Message]) -> list[ToolResult]:
    calls: dict[str, tuple[str, Mapping[str, Any]]] = {}
    results: list[ToolResult] = []
    for message in turn:
        for call in message.get("tool_calls") or ():
            arguments = _object(call["function"].get("arguments") or "{}")
            calls[call["id"]] = (call["function"]["name"], arguments or {})
        if message.get("role") == "tool":
            name, arguments = calls.get(str(message.get("tool_call_id")), (str(message.get("name") or "tool"), {}))
            results.append(ToolResult(name, arguments, _object(_text(message))))
    return results


def _object(text: str) -> Mapping[str, Any] | None:
    """A JSON object with its numbers as Decimal, so that no figure changes on its way through."""
    try:
        value = json.loads(text, parse_float=Decimal)
    except ValueError:
        return None
    return read_model_message(value) if isinstance(value, dict) else None
