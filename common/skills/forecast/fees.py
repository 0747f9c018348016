"""Fees that a history of daily costs holds: booked in equal parts over each month, or every few months, or yearly.

Pure and deterministic; the standard library alone.
"""

from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

_SHORTEST_MONTH = 28
_MONTH = 30  # days of the month that booked fees are measured in
_SAME = 0.001  # of an amount: booked shares are rounded
_FEWEST_DAYS = 28  # between two changes of a booked fee, on average
_YEAR = 12
# Months between charges -> the least charges that show it, and how much their amounts may differ.
_RHYTHMS: Mapping[int, tuple[int, float]] = {3: (3, 0.05), 6: (2, 0.05), _YEAR: (2, 0.25)}
_QUIET_DAYS = 45  # without another charge, after which a single one is none that recurs monthly


@dataclass(frozen=True, slots=True)
class Recurring:
    """A charge that is due every so many months after its last one. ``seen`` once, it may as well be a one-off."""

    last: date
    key: int  # day of the month; 31 is its last day
    months: int
    amount: float
    seen: int

    def due(self, day: date) -> float:
        """The amount that is due on a day after the last charge."""
        months = (day.year - self.last.year) * 12 + day.month - self.last.month
        return self.amount if months > 0 and months % self.months == 0 and falls_on(day, self.key) else 0.0


def falls_on(day: date, key: int) -> bool:
    """Return true if a charge of this day of the month is due; in short months on the last day."""
    if day.day == key or key <= _SHORTEST_MONTH:
        return day.day == key
    return day.day == min(key, _days_in_month(day))


def find_recurring(
    unusual: Mapping[int, float], start: date, count: int, *, alone: bool
) -> tuple[tuple[Recurring, ...], dict[int, float]]:
    """Find charges that recur every few months or yearly, and the unusual days that are none of them.

    ``alone`` says that nothing else was charged: then a single charge, long ago, is taken for a yearly one.
    """
    left = {start + timedelta(days=index): amount for index, amount in unusual.items()}
    end = start + timedelta(days=count - 1)
    if alone and len(left) == 1:
        ((day, amount),) = left.items()
        if (end - day).days < _QUIET_DAYS:
            return (), dict(unusual)
        return (Recurring(day, day.day, _YEAR, max(amount, 0.0), 1),), {}
    found = []
    keys = {31, 30, 29} | {day.day for day in left} if len(left) > 1 else set()
    for key in sorted(keys, reverse=True):
        hits = [day for day in sorted(left) if falls_on(day, key)]
        if months := _rhythm(hits, [left[day] for day in hits], end):
            found.append(Recurring(hits[-1], key, months, left[hits[-1]], len(hits)))
            for day in hits:
                del left[day]
    return tuple(found), {(day - start).days: amount for day, amount in left.items()}


def _rhythm(hits: Sequence[date], amounts: Sequence[float], end: date) -> int | None:
    """The months between charges on one day of the month. Returns None if they follow no rhythm, or missed one."""
    gaps = {(later.year - earlier.year) * 12 + later.month - earlier.month for earlier, later in pairwise(hits)}
    if len(gaps) != 1:
        return None
    (months,) = gaps
    fewest, differ = _RHYTHMS.get(months, (len(hits) + 1, 0.0))
    since = (end.year - hits[-1].year) * 12 + end.month - hits[-1].month
    is_missed = since > months or (since == months and end.day > hits[-1].day)
    is_alike = max(amounts) - min(amounts) <= differ * min(map(abs, amounts))
    return months if len(hits) >= fewest and is_alike and not is_missed else None


def is_booked_daily(history: Sequence[float], start: date) -> bool:
    """Return true for a fee of the month that every day has an equal part of: a day costs less in a long month."""
    if len(history) < _FEWEST_DAYS or min(history) * max(history) <= 0:
        return False
    fewest = len(history) / _FEWEST_DAYS
    of_days = _changes(history)
    # Of days, one at the end of each month, besides those of the fee itself: usage, which is most, is told at once.
    return of_days <= 2 * fewest + 1 and _changes(in_months(history, start)) < min(of_days, fewest + 1)


def in_months(history: Sequence[float], start: date) -> list[float]:
    """The days of a fee as if every month were of one length."""
    days = (start + timedelta(days=index) for index in range(len(history)))
    return [cost * _days_in_month(day) / _MONTH for cost, day in zip(history, days, strict=True)]


def in_days(costs: Sequence[float], start: date) -> list[float]:
    """Give the days of months of one length what they cost in months as long as they are."""
    days = (start + timedelta(days=index) for index in range(len(costs)))
    return [cost * _MONTH / _days_in_month(day) for cost, day in zip(costs, days, strict=True)]


def _changes(costs: Sequence[float]) -> int:
    return sum(abs(later - earlier) > _SAME * abs(earlier) for earlier, later in pairwise(costs))


def _days_in_month(day: date) -> int:
    return monthrange(day.year, day.month)[1]
