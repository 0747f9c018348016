"""The picture of commitments: how much of each was used and how much was not."""

from common.charts import drawings
from common.charts.money import days, of_one_currency
from common.charts.values import Heading, Label, Measure, Spec, labelled
from common.tools.result import ToolResult


def commitments(result: ToolResult) -> Spec | None:
    """The cost of each commitment that was used, with a tick for what was not."""
    committed = [row for row in result.rows if row["used_cost"] or row["unused_cost"]]
    rows, currency, notes = of_one_currency(committed)
    names = list(result.summary["group_by"])
    named = [{**row, "group": ", ".join(str(row[name]) for name in names)} for row in rows]
    return drawings.bars(
        Heading("Commitments: used and unused", (days(result.summary["period"]), *notes)),
        labelled(named, "group"),
        Label("group", "Commitment"),
        Measure("used_cost", "Used", currency),
        Measure("utilization_pct", "Utilization", "%"),
        Measure("coverage_pct", "Coverage", "%"),
        Measure("commitment_savings", "Saved", currency),
        beside=Measure("unused_cost", "Unused", currency),
    )
