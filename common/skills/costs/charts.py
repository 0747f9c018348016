"""What the rows of the cost tools look like: one currency's, for amounts of several share no axis."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from common.charts import drawings
from common.charts.values import Heading, Label, Measure, Row, Spec, Time, labelled, largest
from common.skills.costs.sql import TIMES
from common.tools.result import ToolResult

_CHANGE = {"current_cost": "Now", "previous_cost": "Before"}


def costs(result: ToolResult) -> Spec | None:
    """Amounts as time goes on, or the largest amounts and the rest."""
    by = str(result.summary["group_by"])
    rows, currency, notes = of_one_currency(result.rows)
    billed, effective = (
        Measure("billed_cost", "Billed cost", currency),
        Measure("effective_cost", "Effective", currency),
    )
    if by in TIMES:
        cut = ("Later days are cut off",) if result.truncated else ()
        heading = Heading(f"Billed cost per {by}", (*about(result.summary), *notes, *cut))
        time = Time(by, by.capitalize(), "month" if by == "month" else "day")
        return drawings.line(heading, rows, time, billed, effective)
    heading = Heading(f"Billed cost by {named(by)}", (*about(result.summary), *notes))
    shown = largest(rows, by, "billed_cost", total(result, currency, "billed_cost"))
    return drawings.bars(
        heading, shown, Label(by, named(by).capitalize()), billed, effective, Measure("line_items", "Line items")
    )


def breakdown(result: ToolResult) -> Spec | None:
    """The largest parts of a total, and the rest."""
    by = str(result.summary["dimension"])
    rows, currency, notes = of_one_currency(result.rows)
    heading = Heading(f"Billed cost by {named(by)}", (*about(result.summary), *notes))
    shown = largest(rows, by, "total", total(result, currency, "total"))
    return drawings.bars(
        heading,
        shown,
        Label(by, named(by).capitalize()),
        Measure("total", "Billed cost", currency),
        Measure("pct_of_total", "Share", "%"),
    )


def changes(result: ToolResult) -> Spec | None:
    """What rose to the right, what fell to the left."""
    rows, currency, notes = of_one_currency(result.rows)
    current, previous = (_days(result.summary[name]) for name in ("current", "previous"))
    heading = Heading("Change in billed cost by service", (f"{current} against {previous}", *notes))
    return drawings.diverging_bars(
        heading,
        labelled(rows, "service", apart="provider"),
        Label("service", "Service"),
        Measure("absolute_change", "Change", currency),
        *(Measure(field, title, currency) for field, title in _CHANGE.items()),
        Measure("percent_change", "Change", "%"),
    )


def forecast(result: ToolResult) -> Spec | None:
    """The days to come, within their interval."""
    rows, currency, notes = of_one_currency(result.rows)
    about = f"The next {result.summary['horizon_days']} days; the band is meant to hold 8 times in 10"
    return drawings.band(
        Heading("Projected cost per day", (about, *notes)),
        rows,
        Time("date", "Day", "day"),
        Measure("projected_cost", "Projected cost", currency),
        Measure("lower", "Lower", currency),
        Measure("upper", "Upper", currency),
    )


def of_one_currency(rows: Sequence[Row], field: str = "currency") -> tuple[Sequence[Row], str | None, tuple[str, ...]]:
    """The rows of the currency that most of them are in, that currency, and a line where others are left out."""
    ranked = Counter(row[field] for row in rows if row[field] is not None).most_common()
    if not ranked:
        return (), None, ()
    drawn, others = ranked[0][0], [currency for currency, _ in ranked[1:]]
    left_out = f"{drawn} only: {', '.join(others)} cannot share its axis"
    return [row for row in rows if row[field] == drawn], drawn, (left_out,) if others else ()


def total(result: ToolResult, currency: str | None, field: str) -> Any:
    """What all groups of a currency come to, those that no row shows included."""
    return next((each[field] for each in result.summary["totals"] if each["currency"] == currency), 0)


def about(summary: Mapping[str, Any]) -> tuple[str, ...]:
    """The period, and what it was narrowed to."""
    filters = summary.get("filters") or {}
    narrowed = ", ".join(f"{named(name)}: {value}" for name, value in filters.items())
    return (_days(summary["period"]), narrowed) if narrowed else (_days(summary["period"]),)


def _days(period: Mapping[str, Any]) -> str:
    return f"{period['start_date']} to {period['end_date']}"


def named(name: str) -> str:
    return name.replace("_", " ")
