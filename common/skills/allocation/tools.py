"""The allocation tool: shared spend over teams or any dimension, by a rule that the answer shows."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field

from common import limits
from common.cost_query.amounts import percent_of
from common.cost_query.arguments import FirstDay, LastDay
from common.cost_query.asking import ask
from common.cost_query.caveats import describe_question, notes
from common.cost_query.dimensions import bind_dimension
from common.cost_query.filters import Filters
from common.cost_query.reading import read_filters, read_scope
from common.focus.metrics import describe_basis
from common.skills.allocation import charts, sql
from common.skills.allocation.sharing import divide_exactly
from common.skills.optimizer.schemas import NamedDays, NarrowingFilters, OneDimension
from common.tenant import Principal
from common.tools.context import WarehouseContext
from common.tools.registry import Tool, tool
from common.tools.result import ToolError, ToolResult, format_parameters

Method = Literal["proportional", "equal", "weights"]
Weights = dict[Annotated[str, Field(max_length=200)], Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]]


async def allocate_shared_costs(
    principal: Principal,
    context: WarehouseContext,
    *,
    shared: NarrowingFilters = (),  # type: ignore[assignment]
    over: OneDimension = "team",
    method: Annotated[
        Method, Field(description="proportional to each one's own cost, equal, or by weights.")
    ] = "proportional",
    weights: Annotated[Weights, Field(max_length=200, description="Name to weight, for method weights.")] | None = None,
    filters: NarrowingFilters = (),  # type: ignore[assignment]
    metric: Annotated[
        Literal["BilledCost", "EffectiveCost", "ListCost", "ContractedCost"], Field(description="Which cost.")
    ] = "BilledCost",
    period: NamedDays | None = None,
    start_date: FirstDay | None = None,
    end_date: LastDay | None = None,
) -> ToolResult:
    """Allocate shared costs over teams or any dimension; direct + allocated adds up to the total exactly.

    shared says what is shared, as filters; without it, what belongs to nobody (no team). filters narrow everything.
    """
    target = bind_dimension(over, "g0", context.calendar)
    if target.is_time:
        raise ToolError(
            "invalid_arguments", f"Costs are not allocated over {target.name}. Use team, entity or another."
        )
    nobody = {"dimension": over, "op": "is_null"}
    sharing = Filters.parse(shared or [nobody], context.calendar, prefix="s")
    given = read_filters(context, filters)
    scope = read_scope(context, given, period, start_date, end_date)
    if method == "weights" and not weights:
        raise ToolError("invalid_arguments", "method weights needs weights: a name and a number for each target.")
    bound = {**scope.period.bounds(), **target.parameters(), **sharing.parameters()}
    asked = await ask(
        principal,
        context,
        given,
        scope.period,
        lambda narrowed: (sql.split(metric, target, sharing, narrowed), bound),
    )
    currencies = sorted({row["currency"] for row in asked.rows})
    rows, totals = list[dict[str, Any]](), list[dict[str, Any]]()
    for currency in currencies:
        group = [row for row in asked.rows if row["currency"] == currency]
        made, total = _allocate(group, target.name, method, weights or {})
        rows += made
        totals.append(total)
    summary = {
        "over": target.name,
        "shared": sharing.as_dict(),
        "rule": _rule(method, target.name, weights or {}),
        "totals": totals,
        **describe_question(scope, asked),
        "notes": [*notes(scope, asked, currencies), *_about(asked.rows), *_about_nobody(totals)],
        **describe_basis(metric),
    }
    shown = tuple(rows[: limits.MAX_RESULT_ROWS])
    return ToolResult(asked.found, shown, summary, format_parameters(asked.parameters), len(shown) < len(rows))


TOOLS: tuple[Tool, ...] = (tool("costs", allocate_shared_costs, draws=charts.allocation),)


def _allocate(
    group: Sequence[Mapping[str, Any]], name: str, method: Method, given: Mapping[str, float]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The targets of one currency with their own and their allocated cost, and the totals of both."""
    shared = sum((row["shared_cost"] for row in group), Decimal())
    direct = {row["target"]: row["direct_cost"] for row in group if row["target"] is not None}
    nobody = sum((row["direct_cost"] for row in group if row["target"] is None), Decimal())
    weights = _weigh(direct, method, given)
    try:
        allocated = divide_exactly(shared, weights)
    except ValueError:
        raise ToolError(
            "nothing_to_allocate_by",
            f"In {group[0]['currency']} no {name} has a cost of its own to be in proportion to. "
            "Use method equal or weights.",
        ) from None
    whole = sum(weights.values(), Decimal())
    rows = [
        {
            name: target,
            "direct_cost": direct.get(target, Decimal()),
            "allocated_cost": allocated.get(target, Decimal()),
            "total_cost": direct.get(target, Decimal()) + allocated.get(target, Decimal()),
            "weight_pct": percent_of(weights[target], whole) if target in weights else Decimal(),
            "currency": group[0]["currency"],
        }
        for target in (*weights, *(each for each in direct if each not in weights))
    ]
    rows.sort(key=lambda row: (-row["total_cost"], row[name]))
    total = {
        "currency": group[0]["currency"],
        "direct_cost": sum(direct.values(), Decimal()),
        "shared_cost": shared,
        "total_cost": sum(direct.values(), Decimal()) + shared,
        "of_nobody_and_not_shared": nobody,
    }
    return rows, total


def _weigh(direct: Mapping[str, Decimal], method: Method, given: Mapping[str, float]) -> dict[str, Decimal]:
    if method == "weights":
        known = {target.casefold(): target for target in direct}
        unknown = [name for name in given if name.strip().casefold() not in known]
        if unknown:
            names = ", ".join(list(direct)[: limits.MAX_ENTITIES_NAMED])
            raise ToolError("unknown_target", f"There is nothing named {unknown[0][:60]!r} to allocate to: {names}.")
        return {known[name.strip().casefold()]: Decimal(str(weight)) for name, weight in given.items()}
    if method == "equal":
        return dict.fromkeys(direct, Decimal(1))
    # A target with more credits than costs has no part in what is shared.
    return {target: max(cost, Decimal()) for target, cost in direct.items()}


def _rule(method: Method, name: str, weights: Mapping[str, float]) -> str:
    match method:
        case "equal":
            return f"Equal: every {name} with costs in the period carries the same part of what is shared."
        case "weights":
            shares = ", ".join(f"{target} {weight:g}" for target, weight in list(weights.items())[:20])
            return f"By the weights given: {shares}."
        case "proportional":
            return f"Proportional: each {name} carries what is shared in proportion to its own cost in the period."


def _about(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    if rows and not any(row["shared_items"] for row in rows):
        return ["No charge of the period is shared by this definition, so nothing was allocated."]
    return []


def _about_nobody(totals: Sequence[Mapping[str, Any]]) -> list[str]:
    left = [each for each in totals if each["of_nobody_and_not_shared"]]
    amounts = ", ".join(f"{each['of_nobody_and_not_shared']:f} {each['currency']}" for each in left)
    return [f"{amounts} belongs to nobody and is not shared: it is in no row and not in total_cost."] if left else []
