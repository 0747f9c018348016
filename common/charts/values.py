"""The parts of a chart: rows with labels, times and measures, and the heading."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal

CHART_BARS = 10

Spec = dict[str, Any]
Row = Mapping[str, Any]
Grain = Literal["day", "month", "instant"]

# No column of a query that is drawn under its own name begins like this.
REST = "_rest"
_OTHER, _NONE, _UNTITLED = "Other", "(none)", "Value"
_TITLE_CHARS = 60
_NOT_IN_TITLES = re.compile(r"[^\w ()%.,:/+-]|_")
# What XML, and so an SVG, may not hold; and what would break a line.
_NOT_DRAWABLE = re.compile("[\x00-\x1f\x7f\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Measure:
    """A field that is a number: how it is called, the currency or unit it is in, and what is the whole, if known."""

    field: str
    title: str
    unit: str | None = None
    whole: int | None = None

    @property
    def label(self) -> str:
        return titled(f"{self.title} ({self.unit})" if self.unit else self.title)


@dataclass(frozen=True, slots=True)
class Label:
    """A field that says what a row is of."""

    field: str
    title: str


@dataclass(frozen=True, slots=True)
class Heading:
    """A chart's title, and the lines below it."""

    text: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Time:
    """A field that is a point in time, as ISO 8601 text or as a date, in UTC."""

    field: str
    title: str
    grain: Grain


def titled(text: str) -> str:
    """The text as a title of a field: Vega-Lite makes code of it, in which a backslash is not escaped.

    It begins with a capital, for Vega also takes the name of what every JavaScript object has for that thing itself.
    """
    plain = " ".join(_NOT_IN_TITLES.sub(" ", text).split())[:_TITLE_CHARS]
    return plain[:1].upper() + plain[1:] or _UNTITLED


def drawable(text: str) -> str:
    """The text with spaces for what no picture can hold, line ends among it."""
    return _NOT_DRAWABLE.sub(" ", text)


def labelled(rows: Iterable[Row], label: str, apart: str | None = None) -> list[dict[str, Any]]:
    """The rows with a label that no other row has: ``apart`` tells those of one name apart, and then a number does."""
    given = list(rows)
    names = [_NONE if row[label] is None else drawable(str(row[label])) for row in given]
    if apart is not None:
        names = [
            f"{name} ({row[apart]})" if names.count(name) > 1 else name for name, row in zip(names, given, strict=True)
        ]
    seen = dict[str, None]()
    for name in names:
        seen[next(each for each in _numbered(name) if each not in seen)] = None
    return [{**row, label: name} for row, name in zip(given, seen, strict=True)]


def _numbered(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name} ({number})" for number in count(2))


def largest(rows: Sequence[Row], label: str, field: str, total: Any) -> list[dict[str, Any]]:
    """The first ten rows, and what is left of the total as one more; for rows in order, largest first."""
    shown = labelled(rows[:CHART_BARS], label)
    rest = total - sum(row[field] for row in shown)
    if len(rows) > len(shown) or rest:
        shown = labelled([*shown, {label: _OTHER, field: rest, REST: True}], label)
    return shown
