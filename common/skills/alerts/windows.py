"""The windows that a rule is held against: calendar days, ISO weeks, months and quarters, in UTC as costs are."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from common.cost_query.periods import week_of
from common.tools.periods import Period, month_of, quarter_of

AlertPeriod = Literal["daily", "weekly", "monthly", "quarterly"]

# Costs of a day may come so late and still raise an alert.
LATE_DAYS = 7
# A day without newer data is taken as complete after so many days more.
SETTLED_DAYS = 2


@dataclass(frozen=True, slots=True)
class Window:
    """One calendar period; the keys of windows of one length sort by time."""

    key: str
    period: Period

    def has_ended(self, today: date) -> bool:
        return self.period.end < today


def window_of(length: AlertPeriod, day: date) -> Window:
    """The window that a day is in."""
    match length:
        case "daily":
            return Window(day.isoformat(), Period(day, day))
        case "weekly":
            year, week, _ = day.isocalendar()
            return Window(f"{year}-W{week:02}", week_of(day))
        case "monthly":
            return Window(f"{day:%Y-%m}", month_of(day))
        case "quarterly":
            return Window(f"{day.year}-Q{(day.month + 2) // 3}", quarter_of(day))


def windows_between(length: AlertPeriod, first: date, last: date) -> list[Window]:
    """The windows that the days from ``first`` to ``last`` are in, oldest first."""
    found, day = list[Window](), first
    while day <= last:
        found.append(window_of(length, day))
        day = found[-1].period.end + timedelta(days=1)
    return found


def window_before(length: AlertPeriod, window: Window) -> Window:
    """The window that ends where this one begins."""
    return window_of(length, window.period.start - timedelta(days=1))


def has_arrived(day: date, today: date, last_day: date | None) -> bool:
    """Return true if costs of this kind reach to the day, or if enough time has passed for them to come."""
    return (last_day is not None and last_day >= day) or (today - day).days > SETTLED_DAYS


def is_complete(day: date, today: date, newest_day: date | None) -> bool:
    """Return true if no more of a day's costs are to be expected: newer data came, or enough time has passed."""
    if day >= today or newest_day is None:
        return False
    return newest_day > day or (newest_day == day and (today - day).days > SETTLED_DAYS)
