"""The picture of unit costs: one bar for each group, of one unit and one currency."""

from collections import Counter

from common.charts import drawings
from common.charts.money import days, of_one_currency
from common.charts.values import Heading, Label, Measure, Spec, labelled
from common.tools.result import ToolResult


def unit_costs(result: ToolResult) -> Spec | None:
    """The cost of one unit per group; units do not share an axis."""
    groups = list(result.summary["group_by"])
    if not groups:
        return None
    units = Counter(row.get("unit") for row in result.rows)
    unit = units.most_common(1)[0][0] if units else None
    rows, currency, notes = of_one_currency([row for row in result.rows if row.get("unit") == unit])
    named = [{**row, "group": ", ".join(str(row[name]) for name in groups)} for row in rows if row["unit_cost"]]
    per = unit or result.summary["per"]
    left_out = (f"{per} only: other units cannot share its axis",) if len(units) > 1 else ()
    return drawings.bars(
        Heading(f"Cost per {per}", (days(result.summary["period"]), *notes, *left_out)),
        labelled(named[:20], "group"),
        Label("group", " and ".join(groups).capitalize()),
        Measure("unit_cost", "Unit cost", currency),
        Measure("quantity", "Quantity"),
    )
