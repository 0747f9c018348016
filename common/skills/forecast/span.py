"""Which days a forecast is asked for: the days to project, and the period that they are totalled with."""

from dataclasses import dataclass
from datetime import date, timedelta

from common import limits
from common.cost_query.periods import fiscal_quarter_of, fiscal_year_of, week_of, year_of
from common.focus.calendar import FiscalCalendar
from common.tools import periods
from common.tools.periods import Period
from common.tools.result import ToolError

MAX_FORECAST_DAYS = 400

ENDS = ("end_of_month", "end_of_quarter", "end_of_year", "end_of_fiscal_quarter", "end_of_fiscal_year")


@dataclass(frozen=True, slots=True)
class Span:
    """The period that is totalled, up to its last day, and today, which lies in it or before it."""

    period: Period
    today: date

    @property
    def horizon(self) -> int:
        """The days after today."""
        return (self.period.end - self.today).days

    @property
    def has_begun(self) -> bool:
        return self.period.start <= self.today


def span_until(until: str, start: date | None, today: date, calendar: FiscalCalendar) -> Span:
    """Read until when to forecast, and from when to total. Raises ToolError("invalid_range")."""
    named = _named(until, today, calendar)
    end = named.end if named else _date(until)
    first = start or (named.start if named else _begin(end, today))
    if end < today or (end - today).days > MAX_FORECAST_DAYS:
        raise ToolError(
            "invalid_range",
            f"until {end} must be from today, {today}, to {MAX_FORECAST_DAYS} days ahead. "
            "Use query_costs for days that are over.",
        )
    if first > end:
        raise ToolError("invalid_range", f"start_date {first} is after until {end}. Give an earlier start_date.")
    if (end - first).days >= limits.MAX_RANGE_DAYS:
        raise ToolError("invalid_range", f"{first} to {end} is too long. Give a later start_date.")
    return Span(Period(first, end), today)


def _named(until: str, today: date, calendar: FiscalCalendar) -> Period | None:
    match until.strip().casefold().replace(" ", "_").replace("-", "_"):
        case "end_of_week":
            return week_of(today)
        case "end_of_month":
            return periods.month_of(today)
        case "end_of_quarter":
            return periods.quarter_of(today)
        case "end_of_year":
            return year_of(today)
        case "end_of_fiscal_quarter":
            return fiscal_quarter_of(today, calendar)
        case "end_of_fiscal_year":
            return fiscal_year_of(today, calendar)
    return None


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise ToolError(
            "invalid_range", f"There is no end {text[:40]!r}. Give until as YYYY-MM-DD or one of: {', '.join(ENDS)}."
        ) from None


def _begin(end: date, today: date) -> date:
    """A plain date within this month totals the month so far with the rest; a later one, the days to come."""
    return today.replace(day=1) if (end.year, end.month) == (today.year, today.month) else today + timedelta(days=1)
