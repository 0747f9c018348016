"""Readings: each window of a rule held against its limit, with the figures that an alert shows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal, localcontext
from typing import Any

from common.focus.providers import provider_key
from common.skills.alerts.conditions import AlertRule
from common.skills.alerts.figures import Costs, Figures
from common.skills.alerts.windows import (
    LATE_DAYS,
    Window,
    has_arrived,
    is_complete,
    window_before,
    window_of,
    windows_between,
)
from common.skills.anomalies.detection import find_oddities
from common.skills.budgets.standing import Standing
from common.tools.periods import Period

_WHOLE = frozenset({"organization", "organisation", "company"})
_HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class Reading:
    """One window of one subject (a currency or a budget) beside its limit, both in ``unit``.

    ``complete`` says that all its costs are there, ``ended`` that its period is over, ``recovered`` that the figure is
    below the limit by the margin. ``detail`` has the figures behind the value.
    """

    subject: str
    window: str
    period: Period
    value: Decimal
    limit: Decimal
    unit: str
    breached: bool
    recovered: bool
    complete: bool
    ended: bool
    detail: Mapping[str, Any] = field(default_factory=dict)


def read_windows(rule: AlertRule, figures: Figures, today: date) -> list[Reading]:
    """Read every window that may fire today: those that ended in the last days, and the one under way."""
    match rule.type:
        case "absolute_threshold":
            return list(_thresholds(rule, figures, today))
        case "anomaly_percent_change":
            return list(_changes(rule, figures, today))
        case "budget_percent" | "budget_forecast":
            return list(_budgets(rule, figures, today))
        case "anomaly":
            return list(_anomalies(rule, figures, today))
        case "data_stopped":
            return list(_stops(rule, figures, today))


def first_day_of(rule: AlertRule, today: date) -> date:
    """The oldest day whose costs the rule's readings need."""
    begin = windows_between(rule.period, _oldest(rule, today), today)[0].period.start
    return begin - timedelta(days=rule.lookback_days)


def oldest_key(rule: AlertRule, day: date) -> str:
    """The key of the window that a day is in; keys of a rule's windows sort by time."""
    return window_of(rule.period, day).key if rule.type in _WITH_PERIOD else day.isoformat()


_WITH_PERIOD = ("absolute_threshold", "anomaly_percent_change", "anomaly")


def _oldest(rule: AlertRule, today: date) -> date:
    # What was before the rule was made does not fire.
    return min(today, max(rule.since, today - timedelta(days=LATE_DAYS)))


def _candidates(rule: AlertRule, today: date) -> list[Window]:
    return windows_between(rule.period, _oldest(rule, today), today)


def _currencies(rule: AlertRule, figures: Figures) -> list[str]:
    return [rule.currency] if rule.currency else sorted(figures.costs)


def _sum(costs: Costs, period: Period) -> Decimal:
    days = (period.start + timedelta(days=number) for number in range(period.days))
    return sum((costs.get(day, Decimal()) for day in days), Decimal())


def _thresholds(rule: AlertRule, figures: Figures, today: date) -> Iterator[Reading]:
    for currency in _currencies(rule, figures):
        costs = figures.costs.get(currency, {})
        for window in _candidates(rule, today):
            limit, baseline = rule.threshold, None
            if limit is None:
                baseline = _average(costs, window.period.start, rule.baseline_days, figures)
                limit = None if baseline is None or rule.factor is None else baseline * rule.factor
            if limit is None or limit <= 0:
                continue
            value = _sum(costs, window.period)
            detail = {"billed_cost" if rule.metric == "BilledCost" else rule.metric: value, "currency": currency}
            if baseline is not None:
                detail["baseline"] = baseline
            yield _reading(rule, figures, today, currency, window, (value, limit, currency), detail)


def _changes(rule: AlertRule, figures: Figures, today: date) -> Iterator[Reading]:
    """Only windows that are whole are compared: the part of a day or a month is no change."""
    if rule.percent is None:
        return
    for currency in _currencies(rule, figures):
        costs = figures.costs.get(currency, {})
        for window in _candidates(rule, today):
            if not is_complete(window.period.end, today, figures.newest_day):
                continue
            usual = _usual(rule, costs, window, figures)
            if usual is None or usual <= 0:
                continue
            value = _sum(costs, window.period)
            change = Decimal() if abs(value - usual) < rule.min_amount else _percent(value - usual, usual)
            detail = {"billed_cost": value, "baseline": usual, "currency": currency}
            yield _reading(rule, figures, today, currency, window, (change, rule.percent, "percent"), detail)


def _usual(rule: AlertRule, costs: Costs, window: Window, figures: Figures) -> Decimal | None:
    if rule.period == "daily":
        return _average(costs, window.period.start, rule.baseline_days, figures)
    before = window_before(rule.period, window).period
    began = min(costs, default=None)
    return _sum(costs, before) if began is not None and before.start >= max(began, figures.first_day) else None


def _average(costs: Costs, day: date, days: int, figures: Figures) -> Decimal | None:
    """The average of the days before; None where the costs do not reach back so far."""
    first, began = day - timedelta(days=days), min(costs, default=None)
    if began is None or began > first or first < figures.first_day:
        return None
    return _sum(costs, Period(first, day - timedelta(days=1))) / days


def _budgets(rule: AlertRule, figures: Figures, today: date) -> Iterator[Reading]:
    limit = rule.percent or _HUNDRED
    for standing in _chosen(rule, figures.budgets):
        budget = standing.budget
        figure = standing.actual if rule.type == "budget_percent" else standing.projected
        if figure is None or not standing.amount or not standing.is_measured:
            continue
        period = Period(budget["period_start"], budget["period_end"])
        if period.end < _oldest(rule, today):
            continue
        # The end comes first, so that keys sort by time.
        window = Window(f"{period.end.isoformat()}:{period.start.isoformat()}", period)
        monetary = budget["budget_type"] == "monetary"
        detail = {
            "budget": budget["hierarchy_entity_name"],
            "category": budget["category"],
            "budget_id": budget["budget_id"],
            "amount": standing.amount,
            "spent" if rule.type == "budget_percent" else "projected": figure,
            "currency": budget["currency"] if monetary else "tokens",
        }
        used = _percent(figure, standing.amount)
        yield _reading(rule, figures, today, budget["budget_id"], window, (used, limit, "percent"), detail)


def _chosen(rule: AlertRule, budgets: tuple[Standing, ...]) -> list[Standing]:
    """The budgets that a rule is about: the one it names, those of its entity, or those of the whole organisation."""
    if "budget_id" in rule.budget:
        return [each for each in budgets if each.budget["budget_id"] == rule.budget["budget_id"]]
    if entity := rule.budget.get("entity"):
        found = [each for each in budgets if each.budget["hierarchy_entity_id"] == entity]
    else:
        whole = [each for each in budgets if each.budget["hierarchy_level_code"].lower() in _WHOLE]
        found = whole or list(budgets)
    if category := rule.budget.get("category"):
        found = [each for each in found if each.budget["category"] == category]
    for wanted in (each["values"] for each in rule.filters if each.get("dimension") == "provider"):
        keys = {provider_key(name) for name in wanted}
        found = [each for each in found if each.budget["provider"] and provider_key(each.budget["provider"]) in keys]
    return [each for each in found if rule.currency in (None, each.budget["currency"])]


def _anomalies(rule: AlertRule, figures: Figures, today: date) -> Iterator[Reading]:
    """The whole days, each with its unexpected amount: zero on a day as it was to be expected."""
    for currency in _currencies(rule, figures):
        costs = dict(figures.costs.get(currency, {}))
        days = [
            window for window in _candidates(rule, today) if is_complete(window.period.end, today, figures.newest_day)
        ]
        if not costs or not days:
            continue
        known = Period(figures.first_day, days[-1].period.end)
        whole = {day: cost for day, cost in costs.items() if day <= known.end}
        odd = {each.day: each for each in find_oddities(whole, known, Period(days[0].period.start, known.end))}
        for window in days:
            day = window.period.start
            found = odd.get(day)
            excess = found.excess if found else Decimal()
            detail = {"billed_cost": costs.get(day, Decimal()), "currency": currency}
            if found is not None:
                detail |= {"baseline": found.expected, "kind": found.kind}
            is_odd = excess > 0 and excess >= rule.min_amount
            yield Reading(
                currency, window.key, window.period, excess, rule.min_amount, currency, is_odd, not is_odd,
                complete=True, ended=True, detail=detail,
            )  # fmt: skip


def _stops(rule: AlertRule, figures: Figures, today: date) -> Iterator[Reading]:
    """The gap after the newest day with data. The next gap is another window."""
    last = figures.last_day
    if last is None:
        return
    silent = Decimal((today - last).days)
    limit = Decimal(rule.stale_days)
    yield Reading(
        "", last.isoformat(), Period(last, max(last, today)), silent, limit, "days", silent > limit, silent <= limit,
        complete=True, ended=False, detail={"last_day": last},
    )  # fmt: skip


def _reading(
    rule: AlertRule,
    figures: Figures,
    today: date,
    subject: str,
    window: Window,
    seen: tuple[Decimal, Decimal, str],
    detail: Mapping[str, Any],
) -> Reading:
    value, limit, unit = seen
    # An amount is passed, a percentage is reached.
    breached = value >= limit if unit == "percent" else value > limit
    with localcontext(prec=80):
        recovered = not breached and value <= limit * (_HUNDRED - rule.recovery) / _HUNDRED
    # Another provider's newer data says nothing of costs that come later than its.
    complete = is_complete(window.period.end, today, figures.newest_day) and has_arrived(
        window.period.end, today, figures.last_day
    )
    ended = window.has_ended(today)
    return Reading(subject, window.key, window.period, value, limit, unit, breached, recovered, complete, ended, detail)


def _percent(part: Decimal, whole: Decimal) -> Decimal:
    with localcontext(prec=80):
        return (_HUNDRED * part / whole).quantize(Decimal("0.01"))
