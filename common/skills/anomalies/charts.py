"""The picture of anomalies: the daily cost of each value that had one, with the unusual days marked."""

from common.charts import marked
from common.charts.money import days, of_one_currency
from common.charts.values import Heading, Measure, Spec, Time, drawable
from common.tools.result import ToolResult


def anomalies(result: ToolResult) -> Spec | None:
    """A line for each value, and a point for each day that was far off."""
    by = result.summary["dimension"]
    fields = [by] if isinstance(by, str) else by
    rows, currency, notes = of_one_currency(result.rows)
    names = {row["name"] for row in result.background}
    named = [(row, " / ".join(str(row[field]) for field in fields)) for row in rows]
    points = [{**row, "name": drawable(name)} for row, name in named if name in names]
    lines = [{**row, "name": drawable(str(row["name"]))} for row in result.background if row["currency"] == currency]
    return marked.marked_lines(
        Heading("Unusual days", (days(result.summary["period"]), *notes)),
        lines,
        points,
        Time("date", "Day", "day"),
        Measure("cost", "Billed cost", currency),
        Measure("actual", "Actual", currency),
        (Measure("expected", "Expected", currency), Measure("excess", "Difference", currency)),
        name="name",
    )
