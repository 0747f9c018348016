"""Loads the table of intents, and keeps account of a question's words: each is taken, or left and named."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

_COUNTS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_MORE = {"a": 1, "an": 1, "couple of": 2, "few": 3, "fourteen": 14, "thirty": 30, "sixty": 60, "ninety": 90}
_NAMED = {name: value for value, name in enumerate(_COUNTS)} | _MORE
NUMBER = rf"[1-9]\d{{0,2}}|{'|'.join(sorted(_NAMED, key=len, reverse=True))}"
NUMBERS = _NAMED | {str(value): value for value in range(1_000)}
PLAIN = str.maketrans("\u2013\u2014\u2212\u2019\u2018\u201c\u201d", "---''\"\"")
_WORD = re.compile(r"[^\W_][\w'./+-]*[\w+]|[^\W_]|%")


@dataclass(frozen=True, slots=True)
class Slot:
    """A thing that a question can name, with the arguments that carry it, its values' words and its patterns."""

    args: Sequence[str]
    values: Mapping[str, re.Pattern[str]]
    patterns: Sequence[re.Pattern[str]]
    more: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Intent:
    """One entry of the table; also the table itself, for the words that belong to no intent."""

    tool: str
    agent: str
    slots: Mapping[str, Slot]
    more: Mapping[str, Any]

    def pattern(self, name: str) -> re.Pattern[str]:
        words = self.more.get(name) or "(?!)"
        return compile_words(words if isinstance(words, str) else "|".join(words))


@cache
def load_table() -> tuple[tuple[Intent, ...], Intent]:
    """Read the intents, in the order in which they are tried, and what belongs to none."""
    text = Path(__file__).with_name("intents.yml").read_text(encoding="utf-8")
    # A line of the table may break after a bar.
    data = yaml.safe_load(re.sub(r"\|\n\s+", "|", text))

    def intent(entry: Mapping[str, Any]) -> Intent:
        own = entry.get("slots") or {}
        slots = {name: _slot(own.get(name, {}), data["slots"].get(name, {})) for name in [*own, *data["slots"]]}
        return Intent(entry.get("tool", ""), entry.get("agent", ""), slots, entry)

    rest = intent({**data, "slots": {}, "stop": frozenset(data["stop"].split())})
    return tuple(intent(entry) for entry in data["intents"]), rest


def find_intent(tool: str | None) -> Intent | None:
    known = (each for each in reversed(load_table()[0]) if tool in (each.tool, *each.more.get("also", ())))
    return next(known, None) if tool else None


@cache
def compile_words(pattern: str) -> re.Pattern[str]:
    """Compile a pattern of whole words; a hyphen joins words."""
    return re.compile(rf"(?<![\w-])(?:{pattern.replace('{n}', NUMBER)})(?:'s)?(?![\w-])")


def _slot(own: Mapping[str, Any], shared: Mapping[str, Any]) -> Slot:
    entry, inherited = {**shared, **own}, shared.get("values", {}) if own.get("args") != [] else {}
    values = {str(value): compile_words(words) for value, words in {**inherited, **own.get("values", {})}.items()}
    return Slot(entry.get("args", ()), values, [re.compile(each) for each in entry.get("patterns", ())], entry)


class Words:
    """A question as written, in lower case, and with the words that were taken blanked; all of one length."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.plain = "".join(char.lower() if len(char.lower()) == 1 else char for char in text.translate(PLAIN))
        self.free = self.plain
        letters = [char for char in text if char.isalpha()]
        self.shouts = sum(map(str.isupper, letters)) * 2 > len(letters)

    def take(self, pattern: re.Pattern[str]) -> list[re.Match[str]]:
        """Blank every match among the words that are still free, and return the matches."""
        found = [match for match in pattern.finditer(self.free) if match[0].strip()]
        for match in found:
            self.blank(*match.span())
        return found

    def blank(self, start: int, end: int) -> None:
        self.free = self.free[:start] + " " * (end - start) + self.free[end:]

    def left(self, stop: frozenset[str]) -> list[tuple[int, int]]:
        """The places of the words that nothing took and that mean something; neighbours are one name."""
        places: list[tuple[int, int]] = []
        for match in _WORD.finditer(self.free):
            start, end = match.span()
            # "US" is a country, "us" is not.
            written = self.text[start:end].isupper() and end - start > 1 and not self.shouts
            if written or match[0].removesuffix("'s") not in stop:
                joined = places and self.plain[places[-1][1] : start].strip() in ("", "&")
                places.append((places.pop()[0] if joined else start, end))
        return places
