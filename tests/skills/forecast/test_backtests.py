"""The forecast on ten kinds of series: nearer than a seasonal naive one and AutoETS, within intervals that hold.

A part of the series that is quick to measure; ``python -m tests.bench forecast`` measures them all.
"""

from functools import cache
from statistics import fmean

import pytest

from tests.skills.forecast import backtests, series

SEEDS = range(2)
HORIZONS = (30, 90)


@cache
def scores(horizon: int) -> dict[str, backtests.Score]:
    return {kind: backtests.score(kind, SEEDS, horizon) for kind in series.KINDS}


def mean(horizon: int, model: str) -> tuple[float, float]:
    """Daily errors and errors of totals in percent, in the mean over the kinds."""
    every = scores(horizon).values()
    return fmean(each.wape(model) for each in every), fmean(each.ape(model) for each in every)


@pytest.mark.parametrize("kind", series.KINDS)
@pytest.mark.parametrize("seed", backtests.SEEDS)
def test_the_stored_figures_are_of_the_series_that_are_made(kind: str, seed: int) -> None:
    assert backtests.stored()[f"{kind} {seed}"]["digest"] == backtests.digest(kind, seed)


@pytest.mark.parametrize("rival", ["naive", "ets"])
@pytest.mark.parametrize("horizon", HORIZONS)
def test_the_forecast_is_nearer_than_its_rivals_in_the_mean(horizon: int, rival: str) -> None:
    (day, total), (their_day, their_total) = mean(horizon, "ours"), mean(horizon, rival)
    assert day < 0.9 * their_day
    assert total < 0.8 * their_total


@pytest.mark.parametrize("kind", sorted(set(series.KINDS) - {"sparse"}))
def test_no_kind_is_forecast_much_worse_than_by_its_rivals(kind: str) -> None:
    found = scores(30)[kind]
    assert found.wape("ours") < 1.15 * min(found.wape("ets"), found.wape("naive"))


@pytest.mark.parametrize("horizon", HORIZONS)
def test_intervals_hold_eight_times_in_ten(horizon: int) -> None:
    covers = [found.cover for found in scores(horizon).values()]
    days, totals = fmean(days for days, _ in covers), fmean(totals for _, totals in covers)
    assert 75 <= days <= 85
    assert 75 <= totals <= 85


@pytest.mark.parametrize("horizon", HORIZONS)
def test_a_high_confidence_is_earned(horizon: int) -> None:
    sure = [each for found in scores(horizon).values() for each in found.sure]
    high = [(off, held) for confidence, off, held in sure if confidence == "high"]
    low = [off for confidence, off, _ in sure if confidence == "low"]
    assert len(high) > 100
    assert fmean(held for _, held in high) >= 0.75
    assert fmean(off for off, _ in high) < 0.03
    assert fmean(off for off, _ in high) < 0.2 * fmean(low)
