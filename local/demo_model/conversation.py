"""Carries what was understood from one question of a conversation to the next."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from local.demo_model import vocabulary as words
from local.demo_model.dates import normalised
from local.demo_model.periods import Period
from local.demo_model.questions import COST_AGENT, Intent, Question, comparison, is_greeting, read_question

_CLAUSE = re.compile(
    r"(?:[?;!]|\.(?=\s+[A-Z]))\s+|,?\s+(?:and|also|plus|then)\s+(?:also\s+)?"
    r"(?=(?:what|how|why|which|show|give|forecast|compare|tell|list|predict|a forecast|(?:the|"
    r"our) (?:forecast|drivers|top)|"
    r"top \d+|break)\b)",
)


def understand(question: str, earlier: Sequence[str], today: date) -> tuple[Question, ...]:
    """The questions of the last message (several when it asks several things), completed from the earlier ones."""
    known: Question | None = None
    for text in earlier:
        questions = _read_message(text, today, known)
        if any(item.subject for item in questions):
            known = _to_follow(questions)
    return _read_message(question, today, known)


def clauses(text: str) -> list[str]:
    """The parts of a message that asks several things."""
    return [clause for clause in _CLAUSE.split(text) if clause.strip()]


def _read_message(text: str, today: date, known: Question | None) -> tuple[Question, ...]:
    if is_greeting(text):
        return (Question(text),)
    said = clauses(text)
    if len(said) > 1:
        read: list[Question] = []
        for clause in said:
            before = read[-1] if read else known
            item = _read_in_context(clause, today, before)
            if read and item.subject == COST_AGENT and not item.periods and item.intent != "forecast":
                item = replace(item, periods=_past(read[0].periods))
            read.append(item)
        explicit = [item for item in read if item.subject and item.intent and not item.not_a_date]
        if len(explicit) == len(said):
            return tuple(read)
    return (_read_in_context(text, today, known),)


def _read_in_context(text: str, today: date, known: Question | None) -> Question:
    read = read_question(text, today)
    if known is None or not read.is_follow_up:
        return read
    near = known.periods[0] if known.periods else None
    return _merged(known, read_question(text, today, near, forecasting=known.intent == "forecast"))


def _to_follow(questions: Sequence[Question]) -> Question:
    """Of several questions in one message, the one that a follow-up continues."""
    spending = [item for item in questions if item.intent in ("spend", "breakdown")]
    return (spending or list(questions))[-1]


def _merged(known: Question, new: Question) -> Question:
    """What the new question says, and the known one where it says nothing."""
    intent, period_type = _merged_intent(known, new)
    cost_types, providers = new.cost_types or known.cost_types, new.providers or known.providers
    if new.cost_types == ("cloud",) and not new.providers and set(providers) <= words.AI_PROVIDERS:
        providers = ()
    if new.providers and not new.cost_types and cost_types == ("cloud",) and set(new.providers) <= words.AI_PROVIDERS:
        cost_types = ()
    periods = new.periods or known.periods
    if intent != "forecast":
        periods = _past(periods)
    subject = known.subject if new.subject in (None, COST_AGENT) and not new.says_cost else new.subject
    return replace(
        new,
        subject=subject,
        intent=intent,
        period_type=period_type,
        periods=periods,
        providers=() if new.all_providers or new.excludes else providers,
        cost_types=cost_types,
        category=new.category or known.category,
        dimensions=new.dimensions or known.dimensions,
        limit=new.limit or known.limit,
        trend=new.trend or (known.trend and not new.dimensions),
    )


def _merged_intent(known: Question, new: Question) -> tuple[Intent | None, str | None]:
    if new.intent is not None and not (new.intent == "spend" and known.intent == "breakdown" and not new.says_cost):
        return new.intent, new.period_type
    past = bool(_past(new.periods))
    if known.intent == "compare" and past:
        period_type = comparison(new.periods, normalised(new.text))
        return ("compare", period_type) if period_type else ("spend", None)
    if new.dimensions and known.intent in ("drivers", "forecast"):
        return "spend", None
    if past and known.intent == "forecast":
        return "spend", None
    return known.intent, known.period_type


def _past(periods: tuple[Period, ...]) -> tuple[Period, ...]:
    return tuple(period for period in periods if period.kind != "future")
