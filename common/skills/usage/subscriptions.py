"""The tool of subscriptions: seats and renewal dates, as far as the bill and the platform know them."""

from collections import Counter
from datetime import timedelta
from typing import Any

from common.skills.usage import sql
from common.tenant import Principal
from common.tools.context import WarehouseContext
from common.tools.periods import Period
from common.tools.result import ToolResult, of_shared_tables
from common.warehouse.query import fixed

SUBSCRIPTION_DAYS = 400

_FIELDS = (
    "service", "provider", "plan", "seats", "unit_price", "last_charge", "last_charge_day", "renewal_date",
    "billed_cost", "currency", "status", "kind",
)  # fmt: skip


async def subscriptions(principal: Principal, context: WarehouseContext) -> ToolResult:
    """List software subscriptions of the last 400 days and the plan on this platform: seats, price, renewal date.

    renewal_date is the end of the last charge's period; null where charges are daily or the data has none. billed_cost
    is of the whole time.
    """
    period = Period(context.today - timedelta(days=SUBSCRIPTION_DAYS), context.today)
    parameters = period.bounds()
    found = await context.run(fixed(principal.tenant, sql.SUBSCRIPTIONS, parameters))
    rows = tuple({name: row[name] for name in _FIELDS} for row in found.rows)
    due = sorted((row["renewal_date"], row["service"]) for row in rows if row["renewal_date"] is not None)
    summary: dict[str, Any] = {
        "period": period.as_dict(),
        "subscriptions": dict(Counter(row["kind"] for row in rows)),
        "next_renewals": [{"service": service, "date": day} for day, service in due if day >= context.today][:10],
        "cost_basis": "BilledCost",
        "note": "How many seats are in use is not in the data; seats are those that are paid for.",
    }
    return of_shared_tables(principal, found, rows, summary, parameters)
