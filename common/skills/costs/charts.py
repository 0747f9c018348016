"""What the rows of the cost tools look like: one currency's, for amounts of several share no axis."""

from common.charts import drawings
from common.charts.money import about, days, named, of_one_currency, total
from common.charts.values import Heading, Label, Measure, Spec, Time, labelled, largest
from common.focus.dimensions import TIMES
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
    current, previous = (days(result.summary[name]) for name in ("current", "previous"))
    heading = Heading("Change in billed cost by service", (f"{current} against {previous}", *notes))
    return drawings.diverging_bars(
        heading,
        labelled(rows, "service", apart="provider"),
        Label("service", "Service"),
        Measure("absolute_change", "Change", currency),
        *(Measure(field, title, currency) for field, title in _CHANGE.items()),
        Measure("percent_change", "Change", "%"),
    )
