"""The numbers that an answer may state: those of its tool results and of its question, and counts of rows."""

import math
import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from common.figures.reading import Figure, read_figures

# What a result has beside its data: how it was asked for and drawn. A model's own SQL is no evidence. A column of a row
# may have the same name, and is data.
_LEFT_OUT = frozenset({"sql", "chart", "columns", "job_id", "duration_ms", "parameters", "cached"})
_DATE = re.compile(r"(\d{4})-\d\d(?:-\d\d)?(?:[T ]\d\d:\d\d[\d:.+Z-]*)?\Z")
_DIGITS = re.compile(r"\d{1,18}(?:\.\d{1,18})?")
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
# What JSON has as a number; a boolean is none.
_NUMERIC = (int, float)
_LARGEST = 1e300
_DEPTH = 50
_FEW_VALUES = 10
_NAME_CHARS = 100
# A number as it is written for people, or a date.
_WRITTEN = re.compile(r"\d,\d|\d\s?[%$€£kKM]|[$€£]|\b[A-Z]{3}\s?\d|\d\s[a-z]|\d{4}-\d\d")
_WHOLE = 0.5
# What binary fractions are off by.
EXACT = 1e-9


class Sources:
    """Numbers that were read from somewhere. ``add`` takes what JSON holds, ``say`` takes text of the turn."""

    def __init__(self) -> None:
        self._numbers: set[float] = set()
        # The numbers of each name, None for another text.
        self._texts: dict[str, tuple[float, ...] | None] = {}
        self._counts: set[int] = set()
        self._years: set[int] = set()
        self._rows: list[Mapping[str, Any]] = []
        self._named: defaultdict[str, list[int]] = defaultdict(list)
        self._signed: list[float] = []
        self._sizes: list[float] = []

    def say(self, *texts: str) -> None:
        """Add the numbers of a text."""
        for text in texts:
            self._say(text)
        self._signed = []

    def add(self, value: Any) -> None:
        """Add every number below a value, and how many there are of what."""
        self._add(value)
        self._signed = []

    def holds(self, figure: Figure) -> bool:
        """Return true if the figure stands here, at its own precision; its source is noted then."""
        if figure.count >= 0 and (
            (figure.is_year and figure.count in self._years) or (figure.is_small and figure.count in self._counts)
        ):
            return True
        if not self._signed:
            self._signed, self._sizes = sorted(self._numbers), sorted(map(abs, self._numbers))
        numbers = self._signed if figure.sign else self._sizes
        if any(_finds(figure, numbers, value, tolerance) for value, tolerance in figure.readings):
            return True
        return bool(figure.parts) and all(self.holds(part) for part in figure.parts)

    def counts(self, number: int) -> bool:
        """Return true if there are so many of something."""
        return float(number) in self._numbers

    def rows_named(self, names: Iterable[str]) -> list[float]:
        """The numbers of the rows that one of these names stands in, and the sums of their columns."""
        found = sorted({at for name in names for at in self._named.get(name.casefold(), ())})
        rows = [self._rows[at] for at in found]
        numbers = [number for row in rows for each in row.values() for number in self._numbers_of(each)]
        if len(rows) > 1 and len(_currencies(rows)) < 2:
            numbers += [math.fsum(_column(rows, name)) for name in rows[0]]
        return numbers

    def _add(self, value: Any, depth: int = 0, *, is_row: bool = False) -> None:
        kind = type(value)
        if kind is str:
            self._say(value)
        elif kind in _NUMERIC:
            self._put(value)
        elif depth > _DEPTH:
            return
        elif kind is dict or isinstance(value, Mapping):
            self._add_fields(value, depth + 1, is_row=is_row)
        elif isinstance(value, list | tuple):
            if all(type(each) is dict for each in value):
                self._add_rows(value, depth + 2)
            else:
                for each in value:
                    self._add(each, depth + 1, is_row=True)
            self._count(value)

    def _add_rows(self, rows: Sequence[Mapping[str, Any]], depth: int) -> None:
        fields = [field for row in rows for field in row.values()]
        self._numbers.update([float(each) for each in fields if type(each) in _NUMERIC and -_LARGEST < each < _LARGEST])
        for field in fields:
            if type(field) not in _NUMERIC:
                self._add(field, depth)
        for row in rows:
            if "start_date" in row:
                self._count_days(row)

    def _add_fields(self, value: Mapping[str, Any], depth: int, *, is_row: bool) -> None:
        for name, each in value.items():
            if is_row or name not in _LEFT_OUT:
                if type(each) is float:
                    self._put(each)
                else:
                    self._add(each, depth)
        if "start_date" in value:
            self._count_days(value)

    def _numbers_of(self, value: Any) -> Iterable[float]:
        """The numbers of a field, without reading a name again."""
        known = self._texts.get(value) if type(value) is str else None
        return _numbers_in(value, 1) if known is None else known

    def _put(self, number: float) -> None:
        if -_LARGEST < number < _LARGEST:
            self._numbers.add(float(number))

    def _say(self, text: str) -> None:
        if text in self._texts:
            return
        if _is_name(text):
            self._texts[text] = numbers = tuple(map(float, _DIGITS.findall(text)))
            self._numbers.update(numbers)
            return
        self._texts[text] = None
        if dated := _DATE.match(text):
            self._years.add(int(dated[1]))
            return
        for figure in read_figures(text):
            for value, _ in figure.readings:
                self._put(value * (figure.sign or 1))
        for year in _YEAR.findall(text):
            self._years |= {int(year) - 1, int(year), int(year) + 1}

    def _count_days(self, period: Mapping[str, Any]) -> None:
        """Count the days and months of a period."""
        try:
            first, last = (date.fromisoformat(str(period[name])[:10]) for name in ("start_date", "end_date"))
        except (KeyError, ValueError):
            return
        self._put((last - first).days + 1)
        self._put((last.year - first.year) * 12 + last.month - first.month + 1)

    def _count(self, rows: Sequence[Any]) -> None:
        """Count the rows and the values of their columns, and add up numbers of one currency."""
        self._put(len(rows))
        if not rows or not all(isinstance(row, Mapping) for row in rows):
            return
        one_currency = len(_currencies(rows)) < 2
        for name in rows[0]:
            numbers = _column(rows, name)
            if numbers:
                positive, negative = sum(number > 0 for number in numbers), sum(number < 0 for number in numbers)
                self._counts |= {positive, negative}
                if one_currency:
                    total = math.fsum(numbers)
                    self._put(total)
                    self._put(total / len(numbers))
            elif len(counted := Counter(str(row.get(name)) for row in rows)) <= _FEW_VALUES:
                self._counts |= {len(counted), *counted.values()}
        for row in rows:
            for value in row.values():
                if isinstance(value, str) and len(value) <= _NAME_CHARS:
                    self._named[value.casefold()].append(len(self._rows))
            self._rows.append(row)


def _is_name(text: str) -> bool:
    """Return true for an id or a name, whose digits are read as they stand; those of a sentence have units."""
    return len(text) <= _NAME_CHARS and not _WRITTEN.search(text)


def is_among(figure: Figure, numbers: Sequence[float]) -> bool:
    """Return true if the figure is one of these few numbers, at its own precision."""
    for value, tolerance in figure.readings:
        wanted, reach = _wanted(figure, value), _reach(figure, value, tolerance)
        for number in numbers:
            if abs((number if figure.sign else abs(number)) - wanted) <= reach:
                return True
    return False


def _finds(figure: Figure, numbers: Sequence[float], value: float, tolerance: float) -> bool:
    """Look the value up in sorted numbers, and note what it was found at."""
    wanted, reach = _wanted(figure, value), _reach(figure, value, tolerance)
    at = bisect_left(numbers, wanted)
    above = numbers[at] - wanted if at < len(numbers) else math.inf
    below = wanted - numbers[at - 1] if at else math.inf
    if min(above, below) > reach:
        return False
    figure.source = numbers[at - 1] if below <= above else numbers[at]
    return True


def _wanted(figure: Figure, value: float) -> float:
    return figure.sign * value if figure.sign else value


def _reach(figure: Figure, value: float, tolerance: float) -> float:
    # A few things are counted, not rounded.
    exact = figure.is_small and tolerance == _WHOLE
    return (0.0 if exact else tolerance) + EXACT * (1 + abs(value))


def _currencies(rows: Sequence[Mapping[str, Any]]) -> set[str]:
    names = [name for name in rows[0] if "currency" in str(name).lower()]
    return {str(row.get(name)) for row in rows for name in names}


def _column(rows: Iterable[Mapping[str, Any]], name: str) -> list[float]:
    values: list[Any] = [row.get(name) for row in rows]
    return [each for each in values if type(each) in _NUMERIC and -_LARGEST < each < _LARGEST]


def _numbers_in(value: Any, depth: int = 0) -> Iterator[float]:
    kind = type(value)
    if kind in _NUMERIC:
        if -_LARGEST < value < _LARGEST:
            yield value
    elif kind is str:
        if not _is_name(value):
            yield from (reading for figure in read_figures(value) for reading, _ in figure.readings)
        elif found := _DIGITS.findall(value):
            yield from map(float, found)
    elif depth <= _DEPTH and isinstance(value, Mapping | list | tuple):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _numbers_in(each, depth + 1)
