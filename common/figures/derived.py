"""Figures that follow from others beside them: sums, differences, rests, averages, shares and changes in percent."""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import accumulate, combinations

from common.figures.reading import Figure
from common.figures.sources import EXACT

# A figure follows from so many that stand nearest to it, in its line and in two lines around it.
_NEAR = 10
_MOST_TOTALS = 6


class Shown:
    """The verified figures of an answer: by line, and added up down each column of a table or a list."""

    def __init__(self, verified: Sequence[Figure]) -> None:
        self._lines: defaultdict[int, list[Figure]] = defaultdict(list)
        self._largest: dict[str, float] = {}
        for figure in verified:
            self._add(figure)
        self._sums: defaultdict[str, list[float]] = defaultdict(list)
        self._totals: defaultdict[str, list[float]] = defaultdict(list)
        for unit, sums in _columns(verified):
            self._sums[unit] += sums
            self._totals[unit].append(sums[-1])
        for all_sums in self._sums.values():
            all_sums.sort()

    def explain(self, figure: Figure) -> bool:
        """Return true if the figure recomputes; it then counts as shown."""
        near = self._near(figure)
        values = self._shares(figure, near) if figure.unit == "%" else self._amounts(figure, near)
        found = next((value for value in values if _equal(figure, value)), None)
        if found is None:
            found = self._sum(figure)
        if found is None:
            return False
        figure.source = found
        self._add(figure)
        return True

    def _add(self, figure: Figure) -> None:
        insort(self._lines[figure.line], figure, key=lambda each: each.start)
        size = abs(figure.value)
        if figure.unit != "%" and not figure.is_small and size > self._largest.get(figure.unit, 0.0):
            self._largest[figure.unit] = size

    def _near(self, figure: Figure) -> list[Figure]:
        near: list[Figure] = []
        for line in (0,) if figure.cell >= 0 else (0, -1, 1, -2, 2):
            there = self._lines.get(figure.line + line, [])
            at = bisect_left(there, figure.start, key=lambda each: each.start)
            near += there[max(0, at - _NEAR) : at + _NEAR]
        return sorted(near, key=lambda each: abs(each.start - figure.start))[:_NEAR]

    def _all_of(self, unit: str) -> list[float]:
        """The wholes that a share may be of: the largest figure, and the sums of columns."""
        largest = [self._largest[unit]] if unit in self._largest else []
        return largest + self._totals.get(unit, [])[:_MOST_TOTALS]

    def _amounts(self, figure: Figure, near: Sequence[Figure]) -> Iterator[float]:
        """The sums, differences, rests and averages of the figures near it."""
        same = [each for each in near if each.unit == figure.unit]
        for one, other in combinations(same, 2):
            yield from _both(one, other)
        ordered = [each.value for each in sorted(same, key=lambda each: each.start)]
        for start in range(len(ordered)):
            yield from list(accumulate(ordered[start:]))[2:]
        for one in same:
            yield from (total - one.value for total in self._all_of(figure.unit))
        for one in near:
            if one.unit in (figure.unit, "") or not figure.unit:
                yield from (
                    one.value / each.value for each in near if each.unit in ("", "day", one.unit) and each.value
                )

    def _shares(self, figure: Figure, near: Sequence[Figure]) -> Iterator[float]:
        """The shares and changes in percent of the figures near it, and differences of percentages."""
        for one, other in combinations(near, 2):
            if one.unit != other.unit:
                continue
            if one.unit == "%":
                yield from _both(one, other)
                continue
            for a, b in ((one.value, other.value), (other.value, one.value)):
                if b:
                    yield 100 * a / b
                    yield 100 * (a - b) / abs(b)
        for one in near:
            if one.line == figure.line:
                yield from (100 * one.value / total for total in self._all_of(one.unit) if total)

    def _sum(self, figure: Figure) -> float | None:
        """The sum of the first figures of a column, or of the others, that the figure is."""
        sums = self._sums.get(figure.unit, [])
        totals = self._all_of(figure.unit)
        for value, tolerance in figure.readings:
            reach = tolerance + EXACT * (1 + abs(value))
            for wanted in (value, *(total - value for total in totals)):
                at = bisect_left(sums, wanted - reach)
                if at < len(sums) and sums[at] <= wanted + reach:
                    return value
        return None


def _equal(figure: Figure, value: float) -> bool:
    for reading, tolerance in figure.readings:
        signed, shown = (value, reading * figure.sign) if figure.sign else (abs(value), reading)
        if abs(signed - shown) <= tolerance + EXACT * (1 + abs(reading)):
            return True
    return False


def _both(one: Figure, other: Figure) -> Iterator[float]:
    """The sum and the differences of two figures, as they were found and as they are shown."""
    for a, b in {(one.value, other.value), (one.readings[0][0], other.readings[0][0])}:
        yield a + b
        yield a - b
        yield b - a


def _columns(figures: Sequence[Figure]) -> Iterator[tuple[str, list[float]]]:
    """The unit and the running sums of each column of a table, and of each place in the lines of a list."""
    columns: defaultdict[tuple[str, int, int], list[float]] = defaultdict(list)
    block = place = 0
    line = -1
    for figure in figures:
        block += figure.line > line + 1
        place = place + 1 if figure.line == line else 0
        line = figure.line
        columns[figure.unit, figure.cell if figure.cell >= 0 else -1 - place, block].append(figure.value)
    for (unit, _, _), column in columns.items():
        if len(column) > 1 and unit != "%":
            yield unit, list(accumulate(column))
