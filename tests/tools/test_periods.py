"""Date ranges: inclusive days, half-open instants, and the periods that comparisons are made of."""

from datetime import UTC, date, datetime, timedelta

import pytest

from common import limits
from common.tools import periods
from common.tools.periods import Period, PeriodType
from common.tools.result import ToolError

TODAY = date(2026, 3, 31)


def period(start: str, end: str) -> Period:
    return Period(date.fromisoformat(start), date.fromisoformat(end))


def test_the_last_day_is_included_by_an_exclusive_bound_a_day_later() -> None:
    leap_day = period("2024-02-29", "2024-02-29")
    assert leap_day.days == 1
    assert leap_day.start_instant == datetime(2024, 2, 29, tzinfo=UTC)
    assert leap_day.end_exclusive == datetime(2024, 3, 1, tzinfo=UTC)
    assert period("2023-12-31", "2023-12-31").end_exclusive == datetime(2024, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "month", "quarter"),
    [
        ("2024-02-29", ("2024-02-01", "2024-02-29"), ("2024-01-01", "2024-03-31")),
        ("2023-02-28", ("2023-02-01", "2023-02-28"), ("2023-01-01", "2023-03-31")),
        ("2025-12-31", ("2025-12-01", "2025-12-31"), ("2025-10-01", "2025-12-31")),
        ("2026-01-01", ("2026-01-01", "2026-01-31"), ("2026-01-01", "2026-03-31")),
        ("2026-06-30", ("2026-06-01", "2026-06-30"), ("2026-04-01", "2026-06-30")),
        ("2026-08-15", ("2026-08-01", "2026-08-31"), ("2026-07-01", "2026-09-30")),
    ],
)
def test_calendar_periods_are_whole(day: str, month: tuple[str, str], quarter: tuple[str, str]) -> None:
    at = date.fromisoformat(day)
    assert periods.month_of(at) == period(*month)
    assert periods.quarter_of(at) == period(*quarter)


def test_every_day_of_four_years_is_in_its_own_month_and_quarter() -> None:
    for number in range(4 * 366):
        day = date(2023, 1, 1) + timedelta(days=number)
        for whole in (periods.month_of(day), periods.quarter_of(day)):
            assert whole.start <= day <= whole.end
            assert whole.start.day == 1
            assert (whole.end + timedelta(days=1)).day == 1
        assert periods.last_month(day).end + timedelta(days=1) == periods.month_of(day).start
        assert periods.last_quarter(day).end + timedelta(days=1) == periods.quarter_of(day).start


def test_last_days_include_the_end_and_before_them_come_as_many() -> None:
    week = periods.last_days(7, date(2024, 3, 3))
    assert week == period("2024-02-26", "2024-03-03")
    assert week.days == 7
    assert periods.before(week) == period("2024-02-19", "2024-02-25")
    assert periods.last_days(1, TODAY) == Period(TODAY, TODAY)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (None, None, ("2026-03-02", "2026-03-31")),
        ("2026-03-15", None, ("2026-03-15", "2026-03-31")),
        (None, "2024-03-01", ("2024-02-01", "2024-03-01")),
        ("2024-02-29", "2024-02-29", ("2024-02-29", "2024-02-29")),
        ("2026-03-31", None, ("2026-03-31", "2026-03-31")),
        ("2026-05-01", "2026-05-31", ("2026-05-01", "2026-05-31")),
    ],
)
def test_missing_dates_have_documented_meanings(start: str | None, end: str | None, expected: tuple[str, str]) -> None:
    first, last = (date.fromisoformat(text) if text else None for text in (start, end))
    assert periods.requested(first, last, TODAY) == period(*expected)


def test_a_range_may_be_as_long_as_the_limit_and_not_a_day_longer() -> None:
    longest = periods.last_days(limits.MAX_RANGE_DAYS, TODAY)
    assert periods.requested(longest.start, longest.end, TODAY).days == limits.MAX_RANGE_DAYS
    with pytest.raises(ToolError, match=f"{limits.MAX_RANGE_DAYS + 1} days; at most") as refused:
        periods.requested(longest.start - timedelta(days=1), longest.end, TODAY)
    assert refused.value.code == "invalid_range"


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        (date(2026, 3, 2), date(2026, 3, 1), "start_date 2026-03-02 is after end_date 2026-03-01"),
        (date(2026, 4, 1), None, "after today, 2026-03-31"),
        (date.min, None, "start_date 0001-01-01 is out of range"),
        (None, date.min, "end_date 0001-01-01 is out of range"),
        (None, date.max, "end_date 9999-12-31 is out of range"),
        (date(1970, 12, 31), None, "out of range"),
    ],
)
def test_an_impossible_range_is_refused_with_what_to_do(start: date | None, end: date | None, said: str) -> None:
    with pytest.raises(ToolError, match=said) as refused:
        periods.requested(start, end, TODAY)
    assert refused.value.code == "invalid_range"


@pytest.mark.parametrize(
    ("today", "period_type", "current", "previous"),
    [
        ("2026-03-31", "MTD", ("2026-03-01", "2026-03-31"), ("2026-02-01", "2026-02-28")),
        ("2024-03-31", "MTD", ("2024-03-01", "2024-03-31"), ("2024-02-01", "2024-02-29")),
        ("2024-03-29", "MTD", ("2024-03-01", "2024-03-29"), ("2024-02-01", "2024-02-29")),
        ("2024-02-29", "MTD", ("2024-02-01", "2024-02-29"), ("2024-01-01", "2024-01-29")),
        ("2026-01-01", "MTD", ("2026-01-01", "2026-01-01"), ("2025-12-01", "2025-12-01")),
        ("2026-05-31", "MTD", ("2026-05-01", "2026-05-31"), ("2026-04-01", "2026-04-30")),
        ("2026-03-31", "MoM", ("2026-02-01", "2026-02-28"), ("2026-01-01", "2026-01-31")),
        ("2024-02-29", "MoM", ("2024-01-01", "2024-01-31"), ("2023-12-01", "2023-12-31")),
        ("2026-01-01", "MoM", ("2025-12-01", "2025-12-31"), ("2025-11-01", "2025-11-30")),
        ("2026-03-31", "QoQ", ("2025-10-01", "2025-12-31"), ("2025-07-01", "2025-09-30")),
        ("2024-02-29", "QoQ", ("2023-10-01", "2023-12-31"), ("2023-07-01", "2023-09-30")),
        ("2026-01-01", "QoQ", ("2025-10-01", "2025-12-31"), ("2025-07-01", "2025-09-30")),
        ("2026-04-01", "QoQ", ("2026-01-01", "2026-03-31"), ("2025-10-01", "2025-12-31")),
        ("2026-03-31", "YoY", ("2026-02-01", "2026-02-28"), ("2025-02-01", "2025-02-28")),
        ("2024-03-01", "YoY", ("2024-02-01", "2024-02-29"), ("2023-02-01", "2023-02-28")),
        ("2025-03-31", "YoY", ("2025-02-01", "2025-02-28"), ("2024-02-01", "2024-02-29")),
        ("2024-02-29", "YoY", ("2024-01-01", "2024-01-31"), ("2023-01-01", "2023-01-31")),
        ("2026-01-01", "YoY", ("2025-12-01", "2025-12-31"), ("2024-12-01", "2024-12-31")),
    ],
)
def test_compared_periods_and_the_sentence_that_names_their_days(
    today: str, period_type: PeriodType, current: tuple[str, str], previous: tuple[str, str]
) -> None:
    comparison = periods.compared(period_type, date.fromisoformat(today))
    assert comparison.current == period(*current)
    assert comparison.previous == period(*previous)
    for day in (*current, *previous):
        assert day in comparison.basis
    assert ("Whole" in comparison.basis) == (period_type != "MTD")


def test_month_to_date_says_when_the_month_before_is_shorter() -> None:
    assert "shorter" in periods.compared("MTD", date(2026, 3, 31)).basis
    assert "31 days" in periods.compared("MTD", date(2026, 3, 31)).basis
    assert "28 days" in periods.compared("MTD", date(2026, 3, 31)).basis
    assert "shorter" not in periods.compared("MTD", date(2026, 3, 28)).basis


def test_month_to_date_compares_as_many_days_wherever_the_month_before_has_them() -> None:
    for number in range(3 * 366):
        today = date(2023, 1, 1) + timedelta(days=number)
        comparison = periods.compared("MTD", today)
        assert comparison.current.days == today.day
        assert comparison.previous.days == min(today.day, periods.last_month(today).days)
        assert comparison.previous.end < comparison.current.start
