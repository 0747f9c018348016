"""Questions about documents: looked up, beside a figure where they need one, and answered by quotes with numbers."""

import re
from dataclasses import replace
from datetime import date

from local.demo_model.answers import Row, plain, write_answer
from local.demo_model.dates import Period
from local.demo_model.planning import Plan
from local.demo_model.reading import Reading
from local.demo_model.request import TRANSFER, Call, Request
from local.demo_model.table import Intent, find_intent

_COSTS, _COST_AGENT = "query_costs", "CostAnalyst"
# Below so much, a passage is about something else; so much below the best one, it is not worth a quote.
_NEAR, _WORSE, _QUOTES, _SENTENCES = 0.3, 0.12, 2, 2
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z\d])|\n+")
_COMMON = re.compile(
    "what|which|who|whose|when|where|does|did|has|have|are|was|were|our|the|for|and|says?|with|how|must"
)


def look_up(reading: Reading, intent: Intent, request: Request, today: date) -> tuple[Call, ...] | str:
    """The next calls for a question about documents, or the answer once they came back."""
    if found := [each for each in request.returned if each.name == intent.tool]:
        others = replace(request, returned=tuple(each for each in request.returned if each.name != intent.tool))
        return "\n\n".join(filter(None, [_quote(found[-1], reading.text), write_answer(others)]))
    beside = intent.pattern("beside").search(reading.text.lower()) is not None
    agent, fits = _COST_AGENT if beside else intent.agent, beside == (_COSTS in request.tools)
    if agent in request.agents and not (intent.tool in request.tools and fits):
        return (Call(TRANSFER, {"agent_name": agent}),)
    if intent.tool not in request.tools:
        return "I have no tool here that reads documents."
    costs = find_intent(_COSTS) if beside and fits else None
    days = reading.periods or (Period(date(today.year, 1, 1), today, "year", "this"),)
    figures = Plan(replace(reading, periods=days, names=()), request, today, costs).calls if costs else ()
    return Call(intent.tool, {"query": reading.text[:500]}), *figures


def _quote(found: Call, question: str) -> str:
    """The sentences of the best passages that have most of the question's words, with their numbers."""
    if not found.rows:
        payload = found.payload or {}
        return plain((payload.get("error") or {}).get("message") or (payload.get("summary") or {}).get("note"))
    words, best = content_words(question), max(float(row.get("score") or 0) for row in found.rows)
    near = [row for row in found.rows if float(row.get("score") or 0) >= max(_NEAR, best - _WORSE)]
    kept = [
        row for row in near if words & content_words(f"{row.get('document')} {row.get('heading')} {row.get('excerpt')}")
    ]
    nothing = "Your documents do not say this. Ask in the words that they may use, or add a document that does."
    return "\n\n".join(_told(row, words) for row in kept[:_QUOTES]) or nothing


def _told(row: Row, words: set[str]) -> str:
    sentences = [each.strip() for each in _SENTENCE.split(str(row.get("excerpt"))) if each.strip()]
    ranked = sorted(sentences, key=lambda each: -len(words & content_words(each)))[:_SENTENCES]
    said = " ".join(plain(each.lstrip("#-* ")) for each in sentences if each in ranked)
    return f"{plain(row.get('document'))}: “{said}” [{row.get('number')}]"


def content_words(text: str) -> set[str]:
    """The words of a text that mean something, without an ending."""
    found = re.findall(r"[^\W_]{3,}", text.casefold())
    return {word.removesuffix("s").removesuffix("e") for word in found if not _COMMON.fullmatch(word)}
