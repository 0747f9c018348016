"""Vega-Lite encodings: axes, tooltips, and the formats of numbers and times."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from string import Template

from common.charts.values import Grain, Label, Measure, Row, Spec, Time, titled

CHART_POINTS = 62

BLUE, VERMILLION, GREY = "#0072B2", "#D55E00", "#808080"
_MILLION = 1_000_000
_TICKS = 8
_LONG_DAYS = 300
_WRITTEN = "_written_"
_WRITTEN_AS = Template("isValid(datum['$field']) ? format(datum['$field'], '$format') : '–'")

_PARSED: Mapping[Grain, str] = {"day": "utc:'%Y-%m-%d'", "month": "utc:'%Y-%m'", "instant": "date"}
_TOLD: Mapping[Grain, str] = {
    "day": "utcyearmonthdate",
    "month": "utcyearmonth",
    "instant": "utcyearmonthdatehoursminutes",
}


def down(values: Sequence[Row], label: Label, measures: Sequence[Measure]) -> Spec:
    """One below the other in the order of the rows, each with its tooltip."""
    name = {"field": label.field, "type": "nominal", "title": label.title}
    plain = {"ticks": False, "domain": False, "labelPadding": 6}
    return {
        "y": name | {"sort": None, "title": None, "axis": plain},
        "tooltip": [name, *tooltip(values, measures)],
    }


# A colour of a name alone takes no scale and no legend of its own.
SIDE_BY_SIDE: Spec = {"range": {"category": [BLUE, VERMILLION]}, "legend": {"orient": "top", "title": None}}


def layers(along: tuple[str, Spec], *marks: tuple[Spec, Measure]) -> list[Spec]:
    """Two measures on one axis, each with its colour and its name in the legend."""
    channel, shared = along
    names = [titled(measure.title) for _, measure in marks]
    return [
        {
            "mark": mark,
            "encoding": {
                channel: shared | {"field": measure.field, "title": ", ".join(names)},
                "color": {"datum": titled(measure.title), "type": "nominal"},
            },
        }
        for mark, measure in marks
    ]


def only(measure: Measure) -> Spec:
    """Only the rows that have the measure: a mark of others would be drawn to nowhere."""
    return {"transform": [{"filter": {"field": measure.field, "valid": True}}]}


def axis(measure: Measure, values: Sequence[Row]) -> Spec:
    """A measure along an axis that begins or passes at zero."""
    ticks: Spec = {"tickCount": 5}
    # Up to a million, a number is written out; a billion is G to SI alone.
    if size(values, measure.field) >= _MILLION:
        ticks |= {"format": "~s", "labelExpr": "replace(datum.label, 'G', 'B')"}
    scale = {"zero": True} if measure.whole is None else {"zero": True, "domainMax": _whole(measure, values)}
    return {"field": measure.field, "type": "quantitative", "title": measure.label, "axis": ticks, "scale": scale}


def _whole(measure: Measure, values: Sequence[Row]) -> float:
    return max(measure.whole or 0, size(values, measure.field))


def tooltip(values: Sequence[Row], measures: Iterable[Measure]) -> list[Spec]:
    """The tooltip's entries for measures."""
    return [
        {"field": f"{_WRITTEN}{each.field}", "type": "nominal", "title": each.label}
        if _has_gaps(values, each)
        else {"field": each.field, "type": "quantitative", "title": each.label, "format": _format(values, each.field)}
        for each in measures
    ]


def written(values: Sequence[Row], measures: Iterable[Measure]) -> Spec:
    """Format measures that some rows lack as text: Vega would show a missing value as 0."""
    transforms = [
        {
            "calculate": _WRITTEN_AS.substitute(field=each.field, format=_format(values, each.field)),
            "as": f"{_WRITTEN}{each.field}",
        }
        for each in measures
        if _has_gaps(values, each)
    ]
    return {"transform": transforms} if transforms else {}


def _has_gaps(values: Sequence[Row], measure: Measure) -> bool:
    return any(row.get(measure.field) is None for row in values)


def _format(values: Sequence[Row], field: str) -> str:
    if all(isinstance(row.get(field), int | None) for row in values):
        return ",d"
    return ",.2f" if size(values, field) >= 1 else ",.4~g"


def size(values: Sequence[Row], field: str) -> float:
    """The length of a field's bar, from zero."""
    return max((abs(row[field]) for row in values if row.get(field) is not None), default=0)


def timed(values: Sequence[Row], time: Time) -> Spec:
    """The data, with its times read as UTC."""
    return {"values": values, "format": {"parse": {time.field: _PARSED[time.grain]}}}


def across(values: Sequence[Row], time: Time) -> Spec:
    """Time along the axis at the bottom."""
    ticks: Spec = {"grid": False, "labelOverlap": "greedy"}
    if time.grain != "instant":
        ticks |= _ticks([_moment(row[time.field]) for row in values], time.grain)
    return {"field": time.field, "type": "temporal", "title": None, "scale": {"type": "utc"}, "axis": ticks}


def _ticks(moments: Sequence[datetime], grain: Grain) -> Spec:
    """Ticks at some of the rows: a week or a month is not marked where it has no point."""
    if not moments:
        return {}
    of_day = "%-d %b %Y" if (moments[-1] - moments[0]).days > _LONG_DAYS else "%-d %b"
    marked = moments[:: -(-len(moments) // _TICKS)]
    return {
        "format": "%b %Y" if grain == "month" else of_day,
        # As date-time objects: the expression interpreter of a page cannot label numbers as times.
        "values": [
            {"year": each.year, "month": each.month, "date": each.day, "hours": each.hour, "utc": True}
            for each in marked
        ],
    }


def _moment(text: str) -> datetime:
    day = text if len(text) > len("2026-01") else f"{text}-01"
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


def when(time: Time) -> Spec:
    """The tooltip's entry for a time."""
    # A unit in UTC, and no format: a format of its own is applied in the reader's time zone.
    return {"field": time.field, "type": "temporal", "title": time.title, "timeUnit": _TOLD[time.grain]}


def point(number: int) -> Spec:
    """The points of a line, which a pointer can rest on. They are invisible if there are many."""
    return {"size": 36, "opacity": 1 if number <= CHART_POINTS else 0}
