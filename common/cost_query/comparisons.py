"""Two periods to compare: the known kinds, any two, or one and what came before it."""

from calendar import monthrange
from datetime import date, timedelta

from common.cost_query.periods import NamedPeriod, resolve_period
from common.focus.calendar import FiscalCalendar, add_months
from common.tools import periods
from common.tools.periods import Comparison, Period, PeriodType
from common.tools.result import ToolError

_MONTHS = {"year": 12, "fy": 12, "ytd": 12, "quarter": 3, "q": 3, "month": 1, "mtd": 1}


def resolve_comparison(
    period_type: PeriodType | None, current: str | None, previous: str | None, today: date, calendar: FiscalCalendar
) -> Comparison:
    """Resolve what is compared with what. Raises ToolError("invalid_range")."""
    if current is None and previous is None:
        return periods.compared(period_type or "MTD", today)
    now = resolve_period(current or "this_month", None, None, today, calendar)
    if now.is_all:
        raise ToolError("invalid_range", "Nothing comes before all that is loaded. Give two periods to compare.")
    if previous is not None:
        before = resolve_period(previous, None, None, today, calendar).period
        return Comparison(now.period, before, _basis(now.period, before))
    before = _one_before(current or "this_month", now, today)
    return Comparison(now.period, before, _basis(now.period, before))


def _basis(current: Period, previous: Period) -> str:
    told = f"{current} ({_days(current)}) is compared with {previous} ({_days(previous)})."
    return f"{told} The periods differ in length." if current.days != previous.days else told


def _days(period: Period) -> str:
    return f"{period.days} day{'' if period.days == 1 else 's'}"


def _one_before(name: str, now: NamedPeriod, today: date) -> Period:
    """The period before one: the same days a unit earlier where the name has a unit, else as many days before it."""
    period = now.period
    months = _whole_months(period)
    unit = next((count for word, count in _MONTHS.items() if word in name.casefold()), None)
    if months:
        return _shifted(period, months)
    if unit and period.start.day == 1 and period.end == today:
        return _shifted(period, unit)
    return periods.before(period)


def _whole_months(period: Period) -> int:
    """Count the whole months of a period; 0 for one that is not made of whole months."""
    after = period.end + timedelta(days=1)
    if period.start.day != 1 or after.day != 1:
        return 0
    return (after.year - period.start.year) * 12 + after.month - period.start.month


def _shifted(period: Period, months: int) -> Period:
    start = add_months(period.start, -months)
    if _whole_months(period) == months:
        return Period(start, period.start - timedelta(days=1))
    first = add_months(period.end.replace(day=1), -months)
    return Period(start, first.replace(day=min(period.end.day, monthrange(first.year, first.month)[1])))


def aligned_windows(days: int, last: date) -> Comparison:
    """The last days up to one, and as many days some whole weeks before: both hold the same days of the week."""
    current = periods.last_days(days, last)
    weeks = -(-days // 7)
    previous = Period(current.start - timedelta(weeks=weeks), current.end - timedelta(weeks=weeks))
    shift = f"{weeks} week{'' if weeks == 1 else 's'}"
    basis = f"{current} is compared with {previous}: as many days, {shift} earlier, with the same days of the week."
    return Comparison(current, previous, basis)
