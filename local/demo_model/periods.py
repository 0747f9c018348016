"""Inclusive ranges of days on the calendar: weeks from Monday, months, quarters, halves, years."""

from calendar import monthrange
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal

Unit = Literal["day", "week", "month", "quarter", "year"]

Kind = Literal[
    "explicit",  # named by its date, month, quarter or year
    "rolling",  # the last N of something, up to today
    "this",  # the current unit, up to today
    "last",  # the complete unit before the current one
    "before",  # "the month before": the one before the other period of the question
    "year_before",  # "the same month last year"
    "future",  # from tomorrow on
]


@dataclass(frozen=True, slots=True)
class Period:
    """Days from `start` to `end`, both included; `year_given` says whether the year was said or supposed."""

    start: date
    end: date
    kind: Kind = "explicit"
    unit: Unit = "day"
    year_given: bool = True

    @property
    def days(self) -> int:
        return (self.end - self.start).days + 1

    def until(self, today: date) -> "Period":
        """Stop at today when today lies inside."""
        return replace(self, end=today) if self.start <= today < self.end else self


def day(value: date, kind: Kind = "explicit", *, year_given: bool = True) -> Period:
    return Period(value, value, kind, "day", year_given)


def week_of(value: date, kind: Kind) -> Period:
    """The week, Monday to Sunday, that holds the day."""
    monday = value - timedelta(days=value.weekday())
    return Period(monday, monday + timedelta(days=6), kind, "week")


def months(year: int, month: int, count: int, unit: Unit, *, year_given: bool = True) -> Period:
    """`count` whole months from the given one on."""
    last_year, last_month = shift(year, month, count - 1)
    end = date(last_year, last_month, monthrange(last_year, last_month)[1])
    return Period(date(year, month, 1), end, "explicit", unit, year_given)


def shift(year: int, month: int, by: int) -> tuple[int, int]:
    """The month that lies `by` months later (earlier when negative)."""
    index = year * 12 + month - 1 + by
    return index // 12, index % 12 + 1


def back_by_months(value: date, count: int) -> date:
    """The same day `count` months earlier, or that month's last day when it is shorter."""
    year, month = shift(value.year, value.month, -count)
    return date(year, month, min(value.day, monthrange(year, month)[1]))


def unit_of(value: date, unit: Unit, kind: Kind) -> Period:
    """The whole day, week, month, quarter or year that holds the day."""
    if unit == "day":
        return day(value, kind)
    if unit == "week":
        return week_of(value, kind)
    if unit == "month":
        return replace(months(value.year, value.month, 1, "month"), kind=kind)
    if unit == "quarter":
        return replace(months(value.year, (value.month - 1) // 3 * 3 + 1, 3, "quarter"), kind=kind)
    return replace(months(value.year, 1, 12, "year"), kind=kind)


def previous(period: Period) -> Period:
    """The unit before a period of whole units; for any other period, as many days directly before it."""
    whole = unit_of(period.start, period.unit, "explicit")
    if period.start == whole.start and period.kind != "rolling" and period.unit != "day":
        return unit_of(period.start - timedelta(days=1), period.unit, "explicit")
    return Period(period.start - timedelta(days=period.days), period.start - timedelta(days=1))


def year_before(period: Period) -> Period:
    """The same days one year earlier; whole months stay whole in and after leap years."""
    start, end = back_by_months(period.start, 12), back_by_months(period.end, 12)
    if (period.end + timedelta(days=1)).day == 1:
        end = date(end.year, end.month, monthrange(end.year, end.month)[1])
    return replace(period, start=start, end=end, kind="explicit")


def ago(today: date, unit: Unit, count: int) -> Period:
    """The unit that lies `count` units before the current one."""
    if unit in ("day", "week"):
        return unit_of(today - timedelta(days=count * (7 if unit == "week" else 1)), unit, "explicit")
    return unit_of(back_by_months(today.replace(day=1), count * MONTHS_IN[unit]), unit, "explicit")


def rolling(today: date, unit: Unit, count: int) -> Period:
    """The last `count` units up to and including today: seven days for a week, the same day of the month for months."""
    if unit in ("day", "week"):
        start = today - timedelta(days=count * (7 if unit == "week" else 1) - 1)
    else:
        start = back_by_months(today + timedelta(days=1), count * MONTHS_IN[unit])
    return Period(start, today, "rolling", unit)


def complete(today: date, unit: Unit, count: int) -> Period:
    """The last `count` complete units before the current one."""
    end = unit_of(today, unit, "explicit").start - timedelta(days=1)
    return Period(ago(today, unit, count).start, end, "explicit", unit)


MONTHS_IN: dict[Unit, int] = {"month": 1, "quarter": 3, "year": 12}
