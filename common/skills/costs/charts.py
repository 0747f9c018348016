"""Charts of the cost tools: one currency's, for amounts of several share no axis."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any

from common import limits
from common.charts import drawings, series
from common.charts.money import about, days, named, of_one_currency, total
from common.charts.values import Grain, Heading, Label, Measure, Spec, Time, labelled, largest, titled
from common.focus.dimensions import TIMES
from common.focus.metrics import METRICS
from common.tools.result import ToolResult


def _words(name: str) -> str:
    """A metric's name as people write it: BilledCost is Billed cost."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).capitalize()


_CHANGE = {"current_cost": "Now", "previous_cost": "Before"}


_GRAINS: Mapping[str, Grain] = {
    "hour": "instant",
    "day": "day",
    "week": "day",
    "month": "month",
    "billing_period": "month",
}
_UNITS = {"consumed_quantity": "consumed_unit", "pricing_quantity": "pricing_unit"}
_TITLES = {metric.field: _words(metric.name) for metric in METRICS.values()}


def costs(result: ToolResult) -> Spec | None:
    """Amounts as time goes on, or the largest amounts and the rest; a line each for a second dimension."""
    by = _groups(result)
    measure = _measure(result)
    if not by or measure is None:
        return None
    # Rows of quantities alone have no currency.
    has_currency = "currency" in result.rows[0]
    rows, currency, notes = of_one_currency(result.rows) if has_currency else (result.rows, None, ())
    measured = replace(measure, unit=currency if measure.unit is None else measure.unit)
    cut = ("Later rows are cut off",) if result.truncated else ()
    heading = Heading(
        f"{measure.title} by {' and '.join(named(name) for name in by)}", (*about(result.summary), *notes)
    )
    moment = next((name for name in by if name in _GRAINS), None)
    others = [name for name in by if name != moment]
    if moment is not None:
        heading = Heading(heading.text.replace(f"by {moment}", f"per {moment}"), (*heading.lines, *cut))
        time = Time(moment, named(moment).capitalize(), _GRAINS[moment])
        drawn = [{**_plain(row, others), moment: _instant(row[moment], moment)} for row in rows]
        if not others:
            costs_beside = [each for each in _also(result, measured, currency) if each.field != "line_items"]
            return drawings.line(heading, drawn, time, measured, *costs_beside)
        return series.lines(heading, drawn, time, Label(_field(others), _title(others)), measured)
    drawn = [_plain(row, by) for row in rows]
    label = Label(_field(by), _title(by))
    if by[0] in TIMES:
        shown = labelled(drawn[: limits.CHART_QUERY_BARS], label.field)
    else:
        shown = largest(drawn, label.field, measured.field, _total(result, currency, measured, drawn))
    return drawings.bars(heading, shown, label, measured, *_also(result, measured, currency))


def _groups(result: ToolResult) -> list[str]:
    by = result.summary["group_by"]
    return [by] if isinstance(by, str) else list(by or ())


def _measure(result: ToolResult) -> Measure | None:
    """The first metric of the rows; None where it is a quantity in several units."""
    if not result.rows:
        return None
    field = next((name for name in result.rows[0] if name in _TITLES), None)
    if field is None:
        return None
    unit = _UNITS.get(field)
    if unit is None:
        return Measure(field, _TITLES[field], "line items" if field == "line_items" else None)
    units = {str(row[unit]) for row in result.rows}
    return Measure(field, _TITLES[field], units.pop()) if len(units) == 1 else None


def _also(result: ToolResult, measure: Measure, currency: str | None) -> list[Measure]:
    """The other metrics that tooltips tell."""
    fields = [name for name in result.rows[0] if name in _TITLES and name != measure.field]
    return [Measure(name, _TITLES[name], currency if name.endswith("_cost") else None) for name in fields]


def _plain(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """The row with its names as one text, where they are several or go by a name of no plain word."""
    if not names or _field(names) in row:
        return dict(row)
    return {**row, _field(names): " / ".join(str(row[name]) for name in names)}


def _field(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 and names[0].isidentifier() else "name"


def _instant(value: object, grain: str) -> str:
    return f"{value}:00Z".replace(" ", "T") if grain == "hour" else str(value)


def _title(names: Sequence[str]) -> str:
    return titled(", ".join(named(name) for name in names))


def _total(result: ToolResult, currency: str | None, measure: Measure, rows: Sequence[Mapping[str, Any]]) -> Any:
    totals = result.summary["totals"]
    known = next((each.get(measure.field) for each in totals if each["currency"] == currency), None)
    return sum(row[measure.field] or 0 for row in rows) if known is None else known


def breakdown(result: ToolResult) -> Spec | None:
    """The largest parts of a total, and the rest."""
    by = str(result.summary["dimension"])
    title = _words(str(result.summary.get("cost_basis", "BilledCost")))
    rows, currency, notes = of_one_currency(result.rows)
    heading = Heading(f"{title} by {named(by)}", (*about(result.summary), *notes))
    field = _field([by])
    shown = largest([_plain(row, [by]) for row in rows], field, "total", total(result, currency, "total"))
    return drawings.bars(
        heading,
        shown,
        Label(field, _title([by])),
        Measure("total", title, currency),
        Measure("pct_of_total", "Share", "%"),
    )


def changes(result: ToolResult) -> Spec | None:
    """Draw rises to the right and falls to the left."""
    rows, currency, notes = of_one_currency(result.rows)
    current, previous = (days(result.summary[name]) for name in ("current", "previous"))
    # A row begins with its names, and maybe its currency; its figures follow.
    first = takewhile(lambda name: name not in _CHANGE, result.rows[0] if result.rows else ())
    by = [name for name in first if name != "currency"]
    if not by:
        return None
    title = _words(str(result.summary.get("cost_basis", "BilledCost")))
    service_first = [name for name in by if name != "provider"] or by
    heading = Heading(
        f"Change in {title.lower()} by {' and '.join(named(name) for name in service_first)}",
        (f"{current} against {previous}", *notes),
    )
    apart = "provider" if "provider" in by and service_first != by else None
    field = _field(service_first)
    shown = [_plain(row, service_first) for row in rows[: limits.CHART_QUERY_BARS]]
    return drawings.diverging_bars(
        heading,
        labelled(shown, field, apart=apart),
        Label(field, _title(service_first)),
        Measure("absolute_change", "Change", currency),
        *(Measure(field, title, currency) for field, title in _CHANGE.items()),
        Measure("percent_change", "Change", "%"),
    )
