"""The parts of a history of daily costs: levels, weekdays, charges that recur monthly, and unusual days.

Pure and deterministic; the standard library alone. A history is a list of costs, one a day, from ``start`` on.
"""

import math
from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from statistics import fmean, median

from common.skills.forecast.fees import Recurring, falls_on, find_recurring

WEEK = 7
_NEIGHBOURS = 10  # days on each side that say what was usual around a day
_OUTLIER = 5.0  # robust standard deviations
_PATTERN_DAYS = 56
_DOUBT = 0.25  # observations of no effect at all: a weekday seen once or twice is believed less
_SIDE_DAYS = 21  # days on each side of a shift that are compared
_NEWEST_SHIFT = 5  # days after which a new level is believed
_SHORTEST_SEGMENT = 7
_SHIFT_SHARE = 0.08  # of the level: a smaller step is left to the trend
_SHIFT_NOISE = 5.0  # standard errors
_STEP_SHARE = 0.6  # of a shift that has to happen within a week: else it is a trend
_FULL_SHARE = 0.8  # of the days after a shift that are nearer to the new level than to the old one


@dataclass(frozen=True, slots=True)
class Pattern:
    """A history taken apart. ``clean`` has monthly charges and days off the usual replaced by what was usual."""

    start: date
    clean: tuple[float, ...]
    weekdays: tuple[float, ...]  # additive, at the level of the last segment
    monthly: Mapping[int, float]  # day of the month (31: its last day) -> amount above what is usual
    rarer: tuple[Recurring, ...]  # charges that recur every few months or once a year
    unusual: Mapping[int, float]  # index -> distance, of days that are no recurring charge
    shifts: tuple[int, ...]  # indexes at which a new level begins
    levels: tuple[float, ...]  # of a day, one more than there are shifts
    bound: float  # the distance from which on a day is unusual
    unconfirmed: tuple[int, float]  # newest days on one side of the usual, and how far; (0, 0.0) for none

    @property
    def since(self) -> int:
        """The index at which the present level begins."""
        return self.shifts[-1] if self.shifts else 0

    def flat(self) -> list[float]:
        """The clean days without their weekday's effect."""
        return [value - self.weekdays[weekday(self.start, index)] for index, value in enumerate(self.clean)]

    def seasonal(self, day: date) -> float:
        """The amount that the day of the week and of the month add to the level."""
        due = next((amount for key, amount in self.monthly.items() if falls_on(day, key)), 0.0)
        return self.weekdays[day.weekday()] + due + sum(each.due(day) for each in self.rarer)


def take_apart(history: Sequence[float], start: date) -> Pattern:
    """Find levels, weekdays and recurring charges of a history of at least two weeks."""
    effects = _rough_weekdays(history, start)
    flat = [value - effects[weekday(start, index)] for index, value in enumerate(history)]
    shifts = find_shifts(flat)
    around = _usual(flat, shifts)
    distances = [value - near for value, near in zip(flat, around, strict=True)]
    spread = 1.4826 * median(abs(distance) for distance in distances)
    bound = _OUTLIER * max(spread, 0.01 * median(abs(value) for value in history))
    unusual = {index: distance for index, distance in enumerate(distances) if abs(distance) > bound}
    monthly, left = _monthly(unusual, start, len(history))
    rarer, left = find_recurring(left, start, len(history), alone=len(unusual) == sum(map(bool, history)))
    clean = [
        around[index] + effects[weekday(start, index)] if index in unusual else value
        for index, value in enumerate(history)
    ]
    weekdays = _weekday_effects(clean, start, shifts)
    levels = tuple(median(flat[first:last]) for first, last in segments(shifts, len(flat)))
    unconfirmed = _unconfirmed(left, len(history), levels[-1])
    return Pattern(start, tuple(clean), weekdays, monthly, rarer, left, shifts, levels, bound, unconfirmed)


def weekday(start: date, index: int) -> int:
    """The weekday (0 is Monday) of a day of a history."""
    return (start.weekday() + index) % WEEK


def find_shifts(flat: Sequence[float]) -> tuple[int, ...]:
    """The indexes at which a lasting new level begins, in order. A trend, a spike and a charge are none."""
    found: list[int] = []
    spans = [(0, len(flat))]
    while spans:
        first, last = spans.pop()
        after = moving_medians(flat[first:last], 0, _SIDE_DAYS)
        best = (0.0, 0)
        for each in range(first + _SHORTEST_SEGMENT, last - _NEWEST_SHIFT + 1):
            # The days before one index are those after an earlier one.
            full = each - _SIDE_DAYS - first
            old = after[full] if full >= 0 else median(flat[first:each])
            best = max(best, (_shift_size(flat, (first, each, last), old, after[each - first]), each))
        if best[0] > 0 and (last == len(flat) or last - best[1] >= _SHORTEST_SEGMENT):
            found.append(best[1])
            spans += [(first, best[1]), (best[1], last)]
    return tuple(sorted(found))


def _shift_size(flat: Sequence[float], within: tuple[int, int, int], old: float, new: float) -> float:
    """Measure the shift between two levels at an index within a span, in standard errors; 0 where there is none."""
    change = new - old
    if abs(change) <= _SHIFT_SHARE * max(abs(old), abs(new)):
        return 0.0
    first, at, last = within
    before, after = flat[max(first, at - _SIDE_DAYS) : at], flat[at : min(last, at + _SIDE_DAYS)]
    middle, up = (old + new) / 2, change > 0
    beyond = sum((value > middle) is up for value in after)
    if beyond < _FULL_SHARE * len(after) or any((value > middle) is not up for value in after[-3:]):
        return 0.0
    if sum((value > middle) is not up for value in before) < _FULL_SHARE * len(before):
        return 0.0
    step = median(after[:WEEK]) - median(before[-WEEK:])
    if step * change <= 0 or abs(step) < _STEP_SHARE * abs(change):
        return 0.0
    apart = [abs(value - old) for value in before] + [abs(value - new) for value in after]
    noise = max(1.4826 * median(apart), 0.01 * max(abs(old), abs(new)))
    size = abs(change) / (1.2533 * noise * math.sqrt(1 / len(before) + 1 / len(after)))
    # Of neighbouring indexes that all see the shift, the one where the days tell the levels apart best.
    wrong = sum((value > middle) is up for value in before[-WEEK:]) + sum(
        (value > middle) is not up for value in after[:WEEK]
    )
    return size / (1 + wrong) if size > _SHIFT_NOISE else 0.0


def _unconfirmed(unusual: Mapping[int, float], count: int, level: float) -> tuple[int, float]:
    """The newest days, at least two, that are all unusual in one direction, and their typical distance."""
    newest: list[float] = []
    for index in range(count - 1, -1, -1):
        if index not in unusual or (newest and (unusual[index] > 0) is not (newest[0] > 0)):
            break
        newest.append(unusual[index])
    if len(newest) < 2 or abs(median(newest)) <= _SHIFT_SHARE * abs(level):
        return 0, 0.0
    return len(newest), median(newest)


def _rough_weekdays(history: Sequence[float], start: date) -> list[float]:
    offsets: list[list[float]] = [[] for _ in range(WEEK)]
    around = moving_medians(history, 3, 4)
    for index in range(3, len(history) - 3):
        offsets[weekday(start, index)].append(history[index] - around[index])
    return [median(values) if values else 0.0 for values in offsets]


def _usual(flat: Sequence[float], shifts: Sequence[int]) -> list[float]:
    """The usual costs around each day, within its level."""
    return [
        level
        for first, last in segments(shifts, len(flat))
        for level in moving_medians(flat[first:last], _NEIGHBOURS, _NEIGHBOURS + 1)
    ]


def moving_medians(values: Sequence[float], behind: int, ahead: int) -> list[float]:
    """Return for each index the median of the ``behind`` values before it and the ``ahead`` ones from it on."""
    found, window = [], sorted(values[:ahead])
    for index in range(len(values)):
        half, odd = divmod(len(window), 2)
        found.append(window[half] if odd else (window[half - 1] + window[half]) / 2)
        if index + ahead < len(values):
            insort(window, values[index + ahead])
        if index >= behind:
            del window[bisect_left(window, values[index - behind])]
    return found


def segments(shifts: Sequence[int], count: int) -> list[tuple[int, int]]:
    """The ranges of indexes between shifts."""
    bounds = [0, *shifts, count]
    return list(pairwise(bounds))


def _monthly(unusual: Mapping[int, float], start: date, count: int) -> tuple[dict[int, float], dict[int, float]]:
    """Charges that recur on a day of the month, and the unusual days that are none of them."""
    left = {start + timedelta(days=index): distance for index, distance in unusual.items()}
    end = start + timedelta(days=count - 1)
    found = {}
    for key in sorted(range(1, 32), key=lambda day: (-sum(falls_on(each, day) for each in left), -day)):
        hits = [each for each in sorted(left) if falls_on(each, key)]
        if len(hits) < 2:
            continue
        since = _occurrences(key, hits[0], end)
        same_sign = len({left[each] > 0 for each in hits}) == 1
        if same_sign and len(hits) >= len(since) - len(since) // 4 and since[-1] in hits[-1:]:
            found[key] = median(left[each] for each in hits[-3:])
            for each in hits:
                del left[each]
    return found, {(day - start).days: distance for day, distance in left.items()}


def _occurrences(key: int, first: date, last: date) -> list[date]:
    days = (first + timedelta(days=index) for index in range((last - first).days + 1))
    return [day for day in days if falls_on(day, key)]


def _weekday_effects(clean: Sequence[float], start: date, shifts: Sequence[int]) -> tuple[float, ...]:
    """The distance of each weekday from its week's average, over the last eight weeks. They add up to zero.

    A week before a shift counts in proportion to the level of today.
    """
    spans = segments(shifts, len(clean))
    today = median(clean[spans[-1][0] :])
    offsets: list[list[float]] = [[] for _ in range(WEEK)]
    for first, last in spans:
        scale = _scale(median(clean[first:last]), today)
        for index in range(max(first + 3, len(clean) - _PATTERN_DAYS), last - 3):
            offsets[weekday(start, index)].append(scale * (clean[index] - fmean(clean[index - 3 : index + 4])))
    effects = [sum(values) / (len(values) + _DOUBT) for values in offsets]
    mean = fmean(effects)
    return tuple(effect - mean for effect in effects)


def _scale(old: float, new: float) -> float:
    return new / old if old * new > 0 else 0.0
