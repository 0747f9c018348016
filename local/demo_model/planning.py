"""Turns understood questions into calls of the tools that were offered."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from local.demo_model.periods import Period, Unit, back_by_months, previous, unit_of, year_before
from local.demo_model.questions import Question
from local.demo_model.vocabulary import AI_PROVIDERS, TIME_DIMENSIONS, Dimension

MAX_CALLS = 4
MAX_DAYS = 90
_DEFAULT_LIMIT = 50


@dataclass(frozen=True, slots=True)
class Call:
    """A tool and what to call it with."""

    name: str
    arguments: Mapping[str, Any]


def calls_for(questions: Sequence[Question], today: date) -> list[Call]:
    """The calls that would answer the questions, were every tool offered; without repetition and at most MAX_CALLS."""
    calls: list[Call] = []
    for question in questions:
        calls += [call for call in _calls(question, today) if call not in calls]
    return calls[:MAX_CALLS]


def horizon(question: Question, today: date) -> int:
    """How many days ahead the question looks, before any bound."""
    ends = [period.end for period in question.periods if period.end > today]
    return (max(ends) - today).days if ends else 30


def driver_days(question: Question, today: date) -> int:
    """How many days up to today hold the asked period, before any bound."""
    return (today - min(period.start for period in question.periods)).days + 1 if question.periods else 30


def _calls(question: Question, today: date) -> list[Call]:
    if question.intent == "forecast":
        return [Call("cost_forecast", {"horizon_days": _clamp(horizon(question, today), MAX_DAYS)})]
    if question.intent == "drivers":
        return _drivers(question, today)
    if question.intent == "compare":
        return _comparison(question, today)
    return _spending(question, today, question.periods)


def _clamp(value: int, most: int) -> int:
    return max(1, min(value, most))


def _filters(question: Question, provider: str | None) -> dict[str, Any]:
    cost_type = question.cost_types[0] if len(question.cost_types) == 1 else None
    wanted = {"provider": provider, "service_category": question.category, "cost_type": cost_type}
    return {name: value for name, value in wanted.items() if value is not None}


def _days(period: Period | None) -> dict[str, Any]:
    return {"start_date": period.start.isoformat(), "end_date": period.end.isoformat()} if period else {}


def _drivers(question: Question, today: date) -> list[Call]:
    """The drivers, and beside them what they cannot be narrowed to: the filtered cost day by day."""
    filters = _filters(question, question.providers[0] if len(question.providers) == 1 else None)
    limit = question.limit or (20 if filters else 10)
    days = _clamp(driver_days(question, today), MAX_DAYS)
    if question.periods and question.periods[0].end < today - timedelta(days=MAX_DAYS):
        # Out of the drivers' reach: the services of the asked period and of the one before say what changed.
        asked = question.periods[0]
        return _spending(
            replace(question, intent="spend"), today, (previous(asked), asked), comparing=True, by="service"
        )
    calls = [Call("top_cost_drivers", {"days": days, "limit": _clamp(limit, 20)})]
    if filters:
        asked = question.periods[0] if question.periods else Period(back_by_months(today, 1), today)
        shown = Period(previous(asked).start, asked.end)
        calls.append(
            Call("query_costs", filters | _days(shown) | _grouped("day" if shown.days <= 62 else "month", shown))
        )
    return calls


def _comparison(question: Question, today: date) -> list[Call]:
    filters = _filters(question, question.providers[0] if len(question.providers) == 1 else None)
    narrowed = set(filters) - {"provider"} or len(question.providers) > 1
    by_other = [name for name in question.dimensions if name not in ("provider", "service", *TIME_DIMENSIONS)]
    if question.period_type and not narrowed and not by_other:
        provider = {"provider": filters["provider"]} if "provider" in filters else {}
        return [Call("compare_periods", {"period_type": question.period_type} | provider)]
    periods = _sides(question, today) if question.period_type else question.periods
    if len(periods) < 2:
        periods = (previous(periods[0]), periods[0]) if periods else _periods_of(None, today)
    return _spending(question, today, tuple(sorted(periods, key=lambda period: period.start)), comparing=True)


def _sides(question: Question, today: date) -> tuple[Period, ...]:
    """QoQ and YoY said as such compare whole periods, as the comparison tool does; "this quarter" ends today."""
    last = previous(unit_of(today, "quarter" if question.period_type == "QoQ" else "month", "this"))
    if question.period_type == "QoQ" and not question.periods:
        return previous(last), last
    if question.period_type == "YoY" and not question.periods:
        return year_before(last), last
    return _periods_of(question.period_type, today)


def _periods_of(period_type: str | None, today: date) -> tuple[Period, ...]:
    """Two complete months for MoM, else the current unit so far and as many days of the one before."""
    if period_type == "MoM":
        last = previous(unit_of(today, "month", "this"))
        return previous(last), last
    units: dict[str | None, Unit] = {"MTD": "month", "QoQ": "quarter", "YoY": "year"}
    whole = unit_of(today, units.get(period_type, "week"), "this")
    current = whole.until(today)
    if period_type == "YoY":
        return year_before(current), current
    before = previous(whole)
    if period_type is not None:
        before = replace(before, end=min(before.end, before.start + timedelta(days=current.days - 1)))
    return before, current


def _spending(
    question: Question,
    today: date,
    periods: tuple[Period, ...],
    *,
    comparing: bool = False,
    by: Dimension | None = None,
) -> list[Call]:
    if by and not question.dimensions:
        question = replace(question, dimensions=(by,))
    dimensions, providers = _dimensions(question, periods), _provider_filters(question)
    joined = _joined(periods)
    if joined is not None and (not comparing or _by_time(question, joined)):
        if comparing:
            dimensions = (_by_time(question, joined) or "month",)
        periods = (joined,)
    return [
        _query(question, today, dimension, period, provider)
        for period in periods or (None,)
        for provider in providers
        for dimension in dimensions
    ]


def _joined(periods: tuple[Period, ...]) -> Period | None:
    """One period for several that follow one another without a gap."""
    ordered = sorted(periods, key=lambda period: period.start)
    if len(ordered) < 2 or any((b.start - a.end).days != 1 for a, b in itertools.pairwise(ordered)):
        return None
    return Period(ordered[0].start, ordered[-1].end, "explicit", ordered[0].unit)


def _by_time(question: Question, joined: Period) -> Dimension | None:
    """The time unit that shows the compared periods side by side, when nothing else is to be grouped by."""
    if question.dimensions and question.dimensions[0] not in TIME_DIMENSIONS:
        return None
    return joined.unit if joined.unit in TIME_DIMENSIONS else None


def _provider_filters(question: Question) -> list[str | None]:
    """Several providers are rows of one table, unless another dimension is asked for: then each gets its own."""
    if len(question.providers) > 1 and question.dimensions not in ((), ("provider",)):
        return list(question.providers)
    if _is_share(question):
        return [None]
    return [question.providers[0]] if len(question.providers) == 1 else [None]


def _is_share(question: Question) -> bool:
    """Whether the question asks which part of the whole its filter is: then the whole is needed."""
    narrowed = bool(question.providers or question.cost_types or question.category)
    text = question.text.lower()
    asks_part = any(word in text for word in ("share", "percent", "proportion", "%", "fraction", "portion", "ratio"))
    return question.intent == "breakdown" and narrowed and not question.dimensions and asks_part


def _dimensions(question: Question, periods: tuple[Period, ...]) -> tuple[Dimension, ...]:
    if question.dimensions:
        return question.dimensions
    if question.excludes or len(question.providers) > 1:
        return ("provider",)
    if len(question.cost_types) > 1:
        return ("cost_type",)
    if _is_share(question):
        return ("provider" if question.providers else "cost_type" if question.cost_types else "service_category",)
    if question.trend:
        days = sum(period.days for period in periods)
        return ("day" if days <= 31 else "week" if days <= 100 else "month",)
    if set(question.providers) & AI_PROVIDERS:
        return ("model",)
    return ("service" if question.providers or question.category else "provider",)


def _query(question: Question, today: date, dimension: Dimension, period: Period | None, provider: str | None) -> Call:
    filters = _filters(question, provider)
    if _is_share(question):
        filters = {}
    if period is None:
        period = _long_enough(dimension, today)
    elif dimension == "month" and period.kind == "rolling" and period.unit in ("month", "quarter", "year"):
        # "By month over the last 12 months" begins with a whole month, not with the rest of one.
        start = back_by_months(period.start.replace(day=1), -1) if period.start.day > 1 else period.start
        period = replace(period, start=start)
    asks_share = question.intent == "breakdown" and dimension not in TIME_DIMENSIONS
    if dimension == "cost_type" or (asks_share and not {"provider", "service_category"} & set(filters)):
        cost_type = {name: value for name, value in filters.items() if name == "cost_type" and dimension != "cost_type"}
        return Call("cost_breakdown", {"dimension": dimension} | _days(period) | cost_type)
    grouped = _grouped(dimension, period)
    if question.limit is not None:
        grouped["limit"] = _clamp(question.limit, 500)
    return Call("query_costs", filters | _days(period) | grouped)


def _long_enough(dimension: Dimension, today: date) -> Period | None:
    """Without a period the tool's own default applies, but months and weeks are shown over a year and two months."""
    if dimension == "month":
        return Period(back_by_months(today.replace(day=1), 11), today)
    return Period(back_by_months(today, 2), today) if dimension == "week" else None


def _grouped(dimension: Dimension, period: Period | None) -> dict[str, Any]:
    """The grouping, with a limit where time has more groups than the tool returns by itself."""
    days_per_group = {"day": 1, "week": 7, "month": 28}
    groups = period.days // days_per_group[dimension] + 2 if period and dimension in days_per_group else 0
    return {"group_by": dimension} | ({"limit": _clamp(groups, 500)} if groups > _DEFAULT_LIMIT else {})
