"""The cost tools: what was spent, on what, what changed, and what is to come. Every figure is summed by BigQuery."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from typing import Annotated, Any

from pydantic import Field

from common import limits
from common.focus.dimensions import CostType, Dimension, GroupBy
from common.skills.costs import charts, sql
from common.skills.costs.sql import Filters
from common.tenant import Principal
from common.tools import periods
from common.tools.context import WarehouseContext
from common.tools.periods import EndDate, Period, PeriodType, StartDate
from common.tools.registry import Tool, tool
from common.tools.result import ToolResult, format_parameters
from common.warehouse.client import QueryRefused, QueryResult
from common.warehouse.query import Parameter, fixed

_COST_BASIS = "BilledCost"
_AHEAD = "there are no costs yet. Give an earlier start_date, or use cost_forecast for the future."
_WHOLE = 10_000  # hundredths of a percent

ProviderName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=100,
        description="Only this provider, e.g. AWS, Azure, OpenAI, GitHub. Case does not matter; other common names "
        "(Amazon, GCP, Microsoft, Claude) are understood. Leave out for all providers.",
    ),
]
ServiceCategory = Annotated[
    str,
    Field(
        min_length=1,
        max_length=100,
        description="Only this FOCUS service category, e.g. Compute, Storage, Databases, AI and Machine Learning. "
        "Case does not matter. Leave out for all.",
    ),
]
CostKind = Annotated[
    CostType,
    Field(
        description="Only this kind of cost: cloud (infrastructure), genai (language-model providers and models) or "
        "subscription (SaaS). Leave out for all."
    ),
]


async def query_costs(
    principal: Principal,
    context: WarehouseContext,
    *,
    group_by: Annotated[
        GroupBy,
        Field(
            description="One row per value of this. team, region and model have a row for what is not assigned. day "
            "and week are ISO dates (a week is named by its Monday), month is YYYY-MM."
        ),
    ],
    provider: ProviderName | None = None,
    service_category: ServiceCategory | None = None,
    cost_type: CostKind | None = None,
    start_date: StartDate | None = None,
    end_date: EndDate | None = None,
    limit: Annotated[
        int,
        Field(
            ge=1, le=limits.MAX_GROUPS, description="At most this many rows. The totals cover everything all the same."
        ),
    ] = 50,
) -> ToolResult:
    """Sum what was spent in a range of days, grouped by provider, service, team, model, day, month and so on.

    Rows hold billed_cost, effective_cost (after commitment discounts are spread), the number of line items and the
    currency; the largest come first, times run forward. The summary has the totals per currency over all groups,
    whatever the limit; currencies are never added together. Where nothing was found it says which days have data.
    """
    period = periods.requested(start_date, end_date, context.today, ahead=_AHEAD)
    filters = Filters(provider, service_category, cost_type)
    parameters = {**period.bounds(), **filters.parameters(), "limit": Parameter("INT64", limit)}
    found = await _run(principal, context, sql.costs(group_by, filters.names), parameters)
    ordered = sorted(found.rows, key=lambda row: row["position"])
    rows = [
        {name: row[name] for name in (group_by, "billed_cost", "effective_cost", "line_items", "currency")}
        for row in ordered[:limit]
    ]
    summary = {
        "group_by": group_by,
        "period": period.as_dict(),
        "filters": filters.as_dict(),
        "totals": _totals(found.rows, ("billed_cost", "effective_cost", "line_items")),
        **await _where_data_is(principal, context, filters, found),
        "cost_basis": _COST_BASIS,
    }
    return ToolResult(
        found, tuple(rows), summary, format_parameters(parameters), truncated=_group_count(found) > len(rows)
    )


async def compare_periods(
    principal: Principal,
    context: WarehouseContext,
    *,
    period_type: Annotated[
        PeriodType,
        Field(
            description="MTD: this month to today with as many days of last month. MoM: the last whole month with "
            "the one before. QoQ: the last whole quarter with the one before. YoY: the last whole month with the same "
            "month a year earlier."
        ),
    ],
    provider: ProviderName | None = None,
) -> ToolResult:
    """Compare what was billed in two periods, and say which services changed most.

    The summary has the totals of both periods per currency and, in `basis`, exactly which days are compared. Rows are
    the services with the largest change first, up or down; percent_change is null where nothing was billed before.
    """
    comparison = periods.compared(period_type, context.today)
    filters = Filters(provider)
    found, parameters = await _changes(
        principal, context, comparison.current, comparison.previous, filters, limits.MAX_DRIVERS
    )
    summary = {
        "period_type": period_type,
        "current": comparison.current.as_dict(),
        "previous": comparison.previous.as_dict(),
        "basis": comparison.basis,
        "filters": filters.as_dict(),
        "totals": _change_totals(found.rows),
        **await _where_data_is(principal, context, filters, found),
        "cost_basis": _COST_BASIS,
    }
    return _changed(found, parameters, summary, ("provider", "service"), limits.MAX_DRIVERS)


async def cost_breakdown(
    principal: Principal,
    context: WarehouseContext,
    *,
    dimension: Annotated[Dimension, Field(description="What to divide the spend by: one row per value of it.")],
    start_date: StartDate | None = None,
    end_date: EndDate | None = None,
    cost_type: CostKind | None = None,
) -> ToolResult:
    """Divide what was billed in a range of days by provider, service, category, cost type, team, region or model.

    Each row has its total and its share: pct_of_total adds up to exactly 100 within each currency. Credits can make a
    share negative; where a currency's total is zero there are no shares (null). Values beyond what fits are one row
    "(other)".
    """
    period = periods.requested(start_date, end_date, context.today, ahead=_AHEAD)
    filters = Filters(cost_type=cost_type)
    parameters = {**period.bounds(), **filters.parameters(), "max_rows": Parameter("INT64", limits.MAX_GROUPS)}
    found = await _run(principal, context, sql.breakdown(dimension, filters.names), parameters)
    rows, totals = list[dict[str, Any]](), list[dict[str, Any]]()
    for currency, group in _by_currency(found.rows):
        named = sorted(group, key=lambda row: (row["groups_in_row"] > 1, row["place"]))
        shares = percentages([row["total"] for row in named])
        rows += [
            {
                dimension: row[dimension],
                "total": row["total"],
                "effective_cost": row["effective_cost"],
                "pct_of_total": share,
                "currency": currency,
            }
            for row, share in zip(named, shares, strict=True)
        ]
        sums = {name: sum((row[name] for row in group), Decimal()) for name in ("total", "effective_cost")}
        totals.append({"currency": currency, **sums})
    summary = {
        "dimension": dimension,
        "period": period.as_dict(),
        "filters": filters.as_dict(),
        "totals": totals,
        **await _where_data_is(principal, context, filters, found),
        "cost_basis": _COST_BASIS,
    }
    return ToolResult(found, tuple(rows), summary, format_parameters(parameters))


async def top_cost_drivers(
    principal: Principal,
    context: WarehouseContext,
    *,
    days: Annotated[
        int,
        Field(
            ge=1,
            le=limits.MAX_DRIVER_DAYS,
            description="The last this many days, today included, are compared with as many days before them.",
        ),
    ] = 30,
    limit: Annotated[int, Field(ge=1, le=limits.MAX_DRIVERS, description="At most this many services.")] = 10,
) -> ToolResult:
    """Find the services whose billed cost changed most, up or down, over the last days against as many days before.

    Use it for "why did the cost jump" and "what changed". Rows have the current and previous cost, the absolute and the
    percent change (null where nothing was billed before); the summary has the totals per currency.
    """
    current = periods.last_days(days, context.today)
    previous = periods.before(current)
    found, parameters = await _changes(principal, context, current, previous, Filters(), limit)
    summary = {
        "days": days,
        "current": current.as_dict(),
        "previous": previous.as_dict(),
        "totals": _change_totals(found.rows),
        **await _where_data_is(principal, context, Filters(), found),
        "cost_basis": _COST_BASIS,
    }
    return _changed(found, parameters, summary, ("service", "provider"), limit)


TOOLS: tuple[Tool, ...] = tuple(
    tool("costs", function, draws=draws)
    for function, draws in (
        (query_costs, charts.costs),
        (compare_periods, charts.changes),
        (cost_breakdown, charts.breakdown),
        (top_cost_drivers, charts.changes),
    )
)


def percentages(amounts: Sequence[Decimal]) -> list[Decimal | None]:
    """Each amount's share of their sum in percent, to two decimals, adding up to exactly 100.

    Rounded by the largest remainder, the earlier amount first where remainders are equal. Shares of a signed sum: a
    credit among charges has a negative share, and the charges more than 100 between them. A sum of zero has no shares:
    all None.
    """
    total = sum((Fraction(amount) for amount in amounts), Fraction())
    if total == 0:
        return [None] * len(amounts)
    exact = [Fraction(amount) / total * _WHOLE for amount in amounts]
    units = [share.numerator // share.denominator for share in exact]
    by_remainder = sorted(range(len(exact)), key=lambda index: units[index] - exact[index])
    for index in by_remainder[: _WHOLE - sum(units)]:
        units[index] += 1
    return [Decimal(unit).scaleb(-2) for unit in units]


def percent_change(current: Decimal, previous: Decimal) -> Decimal | None:
    """The change in percent of what it was, to two decimals; its sign is the direction. None where it was zero."""
    if previous == 0:
        return None
    with localcontext(prec=80):
        return ((current - previous) / abs(previous) * 100).quantize(Decimal("0.01"), ROUND_HALF_UP)


async def _run(
    principal: Principal, context: WarehouseContext, text: str, parameters: Mapping[str, Parameter]
) -> QueryResult:
    return await context.run(fixed(principal.tenant, text, parameters))


async def _changes(
    principal: Principal, context: WarehouseContext, current: Period, previous: Period, filters: Filters, limit: int
) -> tuple[QueryResult, dict[str, Parameter]]:
    parameters = {
        **current.bounds("current_"),
        **previous.bounds("previous_"),
        **filters.parameters(),
        "limit": Parameter("INT64", limit),
    }
    return await _run(principal, context, sql.changes(filters.names), parameters), parameters


def _changed(
    found: QueryResult,
    parameters: Mapping[str, Parameter],
    summary: Mapping[str, Any],
    names: tuple[str, str],
    limit: int,
) -> ToolResult:
    ordered = sorted(found.rows, key=lambda row: row["position"])
    rows = tuple(
        {
            **{name: row[name] for name in (*names, "current_cost", "previous_cost", "absolute_change")},
            "percent_change": percent_change(row["current_cost"], row["previous_cost"]),
            "currency": row["currency"],
        }
        for row in ordered[:limit]
    )
    return ToolResult(found, rows, summary, format_parameters(parameters), truncated=_group_count(found) > len(rows))


def _group_count(found: QueryResult) -> int:
    return found.rows[0]["group_count"] if found.rows else 0


def _by_currency(rows: Iterable[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["currency"], []).append(row)
    return sorted(groups.items())


def _totals(rows: Iterable[Mapping[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"currency": currency, **{name: group[0][f"currency_{name}"] for name in names}}
        for currency, group in _by_currency(rows)
    ]


def _change_totals(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            **total,
            "absolute_change": total["current_cost"] - total["previous_cost"],
            "percent_change": percent_change(total["current_cost"], total["previous_cost"]),
        }
        for total in _totals(rows, ("current_cost", "previous_cost"))
    ]


async def _where_data_is(
    principal: Principal, context: WarehouseContext, filters: Filters, found: QueryResult
) -> dict[str, Any]:
    """Which days have data, for an answer without rows: what the filters match, or else anything at all."""
    if found.rows:
        return {"available": None}
    try:
        result = await _run(principal, context, sql.available(filters.names), filters.parameters())
    except QueryRefused:
        return {"available": None}  # The empty answer stands; only this hint is too costly to look up.
    row = result.rows[0]
    first, last = row["first_match"] or row["first_day"], row["last_match"] or row["last_day"]
    where: dict[str, Any] = {"available": Period(first, last).as_dict() if first else None}
    if filters.provider is not None:
        where["known_providers"] = list(row["providers"])
    return where
