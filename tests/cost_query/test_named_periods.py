"""Periods by name, and the two periods of a comparison, on awkward days of the calendar."""

from datetime import date, timedelta
from itertools import pairwise

import pytest

from common import limits
from common.cost_query.comparisons import aligned_windows, resolve_comparison
from common.cost_query.periods import period_names, resolve_period
from common.focus.calendar import FiscalCalendar, add_months
from common.tools.periods import Period
from common.tools.result import ToolError

FRIDAY = date(2026, 11, 27)
APRIL = FiscalCalendar(4)


def days(name: str, today: date = FRIDAY, calendar: FiscalCalendar = APRIL) -> tuple[str, str]:
    period = resolve_period(name, None, None, today, calendar).period
    return period.start.isoformat(), period.end.isoformat()


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        ("today", "2026-11-27", "2026-11-27"),
        ("yesterday", "2026-11-26", "2026-11-26"),
        ("this_week", "2026-11-23", "2026-11-27"),
        ("last week", "2026-11-16", "2026-11-22"),
        ("MTD", "2026-11-01", "2026-11-27"),
        ("last_month", "2026-10-01", "2026-10-31"),
        ("this_quarter", "2026-10-01", "2026-11-27"),
        ("last-quarter", "2026-07-01", "2026-09-30"),
        ("this_year", "2026-01-01", "2026-11-27"),
        ("last_year", "2025-01-01", "2025-12-31"),
        ("fytd", "2026-04-01", "2026-11-27"),
        ("last_fiscal_year", "2025-04-01", "2026-03-31"),
        ("this_fiscal_quarter", "2026-10-01", "2026-11-27"),
        ("last_fiscal_quarter", "2026-07-01", "2026-09-30"),
        ("last_7_days", "2026-11-21", "2026-11-27"),
        ("last_7_complete_days", "2026-11-20", "2026-11-26"),
        ("past 2 weeks", "2026-11-09", "2026-11-22"),
        ("last_3_months", "2026-08-01", "2026-10-31"),
        ("2026", "2026-01-01", "2026-11-27"),
        ("2024-02", "2024-02-01", "2024-02-29"),
        ("2026-10-05", "2026-10-05", "2026-10-05"),
        ("2026-10-01..2026-10-15", "2026-10-01", "2026-10-15"),
        ("2026-10-01 to 2026-10-15", "2026-10-01", "2026-10-15"),
        ("2026-07..2026-10", "2026-07-01", "2026-10-31"),
        ("2026-09 to 2026-11", "2026-09-01", "2026-11-27"),
        ("2026-Q3", "2026-07-01", "2026-09-30"),
        ("Q4", "2026-10-01", "2026-11-27"),
        ("q3", "2026-07-01", "2026-09-30"),
        ("FY2025", "2025-04-01", "2026-03-31"),
        ("FY2026", "2026-04-01", "2026-11-27"),
        ("FY2026-Q2", "2026-07-01", "2026-09-30"),
        ("FQ4", "2026-01-01", "2026-03-31"),
    ],
)
def test_a_name_is_read_as_these_days(name: str, start: str, end: str) -> None:
    assert days(name) == (start, end)


@pytest.mark.parametrize("month", range(1, 13))
def test_fiscal_years_and_quarters_fit_each_other_for_every_first_month(month: int) -> None:
    calendar = FiscalCalendar(month)
    day = date(2024, 2, 29)
    first, last = calendar.year_of(day)
    assert first.month == month
    assert first.day == 1
    assert first <= day <= last
    assert calendar.year_of(last + timedelta(days=1))[0] == last + timedelta(days=1)
    quarters = [calendar.quarter_of(add_months(first, 3 * number)) for number in range(4)]
    assert quarters[0][0] == first
    assert quarters[3][1] == last
    assert all(one[1] + timedelta(days=1) == other[0] for one, other in pairwise(quarters))
    assert calendar.name_year(first) == (
        f"FY{first.year}" if month == 1 else f"FY{first.year}/{first.year % 100 + 1:02}"
    )


@pytest.mark.parametrize(
    "name",
    ["someday", "2026-13", "2026-02-30", "last_0_days", "last_9999_days", "Q5", "2026-10-15..2026-10-01", "9999",
     "FY2027", "2027-01", "", "' OR 1=1 --", "last_<n>_days", "last_" + "9" * 40 + "_days"],
)  # fmt: skip
def test_what_is_no_period_is_answered_with_what_is(name: str) -> None:
    if not name:
        assert resolve_period(name, None, None, FRIDAY, APRIL).period.days == 30
        return
    with pytest.raises(ToolError) as error:
        resolve_period(name, None, None, FRIDAY, APRIL)
    assert error.value.code == "invalid_range"


def test_a_name_and_dates_together_are_refused() -> None:
    with pytest.raises(ToolError, match="not both"):
        resolve_period("last_month", FRIDAY, None, FRIDAY, APRIL)


def test_every_name_that_is_offered_is_read() -> None:
    for name in period_names():
        if "<" not in name:
            named = resolve_period(name, None, None, FRIDAY, APRIL)
            assert named.is_all or named.period.days <= limits.MAX_RANGE_DAYS


def test_a_reading_says_the_days_and_the_fiscal_start() -> None:
    assert resolve_period("fytd", None, None, FRIDAY, APRIL).reading == (
        "fytd is read as 2026-04-01 to 2026-11-27 (UTC). The fiscal year begins on the first of April."
    )


@pytest.mark.parametrize(
    ("current", "previous", "before"),
    [
        ("2026-10", None, ("2026-09-01", "2026-09-30")),
        ("2026-Q3", None, ("2026-04-01", "2026-06-30")),
        ("this_month", None, ("2026-10-01", "2026-10-27")),
        ("this_year", None, ("2025-01-01", "2025-11-27")),
        ("this_fiscal_year", None, ("2025-04-01", "2025-11-27")),
        ("last_week", None, ("2026-11-09", "2026-11-15")),
        ("last_7_days", None, ("2026-11-14", "2026-11-20")),
        ("2026-11-26", "2026-11-25", ("2026-11-25", "2026-11-25")),
        ("2026-10", "2025-10", ("2025-10-01", "2025-10-31")),
    ],
)
def test_a_period_is_compared_with_the_one_before(current: str, previous: str | None, before: tuple[str, str]) -> None:
    compared = resolve_comparison(None, current, previous, FRIDAY, APRIL)
    assert (compared.previous.start.isoformat(), compared.previous.end.isoformat()) == before
    assert str(compared.current) in compared.basis
    assert str(compared.previous) in compared.basis


def test_the_end_of_march_is_compared_with_the_end_of_february() -> None:
    compared = resolve_comparison(None, "this_month", None, date(2024, 3, 31), APRIL)
    assert compared.previous == Period(date(2024, 2, 1), date(2024, 2, 29))


@pytest.mark.parametrize("count", [1, 6, 7, 8, 27, 30, 90])
def test_windows_hold_the_same_days_of_the_week(count: int) -> None:
    compared = aligned_windows(count, date(2026, 11, 26))
    assert compared.current.days == compared.previous.days == count
    assert compared.previous.end < compared.current.start
    assert compared.current.start.weekday() == compared.previous.start.weekday()


@pytest.mark.parametrize("name", ["all", "All time", "everything", "ever"])
def test_all_that_is_loaded_has_no_limit_and_nothing_before_it(name: str) -> None:
    named = resolve_period(name, None, None, FRIDAY, APRIL)
    assert named.is_all
    assert named.period.end == FRIDAY
    assert named.period.days > limits.MAX_RANGE_DAYS
    assert not resolve_period("2026", None, None, FRIDAY, APRIL).is_all
    with pytest.raises(ToolError, match="Give two periods"):
        resolve_comparison(None, name, None, FRIDAY, APRIL)
