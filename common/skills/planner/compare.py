"""A plan beside what it has cost: the charges that carry its tag, month by month."""

import calendar
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Protocol

from pydantic import Field, StringConstraints

from common.skills.planner.bill import cents
from common.skills.planner.sql import TAGGED
from common.tenant import Principal
from common.tools.context import WarehouseContext
from common.tools.periods import last_days
from common.tools.result import ToolError, ToolResult, format_parameters
from common.warehouse.query import Parameter, fixed

# Days of costs that a plan is compared with.
COMPARED_DAYS = 396

Row = Mapping[str, Any]


class Plans(Protocol):
    """Finds a caller's stored plans."""

    async def find(self, principal: Principal, conversation_id: str, plan_id: str | None) -> Row | None:
        """Return the plan of this id, or the conversation's last. Returns None if the caller has no such plan."""
        ...


@dataclass(frozen=True, slots=True)
class PlansContext(WarehouseContext):
    """The context of a tool that reads stored plans beside the warehouse."""

    plans: Plans


async def compare_plan(
    principal: Principal,
    context: PlansContext,
    *,
    plan_id: Annotated[
        str,
        StringConstraints(pattern="^plan-[0-9a-f]{12}$"),
        Field(description="Default: the conversation's last plan."),
    ]
    | None = None,
) -> ToolResult:
    """Compare what is tagged plan=<plan_id> has cost, month by month, with the stored plan's own price.

    A month that is not over, or that began later, is held against the days between its first and last charge.
    """
    plan = await context.plans.find(principal, context.conversation_id, plan_id)
    plan_id = plan_id or (plan or {}).get("plan_id")
    if plan_id is None:
        raise ToolError("unknown_plan", "plan_id: this conversation has no plan. Ask the user for the plan's plan_id.")
    cost = (plan or {}).get("cost")
    planned = None if cost is None else Decimal(str(cost["own_total"]))
    read = last_days(COMPARED_DAYS, context.today)
    parameters = {**read.bounds(), "plan_id": Parameter("STRING", plan_id)}
    found = await context.run(fixed(principal.tenant, TAGGED, parameters))
    rows = tuple(_compared(row, planned) for row in found.rows)
    summary: dict[str, Any] = {
        "plan_id": plan_id,
        "plan": None if plan is None else _told(plan),
        "period": read.as_dict(),
        "cost_basis": "EffectiveCost",
        "totals": _totals(rows),
        "notes": _notes(plan, rows, plan_id),
    }
    return ToolResult(found, rows, summary, format_parameters(parameters))


def _told(plan: Row) -> dict[str, Any]:
    """The stored plan's price and machine, as it was given."""
    cost = plan["cost"]
    told: dict[str, Any] = {"understanding": plan["understanding"], "oldest_price": plan["catalog"]["oldest_price"]}
    if cost is not None:
        told |= {"monthly_usd": cost["own_total"], "list_monthly_usd": cost["list_total"]}
        told["machine"] = cost["rows"][0]["item"]
    return told


def _compared(row: Row, planned: Decimal | None) -> dict[str, Any]:
    """A month beside the plan; the difference only where both are in USD."""
    last = row["last_day"]
    days = (last - row["first_day"]).days + 1
    part = None
    if planned is not None and row["currency"] == "USD":
        part = cents(planned * days / calendar.monthrange(last.year, last.month)[1])
    over = None if part is None else cents(row["effective_cost"] - part)
    return {**row, "planned_cost": part, "over_plan": over}


def _totals(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The sums by currency over all months; no sum is made of two currencies."""
    totals = []
    for currency in sorted({row["currency"] for row in rows}):
        own = [row for row in rows if row["currency"] == currency]
        total: dict[str, Any] = {"currency": currency}
        for name in ("billed_cost", "effective_cost", "planned_cost", "over_plan"):
            values = [row[name] for row in own]
            total[name] = None if None in values else cents(sum(values, Decimal()))
        totals.append(total)
    return totals


def _notes(plan: Row | None, rows: Sequence[Row], plan_id: str) -> list[str]:
    notes = []
    if plan is None:
        notes.append(f"None of your conversations has {plan_id}, so its price is not known: only costs are shown.")
    elif plan["cost"] is None:
        notes.append("No machine fitted this plan, so it has no price.")
    if not rows:
        notes.append(f"No charge of these days has the tag plan={plan_id}: tag the plan's machines with it.")
    elif {row["currency"] for row in rows} != {"USD"}:
        notes.append("The plan is in USD; costs in another currency are shown beside it and not compared.")
    return notes
