"""Days in, instants out: inclusive date ranges in UTC, and the ranges that comparisons are made of."""

from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal

from pydantic import Field

from common import limits
from common.tools.result import ToolError
from common.warehouse.query import Parameter

PeriodType = Literal["MTD", "MoM", "QoQ", "YoY"]

StartDate = Annotated[
    date,
    Field(
        strict=True,
        description="First day, YYYY-MM-DD, included (UTC). Without any dates: the last 30 days, today included. "
        f"At most {limits.MAX_RANGE_DAYS} days in all.",
    ),
]
EndDate = Annotated[
    date,
    Field(
        strict=True,
        description="Last day, YYYY-MM-DD, included (UTC). Without it: today; without a start_date: the 30 days to it.",
    ),
]

DEFAULT_DAYS = 30
_NOTHING_YET = "nothing is recorded yet. Give an earlier day."
_FIRST_YEAR, _LAST_YEAR = 1970, 2999


@dataclass(frozen=True, slots=True)
class Period:
    """Whole UTC days, from ``start`` to ``end``, both included."""

    start: date
    end: date

    @property
    def days(self) -> int:
        return (self.end - self.start).days + 1

    @property
    def start_instant(self) -> datetime:
        """The first instant of the period: the lower bound of a half-open range."""
        return _midnight(self.start)

    @property
    def end_exclusive(self) -> datetime:
        """The first instant after the period: the upper bound of a half-open range."""
        return _midnight(self.end + timedelta(days=1))

    def bounds(self, prefix: str = "") -> dict[str, Parameter]:
        """The half-open bounds of the period as @start and @end_exclusive, after a prefix."""
        return {
            f"{prefix}start": Parameter("TIMESTAMP", self.start_instant),
            f"{prefix}end_exclusive": Parameter("TIMESTAMP", self.end_exclusive),
        }

    def as_dict(self) -> Mapping[str, date]:
        return {"start_date": self.start, "end_date": self.end}

    def __str__(self) -> str:
        return f"{self.start} to {self.end}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two periods, and the sentence that says which days are compared."""

    current: Period
    previous: Period
    basis: str


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def month_of(day: date) -> Period:
    """The whole calendar month that the day is in."""
    return Period(day.replace(day=1), day.replace(day=monthrange(day.year, day.month)[1]))


def quarter_of(day: date) -> Period:
    """The whole calendar quarter that the day is in."""
    first = date(day.year, 3 * ((day.month - 1) // 3) + 1, 1)
    return Period(first, month_of(first + timedelta(days=70)).end)


def last_days(count: int, end: date) -> Period:
    """The ``count`` days that end with ``end``, which is included."""
    return Period(end - timedelta(days=count - 1), end)


def before(period: Period) -> Period:
    """The same number of days, directly before the period."""
    return last_days(period.days, period.start - timedelta(days=1))


def last_month(today: date) -> Period:
    """The last calendar month that is over."""
    return month_of(month_of(today).start - timedelta(days=1))


def last_quarter(today: date) -> Period:
    """The last calendar quarter that is over."""
    return quarter_of(quarter_of(today).start - timedelta(days=1))


def month_to_date(today: date) -> Period:
    """From the first of the month to today."""
    return Period(month_of(today).start, today)


def requested(start: date | None, end: date | None, today: date, *, ahead: str = _NOTHING_YET) -> Period:
    """The period that a caller asked for; the last 30 days, today included, by default.

    Only a start: until today. Only an end: the 30 days up to it. Raises ToolError("invalid_range"), which for a start
    after today says what else there is for days ``ahead``.
    """
    for name, day in (("start_date", start), ("end_date", end)):
        if day is not None and not _FIRST_YEAR < day.year <= _LAST_YEAR:
            raise ToolError(
                "invalid_range", f"{name} {day} is out of range: give a year from {_FIRST_YEAR + 1} to {_LAST_YEAR}."
            )
    if start is not None and end is None and start > today:
        raise ToolError(
            "invalid_range",
            f"start_date {start} is after today, {today}: {ahead}",
        )
    last = end or today
    period = Period(start, last) if start is not None else last_days(DEFAULT_DAYS, last)
    if period.start > period.end:
        raise ToolError(
            "invalid_range",
            f"start_date {period.start} is after end_date {period.end}. Give a start_date on or before the end_date.",
        )
    if period.days > limits.MAX_RANGE_DAYS:
        raise ToolError(
            "invalid_range",
            f"{period} is {period.days} days; at most {limits.MAX_RANGE_DAYS} can be read at once. Narrow the dates.",
        )
    return period


def compared(period_type: PeriodType, today: date) -> Comparison:
    """The two periods of a comparison as of today."""
    match period_type:
        case "MTD":
            return _month_to_date(today)
        case "MoM":
            current = last_month(today)
            return _whole("months", current, last_month(current.start))
        case "QoQ":
            current = last_quarter(today)
            return _whole("quarters", current, last_quarter(current.start))
        case "YoY":
            current = last_month(today)
            return _whole(
                "months, a year apart,", current, month_of(current.start.replace(year=current.start.year - 1))
            )


def _whole(kind: str, current: Period, previous: Period) -> Comparison:
    basis = f"Whole {kind} are compared: {current} ({current.days} days) with {previous} ({previous.days} days)."
    return Comparison(current, previous, basis)


def _month_to_date(today: date) -> Comparison:
    current = month_to_date(today)
    month = last_month(today)
    previous = Period(month.start, month.start.replace(day=min(today.day, month.days)))
    if previous.days == current.days:
        basis = f"The same number of elapsed days is compared: {current} with {previous} ({current.days} days each)."
    else:
        basis = (
            f"{current} ({current.days} days) is compared with {previous} ({previous.days} days): "
            f"the month before is shorter, so it is compared whole."
        )
    return Comparison(current, previous, basis)


def format_days(first: date | None, last: date | None) -> Mapping[str, date] | None:
    """The days from first to last as a summary shows them. Returns None if there are none."""
    return Period(first, last).as_dict() if first is not None and last is not None else None
