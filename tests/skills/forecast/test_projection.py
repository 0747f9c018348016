"""The forecast: what it learns from a history, what it leaves out, and that it beats plain averages on demo data."""

import math
import random
from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from statistics import fmean

import pytest

from common.skills.forecast import projection
from local.data import demo

TODAY = date(2026, 3, 20)
YESTERDAY = TODAY - timedelta(days=1)
START = TODAY - timedelta(days=120)
Costs = dict[date, Decimal]


def history(days: int, cost: object, *, end: date = YESTERDAY) -> Costs:
    """Costs of the last ``days`` days by a function of the day, or the same every day."""
    made = (end - timedelta(days=number) for number in range(days - 1, -1, -1))
    return {day: Decimal(str(round(cost(day) if callable(cost) else cost, 6))) for day in made}  # type: ignore[arg-type]


def project(costs: Costs, horizon: int = 30, *, end: date = YESTERDAY, today: date = TODAY) -> projection.Forecast:
    return projection.project(costs, end, today, horizon)


def of(made: projection.Forecast) -> dict[date, float]:
    return {point.day: float(point.projected) for point in made.points}


@pytest.mark.parametrize("horizon", [1, 30, 90])
def test_a_constant_cost_stays_constant_from_tomorrow_on(horizon: int) -> None:
    made = project(history(120, 12.5), horizon)
    assert [point.day for point in made.points] == [TODAY + timedelta(days=number) for number in range(1, horizon + 1)]
    assert {point.projected for point in made.points} == {Decimal("12.50")}
    assert made.total == Decimal("12.5") * horizon
    assert made.lower == made.upper == made.total
    assert made.confidence == "high"


def test_the_total_is_the_sum_of_the_days_and_lies_within_its_interval() -> None:
    chance = random.Random(1)
    made = project(history(120, lambda _day: 100 + chance.gauss(0, 10)))
    assert made.total == sum(point.projected for point in made.points)
    assert made.lower < made.total < made.upper
    assert made.avg_daily == (made.total / 30).quantize(Decimal("0.01"))
    for point in made.points:
        assert point.lower < point.projected < point.upper


def test_weekends_are_projected_as_weekends() -> None:
    made = project(history(120, lambda day: 40 if day.weekday() >= 5 else 100))
    for day, value in of(made).items():
        assert value == pytest.approx(40 if day.weekday() >= 5 else 100, rel=0.1)


def test_growth_goes_on_and_is_damped() -> None:
    costs = history(120, lambda day: 100 + (day - START).days)
    made = list(of(project(costs, 90)).values())
    last = float(costs[YESTERDAY])
    assert made[6] > last + 4
    assert last + 60 < made[-1] < last + 90
    assert made == sorted(made)


def test_a_fall_never_goes_below_zero() -> None:
    made = project(history(120, lambda day: max(0, 120 - 1.2 * (day - START).days)), 90)
    assert all(point.projected >= 0 and point.lower >= 0 for point in made.points)
    assert made.lower >= 0


@pytest.mark.parametrize("day_of_month", [1, 15, 28, 31])
def test_a_monthly_charge_comes_again_on_its_day(day_of_month: int) -> None:
    def falls_on(day: date) -> bool:
        return day.day == min(
            day_of_month, ((day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(1)).day
        )

    chance = random.Random(2)
    made = of(project(history(120, lambda day: 100 + chance.gauss(0, 2) + 900 * falls_on(day)), 60))
    expected = [day for day in made if falls_on(day)]
    assert len(expected) in (1, 2)
    for day, value in made.items():
        assert value == pytest.approx(1000 if day in expected else 100, rel=0.06)


def test_a_monthly_charge_alone_is_projected_on_its_days_only() -> None:
    made = of(
        project(
            {
                date(2025, 12, 1): Decimal(49),
                date(2026, 1, 1): Decimal(49),
                date(2026, 2, 1): Decimal(49),
                date(2026, 3, 1): Decimal(49),
            },
            45,
        )
    )
    assert {day for day, value in made.items() if value} == {date(2026, 4, 1), date(2026, 5, 1)}
    assert made[date(2026, 4, 1)] == 49


def test_a_monthly_credit_is_projected_as_a_credit() -> None:
    made = of(project(history(120, lambda day: -500 if day.day == 5 else 100)))
    assert made[date(2026, 4, 5)] == pytest.approx(-500)
    assert made[date(2026, 4, 6)] == pytest.approx(100)


def test_an_outlier_leaves_the_projection_as_it_is() -> None:
    chance = random.Random(3)
    usual = history(120, lambda _day: 100 + chance.gauss(0, 5))
    spike = {day: cost + (3000 if 18 <= (TODAY - day).days <= 20 else 0) for day, cost in usual.items()}
    assert float(project(spike).total) == pytest.approx(float(project(usual).total), rel=0.02)


def test_a_charge_that_stopped_coming_is_not_projected() -> None:
    stopped = {date(2025, 12, 1), date(2026, 1, 1)}
    made = of(project(history(120, lambda day: 1000 if day in stopped else 100)))
    assert made[date(2026, 4, 1)] == pytest.approx(100)


def test_irregular_costs_are_averaged_rather_than_left_out() -> None:
    chance = random.Random(4)
    costs = history(120, lambda _day: 700 if chance.random() < 0.15 else 0)
    made = project(costs)
    first = next(index for index, cost in enumerate(costs.values()) if cost)
    usual = fmean(float(cost) for cost in list(costs.values())[first:])
    assert made.total == pytest.approx(Decimal(usual * 30), rel=Decimal("0.01"))
    assert made.confidence == "low"


@pytest.mark.parametrize("days", [1, 2, 13])
def test_too_little_history_is_a_plain_average_of_low_confidence_that_says_why(days: int) -> None:
    made = project(history(days, 10))
    assert made.total == Decimal(300)
    assert made.lower < made.total < made.upper
    assert made.confidence == "low"
    assert f"Only {days} days of history: at least 14" in made.confidence_reason


@pytest.mark.parametrize("days", [14, 15, 20, 27, 28, 41])
def test_short_histories_are_projected_without_false_confidence(days: int) -> None:
    made = project(history(days, 10), 90)
    assert made.total == Decimal(900)
    assert made.confidence in ("low", "medium")
    assert "Only" not in made.confidence_reason


def test_old_data_has_low_confidence_and_the_gap_is_not_taken_for_zero_cost() -> None:
    end = TODAY - timedelta(days=10)
    made = project(history(100, 10, end=end), end=end)
    assert made.total == Decimal(300)
    assert made.points[0].day == TODAY + timedelta(days=1)
    assert made.confidence == "low"
    assert "10 days old" in made.confidence_reason


def test_a_day_without_any_cost_counts_as_zero() -> None:
    costs = history(120, 10)
    made = project({day: cost for day, cost in costs.items() if day.weekday() < 5})
    for day, value in of(made).items():
        assert value == pytest.approx(0 if day.weekday() >= 5 else 10, abs=1)


def test_very_small_costs_are_not_rounded_away() -> None:
    made = project(history(120, 0.000123))
    assert made.total == Decimal("0.00369")


def test_the_same_history_gives_the_same_forecast() -> None:
    costs = history(120, lambda day: 100 + math.sin(day.toordinal()))
    assert project(costs) == project(dict(reversed(costs.items())))


@pytest.mark.parametrize("seed", range(60))
def test_no_history_breaks_it(seed: int) -> None:
    chance = random.Random(seed)
    scale, low, share = 10 ** chance.randint(-6, 15), chance.choice([-1, 0, 0.5, 1]), chance.choice([0.1, 0.5, 1])
    made_up = history(chance.randint(1, 120), lambda _day: chance.uniform(low, 1) * scale)
    costs = {day: cost for day, cost in made_up.items() if day == YESTERDAY or chance.random() < share}
    horizon = chance.randint(1, 90)
    made = project(costs, horizon)
    assert len(made.points) == horizon
    assert made.lower <= made.total <= made.upper
    assert all(point.lower <= point.projected <= point.upper for point in made.points)
    assert min(costs.values()) < 0 or made.lower >= 0


DEMO_TODAY = date(2026, 11, 21)


@cache
def demo_costs(org: str) -> dict[str, Costs]:
    sums: dict[str, Costs] = defaultdict(lambda: defaultdict(Decimal))
    for row in demo.cost_rows(org, DEMO_TODAY):
        sums[row["BillingCurrency"]][row["ChargePeriodStart"].date()] += row["BilledCost"]
    return {currency: dict(costs) for currency, costs in sums.items()}


def main_currency(org: str) -> Costs:
    return max(demo_costs(org).values(), key=lambda costs: sum(costs.values()))


def backtest(costs: Costs, horizon: int) -> tuple[float, float, float, float]:
    """Errors of the forecast and of the plain averages of 120 and of 30 days, in percent of what came; and coverage."""
    errors = [0.0, 0.0, 0.0]
    came, held = 0.0, []
    for back in range(horizon + 1, 280, 17):
        today = DEMO_TODAY - timedelta(days=back)
        known = {day: cost for day, cost in costs.items() if today - timedelta(days=120) <= day < today}
        actual = float(sum(costs[today + timedelta(days=ahead)] for ahead in range(1, horizon + 1)))
        made = projection.project(known, today - timedelta(days=1), today, horizon)
        values = [float(cost) for _, cost in sorted(known.items())]
        guesses = (float(made.total), fmean(values) * horizon, fmean(values[-30:]) * horizon)
        errors = [error + abs(guess - actual) for error, guess in zip(errors, guesses, strict=True)]
        came += actual
        held.append(float(made.lower) <= actual <= float(made.upper))
    one, whole, month = (100 * error / came for error in errors)
    return one, whole, month, fmean(held)


@pytest.mark.parametrize("horizon", [1, 7, 14, 30, 60, 90])
@pytest.mark.parametrize("org", demo.ORGS)
def test_the_forecast_beats_plain_averages_on_the_demo_data(org: str, horizon: int) -> None:
    error, whole, month, held = backtest(main_currency(org), horizon)
    print(f"{org} {horizon} days: {error:.2f} % off; averages {whole:.2f} % (120), {month:.2f} % (30); held {held:.0%}")
    assert error < 0.9 * min(whole, month)
    assert held >= 0.6
