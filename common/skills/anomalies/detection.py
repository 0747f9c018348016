"""Which days of a series of costs are unusual: far off what is usual for their weekday and day of the month.

Pure and deterministic. A day is held against its neighbours at the same level, its weekday and the charges that recur
monthly; it is unusual from five robust standard deviations on. A level that changed for good is told once, on its first
day, and so is a cost that was not there before.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from statistics import median
from typing import Literal

from common import limits
from common.skills.forecast.fees import falls_on
from common.skills.forecast.models import is_irregular
from common.skills.forecast.patterns import Pattern, take_apart
from common.tools.periods import Period

Kind = Literal["spike", "drop", "new level", "new cost"]

_IRREGULAR = 8.0  # times the typical distance from the typical cost, on days that have any
_OTHER_CHARGE = 0.3  # of a monthly charge
_NEW_DAYS = 30  # of history without a cost, before one is new


@dataclass(frozen=True, slots=True)
class Oddity:
    """One unusual day: what it cost, and what was to be expected."""

    day: date
    kind: Kind
    actual: Decimal
    expected: Decimal

    @property
    def excess(self) -> Decimal:
        return self.actual - self.expected


def find_oddities(costs: Mapping[date, Decimal], known: Period, period: Period) -> list[Oddity]:
    """Find the unusual days of a period in the daily costs of one value; ``known`` are the days that were read."""
    begin = min((day for day, cost in costs.items() if cost), default=None)
    if begin is None:
        return []
    days = [begin + timedelta(days=number) for number in range((known.end - begin).days + 1)]
    found = []
    is_new = (begin - known.start).days >= _NEW_DAYS
    if is_new:
        found.append(Oddity(begin, "new cost", costs[begin], Decimal()))
    if len(days) >= limits.FORECAST_MIN_DAYS:
        found += _compare(costs, days, begin)
    return sorted((each for each in found if period.start <= each.day <= period.end), key=lambda each: each.day)


def _compare(costs: Mapping[date, Decimal], days: list[date], begin: date) -> list[Oddity]:
    history = [float(costs.get(day, 0)) for day in days]
    pattern = take_apart(history, begin)
    if is_irregular(history, pattern):
        return _compare_irregular(costs, days)
    found = []
    for index, distance in (*pattern.unusual.items(), *_odd_charges(history, pattern)):
        actual = costs.get(days[index], Decimal())
        kind: Kind = "spike" if distance > 0 else "drop"
        found.append(Oddity(days[index], kind, actual, _money(history[index] - distance)))
    for place, index in enumerate(pattern.shifts):
        old, new = pattern.levels[place], pattern.levels[place + 1]
        actual = costs.get(days[index], Decimal())
        found.append(Oddity(days[index], "new level", actual, actual - _money(new - old)))
    return found


def _odd_charges(history: Sequence[float], pattern: Pattern) -> Iterator[tuple[int, float]]:
    """Days on which a monthly charge was due that came far larger or smaller than it does, or not at all."""
    for index, (value, usual) in enumerate(zip(history, pattern.clean, strict=True)):
        day = pattern.start + timedelta(days=index)
        due = next((amount for key, amount in pattern.monthly.items() if falls_on(day, key)), None)
        if due is None or index < _NEW_DAYS:
            continue  # The charge may not have been there from the first.
        distance = value - usual - due
        if abs(distance) > max(pattern.bound, _OTHER_CHARGE * abs(due)):
            yield index, distance


def _compare_irregular(costs: Mapping[date, Decimal], days: list[date]) -> list[Oddity]:
    """Of costs that come on some days only, those far above the others that came."""
    there = [float(costs[day]) for day in days if costs.get(day)]
    usual = median(there)
    bound = usual + _IRREGULAR * max(1.4826 * median(abs(value - usual) for value in there), 0.1 * abs(usual))
    if len(there) < limits.FORECAST_MIN_DAYS:
        return []  # Too few to say what is usual.
    return [
        Oddity(day, "spike", costs[day], _money(usual)) for day in days if day in costs and float(costs[day]) > bound
    ]


def _money(value: float) -> Decimal:
    return Decimal(value).quantize(Decimal("0.000000001"))
