"""The confidence in a forecast: a word, and the sentence that gives its reasons."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from common import limits
from common.skills.forecast.intervals import Backtest
from common.skills.forecast.patterns import WEEK, Pattern

Confidence = Literal["low", "medium", "high"]

_STALE_DAYS = 3
_NEW_LEVEL_DAYS, _YOUNG_LEVEL_DAYS = 14, 28
_HIGH_SHARE, _MEDIUM_SHARE = 0.1, 0.25
_LONG_DAYS = 92
_NEVER_SEEN = "Nothing like it was there before: no earlier days, as many, cost what the interval holds."
_ROUNDED = 0.001  # of a total


@dataclass(frozen=True, slots=True)
class Evidence:
    """The grounds of a judgement: days of history, its age, the days ahead, the total, and half its interval.

    ``is_known`` says that the costs of some earlier days, as many, lie within the interval.
    """

    days: int
    lag: int
    horizon: int
    total: float
    width: float
    is_known: bool
    test: Backtest
    pattern: Pattern | None


def judge(evidence: Evidence) -> tuple[Confidence, str]:
    """Judge a forecast: high for a narrow interval that was tested at one steady level, low for anything in doubt."""
    if evidence.days < limits.FORECAST_MIN_DAYS or evidence.pattern is None:
        return "low", (
            f"Only {evidence.days} days of history: at least {limits.FORECAST_MIN_DAYS} are needed for a weekday "
            "pattern and for testing, so this is a plain average with a wide interval."
        )
    if not evidence.total:
        return "low", "The projected total is zero, so there is nothing to measure the uncertainty against."
    share = evidence.width / abs(evidence.total)
    tested = _tested(evidence, share)
    if evidence.lag > _STALE_DAYS:
        return "low", f"The newest data is {evidence.lag} days old. {tested}"
    count, _ = evidence.pattern.unconfirmed
    if count:
        return "low", f"The last {count} days are far off the days before them, and nobody knows yet why. {tested}"
    level = evidence.days - evidence.pattern.since
    if evidence.pattern.shifts and level < _NEW_LEVEL_DAYS:
        return "low", f"The level changed {level} days ago. {tested}"
    doubts = [
        f"The charge of {each.last} came once: it is taken for a yearly one."
        for each in evidence.pattern.rarer
        if each.seen == 1
    ]
    if not evidence.is_known:
        doubts.append(_NEVER_SEEN)
    if evidence.pattern.shifts and level < _YOUNG_LEVEL_DAYS:
        doubts.append(f"The level changed {level} days ago.")
    if evidence.horizon > _LONG_DAYS:
        doubts.append("More than a quarter ahead, charges that come once a year cannot be told from one-offs.")
    if share <= _HIGH_SHARE and evidence.days >= 8 * WEEK and not doubts:
        return "high", tested
    if share <= _MEDIUM_SHARE and evidence.days >= 4 * WEEK:
        return "medium", " ".join((*doubts, tested))
    return "low", " ".join((*doubts, tested))


def is_known(history: Sequence[float], days: int, lower: float, upper: float) -> bool:
    """Return true if some days of the history, as many, cost within an interval, or if it has not so many days."""
    if not 0 < days <= len(history):
        return True
    sums = [0.0, *accumulate(history)]
    slack = _ROUNDED * max(abs(lower), abs(upper))
    return any(lower - slack <= sums[end] - sums[end - days] <= upper + slack for end in range(days, len(sums)))


def _tested(evidence: Evidence, share: float) -> str:
    test = evidence.test
    return (
        f"{len(test.total_errors)} forecasts of {test.horizon} days each, made from earlier parts of {evidence.days} "
        f"days of history, give an interval of plus or minus {share:.0%} for {evidence.horizon} days."
    )
