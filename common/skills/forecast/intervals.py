"""Intervals that hold 8 times in 10, from forecasts of earlier parts of the same history."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from statistics import fmean, pstdev

from common import limits
from common.skills.forecast.models import forecast
from common.skills.forecast.patterns import WEEK

COVERAGE = 0.8
_ORIGINS = 14
_WIDENING = 1.3  # as a power of the days, before anything is tested
_DAY_WIDENING = 0.3  # of a day's error, as a power of the weeks
_FADING = 0.125  # how much the oldest error weighs beside the newest
_UNTESTED = 0.5  # of the average, where a history is too short to test anything
_NORMAL = 1.2816  # standard deviations that 8 in 10 stay within


@dataclass(frozen=True, slots=True)
class Backtest:
    """The errors of forecasts of earlier parts of the history."""

    total_errors: tuple[float, ...]  # oldest first
    half_errors: tuple[float, ...]  # of the total of the first half of the days
    daily_errors: tuple[tuple[float, ...], ...]  # one tuple per week ahead, oldest first
    horizon: int
    spread: float  # of a day, where the history is too short to test anything

    def total_width(self, horizon: int) -> float:
        """Half the interval of the total; wider for more days than could be tested, a little narrower for fewer."""
        if not self.total_errors:
            return self.spread * horizon
        share = horizon / self.horizon
        return quantile(self.total_errors) * math.pow(share, self.widening if share > 1 else 0.5)

    @property
    def widening(self) -> float:
        """The growth of a total's error with its days, as a power: noise is 0.5, a wrong trend 2."""
        half = quantile(self.half_errors)
        if not half or self.horizon < 2:
            return _WIDENING
        halves = self.horizon / (self.horizon // 2)
        seen = math.log(max(quantile(self.total_errors), half / 9) / half) / math.log(halves)
        return (min(max(seen, 0.5), 2.0) + _WIDENING) / 2

    def daily_width(self, ahead: int) -> float:
        """Half the interval of a day so many days ahead."""
        if not self.daily_errors:
            return self.spread
        week = (ahead - 1) // WEEK
        known = self.daily_errors[: week + 1]
        beyond = max(1.0, (week + 1) / len(self.daily_errors))
        return quantile(known[-1]) * math.pow(beyond, _DAY_WIDENING)


def backtest(history: Sequence[float], start: date, horizon: int) -> Backtest:
    """Forecast from several earlier days of the history, and compare with what followed."""
    count = len(history)
    train = max(limits.FORECAST_MIN_DAYS, count // 3)
    ahead = min(horizon, max(1, (count - train) // 2))
    origins = range(train, count - ahead + 1, max(1, (count - ahead - train) // _ORIGINS))
    spread = max(pstdev(history) * _NORMAL, abs(fmean(history)) * _UNTESTED)
    totals: list[float] = []
    halves: list[float] = []
    weeks: list[list[float]] = [[] for _ in range(math.ceil(ahead / WEEK))]
    for origin in origins:
        projected, _ = forecast(history[:origin], start, ahead)
        errors = [one - other for one, other in zip(projected, history[origin : origin + ahead], strict=True)]
        totals.append(abs(sum(errors)))
        halves.append(abs(sum(errors[: ahead // 2])))
        for index, error in enumerate(errors):
            weeks[index // WEEK].append(abs(error))
    return Backtest(tuple(totals), tuple(halves), tuple(tuple(week) for week in weeks if week), ahead, spread)


def quantile(errors: Sequence[float]) -> float:
    """The error that 8 in 10 stay within, of errors in order of time: the newest weighs most. 0 of no errors."""
    count = len(errors)
    ordered = sorted((error, _FADING ** (1 - (index + 1) / count)) for index, error in enumerate(errors))
    target = COVERAGE * sum(weight for _, weight in ordered)
    passed = 0.0
    for error, weight in ordered:
        if passed + weight / 2 >= target:
            return error
        passed += weight
    return ordered[-1][0] if ordered else 0.0
