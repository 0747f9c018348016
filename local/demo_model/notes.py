"""Notes on a long conversation: written when the product asks for them, and read again when a question needs them."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from common.limits import SUMMARY_CHARS
from common.turn.summarising import PROMPT
from local.demo_model.passages import content_words
from local.demo_model.request import Message

_SAID, _ASKED = "The user said: ", "Asked: "
_TOLD = re.compile(r"\b(?:i|we|my|our|me|us|remember|note|always|never|prefer)\b", re.IGNORECASE)
_ASKS = re.compile(r"(?i)\?|^/?(?:what|which|who|how|when|where|why|show|list|compare|top|run|select|give)\b")
_FIGURE = re.compile(r"\d[\d,.]*\d|\d")
_BLOCK = re.compile(r"<earlier_conversation>\n(.*?)\n</earlier_conversation>", re.DOTALL)
_SAID_CHARS, _QUESTION_CHARS, _ANSWER_CHARS = 240, 80, 120


def write_notes(messages: Sequence[Message]) -> str | None:
    """The notes that are asked for; None where it is something else that is asked for."""
    if not messages or messages[0].get("content") != PROMPT:
        return None
    lines = [json.loads(line) for line in str(messages[-1].get("content")).splitlines()]
    notes = [note for line in lines[:1] for note in str(line.get("notes", "")).splitlines()]
    notes += _of_messages([line for line in lines if "role" in line])
    # What was said stays; of questions and answers, the newest that there is room for.
    kept = list(dict.fromkeys(notes))
    while len("\n".join(kept)) > SUMMARY_CHARS - 100:
        kept.remove(next((note for note in kept if not note.startswith(_SAID)), kept[0]))
    return "\n".join(kept) or "Nothing to note."


def _of_messages(lines: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    for line, following in zip(lines, [*lines[1:], {}], strict=True):
        text = " ".join(str(line["text"]).split())
        if line["role"] != "user":
            continue
        if _TOLD.search(text) and not _ASKS.search(text):
            yield _SAID + text[:_SAID_CHARS]
        elif figures := [part for part in str(following.get("text", "")).splitlines() if _FIGURE.search(part)]:
            yield f"{_ASKED}{text[:_QUESTION_CHARS]} Answered: {' '.join(figures[0].split())[:_ANSWER_CHARS]}"


def recall(messages: Sequence[Message], question: str) -> str | None:
    """Tell what the user said long ago, if the question is about that alone; None otherwise."""
    block = _BLOCK.search(str(messages[0].get("content")) if messages else "")
    asked = content_words(question)
    said = [line.removeprefix("> ") for line in block[1].splitlines()] if block and len(asked) > 1 else []
    found = [line.removeprefix(_SAID) for line in said if line.startswith(_SAID) and asked <= content_words(line)]
    return f'Earlier in this conversation you said: "{found[-1]}"' if found else None
