"""The four pictures there are: bars, bars to both sides, a line, and a line in its band.

They are Vega-Lite over a little inline data, and name no address to fetch from. Colours tell apart for every kind of
colour vision and stand out on light and on dark (Okabe and Ito's palette); the background is clear, and the colour of
text is left to the page. What rows say is only ever data or a title: no expression is built of it.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from common.charts.encodings import (
    BLUE,
    GREY,
    SIDE_BY_SIDE,
    VERMILLION,
    across,
    axis,
    down,
    layers,
    only,
    point,
    size,
    timed,
    tooltip,
    when,
    written,
)
from common.charts.values import REST, Heading, Label, Measure, Row, Spec, Time, drawable
from common.text import shorten
from common.warehouse.json_values import json_safe

# lines, and text below a title
CHART_BYTES = 64_000
CHART_LINE_CHARS = 100

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
_LINE_HEIGHT = 220
_BAR: Spec = {"type": "bar", "cornerRadiusEnd": 2}
# Stacks are kept by name in a plain object, which a name such as "constructor" breaks.
_UNSTACKED: Spec = {"stack": None}
_BAR_HEIGHT = {"step": 24}


def bars(
    heading: Heading, rows: Sequence[Row], label: Label, measure: Measure, *also: Measure, beside: Measure | None = None
) -> Spec | None:
    """Draw a bar for each row, with a tick for a second measure. Returns None for fewer than two rows."""
    drawn = (measure, beside) if beside else (measure,)
    values = _values(rows, (label.field, *(each.field for each in (*drawn, *also)), REST))
    encoding = down(values, label, (*drawn, *also))
    to_the_right = axis(measure, values) | _UNSTACKED
    drawing: Spec = {"height": _BAR_HEIGHT, "data": {"values": values}, **written(values, (*drawn, *also))}
    if beside is None:
        colour = {"condition": {"test": {"field": REST, "valid": True}, "value": GREY}, "value": BLUE}
        drawing |= {"mark": _BAR, "encoding": encoding | {"x": to_the_right, "color": colour}}
    else:
        tick = {"type": "tick", "thickness": 3, "bandSize": 20, "opacity": 1}
        layered = layers(("x", to_the_right), (_BAR, measure), (tick, beside))
        drawing |= {"encoding": encoding, "layer": layered, "config": SIDE_BY_SIDE}
    return finish(heading, values, measure, drawing)


def diverging_bars(
    heading: Heading, rows: Sequence[Row], label: Label, measure: Measure, *also: Measure
) -> Spec | None:
    """Draw rises as bars to the right and falls to the left, the largest rise first."""
    ordered = sorted(rows, key=lambda row: row[measure.field], reverse=True)
    values = _values(ordered, (label.field, *(each.field for each in (measure, *also))))
    colour = {"condition": {"test": {"field": measure.field, "gte": 0}, "value": VERMILLION}, "value": BLUE}
    drawing = {
        "height": _BAR_HEIGHT,
        "data": {"values": values},
        **written(values, also),
        "mark": _BAR,
        "encoding": down(values, label, (measure, *also)) | {"x": axis(measure, values) | _UNSTACKED, "color": colour},
    }
    return finish(heading, values, measure, drawing)


def line(
    heading: Heading, rows: Sequence[Row], time: Time, measure: Measure, *also: Measure, beside: Measure | None = None
) -> Spec | None:
    """Draw a line over time, and one for a second measure. Returns None for fewer than two rows."""
    drawn = (measure, beside) if beside else (measure,)
    values = _values(rows, (time.field, *(each.field for each in (*drawn, *also))))
    up = axis(measure, values)
    encoding = {"x": across(values, time), "tooltip": [when(time), *tooltip(values, (*drawn, *also))]}
    dots = point(len(values))
    mark = {"type": "line", "point": dots}
    drawing: Spec = {"height": _LINE_HEIGHT, "data": timed(values, time), **written(values, (*drawn, *also))}
    if beside is None:
        drawing |= {"mark": _blue_line(dots), "encoding": encoding | {"y": up}}
    else:
        layered = layers(("y", up), (mark, measure), (mark, beside))
        drawing |= {"encoding": encoding, "layer": layered, "config": SIDE_BY_SIDE}
    return finish(heading, values, measure, drawing)


def band(
    heading: Heading,
    rows: Sequence[Row],
    time: Time,
    measure: Measure,
    low: Measure,
    high: Measure,
    before: tuple[Sequence[Row], Measure] | None = None,
) -> Spec | None:
    """A line through the rows within the band from ``low`` to ``high``, after what was before; None for fewer than two.

    The rows of ``before`` have the same time and a measure of their own.
    """
    drawn = _values(rows, (time.field, measure.field, low.field, high.field))
    earlier, *past = before or ((), *())
    values = [*_values(earlier, (time.field, *(each.field for each in past))), *drawn]
    # The tallest of the three says how numbers are written on the axis that they share.
    up = axis(Measure(high.field, measure.title, measure.unit), values)
    told = (*past, measure, low, high)
    area: Spec = {"type": "area", "color": BLUE, "opacity": 0.25}
    layered = [
        {"mark": area, "encoding": {"y": up | {"field": low.field}, "y2": {"field": high.field}}, **only(low)},
        {"mark": _blue_line(point(len(values))), "encoding": {"y": up | {"field": measure.field}}, **only(measure)},
    ]
    grey: Spec = {"type": "line", "color": GREY, "point": point(len(values)) | {"color": GREY}}
    layered += [{"mark": grey, "encoding": {"y": up | {"field": each.field}}, **only(each)} for each in past]
    drawing: Spec = {
        "height": _LINE_HEIGHT,
        "data": timed(values, time),
        **written(values, told),
        "encoding": {"x": across(values, time), "tooltip": [when(time), *tooltip(values, told)]},
        "layer": layered,
    }
    return finish(heading, values, measure, drawing) if len(drawn) > 1 else None


def _blue_line(dots: Spec) -> Spec:
    return {"type": "line", "color": BLUE, "point": dots | {"color": BLUE}}


def _values(rows: Iterable[Row], fields: Sequence[str]) -> list[dict[str, Any]]:
    return [{name: json_safe(row[name]) for name in fields if name in row} for row in rows]


def finish(heading: Heading, values: Sequence[Row], measure: Measure, drawing: Spec) -> Spec | None:
    """The whole spec; None where there is too little to see, or too much to send."""
    if len(values) < 2 or not size(values, measure.field):
        return None
    lines = [shorten(drawable(text), CHART_LINE_CHARS) for text in heading.lines]
    spec = {
        "$schema": SCHEMA,
        "description": ". ".join((heading.text, measure.label, *lines)),
        "title": {"text": heading.text, "subtitle": lines, "anchor": "start", "offset": 8, "subtitlePadding": 4},
        "background": "transparent",
        "width": "container",
        "view": {"stroke": None},
        **drawing,
    }
    return spec if len(json.dumps(spec)) <= CHART_BYTES else None
