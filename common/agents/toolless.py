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


def asks_for_data(question: str) -> bool:
    """Return true if a question may need the organisation's data to be answered."""
    return _DATA.search(question) is not None


async def without_figures(stream: AsyncGenerator[str | Reply, None]) -> AsyncGenerator[str | Reply, None]:
    """The stream of a model that has read no data. Raises ModelCannotUseTools for a figure, which would be made up."""
    text, shown = "", 0
    async with aclosing(stream) as pieces:
        async for piece in pieces:
            if isinstance(piece, Reply):
                _refuse_figures(text)
                if shown < len(text):
                    yield text[shown:]
                yield piece
                continue
            text += piece
            undecided = _OPEN.search(text)
            end = undecided.start() if undecided else len(text)
            _refuse_figures(text[:end])
            if shown < end:
                yield text[shown:end]
                shown = end


def _refuse_figures(text: str) -> None:
    unlisted = _LISTED.sub("", text)
    if any(character.isnumeric() for character in unlisted) or _MONEY.search(unlisted):
        raise ModelCannotUseTools
