"""Takes filters, dimensions and limits out of a question's text, one after the other."""

import re
from typing import TypeVar

from local.demo_model import vocabulary as words
from local.demo_model.dates import normalised
from local.demo_model.relative import number
from local.demo_model.vocabulary import Dimension

Name = TypeVar("Name", bound=str)

_FILLER_WORDS = """
between a about again all also am an and any are as at be been broken but by can chart could did do does each else
every exactly figures first for from get give go got grouped had has have how i if in instead is it its just
let list look looks make may me mean meant much my no now number numbers of ok okay on one only or our out
over overall per please same see show shown so sorry split summary table tell that the their them then there
these they this those time times to too top total totals us using view was we well were what when where which
who will with would you your most least highest lowest biggest largest company organisation organization
amount amounts across during within up down result results
"""
_FILLERS = frozenset(_FILLER_WORDS.split())
_MARKED = re.compile(
    r"\b(?:by|per|each|every|which|what|across|top(?: \w+)?|\d+|for each|most expensive|costliest|"
    r"biggest|largest)\s+(?:the |our )?(?:[\w/]+ )?$"
)
_IS_NO_PROVIDER = re.compile(r"\s*(?:team|department|service|product|model|region|category)")
_QUOTED = re.compile(r"\b(?:on|for|from|with|only|about|to|provider|vendor)\s+[\"']([^\"']{2,40})[\"']")
_NAMED = re.compile(
    r"\b(?:spend|spent|spending|cost|costs|pay|paid|bill|charges|money|much) (?:on|for|to|from) "
    r"((?!I\b)[A-Z][\w.&+-]*(?: [A-Z][\w.&+-]*){0,2})"
)
_LETTERS = re.compile(r"[a-z][a-z'&+-]*")


class Rest:
    """What is left of a question as its parts are taken out; positions stay those of the text."""

    def __init__(self, text: str, plain: str) -> None:
        self._text = text
        self._whole = normalised(text)
        self.plain = plain

    def take(self, pattern: re.Pattern[str]) -> bool:
        """Take out every match; whether there was one."""
        found = list(pattern.finditer(self.plain))
        for match in found:
            self._blank(match)
        return bool(found)

    def names(self, table: tuple[tuple[Name, re.Pattern[str]], ...]) -> list[Name]:
        """Take out the names of a table, in the order of the text."""
        found: list[tuple[int, Name]] = []
        for name, pattern in table:
            for match in pattern.finditer(self.plain):
                self._blank(match)
                found.append((match.start(), name))
        return list(dict.fromkeys(name for _, name in sorted(found)))

    def limit(self) -> int | None:
        """N of "top N", 10 for a bare "top services"."""
        if match := words.TOP.search(self.plain):
            self._blank(match)
            return max(1, number(match["after"] or match["before"]))
        return 10 if re.search(r"\btop (?!of\b|up\b)[a-z]", self.plain) else None

    def dimensions(self) -> tuple[Dimension, ...]:
        """What to group by: the words after "by", "per", "each" or "which"; without these, the last named."""
        found: list[tuple[int, int, Dimension]] = []
        if match := words.WHICH_LLM.search(self.plain):
            found.append((match.start(), match.end(), "model"))
        for name, pattern in words.DIMENSIONS:
            for match in pattern.finditer(self.plain):
                self._blank(match)
                found.append((match.start(), match.end(), name))
        found.sort()
        marked: list[Dimension] = []
        last_end: int | None = None
        for start, end, name in found:
            joined = last_end is not None and re.fullmatch(
                r"\s*(?:,|and|&|/|then)+\s*(?:by |per |the )?", self._whole[last_end:start]
            )
            by_itself = self._whole[start:end] in ("daily", "weekly", "monthly") or (
                name == "model" and words.WHICH_LLM.match(self._whole[start:])
            )
            if joined or by_itself or _MARKED.search(self._whole[:start]):
                marked.append(name)
                last_end = end
        chosen = marked or [name for _, _, name in found][-1:]
        return tuple(dict.fromkeys(chosen))

    def providers(self) -> tuple[str, ...]:
        """Known providers, quoted ones, and whatever capitalised name money was spent on."""
        found = self.names(words.PROVIDERS)
        for name, pattern in words.CAPITALISED_PROVIDERS:
            if match := pattern.search(self._text):
                found.append(name)
                self._blank(match)
        for match in _QUOTED.finditer(self.plain):
            if _IS_NO_PROVIDER.match(self._whole[match.end() :]):
                continue
            found.append(self._text[match.start(1) : match.end(1)])
            self._blank(match)
        for match in _NAMED.finditer(self._text):
            start, end = match.span(1)
            # Only what no other rule has taken, such as a month or a kind of cost.
            name = self._text[start:end].rstrip(".")
            if self.plain[start:end] == self._whole[start:end] and not _is_known(name.lower()):
                found.append(name)
                self.plain = self.plain[:start] + " " * (end - start) + self.plain[end:]
        return tuple(dict.fromkeys(found))

    def unknown(self) -> list[str]:
        """The words that nothing has explained."""
        left = self.plain
        for pattern in (
            words.SHARE,
            words.COMPARE,
            words.DRIVERS,
            words.FORECAST,
            words.TOP_FEW,
            words.EXCEPT,
            words.TO_A_REFERENCE,
            words.MONTH_TO_DATE,
            words.WEEK_OVER_WEEK,
            *(pattern for _, pattern in words.PERIOD_TYPES),
        ):
            left = pattern.sub(" ", left)
        return [word for word in _LETTERS.findall(left) if word.removesuffix("'s") not in _FILLERS and len(word) > 1]

    def unread_period(self) -> str | None:
        """Words such as "last mnth": they begin like a period and are none."""
        for match in re.finditer(r"\b(?:last|past|next|since|during) +([a-z]{3,})", self.plain):
            if match[1] in self.unknown():
                return match[0]
        return None

    def _blank(self, match: re.Match[str]) -> None:
        self.plain = self.plain[: match.start()] + " " * (match.end() - match.start()) + self.plain[match.end() :]


def _is_known(name: str) -> bool:
    tables = (words.COST_TYPES, words.CATEGORIES, words.DIMENSIONS)
    return any(pattern.search(name) for table in tables for _, pattern in table)
