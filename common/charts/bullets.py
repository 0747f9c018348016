"""The picture of a target: a bar for what is, a paler one for what will be, and a tick for what should be."""

from collections.abc import Sequence

from common import limits
from common.charts.drawings import finish
from common.charts.encodings import BLUE, VERMILLION, axis, down, only, size, written
from common.charts.values import Heading, Label, Measure, Row, Spec
from common.warehouse.json_values import json_safe

_STEP = {"step": 28}


def bullets(
    heading: Heading, rows: Sequence[Row], label: Label, actual: Measure, projected: Measure, target: Measure
) -> Spec | None:
    """A bullet for each row, in their order; None for fewer than two."""
    measures = (actual, projected, target)
    names = (label.field, *(each.field for each in measures))
    values = [{name: json_safe(row[name]) for name in names} for row in rows[: limits.CHART_QUERY_BARS]]
    # The longest of the three says how far the axis goes, and how its numbers are written.
    longest = max(measures, key=lambda each: size(values, each.field))
    shared = axis(Measure(longest.field, "Amount", actual.unit), values) | {"stack": None}
    marks: tuple[tuple[Spec, Measure], ...] = (
        ({"type": "bar", "color": BLUE, "opacity": 0.3, "height": {"band": 0.8}}, projected),
        ({"type": "bar", "color": BLUE, "height": {"band": 0.4}, "cornerRadiusEnd": 2}, actual),
        ({"type": "tick", "color": VERMILLION, "thickness": 3, "bandSize": 24, "opacity": 1}, target),
    )
    drawing: Spec = {
        "height": _STEP,
        "data": {"values": values},
        **written(values, measures),
        "encoding": down(values, label, measures),
        "layer": [
            {"mark": mark, "encoding": {"x": shared | {"field": each.field}}, **only(each)} for mark, each in marks
        ],
    }
    return finish(heading, values, longest, drawing)
