"""The chart of a query's rows: a time or a category, and one number or two."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from common import limits
from common.charts import drawings
from common.charts.money import of_one_currency
from common.charts.values import Grain, Heading, Label, Measure, Row, Spec, Time, labelled, titled
from common.focus.currencies import CURRENCIES
from common.tools.result import ToolResult
from common.warehouse.result import Column, QueryResult

_WHOLE = frozenset({"INTEGER", "INT64"})
_NUMBERS = _WHOLE | {"FLOAT", "FLOAT64", "NUMERIC", "BIGNUMERIC"}
_LABELS = frozenset({"STRING", "DATE", "TIMESTAMP"})
# Not what every JavaScript object has.
_PLAIN_NAME = re.compile(r"(?!constructor|hasOwn|isProto|propertyIs|to[A-Z]|valueOf)[A-Za-z][A-Za-z0-9_]{0,63}")
# How long the texts are, and what makes a date and time of one.
_GRAINS: Mapping[Grain, tuple[range, str]] = {
    "month": (range(7, 8), "{}-01T00:00:00Z"),
    "day": (range(10, 11), "{}T00:00:00Z"),
    "instant": (range(20, 36), "{}"),
}


@dataclass(frozen=True, slots=True)
class _Shape:
    """The roles of the columns. Only a column with a plain name goes by its own name in a chart."""

    label: Column
    numbers: tuple[Column, ...]
    currency: Column | None
    fields: Mapping[str, str]

    @property
    def along(self) -> Label:
        return Label(self.fields[self.label.name], titled(self.label.name))

    def measures(self, currency: str | None) -> tuple[Measure, ...]:
        return tuple(
            Measure(self.fields[each.name], titled(each.name), None if each.type in _WHOLE else currency)
            for each in self.numbers
        )


def query(result: ToolResult) -> Spec | None:
    """A line over time, or bars of the first number; None for rows that are neither."""
    columns = result.source.columns if isinstance(result.source, QueryResult) else ()
    shape = _shape(columns, result.rows)
    if shape is None:
        return None
    rows, currency, notes = (
        of_one_currency(result.rows, shape.currency.name) if shape.currency else (result.rows, None, ())
    )
    drawn = [{field: row[name] for name, field in shape.fields.items()} for row in rows]
    measure, *more = shape.measures(currency)
    labels = [row[shape.along.field] for row in drawn]
    numbers = [row[each.field] for row in drawn for each in (measure, *more)]
    if len(set(labels)) < len(labels) or not all(_is_number(value) for value in numbers):
        return None
    beside = more[0] if more and _alike(shape.numbers) else None
    also = () if beside else more
    cut = ("Not all rows are here",) if result.truncated else ()
    grain = _grain(labels)
    if grain is not None:
        ordered = sorted(drawn, key=lambda row: str(row[shape.along.field]))
        time = Time(shape.along.field, shape.along.title, grain)
        return drawings.line(
            Heading(f"{measure.title} over time", (*notes, *cut)),
            ordered,
            time,
            measure,
            *also,
            beside=beside,
        )
    if shape.label.type != "STRING":
        return None
    ranked = sorted(
        (row for row in drawn if row[measure.field] is not None), key=lambda row: row[measure.field], reverse=True
    )
    shown = labelled(ranked[: limits.CHART_QUERY_BARS], shape.along.field)
    few = (f"The {len(shown)} largest of {len(ranked)}",) if len(shown) < len(ranked) else ()
    heading = Heading(f"{measure.title} by {shape.along.title}", (*notes, *few, *cut))
    return drawings.bars(heading, shown, shape.along, measure, *also, beside=beside)


def _shape(columns: Sequence[Column], rows: Sequence[Row]) -> _Shape | None:
    """One time or category, one number or two, and perhaps a currency; None where the columns are others."""
    if len({each.name.casefold() for each in columns}) < len(columns) or any(
        each.mode == "REPEATED" for each in columns
    ):
        return None
    numbers = tuple(each for each in columns if each.type in _NUMBERS)
    others = [each for each in columns if each.type not in _NUMBERS]
    currency = next((each for each in others if len(others) > 1 and _is_currency(each, rows)), None)
    labels = [each for each in others if each is not currency]
    if len(labels) != 1 or labels[0].type not in _LABELS or len(numbers) not in (1, 2):
        return None
    fields = {
        each.name: each.name if _PLAIN_NAME.fullmatch(each.name) else f"_column_{index}"
        for index, each in enumerate(columns)
        if each is not currency
    }
    return _Shape(labels[0], numbers, currency, fields)


def _is_currency(column: Column, rows: Sequence[Row]) -> bool:
    named = column.type == "STRING" and "currency" in column.name.lower()
    return named and all(row[column.name] in CURRENCIES for row in rows)


def _grain(labels: Sequence[Any]) -> Grain | None:
    """The grain of the times. Returns None for values that are no times. Months are text, and days may be."""
    return next((grain for grain in _GRAINS if all(_is_time(str(label), grain) for label in labels)), None)


def _is_time(text: str, grain: Grain) -> bool:
    lengths, form = _GRAINS[grain]
    try:
        return len(text) in lengths and datetime.fromisoformat(form.format(text)).tzinfo is not None
    except ValueError:
        return False


def _alike(numbers: Sequence[Column]) -> bool:
    """Return true if two numbers have one unit, as billed_cost and effective_cost do: only then they share an axis."""
    first, second = numbers
    return first.type == second.type and first.name.lower().split("_")[-1] == second.name.lower().split("_")[-1]


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))
