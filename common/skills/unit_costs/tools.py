"""The unit-cost tool: what one unit, token, request, order or customer costs."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, cast

from pydantic import Field

from common import limits
from common.cost_query.arguments import FirstDay, LastDay
from common.cost_query.asking import Asked, QuestionScope, ask
from common.cost_query.caveats import describe_question, notes
from common.cost_query.dimensions import BoundDimension, all_parameters, bind_dimensions
from common.cost_query.reading import read_filters, read_scope
from common.focus.metrics import describe_basis
from common.skills.optimizer.schemas import GroupingDimensions, NamedDays, NarrowingFilters
from common.skills.unit_costs import charts, sql
from common.skills.unit_costs.totals import cost_of_one, driver_totals, unit_totals
from common.skills.usage import genai_sql
from common.skills.usage.genai import check_filters, usage_bounds
from common.skills.usage.genai_sql import USAGE_EXPRESSIONS, UsageGroup
from common.tenant import Principal
from common.tools.context import WarehouseContext
from common.tools.registry import Tool, tool
from common.tools.result import ToolError, ToolResult, format_parameters
from common.warehouse.query import Parameter, fixed

_COUNTED = {"token": "total_tokens", "request": "requests"}
_BASIS = (
    "unit_cost = EffectiveCost / quantity of usage, billed_unit_cost = BilledCost / quantity; committed: covered by a "
    "commitment; pay_as_you_go: the rest. "
    "Unused commitments and charges without a quantity are told apart and are in no unit's cost. totals: per unit and "
    "currency, over all groups."
)
_GENAI_BASIS = (
    "unit_cost = all GenAI BilledCost / quantity. pay_as_you_go_unit_cost = (billed_cost - commitment_cost) / "
    "quantity; quantity counts all, those served by provisioned capacity (commitment_cost), too. Self-hosted machines "
    "count as pay as you go."
)


async def unit_costs(
    principal: Principal,
    context: WarehouseContext,
    *,
    per: Annotated[
        str,
        Field(
            min_length=1,
            max_length=100,
            description="consumed_unit (hours, GB-months, …), pricing_unit, token, request, or the name of a driver "
            "that the organisation brought, such as orders.",
        ),
    ] = "consumed_unit",
    group_by: GroupingDimensions = (),  # type: ignore[assignment]
    filters: NarrowingFilters = (),  # type: ignore[assignment]
    period: NamedDays | None = None,
    start_date: FirstDay | None = None,
    end_date: LastDay | None = None,
) -> ToolResult:
    """Cost per consumed or priced unit, token or request, committed and pay-as-you-go apart; or per own driver.

    Units are never mixed: one row each. group_by for token and request: model, provider, team, day, week, month; for a
    driver: team or a time.
    """
    given = read_filters(context, filters)
    scope = read_scope(context, given, period, start_date, end_date)
    name = per.strip().lower().replace(" ", "_").replace("-", "_")
    if name in ("token", "tokens", "request", "requests"):
        return await _per_genai(principal, context, name.removesuffix("s"), group_by, scope)
    groups = bind_dimensions(group_by, "g", context.calendar)
    if name in ("consumed_unit", "pricing_unit", "unit"):
        unit = cast(sql.Unit, "consumed_unit" if name == "unit" else name)
        return await _per_unit(principal, context, unit, groups, scope)
    return await _per_driver(principal, context, per.strip(), groups, scope)


TOOLS: tuple[Tool, ...] = (tool("costs", unit_costs, draws=charts.unit_costs),)


async def _per_unit(
    principal: Principal,
    context: WarehouseContext,
    unit: sql.Unit,
    groups: Sequence[BoundDimension],
    scope: QuestionScope,
) -> ToolResult:
    bound = {**scope.period.bounds(), **all_parameters(groups)}
    asked = await ask(
        principal, context, scope.filters, scope.period, lambda narrowed: (sql.units(unit, groups, narrowed), bound)
    )
    rows = tuple(_unit_row(row, groups) for row in asked.rows if row["quantity"])
    apart = {
        name: [
            {"currency": currency, "cost": total}
            for currency in sorted({row["currency"] for row in asked.rows})
            if (total := sum((row[name] for row in asked.rows if row["currency"] == currency), Decimal()))
        ]
        for name in ("unused_cost", "cost_without_quantity")
    }
    return _answer(asked, scope, rows, groups, unit, {"totals": unit_totals(rows), **apart, "basis": _BASIS})


def _unit_row(row: Mapping[str, Any], groups: Sequence[BoundDimension]) -> dict[str, Any]:
    quantity, committed = row["quantity"], row["committed_quantity"]
    cost = row["effective_cost"]
    return {
        **{each.name: row[f"g{index}"] for index, each in enumerate(groups)},
        "unit": row["unit"],
        "quantity": quantity,
        "effective_cost": cost,
        "unit_cost": cost_of_one(cost, quantity),
        "billed_unit_cost": cost_of_one(row["billed_cost"], quantity),
        "pay_as_you_go_quantity": quantity - committed,
        "pay_as_you_go_unit_cost": cost_of_one(cost - row["committed_cost"], quantity - committed),
        "committed_quantity": committed,
        "committed_unit_cost": cost_of_one(row["committed_cost"], committed),
        "currency": row["currency"],
    }


async def _per_driver(
    principal: Principal, context: WarehouseContext, name: str, groups: Sequence[BoundDimension], scope: QuestionScope
) -> ToolResult:
    for each in groups:
        if not each.is_time and each.name != "team":
            raise ToolError(
                "invalid_arguments", f"Drivers have no {each.name}: group by team or by a time such as month."
            )
        if each.name in ("hour", "billing_period"):
            raise ToolError("invalid_arguments", f"Drivers are counted by the day: group by day, not by {each.name}.")
    plain = name.lower()
    bound = {
        **usage_bounds(scope.period),
        **all_parameters(groups),
        "drivers": Parameter("STRING", tuple(sorted({plain, f"{plain}s", plain.removesuffix("s")}))),
    }
    asked = await ask(
        principal, context, scope.filters, scope.period, lambda narrowed: (sql.drivers(groups, narrowed), bound)
    )
    if asked.rows and not any(row["quantity"] for row in asked.rows):
        known = next((row["known_drivers"] for row in asked.rows if row["known_drivers"]), ())
        named = ", ".join(f"{each['driver_name']} ({each['first_day']} to {each['last_day']})" for each in known)
        there = f"There are: {named}." if known else "The organisation has brought none."
        raise ToolError(
            "unknown_driver",
            f"No counts of {name[:60]!r} are known for {scope.period}. {there} Counts per day are loaded into "
            "business_drivers_daily (driver_date, driver_name, quantity); consumed_unit, token and request need none.",
        )
    rows = tuple(_driver_row(row, groups) for row in asked.rows)
    days = [row for row in asked.rows if row["quantity"]]
    told = {
        "driver": name,
        "totals": driver_totals(asked.rows),
        "counted_as": "daily average" if any(row["is_average"] for row in days) else "sum of days",
        "driver_days": {
            "start_date": min((row["first_day"] for row in days), default=None),
            "end_date": max((row["last_day"] for row in days), default=None),
        },
        "basis": "unit_cost = EffectiveCost / the driver's count of the same period and group. totals: over the groups "
        "that have a count; an average over several groups has no total.",
    }
    return _answer(asked, scope, rows, groups, name, told, _about_counts(days, scope))


def _driver_row(row: Mapping[str, Any], groups: Sequence[BoundDimension]) -> dict[str, Any]:
    return {
        **{each.name: row[f"g{index}"] for index, each in enumerate(groups)},
        "quantity": row["quantity"],
        "effective_cost": row["effective_cost"],
        "unit_cost": cost_of_one(row["effective_cost"], row["quantity"]),
        "billed_cost": row["billed_cost"],
        "billed_unit_cost": cost_of_one(row["billed_cost"], row["quantity"]),
        "currency": row["currency"],
    }


async def _per_genai(
    principal: Principal, context: WarehouseContext, per: str, names: Sequence[str], scope: QuestionScope
) -> ToolResult:
    """Per token or request: what is counted is in the usage table, not in the bill."""
    wrong = [name for name in names if name not in USAGE_EXPRESSIONS]
    if wrong or len(names) > 2:
        raise ToolError("invalid_arguments", f"Per {per}, group by one or two of: {', '.join(USAGE_EXPRESSIONS)}.")
    check_filters(scope.filters)
    groups = cast(tuple[UsageGroup, ...], tuple(names) or ("model",))
    parameters = {
        **usage_bounds(scope.period),
        **scope.filters.parameters(),
        "max_rows": Parameter("INT64", limits.MAX_RESULT_ROWS),
    }
    found = await context.run(fixed(principal.tenant, genai_sql.genai_usage(groups, scope.filters), parameters))
    counted = _COUNTED[per]
    rows = tuple(_genai_row(row, groups, counted) for row in found.rows if not row["is_total"] and row[counted])
    whole = next(row for row in found.rows if row["is_total"] and row["has_tokens"])
    totals = [
        {
            "currency": row["currency"],
            "quantity": whole[counted],
            "billed_cost": row["billed_cost"],
            "commitment_cost": row["commitment_cost"] or Decimal(),
            "unit_cost": cost_of_one(row["billed_cost"], whole[counted]),
            "pay_as_you_go_unit_cost": cost_of_one(row["billed_cost"] - (row["commitment_cost"] or 0), whole[counted]),
        }
        for row in found.rows
        if row["is_total"] and not row["has_tokens"]
    ]
    group_count = next((row["group_count"] for row in found.rows if not row["is_total"]), 0)
    truncated = group_count > sum(1 for row in found.rows if not row["is_total"])
    summary = {
        "per": per,
        "group_by": list(groups),
        "period": scope.period.as_dict(),
        "filters": scope.filters.as_dict(),
        "totals": totals,
        **({} if truncated else {"cost_without_quantity": _cost_beside(totals, rows)}),
        "notes": _about_genai(per, totals, scope),
        "basis": _GENAI_BASIS,
        **describe_basis("BilledCost"),
    }
    return ToolResult(found, rows, summary, format_parameters(parameters), truncated)


def _cost_beside(totals: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The costs of groups that have no quantity: they are in the totals, and in no row."""
    beside = []
    for total in totals:
        shown = sum((row["billed_cost"] or 0 for row in rows if row["currency"] == total["currency"]), Decimal())
        if left := total["billed_cost"] - shown:
            beside.append({"currency": total["currency"], "cost": left})
    return beside


def _about_genai(per: str, totals: Sequence[Mapping[str, Any]], scope: QuestionScope) -> list[str]:
    said = list(scope.notes)
    if any(total["commitment_cost"] for total in totals):
        said.append(
            f"Provisioned capacity was paid for: usage does not tell which {per}s it served, so "
            f"pay_as_you_go_unit_cost divides by all {per}s and is lower than one paid as you go."
        )
    if len(totals) > 1:
        said.append(f"Costs are in {len(totals)} currencies, never added: each unit cost holds one currency's part.")
    if scope.period.end >= scope.today:
        said.append(f"Today, {scope.today}, is not over; what is there of it is included.")
    return said


def _about_counts(days: Sequence[Mapping[str, Any]], scope: QuestionScope) -> list[str]:
    """A sentence where the counts reach over fewer days than the costs may."""
    if not days:
        return []
    first, last = min(row["first_day"] for row in days), max(row["last_day"] for row in days)
    if first <= scope.period.start and last >= min(scope.period.end, scope.today - timedelta(days=1)):
        return []
    return [f"Counts are there from {first} to {last} only, and costs count for the whole period: compare with care."]


def _genai_row(row: Mapping[str, Any], groups: Sequence[UsageGroup], counted: str) -> dict[str, Any]:
    billed, commitment = row["billed_cost"], row["commitment_cost"] or Decimal()
    named: dict[str, Any] = {group: row[f"g{index}"] for index, group in enumerate(groups)}
    return {
        **named,
        "quantity": row[counted],
        "billed_cost": billed,
        "unit_cost": cost_of_one(billed, row[counted]),
        "pay_as_you_go_unit_cost": cost_of_one(None if billed is None else billed - commitment, row[counted]),
        "commitment_cost": commitment,
        "currency": row["currency"],
    }


def _answer(
    asked: Asked,
    scope: QuestionScope,
    rows: tuple[dict[str, Any], ...],
    groups: Sequence[BoundDimension],
    per: str,
    told: Mapping[str, Any],
    more: Sequence[str] = (),
) -> ToolResult:
    shown = rows[: limits.MAX_RESULT_ROWS]
    summary = {
        "per": per,
        "group_by": [each.name for each in groups],
        **told,
        **describe_question(scope, asked),
        "notes": [*notes(scope, asked, (row["currency"] for row in asked.rows)), *more],
        **describe_basis("EffectiveCost"),
    }
    return ToolResult(
        asked.found, shown, summary, format_parameters(asked.parameters), truncated=len(shown) < len(rows)
    )
