"""The picture of budgets: a bar for spend, a paler one for where it lands, a tick for the amount."""

from common.charts import bullets
from common.charts.money import of_one_currency
from common.charts.values import Heading, Label, Measure, Row, Spec, labelled
from common.tools.result import ToolResult


def variance(result: ToolResult) -> Spec | None:
    """Each budget of one currency with its amount, what is spent, and where its period will land."""
    rows, currency, notes = of_one_currency([row for row in result.rows if row["actual"] is not None])
    named = [{**row, "budget": _name(row)} for row in rows]
    return bullets.bullets(
        Heading("Budgets: spent, projected and amount", (f"As of {result.summary['as_of']}", *notes)),
        labelled(named, "budget", apart="period_end"),
        Label("budget", "Budget"),
        Measure("actual", "Spent", currency),
        Measure("projected", "Projected", currency),
        Measure("amount", "Budget", currency),
    )


def _name(row: Row) -> str:
    return str(row["budget"]) if row["category"] == "total" else f"{row['budget']} ({row['category']})"
