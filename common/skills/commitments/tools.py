"""The commitment tool: how commitments are used, what they cover, and what they and negotiated prices save."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from common import limits
from common.cost_query.amounts import percent_of, show_amount
from common.cost_query.arguments import FirstDay, FullFilters, FullPeriod, LastDay
from common.cost_query.asking import ask
from common.cost_query.caveats import describe_question, notes
from common.cost_query.dimensions import BoundDimension, all_parameters, bind_dimensions
from common.cost_query.reading import read_filters, read_scope
from common.skills.commitments import charts, sql
from common.skills.optimizer.schemas import GroupingDimensions
from common.tenant import Principal
from common.tools.context import WarehouseContext
from common.tools.registry import Tool, tool
from common.tools.result import ToolResult, format_parameters

BASIS = (
    "Of usage charges. utilization = used / (used + unused), at effective cost. coverage = covered / eligible usage, "
    "at list cost; eligible is the usage of service categories in which commitments are used. A commitment's eligible "
    "and on-demand costs are of all usage beside it: do not add them over rows. negotiated savings = list - "
    "contracted; commitment savings = contracted - effective; effective savings rate = 1 - effective / list; all three "
    "with unused commitments. usage_effective_cost leaves out what query_costs' effective cost has besides usage: "
    "purchases, taxes, credits. purchased_cost is BilledCost, charged when bought: never add it to used and unused."
)
_DEFAULT = ("provider", "commitment_type")
_OF_COMMITMENTS = frozenset(
    {"commitment", "commitment_id", "commitment_type", "commitment_category", "commitment_status"}
)
# A filter on one of these leaves out the usage that no commitment covers.
_COVERED_ALONE = _OF_COMMITMENTS | {"pricing_category"}
_SUMS = (
    "used_cost", "unused_cost", "covered_list_cost", "eligible_list_cost", "list_cost", "contracted_cost",
    "effective_cost", "purchased_cost",
)  # fmt: skip


async def commitment_summary(
    principal: Principal,
    context: WarehouseContext,
    *,
    group_by: GroupingDimensions | None = None,
    filters: FullFilters = (),  # type: ignore[assignment]
    period: FullPeriod | None = None,
    start_date: FirstDay | None = None,
    end_date: LastDay | None = None,
) -> ToolResult:
    """Utilization, coverage and waste of reservations, savings plans and committed use, and what is saved.

    Totals per currency hold coverage, negotiated and commitment savings, and the effective savings rate. Rows: by
    provider and commitment type, or any dimensions (commitment, service, sub_account, month). For what was bought:
    group_by commitment, column purchased_cost.
    """
    given = read_filters(context, filters)
    scope = read_scope(context, given, period, start_date, end_date)
    groups = bind_dimensions(group_by or _DEFAULT, "g", context.calendar)
    bound = {**scope.period.bounds(), **all_parameters(groups)}
    asked = await ask(principal, context, given, scope.period, lambda narrowed: (sql.summary(groups, narrowed), bound))
    found = [row for row in asked.rows if any(row[name] for name in _SUMS)]
    narrow = sorted({each.dimension.name for each in given.all} & _COVERED_ALONE)
    rows = [row for row in (_row(each, groups, found, narrow) for each in found) if _says_something(row)]
    currencies = sorted({row["currency"] for row in found})
    totals = [
        {"currency": each, **_figures(_added(found, each)), **({"coverage_pct": None} if narrow else {})}
        for each in currencies
    ]
    shown = tuple(rows[: limits.MAX_RESULT_ROWS])
    summary = {
        "group_by": [each.name for each in groups],
        "totals": totals,
        **describe_question(scope, asked),
        "notes": [
            *notes(scope, asked, currencies),
            *_about(totals),
            *_about_rows(rows, found, narrow),
            *_left_out(totals, shown, len(found)),
        ],
        "basis": BASIS,
        "cost_basis": "EffectiveCost and ListCost of usage",
    }
    return ToolResult(asked.found, shown, summary, format_parameters(asked.parameters), len(shown) < len(rows))


TOOLS: tuple[Tool, ...] = (tool("costs", commitment_summary, draws=charts.commitments),)


def _row(
    row: Mapping[str, Any],
    groups: Sequence[BoundDimension],
    everything: Sequence[Mapping[str, Any]],
    narrow: Sequence[str],
) -> dict[str, Any]:
    """A group's figures. A commitment's coverage is its share of what might be covered beside it."""
    names = [f"g{index}" for index, each in enumerate(groups) if each.name not in _OF_COMMITMENTS]
    beside = [
        each
        for each in everything
        if each["currency"] == row["currency"] and all(each[name] == row[name] for name in names)
    ]
    eligible = sum((each["eligible_list_cost"] for each in beside), Decimal())
    covered = sum((each["covered_list_cost"] for each in beside), Decimal())
    figures = _figures({name: row[name] for name in _SUMS} | {"eligible_list_cost": eligible})
    figures["on_demand_eligible_list_cost"] = eligible - covered
    by_commitment = len(names) < len(groups)
    if narrow or (by_commitment and not row["used_cost"] and not row["covered_list_cost"]):
        figures["coverage_pct"] = None
    if any(each.name == "commitment_status" for each in groups):
        figures["utilization_pct"] = None  # A row of one status alone is always 0 or 100 %.
    named = {each.name: row[f"g{index}"] for index, each in enumerate(groups)}
    return {**named, **figures, "currency": row["currency"]}


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
        "list_cost_incl_unused": listed,
        "usage_effective_cost": effective,
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


def _about_rows(
    rows: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]], narrow: Sequence[str]
) -> list[str]:
    """Sentences about purchases that are missing or alone, and about a coverage that cannot be told."""
    said = []
    if names := next((row["providers_without_purchases"] for row in found if row["providers_without_purchases"]), ()):
        said.append(
            f"No commitment was bought in the period from {', '.join(names)}, though there are some: "
            "a purchased_cost of 0 does not say that they are free."
        )
    if alone := sum(1 for row in rows if _is_purchase_alone(row)):
        said.append(f"{alone} rows are purchases alone, without usage: they have no utilization or coverage.")
    if narrow:
        said.append(
            f"Coverage cannot be told under a filter on {', '.join(narrow)}, which leaves out the usage that is not "
            "covered: group by it instead."
        )
    return said


def _left_out(totals: Sequence[Mapping[str, Any]], shown: Sequence[Mapping[str, Any]], count: int) -> list[str]:
    """A sentence about the list cost of groups that are in the totals, and in no row."""
    name, left = "list_cost_incl_unused", list[str]()
    for total in totals:
        currency = total["currency"]
        amount = total[name] - sum((row[name] for row in shown if row["currency"] == currency), Decimal())
        left += [show_amount(amount, currency)] if amount else []
    if not left:
        return []
    return [f"{count - len(shown)} groups are in the totals and in no row: {' and '.join(left)} of list cost."]


def _is_purchase_alone(row: Mapping[str, Any]) -> bool:
    return bool(row["purchased_cost"]) and not (row["used_cost"] or row["unused_cost"] or row["usage_effective_cost"])
