"""Forecasts made from earlier days of a series, compared with what followed; AutoETS and seasonal naive beside them.

120 days of history, 11 origins 14 days apart. The figures of AutoETS (statsforecast 2.1.1, season of 7 days) over the
same series and origins are stored in autoets.json, each with a digest of its series.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

from common.skills.forecast import projection
from tests.skills.forecast import series

FIRST_ORIGIN, ORIGINS, APART = 120, 11, 14
HISTORY = 120
SEEDS = range(5)


@dataclass(slots=True)
class Score:
    """Errors over the origins of some series, in units of each series' average day, and how often intervals held."""

    daily: dict[str, float] = field(default_factory=lambda: {"ours": 0.0, "naive": 0.0, "ets": 0.0})
    total: dict[str, float] = field(default_factory=lambda: {"ours": 0.0, "naive": 0.0, "ets": 0.0})
    came: float = 0.0
    came_total: float = 0.0
    days_held: list[float] = field(default_factory=list)
    totals_held: list[bool] = field(default_factory=list)
    sure: list[tuple[str, float, bool]] = field(default_factory=list)

    def wape(self, model: str) -> float:
        """The daily errors in percent of what came."""
        return 100 * self.daily[model] / self.came

    def ape(self, model: str) -> float:
        """The errors of the totals in percent of what came."""
        return 100 * self.total[model] / self.came_total

    @property
    def cover(self) -> tuple[float, float]:
        """How often the intervals of days and of totals held, in percent."""
        return 100 * fmean(self.days_held), 100 * fmean(self.totals_held)


@cache
def stored() -> Mapping[str, Any]:
    """The figures of AutoETS by series: its digest, and per horizon the sums of its daily and its total errors."""
    found: Mapping[str, Any] = json.loads((Path(__file__).parent / "autoets.json").read_text())
    return found


def digest(kind: str, seed: int) -> str:
    """A digest of the costs of a series: figures that were computed over another series say nothing of it."""
    costs = ",".join(f"{cost:.4f}" for _, cost in sorted(series.make(kind, seed).items()))
    return hashlib.sha256(costs.encode()).hexdigest()[:16]


def score(kind: str, seeds: Iterable[int], horizon: int, history: int = HISTORY) -> Score:
    """Measure forecasts of a kind of series."""
    made = Score()
    for seed in seeds:
        _add(made, kind, seed, horizon, history)
    return made


def _add(made: Score, kind: str, seed: int, horizon: int, history: int) -> None:
    costs = series.make(kind, seed)
    days = sorted(costs)
    scale = abs(fmean(map(float, costs.values())))
    theirs = stored().get(f"{kind} {seed}", {}).get(str(horizon), (0.0, 0.0))
    made.daily["ets"] += theirs[0] / scale
    made.total["ets"] += theirs[1] / scale
    for origin in range(FIRST_ORIGIN, FIRST_ORIGIN + APART * ORIGINS, APART):
        today = days[origin]
        known = {day: costs[day] for day in days[max(0, origin - history) : origin]}
        actual = [float(costs[day]) for day in days[origin + 1 : origin + 1 + horizon]]
        forecast = projection.project(known, today - timedelta(days=1), today, horizon)
        naive = [float(costs[_week_before(today, ahead)]) for ahead in range(1, horizon + 1)]
        _compare(made, "ours", [float(point.projected) for point in forecast.points], actual, scale)
        _compare(made, "naive", naive, actual, scale)
        made.came += sum(map(abs, actual)) / scale
        made.came_total += abs(sum(actual)) / scale
        pairs = zip(forecast.points, actual, strict=True)
        made.days_held.append(fmean(float(point.lower) <= value <= float(point.upper) for point, value in pairs))
        held = float(forecast.lower) <= sum(actual) <= float(forecast.upper)
        made.totals_held.append(held)
        off = abs(float(forecast.total) - sum(actual)) / (abs(sum(actual)) or scale)
        made.sure.append((forecast.confidence, off, held))


def _week_before(today: date, ahead: int) -> date:
    """The same weekday in the last week that is known."""
    return today - timedelta(days=7 - ahead % 7) if ahead % 7 else today - timedelta(days=7)


def _compare(made: Score, model: str, projected: list[float], actual: list[float], scale: float) -> None:
    made.daily[model] += sum(abs(one - other) for one, other in zip(projected, actual, strict=True)) / scale
    made.total[model] += abs(sum(projected) - sum(actual)) / scale
