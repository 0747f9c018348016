"""A back-test: how often a rule would have fired in the days before, day by day as if it had been there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from common.skills.alerts.conditions import BUDGET_TYPES, AlertRule, Silence
from common.skills.alerts.evaluation import Fired, Track, evaluate
from common.skills.alerts.figures import Figures
from common.skills.alerts.readings import Reading, first_day_of
from common.skills.budgets.standing import stand
from common.tools.periods import Period

PREVIEW_DAYS = 60


@dataclass(frozen=True, slots=True)
class BackTest:
    """The alerts that a rule would have raised, each with its day, and how its window stands now."""

    days: Period
    fired: tuple[tuple[date, Fired], ...]
    now: tuple[Reading, ...]


def tested_days(today: date) -> Period:
    """The days that a rule is tried on; today is not over and counts as far as it is."""
    return Period(today - timedelta(days=PREVIEW_DAYS - 1), today)


def read_from(rule: AlertRule, today: date) -> date:
    """The first day whose costs a back-test needs."""
    first = tested_days(today).start
    return first_day_of(_as_old(rule, first), first)


def back_test(rule: AlertRule, figures: Figures, budgets: Sequence[Mapping[str, Any]], today: date) -> BackTest:
    """Evaluate the rule at the end of each day, with the costs up to it. Cooldown and quiet hours do not count."""
    days = tested_days(today)
    tried, tracks, fired = _as_old(rule, days.start), dict[str, Track](), list[tuple[date, Fired]]()
    outcome = None
    for number in range(days.days):
        day = days.start + timedelta(days=number)
        moment = datetime.combine(day, time(23, 59), UTC)
        outcome = evaluate(tried, _until(rule, figures, budgets, day), moment, tracks)
        tracks = dict(outcome.tracks)
        fired += [(day, each) for each in outcome.fired]
    return BackTest(days, tuple(fired), outcome.readings[-1:] if outcome else ())


def _as_old(rule: AlertRule, since: date) -> AlertRule:
    return replace(rule, since=since, cooldown=timedelta(), silence=Silence())


def _until(rule: AlertRule, figures: Figures, budgets: Sequence[Mapping[str, Any]], day: date) -> Figures:
    if rule.type in BUDGET_TYPES:
        standings = tuple(stand(_budget_until(row, day), day) for row in budgets if row["period_start"] <= day)
        return Figures({}, day, newest_day=day, budgets=standings)
    costs = {
        currency: {each: cost for each, cost in of.items() if each <= day} for currency, of in figures.costs.items()
    }
    last = max((each for of in costs.values() for each in of), default=None)
    newest = min(day, figures.newest_day) if figures.newest_day else None
    return Figures(costs, figures.first_day, last, newest)


def _budget_until(row: Mapping[str, Any], day: date) -> dict[str, Any]:
    """A budget's row as it was on a day."""
    there = [pair for pair in zip(row["days"] or (), row["amounts"] or (), strict=True) if pair[0] <= day]
    actual = sum(amount for each, amount in there if each >= row["period_start"])
    last = row["last_day"]
    return {**row, "days": [each for each, _ in there], "amounts": [amount for _, amount in there], "actual": actual,
            "last_day": min(last, day - timedelta(days=1)) if last else None}  # fmt: skip
