"""Models of a history: its present level with trend, weekdays and monthly charges, or a plain average."""

import math
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import combinations
from statistics import fmean, median

from common import limits
from common.skills.forecast.fees import in_days, in_months, is_booked_daily
from common.skills.forecast.patterns import WEEK, Pattern, take_apart

_TREND_WEEKS = 16
_LEVEL_DAYS = 56
_HALF_LIFE = 20.0
_DAMPING, _SURE_DAMPING = 0.98, 0.998
_AGREEMENT = 0.2  # of the weeks' slopes on a direction: with less there is no trend
_AVERAGE_DAYS = 28
_IRREGULAR_SHARE = 0.5


def average(history: Sequence[float], pattern: Pattern | None, horizon: int) -> list[float]:
    """The plain average of the present level, for every day: of four weeks, or of all where costs are irregular."""
    since = pattern.since if pattern else 0
    days = len(history) if pattern and is_irregular(history, pattern) else _AVERAGE_DAYS
    return [fmean(history[max(since, len(history) - days) :])] * horizon


def forecast(history: Sequence[float], start: date, horizon: int) -> tuple[list[float], Pattern | None]:
    """The days after a history, and its pattern; a fee that is booked daily is measured in months of one length."""
    if not is_booked_daily(history, start):
        pattern = apart(history, start)
        return extrapolate(history, pattern, horizon), pattern
    monthly = in_months(history, start)
    pattern = apart(monthly, start)
    return in_days(extrapolate(monthly, pattern, horizon), start + timedelta(days=len(history))), pattern


def extrapolate(history: Sequence[float], pattern: Pattern | None, horizon: int) -> list[float]:
    """The days after a history: present level, damped trend, weekdays and recurring charges; else its average."""
    if pattern is None or is_irregular(history, pattern):
        return average(history, pattern, horizon)
    level = pattern.flat()[pattern.since :]
    slope, sureness = _slope(level)
    last = _level(level, slope)
    damping = _DAMPING + (_SURE_DAMPING - _DAMPING) * sureness
    floor = min(0.0, *history)
    first = pattern.start + timedelta(days=len(history))
    projected, climbed = [], 0.0
    for ahead in range(horizon):
        climbed += slope * damping ** (ahead + 1)
        projected.append(max(last + climbed + pattern.seasonal(first + timedelta(days=ahead)), floor))
    return projected


def apart(history: Sequence[float], start: date) -> Pattern | None:
    """The pattern of a history; None where it is too short to have one."""
    return take_apart(history, start) if len(history) >= limits.FORECAST_MIN_DAYS else None


def is_irregular(history: Sequence[float], pattern: Pattern) -> bool:
    """Return true if most of the costs came on days that no pattern foresees."""
    return sum(map(abs, pattern.unusual.values())) > _IRREGULAR_SHARE * sum(map(abs, history))


def _slope(level: Sequence[float]) -> tuple[float, float]:
    """The median slope per day between weekly averages, the smaller the less they agree; and how sure it is, 0 to 1."""
    weeks = min(_TREND_WEEKS, len(level) // WEEK)
    if weeks < 4:
        return 0.0, 0.0
    ends = [len(level) - WEEK * week for week in range(weeks)]
    means = [fmean(level[end - WEEK : end]) for end in reversed(ends)]
    slopes = [(later - earlier) / (WEEK * (j - i)) for (i, earlier), (j, later) in combinations(enumerate(means), 2)]
    agreement = abs(sum(slope > 0 for slope in slopes) - sum(slope < 0 for slope in slopes)) / len(slopes)
    sure = max(0.0, (agreement - _AGREEMENT) / (1 - _AGREEMENT))
    return median(slopes) * sure, sure


def _level(level: Sequence[float], slope: float) -> float:
    """The level on the last day: recent days moved along the trend, the newest weighing most."""
    recent = level[-_LEVEL_DAYS:]
    ages = range(len(recent) - 1, -1, -1)
    weights = [math.exp2(-age / _HALF_LIFE) for age in ages]
    moved = [value + slope * age for value, age in zip(recent, ages, strict=True)]
    return sum(value * weight for value, weight in zip(moved, weights, strict=True)) / sum(weights)
