"""A forecast of daily costs from their history: the days to come, the total of a range, and how far to trust it.

Pure and deterministic. Costs come and go as Decimal; a projection is an estimate, so it is computed in floats and
rounded at the end.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal, localcontext
from itertools import accumulate, pairwise
from statistics import fmean

from common.skills.forecast.confidence import Confidence, Evidence, is_known, judge
from common.skills.forecast.intervals import Backtest, backtest
from common.skills.forecast.models import forecast
from common.skills.forecast.patterns import Pattern

METHOD = (
    "Per currency: the level of recent days since the last lasting change of level, a damped trend, the weekday "
    "pattern and charges that recur on a day of the month; one-off outliers are left out. Intervals are meant to hold "
    "8 times in 10: they come from forecasting earlier parts of the history; those of days or parts "
    "do not add up to a total's. Days are UTC."
)


@dataclass(frozen=True, slots=True)
class Point:
    """One projected day, or the projected days of one month, named by its first day."""

    day: date
    projected: Decimal
    lower: Decimal
    upper: Decimal


@dataclass(frozen=True, slots=True)
class Forecast:
    """The projected days, their total with its interval, and how far to trust it. ``today`` is the whole of today."""

    points: tuple[Point, ...]
    today: Decimal
    gap: Decimal  # of days before today that have no data yet
    history_avg_daily: Decimal
    total: Decimal
    lower: Decimal
    upper: Decimal
    confidence: Confidence
    confidence_reason: str
    changes: tuple[str, ...]

    @property
    def avg_daily(self) -> Decimal:
        """The average of the projected days."""
        return self.average_since(date.min)

    def points_since(self, first: date) -> tuple[Point, ...]:
        """The projected days from a day on."""
        return tuple(point for point in self.points if point.day >= first)

    def average_since(self, first: date) -> Decimal:
        """The average of the projected days from a day on; zero where there is none."""
        points = self.points_since(first)
        if not points:
            return Decimal()
        with localcontext(prec=60):
            return (sum((point.projected for point in points), Decimal()) / len(points)).quantize(self.today)


def project(costs: Mapping[date, Decimal], end: date, today: date, horizon: int, since: date | None = None) -> Forecast:
    """Project the ``horizon`` days after today from the daily costs of one currency; the total from ``since`` on.

    ``end`` is the last day that the history covers; a day between that has no cost was free. Raises ValueError without
    any cost.
    """
    start, history = _history(costs, end)
    lag = (today - end).days
    test = backtest(history, start, lag + horizon)
    days, pattern = forecast(history, start, lag + horizon)
    unit = _unit(days, history)
    floor = 0.0 if min(history) >= 0 else -math.inf
    skipped = max(0, (since - today).days - 1) if since else 0
    rounded = (*_rounded(days[lag : lag + skipped], unit), *_rounded(days[lag + skipped :], unit))
    points = tuple(
        _point(today + timedelta(days=ahead), value, test.daily_width(lag + ahead), floor)
        for ahead, value in enumerate(rounded, start=1)
    )
    total = sum((point.projected for point in points[skipped:]), Decimal())
    plain = _range_width(test, skipped, horizon)
    below, above = _unconfirmed(pattern, horizon - skipped)
    below += _guessed(pattern, [point.day for point in points[skipped:]])
    lower, upper = max(float(total) - plain - below, floor), float(total) + plain + above
    known, width = is_known(history, horizon - skipped, lower, upper), plain + max(below, above)
    evidence = Evidence(len(history), lag, horizon, float(total), width, known, test, pattern)
    confidence, reason = judge(evidence)
    return Forecast(
        points=points,
        today=_money(days[lag - 1], unit),
        gap=sum((_money(day, unit) for day in days[: lag - 1]), Decimal()),
        history_avg_daily=_money(fmean(history), unit),
        total=total,
        lower=_money(lower, unit),
        upper=_money(upper, unit),
        confidence=confidence,
        confidence_reason=reason,
        changes=_changes(history, pattern),
    )


def move(made: Forecast, total: Decimal) -> Forecast:
    """The forecast of a part with another total. Its interval moves, too, and still holds the total that it had."""
    moved = total - made.total
    lower, upper = min(made.lower + moved, made.total), max(made.upper + moved, made.total)
    lower = max(lower, Decimal()) if made.lower >= 0 else lower
    is_far = not made.lower <= total <= made.upper
    confidence: Confidence = "medium" if is_far and made.confidence == "high" else made.confidence
    return replace(made, total=total, lower=lower, upper=upper, confidence=confidence)


def monthly(points: Sequence[Point], made: Forecast) -> tuple[Point, ...]:
    """Days as months; a month's interval is as wide, in proportion, as that of the whole."""
    months: dict[date, Decimal] = {}
    for point in points:
        month = point.day.replace(day=1)
        months[month] = months.get(month, Decimal()) + point.projected
    whole = sum(map(abs, months.values()), Decimal())
    below, above = made.total - made.lower, made.upper - made.total
    return tuple(
        Point(month, cost, cost - _share(below, cost, whole), cost + _share(above, cost, whole))
        for month, cost in months.items()
    )


def _share(width: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    with localcontext(prec=60):
        return (width * abs(part) / whole).quantize(width) if whole else Decimal()


def _history(costs: Mapping[date, Decimal], end: date) -> tuple[date, list[float]]:
    """The first day with a cost, and the costs from it on; a day that has none was free."""
    start = min((day for day, cost in costs.items() if cost), default=min(costs))
    return start, [float(costs.get(start + timedelta(days=index), 0)) for index in range((end - start).days + 1)]


def _rounded(days: Sequence[float], unit: Decimal) -> list[Decimal]:
    """The days, rounded so that their sum is the rounded sum: a day takes what the days before it lost."""
    sums = [_money(value, unit) for value in accumulate(days, initial=0.0)]
    return [later - earlier for earlier, later in pairwise(sums)]


def _point(day: date, value: Decimal, width: float, floor: float) -> Point:
    lower = _money(max(float(value) - width, floor), value)
    return Point(day, value, min(lower, value), max(_money(float(value) + width, value), value))


def _range_width(test: Backtest, skipped: int, horizon: int) -> float:
    """Half the interval of the days after the skipped ones: at least what the error of the total grows by there."""
    whole = test.total_width(horizon)
    if not skipped:
        return whole if horizon else 0.0
    return max(whole - test.total_width(skipped), test.total_width(horizon - skipped))


def _unconfirmed(pattern: Pattern | None, days: int) -> tuple[float, float]:
    """The extra width of an interval, below and above, for newest days that may be a new level."""
    moved = pattern.unconfirmed[1] * days if pattern else 0.0
    return max(-moved, 0.0), max(moved, 0.0)


def _guessed(pattern: Pattern | None, days: Sequence[date]) -> float:
    """The charges among some days that came only once before: they may not come again."""
    return sum(each.due(day) for each in pattern.rarer if each.seen == 1 for day in days) if pattern else 0.0


def _changes(history: Sequence[float], pattern: Pattern | None) -> tuple[str, ...]:
    """The sentences about the level: that it changed for good, or that it may be about to."""
    if pattern is None:
        return ()
    said = []
    if pattern.shifts:
        old, new = pattern.levels[-2:]
        day = pattern.start + timedelta(days=pattern.since)
        share = f" ({(new - old) / abs(old):+.0%})" if old else ""
        age = len(history) - pattern.since
        said.append(
            f"The daily level changed on {day} from about {_about(old)} to {_about(new)}{share}; the projection "
            f"follows the new level, which is {age} days old."
        )
    count, moved = pattern.unconfirmed
    if count:
        said.append(
            f"The last {count} days are about {_about(abs(moved))} a day {'above' if moved > 0 else 'below'} what was "
            "usual: too few to tell a new level from a one-off. The projection keeps the usual level; the interval "
            "holds both."
        )
    return tuple(said)


def _about(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _unit(days: Sequence[float], history: Sequence[float]) -> Decimal:
    """Cents where a day costs at least about one unit of currency; else the nine decimals of NUMERIC."""
    size = max(abs(fmean(days)), abs(fmean(history)))
    return Decimal("0.01") if size >= 1 else Decimal("0.000000001")


def _money(value: float, unit: Decimal) -> Decimal:
    with localcontext(prec=60):
        return Decimal(value).quantize(unit)
