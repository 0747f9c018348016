"""The picture of what stands out: lines as time goes on, with points that are marked."""

from collections.abc import Sequence

from common.charts.drawings import finish
from common.charts.encodings import VERMILLION, across, axis, only, timed, tooltip, when, written
from common.charts.values import Heading, Measure, Row, Spec, Time
from common.warehouse.json_values import json_safe

# Okabe and Ito's colours without the one that marks.
_COLOURS = ["#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"]
_HEIGHT = 240


def marked_lines(
    heading: Heading,
    rows: Sequence[Row],
    points: Sequence[Row],
    time: Time,
    measure: Measure,
    mark: Measure,
    also: Sequence[Measure],
    name: str,
) -> Spec | None:
    """A line for each name, and a large point for each of ``points``; None for fewer than two rows."""
    if not points:
        return None
    lines = [{each: json_safe(row[each]) for each in (time.field, name, measure.field)} for row in rows]
    fields = (time.field, name, mark.field, *(each.field for each in also))
    marks = [{each: json_safe(row[each]) for each in fields} for row in points]
    values = sorted((*lines, *marks), key=lambda value: str(value[time.field]))
    told = (measure, mark, *also)
    up = axis(measure, values)
    label: Spec = {"field": name, "type": "nominal", "title": None}
    line: Spec = {
        "mark": {"type": "line"},
        "encoding": {
            "y": up,
            "color": label | {"scale": {"range": _COLOURS}, "legend": {"orient": "top"}},
            "detail": label,
        },
        **only(measure),
    }
    point: Spec = {
        "mark": {"type": "point", "filled": True, "size": 90, "color": VERMILLION, "opacity": 1},
        "encoding": {"y": up | {"field": mark.field}},
        **only(mark),
    }
    drawing: Spec = {
        "height": _HEIGHT,
        "data": timed(values, time),
        **written(values, told),
        "encoding": {
            "x": across([value for value in values if measure.field in value], time),
            "tooltip": [when(time), {"field": name, "type": "nominal", "title": "Of"}, *tooltip(values, told)],
        },
        "layer": [line, point],
    }
    return finish(heading, values, measure, drawing) if len(lines) > 1 else None
