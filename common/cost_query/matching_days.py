"""The days that an average per day is over: those that data can be there for, and that the filters on times take."""

from collections.abc import Sequence
from datetime import date, timedelta

from common.cost_query.filters import Filter
from common.cost_query.periods import week_of
from common.focus.calendar import FiscalCalendar


def count_days(first: date, last: date, filters: Sequence[Filter], calendar: FiscalCalendar) -> int:
    """Count the days from one to another that pass every filter on a time."""
    times = [each for each in filters if each.takes_values and each.dimension.is_time]
    days = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return sum(all(_passes(day, each, calendar) for each in times) for day in days)


def _passes(day: date, narrowed: Filter, calendar: FiscalCalendar) -> bool:
    texts = _texts(day, narrowed.dimension.name, calendar)
    names = [name for value in narrowed.values for name in narrowed.names(value)]
    if narrowed.op == "contains":
        met = [any(name in text for name in names) for text in texts]
    else:
        met = [text in names for text in texts]
    # A day of which some hours pass is a day that is counted.
    return any(not each for each in met) if narrowed.op == "not_in" else any(met)


def _texts(day: date, dimension: str, calendar: FiscalCalendar) -> tuple[str, ...]:
    """The lower-case texts that charges of a day have in a dimension of time."""
    quarter = f"q{(day.month + 2) // 3}"
    match dimension:
        case "hour":
            return tuple(f"{day} {hour:02}:00" for hour in range(24))
        case "day":
            return (str(day),)
        case "weekday":
            return (("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")[day.weekday()],)
        case "week":
            return (str(week_of(day).start),)
        case "quarter":
            return (f"{day.year}-{quarter}",)
        case "year":
            return (str(day.year),)
        case "fiscal_year" | "fiscal_quarter":
            first, _ = calendar.year_of(day)
            begin, _ = calendar.quarter_of(day)
            number = ((begin.year - first.year) * 12 + begin.month - first.month) // 3 + 1
            name = calendar.name_year(first).lower()
            return (name if dimension == "fiscal_year" else f"{name} q{number}",)
        case _:  # A month; the billing period of a day's charges is nearly always its month.
            return (f"{day:%Y-%m}",)
