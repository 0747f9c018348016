"""The state of a provider's data by its days: those that are missing, and whether the last is complete."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from statistics import median
from typing import Any

from common.cost_query.amounts import percent_of

# A provider that has costs on so many of its days is one that has them daily: a day without any is a gap.
_DAILY = 0.8
# A day with less than this part of the usual line items has not arrived as a whole.
_WHOLE = 0.6
_MIN_DAYS = 7
_GAPS_NAMED = 10


def describe_provider(row: Mapping[str, Any], today: date) -> dict[str, Any]:
    """Make the row of a provider: its days, gaps, currencies, and what its line items hold."""
    days, counts = list(row["days"] or ()), list(row["day_line_items"] or ())
    before_today = [(day, count) for day, count in zip(days, counts, strict=True) if day < today]
    return {
        "provider": row["provider"],
        "first_day": row["first_day"],
        "last_day": row["last_day"],
        "last_complete_day": _last_complete(before_today, row["last_day"], today),
        "days_without_data": _gaps([day for day, _ in before_today]),
        "line_items": row["line_items"],
        "currencies": list(row["currencies"]),
        "latest_billing_period": f"{row['billing_period']:%Y-%m}",
        "last_load": row["last_load"],
        "tagged_pct": percent_of(row["with_tags"], row["line_items"]),
        "with_team_pct": percent_of(row["with_team"], row["line_items"]),
        "with_zone_pct": percent_of(row["with_zone"], row["line_items"]),
    }


def _last_complete(days: Sequence[tuple[date, int]], last_day: date, today: date) -> date:
    """The last day before today that has about as many line items as the days before it."""
    last = min(last_day, today - timedelta(days=1))
    if len(days) < _MIN_DAYS or not _is_daily([day for day, _ in days]):
        return last
    usual = median(count for _, count in days[:-1])
    day, count = days[-1]
    return day if count >= _WHOLE * usual else days[-2][0]


def _gaps(days: Sequence[date]) -> list[date]:
    """The days without data between a daily provider's first and last; none for one that bills once a month."""
    if len(days) < _MIN_DAYS or not _is_daily(days):
        return []
    there = set(days)
    span = (days[-1] - days[0]).days
    missing = (days[0] + timedelta(days=number) for number in range(span + 1))
    return [day for day in missing if day not in there][:_GAPS_NAMED]


def _is_daily(days: Sequence[date]) -> bool:
    return len(days) >= _DAILY * ((days[-1] - days[0]).days + 1)
