"""The remainder of an organisation's pipeline quotas at a moment."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from common.tools import periods


def quota_rows(latest: Mapping[str, Any], now: datetime) -> tuple[dict[str, Any], ...]:
    """The daily, monthly and concurrent quota, from the latest row of counters.

    A counter of a day or month that is over has begun again at nothing. A limit of None is no limit.
    """
    today = now.astimezone(UTC).date()
    counted: date = latest["usage_date"]
    of_today = counted == today
    of_this_month = (counted.year, counted.month) == (today.year, today.month)
    return (
        _row(
            "daily",
            latest["pipelines_run_today"] if of_today else 0,
            latest["daily_limit"],
            _midnight(today + timedelta(days=1)),
            "at midnight UTC",
        ),
        _row(
            "monthly",
            latest["pipelines_run_month"] if of_this_month else 0,
            latest["monthly_limit"],
            _midnight(periods.month_of(today).end + timedelta(days=1)),
            "on the first of next month, at midnight UTC",
        ),
        _row(
            "concurrent",
            latest["concurrent_pipelines_running"],
            latest["concurrent_limit"],
            None,
            "whenever a run ends",
        ),
    )


def _row(quota: str, used: int, limit: int | None, resets_at: datetime | None, resets: str) -> dict[str, Any]:
    return {
        "quota": quota,
        "used": used,
        "limit": limit,
        "left": None if limit is None else max(limit - used, 0),
        "percent": _percent(used, limit),
        "unlimited": limit is None,
        "resets_at": resets_at,
        "resets": resets,
    }


def _percent(used: int, limit: int | None) -> Decimal | None:
    """The used share of a limit in percent, to one decimal. Returns None without a limit or for 0."""
    if not limit:
        return None
    return (Decimal(100 * used) / limit).quantize(Decimal("0.1"), ROUND_HALF_UP)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
