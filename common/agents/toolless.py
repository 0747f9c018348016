"""Turns of a model that cannot call tools: it may talk, but it can read no data and so it may state no figure."""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing

from common.errors import ModelCannotUseTools
from common.models.call import Reply

TOOLLESS_PROMPT = (
    "You are the assistant of a product for cloud costs. You cannot read any data of the organisation. Explain terms "
    "and answer greetings in a few sentences. Never state an amount, a number or a date; if one is asked for, say that "
    "the chosen model cannot read the data."
)
# Words of a question about the organisation's data. One too many refuses a question that could have been talked about;
# one too few is caught by the figure in the answer.
_DATA = re.compile(
    r"""\b(?:costs?|spen[dt]\w*|bill\w*|invoic\w*|charg\w*|pric\w*|budget\w*|usage|us(?:e|es|ed|ing)|tokens?|requests?
    |sav(?:e|ed|ing|ings)|forecast\w*|trend\w*|anomal\w*|alerts?|credits?|commitments?|discounts?|accounts?|services?
    |regions?|teams?|providers?|projects?|pipelines?|quotas?|resources?|tables?|columns?|quer(?:y|ies)|sql|data|rows?
    |select|show|list
    |how\ (?:much|many)|total\w*|average|sum|most|least|top|cheap\w*|expensive\w*|compare\w*|increas\w*|decreas\w*
    |today|yesterday|(?:last|this|next|per)\ (?:day|week|month|quarter|year)|daily|weekly|monthly|yearly
    |dollars?|euros?|usd|eur|aws|amazon|azure|gcp|google|openai|anthropic
    |kosten|ausgaben|rechnung|verbrauch|co[uû]ts?|d[eé]penses?|factur\w*|costes?|gastos?|spesa|costi)\b
    |[$€£¥%]|\d""",
    re.IGNORECASE | re.VERBOSE,
)
_MONEY = re.compile(r"[$€£¥%]|\b(?:dollars?|euros?|usd|eur|cents?|percent)\b", re.IGNORECASE)
# What begins a numbered list is no figure, and at the end of what has come it is not known yet.
_LISTED = re.compile(r"(?m)^[ \t]*(?:[*#]+[ \t]*)?\d{1,2}[.)](?=\s)")
_OPEN = re.compile(r"(?:^|(?<=\n))[ \t]*(?:[*#]+[ \t]*)?\d{1,2}[.)]?\Z")
_LINE_CHARS = 200


def asks_for_data(question: str) -> bool:
    """Return true if a question may need the organisation's data to be answered."""
    return _DATA.search(question) is not None


async def without_figures(stream: AsyncGenerator[str | Reply, None]) -> AsyncGenerator[str | Reply, None]:
    """The stream of a model that has read no data. Raises ModelCannotUseTools for a figure, which would be made up."""
    seen = held = ""
    async with aclosing(stream) as pieces:
        async for piece in pieces:
            if isinstance(piece, Reply):
                _refuse_figures(seen + held)
                if held:
                    yield held
                yield piece
                continue
            text = held + piece
            undecided = _OPEN.search(seen + text)
            held = text[max(0, undecided.start() - len(seen)) :] if undecided else ""
            decided = text[: len(text) - len(held)]
            seen += decided
            _refuse_figures(seen)
            if decided:
                yield decided
            seen = _context(seen)


def _context(seen: str) -> str:
    """The words that decide about the next ones: the line so far, or the end of a long one."""
    line = seen[seen.rfind("\n") + 1 :]
    # No list begins there, and it must not seem to.
    return line if len(line) <= _LINE_CHARS else f"…{line[-_LINE_CHARS // 2 :]}"


def _refuse_figures(text: str) -> None:
    unlisted = _LISTED.sub("", text)
    if any(character.isnumeric() for character in unlisted) or _MONEY.search(unlisted):
        raise ModelCannotUseTools
