"""A forecast of daily costs from their history: level, damped trend, weekday pattern and monthly charges.

Pure and deterministic; the standard library alone. Costs come and go as Decimal; a projection is an estimate, so it is
computed in floats and rounded at the end.
"""

import math
from calendar import monthrange
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal, localcontext
from itertools import combinations
from statistics import fmean, median, pstdev
from typing import Any, Literal

from common import limits

Confidence = Literal["low", "medium", "high"]

METHOD = (
    "Per currency: the level of recent days, the newest weighing most; a damped trend (median slope of the weekly "
    "averages); the weekday pattern; and charges that recur on the same day of the month. One-off outliers are left "
    "out. Where a plain average did clearly better on this history, that is used instead. The history ends yesterday, "
    "because today is not over; the projection starts tomorrow. Intervals are meant to hold 8 times in 10: they come "
    "from forecasting earlier parts of the history and comparing with what followed, for days and total separately."
)

_COVERAGE = 0.8
_WEEK = 7
_NEIGHBOURS = 10  # days on each side that say what was usual around a day
_OUTLIER = 5.0  # robust standard deviations
_PATTERN_DAYS = 56
_DOUBT = 0.25  # observations of no effect at all: a weekday seen once or twice is believed less
_TREND_WEEKS = 16
_LEVEL_DAYS = 56
_HALF_LIFE = 20.0
_DAMPING = 0.985
_AVERAGE_DAYS = 28
_CLEARLY_BETTER = 0.6
_ORIGINS = 14
_WIDENING = 1.5  # how the error of a total grows with its days: between noise (0.5) and a trend gone wrong (2)
_STALE_DAYS = 3


@dataclass(frozen=True, slots=True)
class Point:
    """One projected day."""

    day: date
    projected: Decimal
    lower: Decimal
    upper: Decimal

    def as_row(self, currency: str) -> dict[str, Any]:
        return {
            "date": self.day,
            "projected_cost": self.projected,
            "lower": self.lower,
            "upper": self.upper,
            "currency": currency,
        }


@dataclass(frozen=True, slots=True)
class Forecast:
    """The projected days, their total with its interval, and how far to trust it."""

    points: tuple[Point, ...]
    avg_daily: Decimal
    history_avg_daily: Decimal
    total: Decimal
    lower: Decimal
    upper: Decimal
    confidence: Confidence
    confidence_reason: str

    def as_summary(self, currency: str) -> dict[str, Any]:
        return {
            "currency": currency,
            "avg_daily": self.avg_daily,
            "history_avg_daily": self.history_avg_daily,
            "projected_total": self.total,
            "lower": self.lower,
            "upper": self.upper,
            "confidence": self.confidence,
            "confidence_reason": self.confidence_reason,
        }


Model = Callable[[Sequence[float], date, int], list[float]]


def project(costs: Mapping[date, Decimal], end: date, today: date, horizon: int) -> Forecast:
    """Project the ``horizon`` days after today from the daily costs of one currency.

    ``end`` is the last day that the history covers; a day between that has no cost was free. Raises ValueError without
    any cost.
    """
    start = min(costs)
    history = [float(costs.get(start + timedelta(days=index), 0)) for index in range((end - start).days + 1)]
    lag = (today - end).days
    models: tuple[Model, ...] = (pattern, average)
    tests = {model: _backtest(model, history, start, lag + horizon) for model in models}
    model = _chosen(tests)
    test = tests[model]
    days = model(history, start, lag + horizon)[lag:]
    unit = _unit(days, history)
    daily = [test.daily_width(lag + index + 1) for index in range(horizon)]
    floor = 0.0 if min(history) >= 0 else -math.inf
    points = tuple(
        Point(
            today + timedelta(days=index + 1),
            _money(value, unit),
            _money(max(value - width, floor), unit),
            _money(value + width, unit),
        )
        for index, (value, width) in enumerate(zip(days, daily, strict=True))
    )
    total = sum((point.projected for point in points), Decimal())
    width = test.total_width(horizon)
    confidence, reason = _confidence(len(history), lag, horizon, float(total), width, test)
    return Forecast(
        points=points,
        avg_daily=_money(float(total) / horizon, unit),
        history_avg_daily=_money(fmean(history), unit),
        total=total,
        lower=_money(max(float(total) - width, floor), unit),
        upper=_money(float(total) + width, unit),
        confidence=confidence,
        confidence_reason=reason,
    )


def average(history: Sequence[float], _start: date, horizon: int) -> list[float]:
    """The plain average of the last four weeks, for every day."""
    return [fmean(history[-_AVERAGE_DAYS:])] * horizon


def pattern(history: Sequence[float], start: date, horizon: int) -> list[float]:
    """Level, damped trend, weekdays and monthly charges; the plain average where there are not even two weeks."""
    if len(history) < limits.FORECAST_MIN_DAYS:
        return average(history, start, horizon)
    unusual, usual = _unusual(history, start)
    monthly = _monthly(unusual, start, len(history))
    clean = [usual[index] if index in unusual else value for index, value in enumerate(history)]
    weekdays = _weekday_effects(clean, start)
    level = [value - weekdays[_weekday(start, index)] for index, value in enumerate(clean)]
    slope = _slope(level)
    last = _level(level, slope)
    end = len(history) - 1
    projected = []
    climbed = 0.0
    for ahead in range(1, horizon + 1):
        climbed += slope * _DAMPING**ahead
        day = start + timedelta(days=end + ahead)
        projected.append(last + climbed + weekdays[day.weekday()] + monthly.get(_day_key(day, monthly), 0.0))
    floor = min(0.0, *history)
    return [max(value, floor) for value in projected]


def _weekday(start: date, index: int) -> int:
    return (start.weekday() + index) % _WEEK


def _unusual(history: Sequence[float], start: date) -> tuple[dict[int, float], list[float]]:
    """Days far off what was usual around them (index -> how far), and what was usual on every day."""
    count = len(history)
    offsets: list[list[float]] = [[] for _ in range(_WEEK)]
    for index in range(3, count - 3):
        offsets[_weekday(start, index)].append(history[index] - median(history[index - 3 : index + 4]))
    effects = [median(values) if values else 0.0 for values in offsets]
    flat = [value - effects[_weekday(start, index)] for index, value in enumerate(history)]
    around = [median(flat[max(0, index - _NEIGHBOURS) : index + _NEIGHBOURS + 1]) for index in range(count)]
    distances = [value - near for value, near in zip(flat, around, strict=True)]
    spread = 1.4826 * median(abs(distance) for distance in distances)
    bound = _OUTLIER * max(spread, 0.01 * median(abs(value) for value in history))
    usual = [near + effects[_weekday(start, index)] for index, near in enumerate(around)]
    return {index: distance for index, distance in enumerate(distances) if abs(distance) > bound}, usual


def _monthly(unusual: Mapping[int, float], start: date, count: int) -> dict[int, float]:
    """Charges that recur on a day of the month (31: its last day): day -> amount above what is usual."""
    left = {start + timedelta(days=index): distance for index, distance in unusual.items()}
    end = start + timedelta(days=count - 1)
    found = {}
    for key in sorted(range(1, 32), key=lambda day: (-sum(_falls_on(each, day) for each in left), -day)):
        hits = [each for each in sorted(left) if _falls_on(each, key)]
        if len(hits) < 2:
            continue
        since = _occurrences(key, hits[0], end)
        same_sign = len({left[each] > 0 for each in hits}) == 1
        if same_sign and len(hits) >= len(since) - len(since) // 4 and since[-1] in hits[-1:]:
            found[key] = median(left[each] for each in hits[-3:])
            for each in hits:
                del left[each]
    return found


def _falls_on(day: date, key: int) -> bool:
    return day.day == min(key, monthrange(day.year, day.month)[1])


def _occurrences(key: int, first: date, last: date) -> list[date]:
    days = (first + timedelta(days=index) for index in range((last - first).days + 1))
    return [day for day in days if _falls_on(day, key)]


def _day_key(day: date, monthly: Mapping[int, float]) -> int:
    return next((key for key in monthly if _falls_on(day, key)), 0)


def _weekday_effects(clean: Sequence[float], start: date) -> list[float]:
    """How far each weekday is from its week's average, over the last eight weeks; adds up to zero."""
    offsets: list[list[float]] = [[] for _ in range(_WEEK)]
    for index in range(max(3, len(clean) - _PATTERN_DAYS), len(clean) - 3):
        offsets[_weekday(start, index)].append(clean[index] - fmean(clean[index - 3 : index + 4]))
    effects = [sum(values) / (len(values) + _DOUBT) for values in offsets]
    return [effect - fmean(effects) for effect in effects]


def _slope(level: Sequence[float]) -> float:
    """The median slope per day between weekly averages, the smaller the less the slopes agree on a direction."""
    weeks = min(_TREND_WEEKS, len(level) // _WEEK)
    ends = [len(level) - _WEEK * week for week in range(weeks)]
    means = [fmean(level[end - _WEEK : end]) for end in reversed(ends)]
    slopes = [(later - earlier) / (_WEEK * (j - i)) for (i, earlier), (j, later) in combinations(enumerate(means), 2)]
    if len(means) < 4:
        return 0.0
    agreement = abs(sum(slope > 0 for slope in slopes) - sum(slope < 0 for slope in slopes)) / len(slopes)
    return median(slopes) * agreement


def _level(level: Sequence[float], slope: float) -> float:
    """Where the level stands on the last day: recent days moved along the trend, the newest weighing most."""
    recent = level[-_LEVEL_DAYS:]
    ages = range(len(recent) - 1, -1, -1)
    weights = [math.exp2(-age / _HALF_LIFE) for age in ages]
    moved = [value + slope * age for value, age in zip(recent, ages, strict=True)]
    return sum(value * weight for value, weight in zip(moved, weights, strict=True)) / sum(weights)


@dataclass(frozen=True, slots=True)
class _Backtest:
    """How far a model was off when it forecast earlier parts of the history."""

    total_errors: tuple[float, ...]
    daily_errors: tuple[tuple[float, ...], ...]  # one tuple per week ahead
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
        return _quantile(self.total_errors) * math.pow(share, _WIDENING if share > 1 else 0.5)

    def daily_width(self, ahead: int) -> float:
        """Half the interval of a day so many days ahead; never narrower than that of a week before it."""
        if not self.daily_errors:
            return self.spread
        week = (ahead - 1) // _WEEK
        known = self.daily_errors[: week + 1]
        beyond = max(1.0, (week + 1) / len(self.daily_errors))
        return max(_quantile(errors) for errors in known) * math.sqrt(beyond)


def _backtest(model: Model, history: Sequence[float], start: date, horizon: int) -> _Backtest:
    """Forecast from several earlier days of the history, and compare with what followed."""
    count = len(history)
    train = max(limits.FORECAST_MIN_DAYS, count // 3)
    ahead = min(horizon, max(1, (count - train) // 2))
    origins = range(train, count - ahead + 1, max(1, (count - ahead - train) // _ORIGINS))
    totals: list[float] = []
    weeks: list[list[float]] = [[] for _ in range(math.ceil(ahead / _WEEK))]
    for origin in origins:
        projected = model(history[:origin], start, ahead)
        actual = history[origin : origin + ahead]
        totals.append(abs(sum(projected) - sum(actual)))
        for index, (one, other) in enumerate(zip(projected, actual, strict=True)):
            weeks[index // _WEEK].append(abs(one - other))
    spread = max(pstdev(history) * 1.2816, abs(fmean(history)) * 0.5)
    return _Backtest(tuple(totals), tuple(tuple(week) for week in weeks if week), ahead, spread)


def _chosen(tests: Mapping[Model, _Backtest]) -> Model:
    better = tests[average].typical < _CLEARLY_BETTER * tests[pattern].typical
    return average if better else pattern


def _quantile(errors: Sequence[float]) -> float:
    """The error that 8 in 10 stay within, on the safe side for few errors."""
    rank = min(len(errors), math.ceil(_COVERAGE * (len(errors) + 1)))
    return sorted(errors)[rank - 1]


def _confidence(
    days: int, lag: int, horizon: int, total: float, width: float, test: _Backtest
) -> tuple[Confidence, str]:
    if days < limits.FORECAST_MIN_DAYS:
        return "low", (
            f"Only {days} days of history: at least {limits.FORECAST_MIN_DAYS} are needed for a weekday pattern and "
            "for testing, so this is a plain average with a wide interval."
        )
    if not total:
        return "low", "The projected total is zero, so there is nothing to measure the uncertainty against."
    share = width / abs(total)
    tested = (
        f"{len(test.total_errors)} forecasts of {test.horizon} days each, made from earlier parts of {days} days of "
        f"history, give an interval of plus or minus {share:.0%} for {horizon} days."
    )
    if lag > _STALE_DAYS:
        return "low", f"The newest data is {lag} days old. {tested}"
    if share <= 0.1 and days >= 8 * _WEEK:
        return "high", tested
    if share <= 0.25 and days >= 4 * _WEEK:
        return "medium", tested
    return "low", tested


def _unit(days: Sequence[float], history: Sequence[float]) -> Decimal:
    """Cents where a day costs at least about one unit of currency; else the nine decimals of NUMERIC."""
    size = max(abs(fmean(days)), abs(fmean(history)))
    return Decimal("0.01") if size >= 1 else Decimal("0.000000001")


def _money(value: float, unit: Decimal) -> Decimal:
    with localcontext(prec=60):
        return Decimal(value).quantize(unit)
