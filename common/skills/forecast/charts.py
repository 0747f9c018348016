"""The picture of a forecast: the days so far, then the days to come within their interval."""

from common.charts import drawings
from common.charts.money import days, named, of_one_currency
from common.charts.values import Heading, Label, Measure, Spec, Time, labelled
from common.tools.result import ToolResult


def forecast(result: ToolResult) -> Spec | None:
    """The days so far and to come, or the parts that a projected total is made of."""
    rows, currency, notes = of_one_currency(result.rows)
    period = days(result.summary["period"])
    if by := result.summary.get("dimension"):
        return drawings.bars(
            Heading(f"Projected cost by {named(by)}", (period, *notes)),
            labelled(rows, by),
            Label(by, named(by).capitalize()),
            Measure("period_total", "Period total", currency),
            Measure("cost_so_far", "So far", currency),
            Measure("lower", "Lower", currency),
            Measure("upper", "Upper", currency),
        )
    behind = [row for row in result.background if row["currency"] == currency]
    # Where the rows are months, the days of a near horizon are drawn all the same.
    to_come = [row for row in behind if "projected_cost" in row]
    monthly = result.summary.get("rows") == "month" and not to_come
    actual = [] if monthly else [row for row in behind if "actual_cost" in row]
    about = f"{period}; the band is meant to hold 8 times in 10"
    return drawings.band(
        Heading(f"Projected cost per {'month' if monthly else 'day'}", (about, *notes)),
        to_come or rows,
        Time("date", "Month" if monthly else "Day", "day"),
        Measure("projected_cost", "Projected cost", currency),
        Measure("lower", "Lower", currency),
        Measure("upper", "Upper", currency),
        before=(actual, Measure("actual_cost", "Actual cost", currency)) if actual else None,
    )
