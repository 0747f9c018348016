"""When demo costs arise and how they move: the window, the weekday pattern, growth, noise and the one anomaly."""

from datetime import UTC, date, datetime, time, timedelta
from random import Random

MONTHS = 14
GROWTH_EPOCH = date(2025, 1, 1)
# Monday to Friday; a weekend day takes the item's own factor instead.
WEEKDAYS = (1.0, 1.03, 1.04, 1.02, 0.97)
# On these weekdays of the week three weeks before today something runs away (Tuesday to Thursday).
ANOMALY_WEEKDAYS = (1, 2, 3)


def first_day(today: date) -> date:
    """Return the first day with demo costs: the first of the month, ``MONTHS`` months before today's."""
    return months_before(today, MONTHS)


def months_before(day: date, months: int) -> date:
    """Return the first of the month ``months`` months before the month of ``day``."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, 1)


def days(first: date, last: date) -> list[date]:
    """Return every day from ``first`` to ``last``, both included."""
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]


def days_in_month(day: date) -> int:
    """Return the number of days of the month of ``day``."""
    return (months_before(day, -1) - day.replace(day=1)).days


def is_last_of_month(day: date) -> bool:
    """Say whether ``day`` ends its month."""
    return (day + timedelta(days=1)).day == 1


def anomaly_days(today: date) -> list[date]:
    """Return the days of each demo organisation's anomaly: midweek, about three weeks before today."""
    reference = today - timedelta(days=21)
    monday = reference - timedelta(days=reference.weekday())
    return [monday + timedelta(days=offset) for offset in ANOMALY_WEEKDAYS]


def midnight(day: date) -> datetime:
    """Return the first moment of ``day`` in UTC."""
    return datetime.combine(day, time.min, UTC)


def random_of(org: str, subject: str, day: date) -> Random:
    """Return the random numbers of one subject of one organisation on one day, the same whenever they are asked for."""
    return Random(f"{org}:{subject}:{day.isoformat()}")


def level(day: date, weekend: float, monthly_growth: float) -> float:
    """Return how much of an item's daily quantity ``day`` sees, before noise."""
    weekday = WEEKDAYS[day.weekday()] if day.weekday() < 5 else weekend
    months = (day - GROWTH_EPOCH).days / 30.4375
    return float(weekday * (1 + monthly_growth) ** months)
