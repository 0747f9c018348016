"""How wide an interval has to be that holds 8 times in 10: from forecasts of earlier parts of the same history."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import fmean, pstdev

from common import limits
from common.skills.forecast.models import Model, apart
from common.skills.forecast.patterns import WEEK, Pattern

COVERAGE = 0.8
_ORIGINS = 14
import os
_WIDENING = float(os.environ.get('W','1.3'))  # as a power of the days, before anything is tested
_DAY_WIDENING = 0.3
_UNTESTED = 0.5  # of the average, where a history is too short to test anything
_NORMAL = 1.2816  # standard deviations that 8 in 10 stay within


@dataclass(frozen=True, slots=True)
class Backtest:
    """How far a model was off when it forecast earlier parts of the history."""

    total_errors: tuple[float, ...]  # oldest first
    half_errors: tuple[float, ...]  # of the total of the first half of the days
    daily_errors: tuple[tuple[float, ...], ...]  # one tuple per week ahead, oldest first
    horizon: int
    spread: float  # of a day, where the history is too short to test anything

    @property
    def typical(self) -> float:
        return fmean(self.total_errors) if self.total_errors else math.inf

    def total_width(self, horizon: int) -> float:
        """Half the interval of the total; wider for more days than could be tested, a little narrower for fewer."""
        if not self.total_errors:
            return self.spread * horizon
        share = horizon / self.horizon
        return quantile(self.total_errors) * math.pow(share, self.widening if share > 1 else 0.5)

    @property
    def widening(self) -> float:
        """How the error of a total grows with its days, as a power: noise is 0.5, a trend gone wrong 2."""
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


def backtest(models: Sequence[Model], history: Sequence[float], start: date, horizon: int) -> Mapping[Model, Backtest]:
    """Forecast from several earlier days of the history, and compare with what followed."""
    count = len(history)
    train = max(limits.FORECAST_MIN_DAYS, count // 3)
    ahead = min(horizon, max(1, (count - train) // 2))
    origins = range(train, count - ahead + 1, max(1, (count - ahead - train) // _ORIGINS))
    parts = {origin: apart(history[:origin], start) for origin in origins}
    spread = max(pstdev(history) * _NORMAL, abs(fmean(history)) * _UNTESTED)
    return {model: _test(model, history, parts, ahead, spread) for model in models}


def _test(
    model: Model, history: Sequence[float], parts: Mapping[int, Pattern | None], ahead: int, spread: float
) -> Backtest:
    totals: list[float] = []
    halves: list[float] = []
    weeks: list[list[float]] = [[] for _ in range(math.ceil(ahead / WEEK))]
    for origin, pattern in parts.items():
        projected = model(history[:origin], pattern, ahead)
        actual = history[origin : origin + ahead]
        totals.append(abs(sum(projected) - sum(actual)))
        half = ahead // 2
        halves.append(abs(sum(projected[:half]) - sum(actual[:half])))
        for index, (one, other) in enumerate(zip(projected, actual, strict=True)):
            weeks[index // WEEK].append(abs(one - other))
    return Backtest(tuple(totals), tuple(halves), tuple(tuple(week) for week in weeks if week), ahead, spread)


def quantile(errors: Sequence[float]) -> float:
    """The error that 8 in 10 stay within, where each error weighs less than the one after it."""
    if not errors: return 0.0
    n=len(errors)
    ordered = sorted((error, RHO ** (LAST*(n - 1 - index)/n)) for index, error in enumerate(errors))
    whole = sum(weight for _, weight in ordered)
    # A little more than the share: an error that comes next is counted among them.
    target = SC * COVERAGE * whole
    before = 0.0
    last=0.0
    for error, weight in ordered:
        if before + weight/2 >= target:
            return error
        before += weight
    return ordered[-1][0]
import os
RHO=float(os.environ.get('RHO','0.5')); LAST=float(os.environ.get('LAST','3')); SC=float(os.environ.get('SC','1'))
