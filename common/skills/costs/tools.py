"""The cost tools: what was spent, on what, and what changed. Every figure is summed by BigQuery."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field

from common import limits
from common.cost_query.amounts import percent_of
from common.cost_query.arguments import (
    Basis,
    CategoryName,
    CostName,
    DimensionName,
    FilterList,
    FirstDay,
    FullFilters,
    FullGroups,
    FullPeriod,
    LastDay,
    LeastCost,
    MetricNames,
    MostCost,
    OrderName,
    PeriodName,
    ProviderName,
)
from common.cost_query.asking import ask
from common.cost_query.caveats import covered_days, describe_question, notes
from common.cost_query.dimensions import BoundDimension, all_parameters, bind_dimension, bind_dimensions
from common.cost_query.reading import read_cost, read_filters, read_scope
from common.cost_query.scan import alias_of
from common.focus.dimensions import CostType
from common.focus.metrics import describe_basis
from common.skills.costs import charts, sql
from common.skills.costs.availability import where_data_is
from common.skills.costs.bounds import AmountBounds, make_within, note_bounds
from common.skills.costs.changes import compare_periods, top_cost_drivers
from common.skills.costs.reminders import note_purchases, note_rounding, note_shares
from common.skills.costs.shape import (
    make_row,
    make_totals,
    name_groups,
    note_groups,
    note_units,
    read_shape,
    share_of_all,
    without_currency,
)
from common.tenant import Principal
from common.tools.context import WarehouseContext
from common.tools.registry import Tool, tool
from common.tools.result import ToolResult, format_parameters
from common.warehouse.query import Parameter

_DEFAULT_METRICS = ("BilledCost", "EffectiveCost", "LineItems")
_FEW, _MANY = 50, limits.MAX_GROUPS


async def query_costs(
    principal: Principal,
    context: WarehouseContext,
    *,
    group_by: FullGroups = (),  # type: ignore[assignment]
    metrics: MetricNames | None = None,
    filters: FullFilters = (),  # type: ignore[assignment]
    provider: ProviderName | None = None,
    service_category: CategoryName | None = None,
    cost_type: Annotated[CostType, Field(description="One kind.")] | None = None,
    period: FullPeriod | None = None,
    start_date: FirstDay | None = None,
    end_date: LastDay | None = None,
    time_basis: Basis | None = None,
    min_cost: LeastCost | None = None,
    max_cost: MostCost | None = None,
    order_by: OrderName | None = None,
    limit: Annotated[int, Field(ge=1, le=limits.MAX_GROUPS, description="Rows; totals cover everything.")]
    | None = None,
) -> ToolResult:
    """Sum costs, quantities or line items by any dimensions, under any filters, in any period, per currency."""
    given = read_filters(context, filters, provider=provider, service_category=service_category, cost_type=cost_type)
    groups = bind_dimensions(group_by, "g", context.calendar)
    scope = read_scope(context, given, period, start_date, end_date, time_basis, groups)
    shape = read_shape(groups, metrics or _DEFAULT_METRICS, order_by, scope.basis, AmountBounds(min_cost, max_cost))
    most = limit or (_MANY if any(each.is_time for each in shape.groups) else _FEW)
    bound = {
        **scope.period.bounds(),
        **all_parameters(shape.groups),
        **shape.bounds.parameters(),
        "limit": Parameter("INT64", most),
    }
    asked = await ask(principal, context, given, scope.period, lambda narrowed: (sql.costs(shape, narrowed), bound))
    ordered = sorted(asked.rows, key=lambda row: row["position"])
    count = ordered[0]["group_count"] if ordered else 0
    # Groups within the bounds come first. What follows them carries the totals of its currency.
    rows = without_currency([make_row(row, shape) for row in ordered[: min(most, count)]], shape)
    days = covered_days(scope, asked.reach)
    summary = {
        "group_by": name_groups(shape.groups),
        "totals": make_totals(ordered, shape, days, asked.everything),
        **({"within_bounds": make_within(ordered, shape.metrics[0])} if shape.bounds else {}),
        "days_counted": days,
        **describe_question(scope, asked),
        **(await where_data_is(principal, context, asked)),
        "notes": [
            *notes(scope, asked, (row["currency"] for row in ordered)),
            *note_bounds(ordered, shape.bounds, shape.metrics[0], shape.groups),
            *note_units(ordered, shape, given),
            *note_purchases(ordered, shape.listed, "currency_"),
            *note_groups(rows, shape.groups, count, given, all_there=not shape.bounds),
            *note_shares(rows, "share_pct", given),
        ],
        **describe_basis(shape.metrics[0].name),
    }
    return ToolResult(
        asked.found, tuple(rows), summary, format_parameters(asked.parameters), truncated=count > len(rows)
    )


async def cost_breakdown(
    principal: Principal,
    context: WarehouseContext,
    *,
    dimension: DimensionName,
    filters: FilterList = (),  # type: ignore[assignment]
    cost_type: Annotated[CostType, Field(description="One kind.")] | None = None,
    metric: CostName = "BilledCost",
    period: PeriodName | None = None,
    start_date: FirstDay | None = None,
    end_date: LastDay | None = None,
) -> ToolResult:
    """Divide a period's cost by one dimension, with each value's share; what does not fit is "(other)"."""
    given = read_filters(context, filters, cost_type=cost_type)
    divided = bind_dimension(dimension, "g0", context.calendar)
    scope = read_scope(context, given, period, start_date, end_date, None, (divided,))
    measured = read_cost(metric)
    most = Parameter("INT64", limits.MAX_GROUPS)
    bound = {**scope.period.bounds(), **divided.parameters(), "max_rows": most}
    asked = await ask(
        principal,
        context,
        given,
        scope.period,
        lambda narrowed: (sql.breakdown(divided, measured, narrowed, scope.basis), bound),
    )
    rows, totals = divide(asked.rows, divided, asked.everything)
    summary = {
        "dimension": divided.name,
        "totals": totals,
        **describe_question(scope, asked),
        **(await where_data_is(principal, context, asked)),
        "notes": [
            *notes(scope, asked, (row["currency"] for row in asked.rows)),
            *note_purchases(asked.rows, (measured,) if measured.name in sql.LISTED else ()),
            *note_groups(rows, (divided,), len(rows), given),
            *note_shares(rows, "pct_of_total", given),
            *note_rounding(rows),
        ],
        **describe_basis(measured.name),
    }
    return ToolResult(asked.found, tuple(rows), summary, format_parameters(asked.parameters))


TOOLS: tuple[Tool, ...] = tuple(
    tool("costs", function, draws=draws)
    for function, draws in (
        (query_costs, charts.costs),
        (compare_periods, charts.changes),
        (cost_breakdown, charts.breakdown),
        (top_cost_drivers, charts.changes),
    )
)


def divide(
    found: Sequence[Mapping[str, Any]], divided: BoundDimension, everything: Mapping[str, Decimal]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Make the parts of each currency's total, with their shares of it, and the totals."""
    rows, totals, name = list[dict[str, Any]](), list[dict[str, Any]](), alias_of(divided, 0)
    for currency in sorted({row["currency"] for row in found}):
        group = [row for row in found if row["currency"] == currency]
        sums = {field: sum((row[field] for row in group), Decimal()) for field in ("total", "effective_cost")}
        for row in sorted(group, key=lambda row: (row["groups_in_row"] > 1, row["place"])):
            figures = {field: row[field] for field in ("total", "effective_cost")}
            share = percent_of(row["total"], sums["total"])
            rows.append({divided.name: row[name], **figures, "pct_of_total": share, "currency": currency})
        totals.append(
            {
                "currency": currency,
                **sums,
                **_without_value(group, divided, sums["total"]),
                **share_of_all(everything.get(currency), sums["total"], "all_total"),
            }
        )
    return rows, totals


def _without_value(group: Sequence[Mapping[str, Any]], divided: BoundDimension, total: Decimal) -> dict[str, Any]:
    """The part of a total that has a value of the dimension, and the part that has none, where there is one."""
    none, name = divided.dimension.none, alias_of(divided, 0)
    without = [row["total"] for row in group if none and row[name] == none]
    if not without:
        return {}
    (amount,) = without
    return {
        "with_value": total - amount,
        "with_value_pct": percent_of(total - amount, total),
        "without_value": amount,
        "without_value_pct": percent_of(amount, total),
    }
