"""Several lines on one axis: a measure over time for the largest values of a second dimension, and for the rest."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from common.charts.drawings import finish
from common.charts.encodings import BLUE, GREY, VERMILLION, across, axis, point, timed, tooltip, when
from common.charts.values import Heading, Label, Measure, Row, Spec, Time, drawable
from common.warehouse.json_values import json_safe

CHART_SERIES_POINTS = 450

_OTHER = "Other"
# Okabe and Ito's palette, from what stands out most; grey is for the rest.
_COLOURS = (BLUE, VERMILLION, "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_LINE_HEIGHT = 240


def lines(heading: Heading, rows: Sequence[Row], time: Time, label: Label, measure: Measure) -> Spec | None:
    """A line for each of the largest values of a label; None for fewer than two points, or too many of them."""
    summed = _sum(rows, label.field, measure.field)
    largest = sorted(summed, key=lambda name: -abs(summed[name]))[: len(_COLOURS)]
    values = _fold(rows, largest, time, label, measure)
    if len(values) > CHART_SERIES_POINTS:
        return None
    names = [*largest, *([_OTHER] if len(summed) > len(largest) else [])]
    colours = [*_COLOURS[: len(largest)], GREY][: len(names)]
    colour = {
        "field": label.field,
        "type": "nominal",
        "scale": {"domain": names, "range": colours},
        "legend": {"orient": "top", "title": None, "columns": 3, "symbolType": "stroke"},
    }
    name = {"field": label.field, "type": "nominal", "title": label.title}
    drawing: Spec = {
        "height": _LINE_HEIGHT,
        "data": timed(values, time),
        "mark": {"type": "line", "point": point(len(values))},
        "encoding": {
            "x": across(_moments(values, time), time),
            "y": axis(measure, values),
            "color": colour,
            "tooltip": [when(time), name, *tooltip(values, (measure,))],
        },
    }
    return finish(heading, values, measure, drawing)


def _sum(rows: Sequence[Row], label: str, field: str) -> dict[str, Decimal]:
    summed: dict[str, Decimal] = {}
    for row in rows:
        name = drawable(str(row[label]))
        summed[name] = summed.get(name, Decimal()) + (row[field] or 0)
    return summed


def _fold(
    rows: Sequence[Row], largest: Sequence[str], time: Time, label: Label, measure: Measure
) -> list[dict[str, Any]]:
    """The rows of the largest values, and one for all others at each time."""
    folded: dict[tuple[str, str], Any] = {}
    for row in rows:
        name = drawable(str(row[label.field]))
        key = (str(row[time.field]), name if name in largest else _OTHER)
        folded[key] = folded.get(key, Decimal()) + (row[measure.field] or 0)
    return [
        {time.field: moment, label.field: name, measure.field: json_safe(amount)}
        for (moment, name), amount in sorted(folded.items())
    ]


def _moments(values: Sequence[Row], time: Time) -> list[Row]:
    """One row for each time, in order: what the axis puts its ticks at."""
    return [{time.field: moment} for moment in sorted({str(row[time.field]) for row in values})]
