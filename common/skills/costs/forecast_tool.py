"""cost_forecast: what will be billed over the coming days."""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Annotated, Any

from pydantic import Field

from common import limits
from common.cost_query.filters import Filters
from common.skills.costs import forecast, sql
from common.skills.costs.availability import find_available
from common.tenant import Principal
from common.tools import periods
from common.tools.context import WarehouseContext
from common.tools.periods import Period
from common.tools.result import ToolError, ToolResult, format_parameters
from common.warehouse.query import fixed


async def cost_forecast(
    principal: Principal,
    context: WarehouseContext,
    *,
    horizon_days: Annotated[
        int,
        Field(ge=1, le=limits.MAX_HORIZON_DAYS, description="How many days to project, the first of them tomorrow."),
    ] = 30,
) -> ToolResult:
    """Project what will be billed over the coming days, per currency, with an interval and how far to trust it.

    The projection follows the level, trend, weekday pattern and monthly charges of the recent history up to yesterday;
    outliers are left out. Rows are days; the summary has the projected total with its interval, the confidence and its
    reason. Say the interval and the confidence along with the figure.
    """
    yesterday = context.today - timedelta(days=1)
    period = periods.last_days(limits.FORECAST_HISTORY_DAYS, yesterday)
    parameters = period.bounds()
    found = await context.run(fixed(principal.tenant, sql.HISTORY, parameters))
    if not found.rows:
        available = (await find_available(principal, context, Filters()))["available"]
        which = (
            f"Data is there from {available['start_date']} to {available['end_date']}." if available else "None at all."
        )
        raise ToolError(
            "not_enough_history",
            f"There are no costs from {period} to forecast from. {which} Use query_costs for days that have data.",
        )
    known = Period(min(row["days"][0] for row in found.rows), max(row["days"][-1] for row in found.rows))
    made = await asyncio.to_thread(_forecasts, found.rows, known, context.today, horizon_days)
    rows = [point.as_row(currency) for currency, each in made for point in each.points]
    summary = {
        "horizon_days": horizon_days,
        "history": {**known.as_dict(), "days": known.days},
        "forecasts": [each.as_summary(currency) for currency, each in made],
        "method": forecast.METHOD,
        "cost_basis": "BilledCost",
    }
    shown = tuple(rows[: limits.MAX_RESULT_ROWS])
    return ToolResult(found, shown, summary, format_parameters(parameters), truncated=len(shown) < len(rows))


def _forecasts(
    rows: Iterable[Mapping[str, Any]], known: Period, today: date, horizon_days: int
) -> list[tuple[str, forecast.Forecast]]:
    histories = ((row["currency"], dict(zip(row["days"], row["costs"], strict=True))) for row in rows)
    return [(currency, forecast.project(history, known.end, today, horizon_days)) for currency, history in histories]
