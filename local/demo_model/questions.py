"""What a person asks: intent, periods, filters and dimensions of one question."""

import re
from dataclasses import dataclass
from datetime import date
from typing import Literal

from local.demo_model import vocabulary as words
from local.demo_model.dates import normalised, read_dates
from local.demo_model.parts import Rest
from local.demo_model.periods import Period
from local.demo_model.vocabulary import CostType, Dimension

Intent = Literal["spend", "breakdown", "compare", "drivers", "forecast"]
COST_AGENT = "CostAnalyst"

FOLLOW_UP = re.compile(
    r"\W*(?:and|or|but|also|now|only|just|what about|how about|what if|same|ok(?:ay)?|then|"
    r"again|no|sorry|i meant|make (?:it|that))\b"
    r"|.*\b(?:instead|as well|the same|too)\b"
)


@dataclass(frozen=True, slots=True)
class Question:
    """One question as understood; empty parts were not said. `subject` is None where it is not about costs."""

    text: str
    subject: str | None = None
    intent: Intent | None = None
    periods: tuple[Period, ...] = ()
    providers: tuple[str, ...] = ()
    cost_types: tuple[CostType, ...] = ()
    category: str | None = None
    dimensions: tuple[Dimension, ...] = ()
    limit: int | None = None
    period_type: str | None = None
    not_a_date: str | None = None
    is_follow_up: bool = False
    says_cost: bool = False
    all_providers: bool = False
    trend: bool = False
    excludes: bool = False
    unread_period: str | None = None


def is_greeting(text: str) -> bool:
    """Whether the message greets, thanks or asks what can be asked."""
    return bool(words.HELP.fullmatch(normalised(text.strip())))


def read_question(text: str, today: date, near: Period | None = None, *, forecasting: bool = False) -> Question:
    """Read one question by itself; `near` is the period, and `forecasting` the intent, that a follow-up continues."""
    plain = normalised(text)
    period_type = next((name for name, pattern in words.PERIOD_TYPES if pattern.search(plain)), None)
    drivers = bool(words.DRIVERS.search(plain))
    comparing = not drivers and bool(period_type or words.COMPARE.search(plain) or words.WEEK_OVER_WEEK.search(plain))
    forecast = bool(words.FORECAST.search(plain))
    ahead = forecast or forecasting
    dates = read_dates(text, today, near=near, comparing=comparing, ahead=ahead)
    rest = Rest(text, dates.rest)
    limit = rest.limit()
    all_providers = rest.take(words.ALL_PROVIDERS)
    dimensions = rest.dimensions()
    categories = rest.names(words.CATEGORIES)
    excludes = bool(words.EXCEPT.search(plain))
    providers = rest.providers()
    cost_types = rest.names(words.COST_TYPES)
    trend = rest.take(words.TREND)
    says_cost = bool(words.COST.search(rest.plain)) or bool(words.COST.search(plain))
    intent = _intent(plain, forecast, drivers, comparing, dates.periods, dimensions, says_cost, limit)
    if intent == "compare" and period_type is None:
        period_type = comparison(dates.periods, plain)
    if intent == "compare" and period_type and len(dates.periods) == 1 and len(providers) + len(cost_types) > 1:
        # "AWS and Azure last month" sets names side by side, not periods.
        intent, period_type = "spend", None
    parts = bool(dates.periods or providers or cost_types or categories or dimensions or limit or all_providers)
    # "Compare last month with the month before" stands by itself, "why?" and "YoY" do not.
    whole = _is_explicit(intent) and len(dates.periods) >= (2 if intent == "compare" else 1)
    explained = (parts or intent is not None) and not rest.unknown()
    fragment = explained and not says_cost and not whole
    cue = bool(FOLLOW_UP.match(plain)) and (parts or intent is not None) and (says_cost or not rest.unknown())
    return Question(
        text=text,
        subject=COST_AGENT if says_cost or explained or _is_explicit(intent) else None,
        intent=intent,
        periods=dates.periods,
        providers=() if excludes else providers,
        cost_types=tuple(cost_types),
        category=categories[0] if len(categories) == 1 else None,
        dimensions=dimensions or (("service_category",) if len(categories) > 1 else ()),
        limit=limit,
        period_type=period_type,
        not_a_date=dates.not_a_date,
        is_follow_up=fragment or cue,
        says_cost=says_cost,
        all_providers=all_providers,
        trend=trend or (comparing and intent == "spend" and len(providers) + len(cost_types) < 2),
        excludes=excludes,
        unread_period=rest.unread_period() if says_cost else None,
    )


def comparison(periods: tuple[Period, ...], plain: str) -> str | None:
    """The kind of comparison that the named periods amount to, None when they are days of their own."""
    kinds = {(period.kind, period.unit) for period in periods}
    if words.MONTH_TO_DATE.search(plain):
        return "MTD"
    if any(kind == "explicit" and unit != "day" for kind, unit in kinds):
        return None
    if any(kind == "year_before" for kind, _ in kinds) or {("this", "year"), ("last", "year")} & kinds:
        return "YoY"
    if {("this", "quarter"), ("last", "quarter")} & kinds:
        return "QoQ"
    if ("this", "month") in kinds:
        return "MTD"
    if ("last", "month") in kinds:
        alone = len(periods) == 1 and bool(words.TO_A_REFERENCE.search(plain))
        return "MTD" if alone else "MoM"
    if kinds and all(kind == "before" for kind, _ in kinds):
        return "MoM"
    return None


def _is_explicit(intent: Intent | None) -> bool:
    return intent in ("drivers", "forecast", "compare")


def _intent(
    plain: str,
    ahead: bool,
    drivers: bool,
    comparing: bool,
    periods: tuple[Period, ...],
    dimensions: tuple[Dimension, ...],
    says_cost: bool,
    limit: int | None,
) -> Intent | None:
    if ahead or (periods and all(period.kind == "future" for period in periods)):
        return "forecast"
    if drivers:
        return "drivers"
    named = any(period.kind in ("this", "last", "before", "year_before") for period in periods)
    typed = any(pattern.search(plain) for _, pattern in words.PERIOD_TYPES)
    if comparing and (typed or len(periods) > 1 or named or words.WEEK_OVER_WEEK.search(plain)):
        return "compare"
    if words.SHARE.search(plain) or words.PERCENT.search(plain):
        return "breakdown"
    if words.MONTH_TO_DATE.search(plain) and not dimensions and limit is None:
        return "compare"
    return "spend" if says_cost or limit is not None else None
