"""The picture of an allocation: each target's whole cost, with a tick for what is its own."""

from common.charts import drawings
from common.charts.money import days, named, of_one_currency
from common.charts.values import Heading, Label, Measure, Spec, labelled
from common.tools.result import ToolResult


def allocation(result: ToolResult) -> Spec | None:
    """The largest targets with their part of what is shared."""
    by = str(result.summary["over"])
    rows, currency, notes = of_one_currency(result.rows)
    return drawings.bars(
        Heading(f"Cost by {named(by)} with shared costs", (days(result.summary["period"]), *notes)),
        labelled([{**row, "target": row[by]} for row in rows[:20]], "target"),
        Label("target", named(by).capitalize()),
        Measure("total_cost", "With shared", currency),
        Measure("allocated_cost", "Allocated", currency),
        Measure("weight_pct", "Weight", "%"),
        beside=Measure("direct_cost", "Own", currency),
    )
