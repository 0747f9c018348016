"""The commitment tool: how commitments are used, what they cover, and what they and negotiated prices save."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from common import limits
from common.cost_query.amounts import percent_of
from common.cost_query.arguments import FirstDay, FullFilters, FullPeriod, Groups, LastDay
from common.cost_query.asking import ask
from common.cost_query.caveats import describe_question, notes
from common.cost_query.dimensions import BoundDimension, all_parameters, bind_dimensions
from common.cost_query.reading import read_filters, read_scope
from common.skills.commitments import charts, sql
from common.tenant import Principal
from common.tools.context import WarehouseContext
from common.tools.registry import Tool, tool
from common.tools.result import ToolResult, format_parameters

BASIS = (
    "Of usage charges. utilization = used / (used + unused), at effective cost. coverage = covered / eligible usage, "
    "at list cost; eligible is the usage of service categories in which commitments are used. negotiated savings = "
    "list - contracted; commitment savings = contracted - effective, unused commitments included; effective savings "
    "rate = 1 - effective / list. Purchases are BilledCost, charged when bought."
)
_DEFAULT = ("provider", "commitment_type")
_OF_COMMITMENTS = frozenset(
    {"commitment", "commitment_id", "commitment_type", "commitment_category", "commitment_status"}
)
_SUMS = (
    "used_cost", "unused_cost", "covered_list_cost", "eligible_list_cost", "list_cost", "contracted_cost",
    "effective_cost", "purchased_cost",
)  # fmt: skip


async def commitment_summary(
    principal: Principal,
    context: WarehouseContext,
    *,
    group_by: Groups | None = None,
    filters: FullFilters = (),  # type: ignore[assignment]
    period: FullPeriod | None = None,
    start_date: FirstDay | None = None,
    end_date: LastDay | None = None,
) -> ToolResult:
    """Utilization, coverage and waste of reservations, savings plans and committed use, and what is saved.

    Totals per currency hold coverage, negotiated and commitment savings, and the effective savings rate. Rows: by
    provider and commitment type, or any dimensions (commitment, service, sub_account, month).
    """
    given = read_filters(context, filters)
    scope = read_scope(context, given, period, start_date, end_date)
    groups = bind_dimensions(group_by or _DEFAULT, "g", context.calendar)
    bound = {**scope.period.bounds(), **all_parameters(groups)}
    asked = await ask(principal, context, given, scope.period, lambda narrowed: (sql.summary(groups, narrowed), bound))
    found = [row for row in asked.rows if any(row[name] for name in _SUMS)]
    rows = [row for row in (_row(each, groups, found) for each in found) if _says_something(row)]
    currencies = sorted({row["currency"] for row in found})
    totals = [{"currency": each, **_figures(_added(found, each))} for each in currencies]
    summary = {
        "group_by": [each.name for each in groups],
        "totals": totals,
        **describe_question(scope, asked),
        "notes": [*notes(scope, asked, currencies), *_about(totals)],
        "basis": BASIS,
        "cost_basis": "EffectiveCost and ListCost of usage",
    }
    shown = tuple(rows[: limits.MAX_RESULT_ROWS])
    return ToolResult(asked.found, shown, summary, format_parameters(asked.parameters), len(shown) < len(rows))


TOOLS: tuple[Tool, ...] = (tool("costs", commitment_summary, draws=charts.commitments),)


def _row(
    row: Mapping[str, Any], groups: Sequence[BoundDimension], everything: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """A group's figures. A commitment's coverage is its share of what might be covered beside it."""
    names = [f"g{index}" for index, each in enumerate(groups) if each.name not in _OF_COMMITMENTS]
    beside = [
        each["eligible_list_cost"]
        for each in everything
        if each["currency"] == row["currency"] and all(each[name] == row[name] for name in names)
    ]
    sums = {name: row[name] for name in _SUMS} | {"eligible_list_cost": sum(beside, Decimal())}
    named = {each.name: row[f"g{index}"] for index, each in enumerate(groups)}
    return {**named, **_figures(sums), "currency": row["currency"]}


def _added(rows: Sequence[Mapping[str, Any]], currency: str) -> dict[str, Decimal]:
    own = [row for row in rows if row["currency"] == currency]
    return {name: sum((row[name] for row in own), Decimal()) for name in _SUMS}


def _figures(sums: Mapping[str, Decimal]) -> dict[str, Any]:
    used, unused = sums["used_cost"], sums["unused_cost"]
    listed, contracted, effective = sums["list_cost"], sums["contracted_cost"], sums["effective_cost"]
    return {
        "utilization_pct": percent_of(used, used + unused),
        "coverage_pct": percent_of(sums["covered_list_cost"], sums["eligible_list_cost"]),
        "used_cost": used,
        "unused_cost": unused,
        "covered_list_cost": sums["covered_list_cost"],
        "eligible_list_cost": sums["eligible_list_cost"],
        "on_demand_eligible_list_cost": sums["eligible_list_cost"] - sums["covered_list_cost"],
        "negotiated_savings": listed - contracted,
        "commitment_savings": contracted - effective,
        "effective_savings_rate_pct": percent_of(listed - effective, listed),
        "list_cost": listed,
        "effective_cost": effective,
        "purchased_cost": sums["purchased_cost"],
    }


def _says_something(row: Mapping[str, Any]) -> bool:
    return any(
        row[name] for name in ("used_cost", "unused_cost", "purchased_cost", "negotiated_savings", "commitment_savings")
    )


def _about(totals: Sequence[Mapping[str, Any]]) -> list[str]:
    if totals and not any(each["used_cost"] or each["unused_cost"] or each["purchased_cost"] for each in totals):
        return ["No commitment was used, unused or bought in what was asked for."]
    return []
