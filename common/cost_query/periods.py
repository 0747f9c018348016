"""Periods by name: calendar, fiscal and rolling ones, each with the sentence that says how its name was read."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from common import limits
from common.focus.calendar import FiscalCalendar, add_months
from common.tools import periods
from common.tools.periods import Period
from common.tools.result import ToolError

_FIRST_YEAR, _LAST_YEAR = 1971, 2999
EVERYTHING_FROM = date(_FIRST_YEAR, 1, 1)  # before any cloud: what is loaded begins later
_EVERYTHING = frozenset({"all", "all_time", "all_data", "everything", "ever"})
_Reader = Callable[[date, FiscalCalendar], Period]


@dataclass(frozen=True, slots=True)
class NamedPeriod:
    """A period, and how its name was read; ``reading`` is None for plain dates. ``is_all`` is all that is loaded."""

    period: Period
    reading: str | None = None
    is_all: bool = False


def resolve_period(
    name: str | None,
    start: date | None,
    end: date | None,
    today: date,
    calendar: FiscalCalendar,
    *,
    ahead: str = "there are no costs yet. Give an earlier day, or use cost_forecast for the future.",
) -> NamedPeriod:
    """Resolve a period's name, or dates, or neither: the last 30 days. Raises ToolError("invalid_range")."""
    if name is None or not name.strip():
        return NamedPeriod(periods.requested(start, end, today, ahead=ahead))
    if start is not None or end is not None:
        raise ToolError("invalid_range", "Give a period or start_date and end_date, not both.")
    if re.sub(r"[\s_-]+", "_", name.strip().casefold()) in _EVERYTHING:
        return NamedPeriod(
            Period(EVERYTHING_FROM, today), f"{name.strip()} is read as all that is loaded.", is_all=True
        )
    found = _by_name(name, today, calendar)
    if found.start > today:
        raise ToolError(
            "invalid_range", f"The period {name[:40]!r} begins on {found.start}, after today, {today}: {ahead}"
        )
    checked = periods.requested(found.start, found.end, today)
    reading = f"{name.strip()} is read as {checked} (UTC)."
    if "fiscal" in name.casefold() or name.casefold().startswith("fy"):
        reading = f"{reading} {calendar.describe()}"
    return NamedPeriod(checked, reading)


def period_names() -> tuple[str, ...]:
    """The names there are, with the forms of those that take a number or a date."""
    return (*_NAMED, "all", "last_<n>_days", "last_<n>_complete_days", "last_<n>_weeks", "last_<n>_months", "2026",
            "2026-10", "2026-10-05", "2026-10-01..2026-10-15", "2026-07..2026-10", "2026-Q3", "FY2026",
            "FY2026-Q2")  # fmt: skip


def _by_name(name: str, today: date, calendar: FiscalCalendar) -> Period:
    text = re.sub(r"[\s_-]+", "_", name.strip().casefold())
    known = _NAMED.get(_SYNONYMS.get(text, text))
    if known is not None:
        return known(today, calendar)
    for pattern, read in _PATTERNS:
        match = pattern.fullmatch(text)
        if match is not None:
            try:
                return read(match, today, calendar)
            except (ValueError, OverflowError):
                break
    raise ToolError(
        "invalid_range", f"There is no period {name[:40]!r}. Use dates, or one of: {', '.join(period_names())}."
    )


def week_of(day: date) -> Period:
    """The week, Monday to Sunday, that the day is in."""
    first = day - timedelta(days=day.weekday())
    return Period(first, first + timedelta(days=6))


def year_of(day: date) -> Period:
    """The calendar year that the day is in."""
    return Period(date(day.year, 1, 1), date(day.year, 12, 31))


def fiscal_year_of(day: date, calendar: FiscalCalendar) -> Period:
    """The whole fiscal year that the day is in."""
    return Period(*calendar.year_of(day))


def fiscal_quarter_of(day: date, calendar: FiscalCalendar) -> Period:
    """The whole fiscal quarter that the day is in."""
    return Period(*calendar.quarter_of(day))


def _so_far(period: Period, today: date) -> Period:
    return Period(period.start, today)


def _before(period: Period) -> date:
    return period.start - timedelta(days=1)


_NAMED: Mapping[str, _Reader] = {
    "today": lambda today, _: Period(today, today),
    "yesterday": lambda today, _: Period(today - timedelta(days=1), today - timedelta(days=1)),
    "this_week": lambda today, _: _so_far(week_of(today), today),
    "last_week": lambda today, _: week_of(_before(week_of(today))),
    "this_month": lambda today, _: periods.month_to_date(today),
    "last_month": lambda today, _: periods.last_month(today),
    "this_quarter": lambda today, _: _so_far(periods.quarter_of(today), today),
    "last_quarter": lambda today, _: periods.last_quarter(today),
    "this_year": lambda today, _: _so_far(year_of(today), today),
    "last_year": lambda today, _: year_of(_before(year_of(today))),
    "this_fiscal_quarter": lambda today, calendar: _so_far(fiscal_quarter_of(today, calendar), today),
    "last_fiscal_quarter": lambda today, calendar: fiscal_quarter_of(
        _before(fiscal_quarter_of(today, calendar)), calendar
    ),
    "this_fiscal_year": lambda today, calendar: _so_far(fiscal_year_of(today, calendar), today),
    "last_fiscal_year": lambda today, calendar: fiscal_year_of(_before(fiscal_year_of(today, calendar)), calendar),
}
_SYNONYMS = {
    "mtd": "this_month",
    "month_to_date": "this_month",
    "current_month": "this_month",
    "previous_month": "last_month",
    "wtd": "this_week",
    "week_to_date": "this_week",
    "previous_week": "last_week",
    "qtd": "this_quarter",
    "quarter_to_date": "this_quarter",
    "previous_quarter": "last_quarter",
    "ytd": "this_year",
    "year_to_date": "this_year",
    "previous_year": "last_year",
    "fytd": "this_fiscal_year",
    "fiscal_year_to_date": "this_fiscal_year",
    "previous_fiscal_year": "last_fiscal_year",
    "fqtd": "this_fiscal_quarter",
    "fiscal_quarter_to_date": "this_fiscal_quarter",
    "previous_fiscal_quarter": "last_fiscal_quarter",
}


def _last_days(match: re.Match[str], today: date, _: FiscalCalendar) -> Period:
    return periods.last_days(_count(match), today - timedelta(days=1 if match["complete"] else 0))


def _last_weeks(match: re.Match[str], today: date, _: FiscalCalendar) -> Period:
    last = _before(week_of(today))
    return periods.last_days(7 * _count(match), last)


def _last_months(match: re.Match[str], today: date, _: FiscalCalendar) -> Period:
    first = today.replace(day=1)
    return Period(add_months(first, -_count(match)), first - timedelta(days=1))


def _count(match: re.Match[str]) -> int:
    count = int(match["n"])
    if not 1 <= count <= limits.MAX_RANGE_DAYS:
        raise ValueError(f"{count} is out of range")
    return count


def _year(match: re.Match[str]) -> int:
    year = int(match["year"])
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        raise ValueError(f"{year} is out of range")
    return year


def _one_year(match: re.Match[str], today: date, _: FiscalCalendar) -> Period:
    return _clipped(Period(date(_year(match), 1, 1), date(_year(match), 12, 31)), today)


def _one_quarter(match: re.Match[str], today: date, _: FiscalCalendar) -> Period:
    return _clipped(periods.quarter_of(date(_year(match), 3 * int(match["q"]) - 2, 1)), today)


def _latest_quarter(match: re.Match[str], today: date, _: FiscalCalendar) -> Period:
    first = date(today.year, 3 * int(match["q"]) - 2, 1)
    return _clipped(periods.quarter_of(first if first <= today else first.replace(year=today.year - 1)), today)


def _one_month(match: re.Match[str], today: date, _: FiscalCalendar) -> Period:
    return _clipped(periods.month_of(date(_year(match), int(match["month"]), 1)), today)


def _one_day(match: re.Match[str], _today: date, _: FiscalCalendar) -> Period:
    day = date(_year(match), int(match["month"]), int(match["day"]))
    return Period(day, day)


def _range(match: re.Match[str], _today: date, _: FiscalCalendar) -> Period:
    first, last = (date.fromisoformat(match[name].replace("_", "-")) for name in ("first", "last"))
    return Period(first, last)


def _months(match: re.Match[str], today: date, _: FiscalCalendar) -> Period:
    first, last = (date.fromisoformat(f"{match[name].replace('_', '-')}-01") for name in ("first", "last"))
    return _clipped(Period(first, periods.month_of(last).end), today)


def _fiscal_year(match: re.Match[str], today: date, calendar: FiscalCalendar) -> Period:
    return _clipped(Period(*calendar.year_from(_year(match))), today)


def _fiscal_quarter(match: re.Match[str], today: date, calendar: FiscalCalendar) -> Period:
    first, _ = calendar.year_from(_year(match))
    return _clipped(fiscal_quarter_of(add_months(first, 3 * (int(match["q"]) - 1)), calendar), today)


def _latest_fiscal_quarter(match: re.Match[str], today: date, calendar: FiscalCalendar) -> Period:
    first, _ = calendar.year_of(today)
    begin = add_months(first, 3 * (int(match["q"]) - 1))
    return _clipped(fiscal_quarter_of(begin if begin <= today else add_months(begin, -12), calendar), today)


def _clipped(period: Period, today: date) -> Period:
    """The period up to today, where it is under way; a later one stays, to be refused by name."""
    return Period(period.start, min(period.end, today)) if period.start <= today else period


_Dated = Callable[[re.Match[str], date, FiscalCalendar], Period]
_PATTERNS: tuple[tuple[re.Pattern[str], _Dated], ...] = (
    (re.compile(r"(last|past|previous)_(?P<n>\d{1,4})_(?P<complete>(complete|full|whole)_)?days?"), _last_days),
    (re.compile(r"(last|past|previous)_(?P<n>\d{1,3})_((complete|full|whole)_)?weeks?"), _last_weeks),
    (re.compile(r"(last|past|previous)_(?P<n>\d{1,2})_((complete|full|whole)_)?months?"), _last_months),
    (re.compile(r"(?P<year>\d{4})"), _one_year),
    (re.compile(r"(?P<year>\d{4})_?q(?P<q>[1-4])"), _one_quarter),
    (re.compile(r"q(?P<q>[1-4])"), _latest_quarter),
    (re.compile(r"(?P<year>\d{4})_(?P<month>\d{2})"), _one_month),
    (re.compile(r"(?P<year>\d{4})_(?P<month>\d{2})_(?P<day>\d{2})"), _one_day),
    (re.compile(r"(?P<first>\d{4}_\d{2}_\d{2})(\.\.|_to_|/|_\.\._)(?P<last>\d{4}_\d{2}_\d{2})"), _range),
    (re.compile(r"(?P<first>\d{4}_\d{2})(\.\.|_to_|/|_\.\._)(?P<last>\d{4}_\d{2})"), _months),
    (re.compile(r"(fy|fiscal_year_?)_?(?P<year>\d{4})(/\d{2})?"), _fiscal_year),
    (re.compile(r"(fy|fiscal_year_?)_?(?P<year>\d{4})(/\d{2})?_?f?q(?P<q>[1-4])"), _fiscal_quarter),
    (re.compile(r"(fq|fiscal_q)(?P<q>[1-4])"), _latest_fiscal_quarter),
)
