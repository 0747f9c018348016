"""Finds what a question narrows by and nobody took up: a content word that neither a call nor the answer carries."""

import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from tests.eval.observed import Called

_WORD = re.compile(r"[a-z0-9][a-z0-9&+'-]*[a-z0-9+]|[a-z0-9]")
_DATES = re.compile(
    r"\b(?:last|past|previous|next|coming) \d+ (?:\w+ )?(?:day|week|month|quarter|year)s?\b|\b\d{4}-\d\d(?:-\d\d)?\b"
    r"|\b(?:19|20)\d\d\b|\b\d{1,2}(?:st|nd|rd|th)\b|\b\d\d?/\d\d?/\d{4}\b"
)


def unanswered(question: str, calls: Sequence[Called], text: str, idle: Sequence[str] = ()) -> list[str]:
    """The words of a question that restrict it and that no argument and no word of the answer carries.

    ``idle`` are words of this question that restrict nothing. Days are not looked at: they are judged by themselves.
    """
    said = json.dumps([dict(call.arguments) | {"tool": call.name} for call in calls], ensure_ascii=False, default=str)
    heard = f"{said} {text}".lower().replace("_", " ").replace("\\", "")
    heard = f"{heard} {heard.replace(' ', '')}"
    passed = {word for each in idle for word in _WORD.findall(each.lower())}
    asked = _DATES.sub(" ", question.lower().replace("\u2019", "'"))
    words = [word for part in _WORD.findall(asked) if (word := part.removesuffix("'s").strip("'"))]
    return [word for word in dict.fromkeys(words) if not _is_idle(word, passed) and not _is_carried(word, heard)]


def _is_idle(word: str, passed: set[str]) -> bool:
    return word in passed or word in _table()[0] or word.rstrip("s") in _table()[0]


def _is_carried(word: str, heard: str) -> bool:
    forms = {word, word.rstrip("s"), word.replace("-", " "), word.replace("-", ""), *_table()[1].get(word, ())}
    forms |= set(_table()[1].get(word.rstrip("s"), ()))
    if len(word) > 5:
        forms.add(word[: max(5, len(word) - 3)])
    return any(form and re.search(rf"(?<![a-z0-9]){re.escape(form)}", heard) for form in forms)


@cache
def _table() -> tuple[frozenset[str], dict[str, list[str]]]:
    table = json.loads(Path(__file__).with_name("words.json").read_text(encoding="utf-8"))
    return frozenset(" ".join(table[name] for name in ("idle", "subject", "dates")).split()), table["same"]
