"""Fees that are no usage: booked daily in parts of a month, every few months, or yearly."""

import random
from calendar import monthrange
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

import pytest

from common.skills.forecast.projection import Forecast, project

END = date(2026, 11, 26)
TODAY = END + timedelta(days=1)


def days_in_month(day: date) -> int:
    return monthrange(day.year, day.month)[1]


def history(cost: Callable[[date], float], first: date = date(2025, 10, 23)) -> dict[date, Decimal]:
    days = (first + timedelta(days=number) for number in range((END - first).days + 1))
    return {day: Decimal(repr(round(cost(day), 9))) for day in days}


def month_of(cost: Callable[[date], float], first: date, last: date, since: date = date(2025, 10, 23)) -> Forecast:
    return project(history(cost, since), END, TODAY, (last - TODAY).days, first)


@pytest.mark.parametrize(
    ("first", "last"), [("2026-12-01", "2026-12-31"), ("2027-01-01", "2027-01-31"), ("2027-02-01", "2027-02-28")]
)
@pytest.mark.parametrize("digits", [9, 2])
def test_a_fee_that_is_booked_daily_is_the_same_every_month(first: str, last: str, digits: int) -> None:
    made = month_of(
        lambda day: round(2016 / days_in_month(day), digits), date.fromisoformat(first), date.fromisoformat(last)
    )
    assert float(made.total) == pytest.approx(2016, abs=0.01 if digits == 9 else 0.5)
    assert made.lower <= made.total <= made.upper
    assert float(made.upper - made.lower) < 2
    assert made.changes == ()


def test_more_seats_of_a_fee_that_is_booked_daily_are_a_new_level() -> None:
    seats = lambda day: 40 if day < date(2026, 9, 9) else 60  # noqa: E731
    made = month_of(lambda day: 21 * seats(day) / days_in_month(day), date(2026, 12, 1), date(2026, 12, 31))
    assert float(made.total) == pytest.approx(1260, abs=0.01)
    (changed,) = made.changes
    assert "2026-09-09" in changed
    assert "+50%" in changed


@pytest.mark.parametrize(
    ("cost", "december"),
    [
        (lambda _day: 12.5, 387.5),
        (lambda day: 1020.0 if day.day == 1 else 0.0, 1020.0),
        (lambda day: 900.0 if day.day == 15 and day.month % 3 == 0 else 0.0, 900.0),
        (lambda day: 900.0 if day.day == 15 and day.month % 3 == 1 else 0.0, 0.0),
        (lambda day: 700.0 if days_in_month(day) == day.day and day.month in (6, 12) else 0.0, 700.0),
        (lambda day: 2592.0 if (day.month, day.day) == (3, 1) else 0.0, 0.0),
        (lambda day: 2592.0 if (day.month, day.day) == (11, 3) else 0.0, 0.0),
        (lambda day: -50.0 if (day.month, day.day) == (3, 1) else 0.0, 0.0),
    ],
)
def test_what_is_due_in_december_is_projected_and_nothing_else(cost: Callable[[date], float], december: float) -> None:
    made = month_of(cost, date(2026, 12, 1), date(2026, 12, 31))
    assert float(made.total) == pytest.approx(december, abs=0.01)
    assert float(made.lower) <= december <= float(made.upper)


def test_a_quarterly_charge_beside_usage_is_due_again() -> None:
    chance = random.Random(3)
    made = month_of(
        lambda day: 100 + chance.gauss(0, 2) - (800 if day.day == 6 and day.month % 3 == 0 else 0),
        date(2026, 12, 1),
        date(2026, 12, 31),
    )
    assert float(made.total) == pytest.approx(3100 - 800, rel=0.02)


def test_a_charge_that_came_once_may_come_again_after_a_year_and_that_is_not_sure() -> None:
    annual: Callable[[date], float] = lambda day: 2592.0 if day == date(2026, 3, 1) else 0.0  # noqa: E731
    made = month_of(annual, date(2027, 3, 1), date(2027, 3, 31), since=date(2026, 3, 1))
    assert [made.lower, made.total, made.upper] == [Decimal(0), Decimal(2592), Decimal(2592)]
    assert made.confidence == "low"
    assert "came once" in made.confidence_reason
    twice = month_of(lambda day: annual(day) + (2400.0 if day == date(2025, 3, 1) else 0.0), date(2027, 3, 1),
                     date(2027, 3, 31), since=date(2025, 3, 1))  # fmt: skip
    assert float(twice.total) == 2592


def test_a_charge_of_last_week_is_not_yet_called_yearly() -> None:
    made = month_of(lambda day: 300.0 if day == date(2026, 11, 10) else 0.0, date(2026, 12, 1), date(2026, 12, 31),
                    since=date(2026, 11, 10))  # fmt: skip
    assert made.confidence == "low"
    assert float(made.upper) > 0


@pytest.mark.parametrize(("growth", "sure"), [(0.0, True), (0.02, False)])
def test_no_forecast_is_high_that_holds_nothing_seen_before(growth: float, sure: bool) -> None:
    made = month_of(lambda day: 100 * (1 + growth * (day - date(2025, 10, 23)).days), date(2026, 12, 1),
                    date(2026, 12, 31))  # fmt: skip
    assert (made.confidence == "high") is sure
    assert ("Nothing like it was there before" in made.confidence_reason) is not sure
