"""The tools that compare: two periods, and what drove the change between the last days and those before them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from common import limits
from common.cost_query.amounts import percent_change
from common.cost_query.arguments import (
    CostName,
    FilterList,
    Groups,
    LeastChange,
    LeastPercent,
    OptionalGroups,
    PeriodName,
    ProviderName,
    Rows,
)
from common.cost_query.asking import Asked, QuestionScope, ask
from common.cost_query.caveats import covered_days, describe_question, notes
from common.cost_query.comparisons import aligned_windows, resolve_comparison
from common.cost_query.dimensions import BoundDimension, all_parameters, bind_dimensions
from common.cost_query.filters import Filters
from common.cost_query.periods import NamedPeriod
from common.cost_query.reading import read_cost, read_filters
from common.cost_query.scan import alias_of
from common.focus.currencies import round_amount
from common.focus.metrics import Metric, describe_basis
from common.skills.costs import changes_sql
from common.skills.costs.availability import where_data_is
from common.skills.costs.bounds import ChangeBounds, Direction, first_of_each_currency
from common.skills.costs.reminders import note_cut, note_purchases
from common.tenant import Principal
from common.tools.context import WarehouseContext
from common.tools.periods import Comparison, Period, PeriodType
from common.tools.result import ToolResult, format_parameters
from common.warehouse.query import Parameter

_STORED = Decimal("0.000000001")
_NOISE = Decimal("0.000001")
_FEE_NOTE = "Rows leave out purchases, taxes, recurring and one-time fees, which fall on single days: see fees."


async def compare_periods(
    principal: Principal,
    context: WarehouseContext,
    *,
    period_type: Annotated[PeriodType, Field(description="MTD: with as many days of last month.")] | None = None,
    current: PeriodName | None = None,
    previous: Annotated[PeriodName, WithJsonSchema({"type": "string", "description": "Default: the one before."})]
    | None = None,
    group_by: OptionalGroups = ("currency",),  # type: ignore[assignment]
    filters: FilterList = (),  # type: ignore[assignment]
    provider: ProviderName | None = None,
    metric: CostName = "BilledCost",
    min_change: LeastChange | None = None,
    min_change_pct: LeastPercent | None = None,
    direction: Annotated[Direction, Field(description="One way.")] | None = None,
    limit: Rows = limits.MAX_DRIVERS,
) -> ToolResult:
    """Compare cost in any two periods: change per group, new or gone, rate against usage effect."""
    compared = resolve_comparison(period_type, current, previous, context.today, context.calendar)
    given = read_filters(context, filters, provider=provider)
    groups = bind_dimensions(group_by, "g", context.calendar)
    measured = read_cost(metric)
    bounds = ChangeBounds(min_change, min_change_pct, direction)
    asked = await _ask(
        principal, context, compared, groups, given, limit,
        lambda each: changes_sql.changes(groups, measured, each, bounds), bounds.parameters(),
    )  # fmt: skip
    scope = _scope(context, compared, given)
    days = _differing_days(compared, asked, scope)
    found = [
        _changed(row, groups, (_percent_per_day(row, *days) if days else {}) | _effects(row))
        for row in _in_order(asked)
    ]
    # Groups within the bounds come first. What follows them is there for the totals and the leaders.
    count = next((row["group_count"] for row in asked.rows), 0)
    rows = found[: min(limit, count)]
    kind = {"period_type": period_type or "MTD"} if current is None and previous is None else {}
    told = _compared(compared, asked, scope, measured)
    summary = {
        **kind,
        **told,
        "notes": [
            *told["notes"],
            *bounds.note(count, [each["currency"] for each in told["totals"]]),
            *note_cut(count - len(rows), "groups"),
        ],
        "largest_percent_change": _percent_leaders(found, groups),
        **(await where_data_is(principal, context, asked)),
        **describe_basis(measured.name),
    }
    return _result(asked, rows, summary, "group_count")


async def top_cost_drivers(
    principal: Principal,
    context: WarehouseContext,
    *,
    days: Annotated[int, Field(ge=1, le=limits.MAX_DRIVER_DAYS, description="Up to yesterday.")] = 30,
    group_by: Groups = ("service", "provider"),  # type: ignore[assignment]
    filters: FilterList = (),  # type: ignore[assignment]
    metric: CostName = "BilledCost",
    limit: Annotated[int, Field(ge=1, le=limits.MAX_DRIVERS, description="Rows.")] = 10,
) -> ToolResult:
    """Find why cost changed lately: the last days against the same weekdays before, fees set apart.

    Each row has the account, region, resource, team, model and day with most of its change.
    """
    compared = aligned_windows(days, context.today - timedelta(days=1))
    given = read_filters(context, filters)
    groups = bind_dimensions(group_by, "g", context.calendar)
    measured = read_cost(metric)
    asked = await _ask(
        principal, context, compared, groups, given, limit, lambda each: changes_sql.drivers(groups, measured, each)
    )
    scope = _scope(context, compared, given)
    ordered = _in_order(asked)
    # A group that is nothing but fees has not changed in what is used.
    rows = [_driver(row, groups) for row in ordered[:limit] if row["absolute_change"] or not _is_fees(row)]
    told = _compared(compared, asked, scope, measured)
    fees = _fees(ordered, groups)
    summary = {
        "days": days,
        **told,
        "notes": [*told["notes"], _FEE_NOTE],
        "fees": fees,
        **(await where_data_is(principal, context, asked)),
        **describe_basis(measured.name),
    }
    return _result(asked, rows, summary, "changed_count")


async def _ask(
    principal: Principal,
    context: WarehouseContext,
    compared: Comparison,
    groups: Sequence[BoundDimension],
    filters: Filters,
    limit: int,
    compose: Any,
    more: Mapping[str, Parameter] = MappingProxyType({}),
) -> Asked:
    bound = {
        **more,
        **compared.current.bounds("current_"),
        **compared.previous.bounds("previous_"),
        **all_parameters(groups),
        "limit": Parameter("INT64", limit),
    }
    both = _both(compared)
    return await ask(principal, context, filters, both, lambda each: (compose(each), bound))


def _both(compared: Comparison) -> Period:
    """The days from the first of the two periods to the last."""
    first = min(compared.current.start, compared.previous.start)
    return Period(first, max(compared.current.end, compared.previous.end))


def _scope(context: WarehouseContext, compared: Comparison, filters: Filters) -> QuestionScope:
    return QuestionScope(NamedPeriod(_both(compared)), filters, context.calendar, context.today)


def _in_order(asked: Asked) -> list[dict[str, Any]]:
    return sorted(asked.rows, key=lambda row: row["position"])


def _compared(compared: Comparison, asked: Asked, scope: QuestionScope, measured: Metric) -> dict[str, Any]:
    question = describe_question(scope, asked)
    del question["period"]
    days = _differing_days(compared, asked, scope)
    said = (
        [f"The periods have {days[0]} and {days[1]} days: the change per day evens that out, absolute changes do not."]
        if days
        else []
    )
    return {
        "current": compared.current.as_dict(),
        "previous": compared.previous.as_dict(),
        "basis": compared.basis,
        "totals": [total | (_per_day(total, *days) if days else {}) for total in _totals(asked.rows)],
        **_of_equal_days(compared, asked),
        **question,
        "notes": [
            *notes(scope, asked, (row["currency"] for row in asked.rows)),
            *said,
            *note_purchases(asked.rows, changes_sql.listed(measured), "currency_", " in both periods together"),
        ],
    }


def _differing_days(compared: Comparison, asked: Asked, scope: QuestionScope) -> tuple[int, int] | None:
    """The days that count in each of two periods of different length. Returns None where they need no such care."""
    current, previous = (
        covered_days(QuestionScope(NamedPeriod(each), scope.filters, scope.calendar, scope.today), asked.reach)
        for each in (compared.current, compared.previous)
    )
    differ = compared.current.days != compared.previous.days and current and previous
    return (current, previous) if differ else None


def _totals(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "currency": row["currency"],
            **{name: row[f"currency_{name}"] for name in ("current_cost", "previous_cost")},
            "absolute_change": row["currency_current_cost"] - row["currency_previous_cost"],
            "percent_change": percent_change(row["currency_current_cost"], row["currency_previous_cost"]),
            "current_fees": row["currency_current_fees"],
            "previous_fees": row["currency_previous_fees"],
        }
        for row in first_of_each_currency(rows)
    ]


def _of_equal_days(compared: Comparison, asked: Asked) -> dict[str, Any]:
    """The totals of as many days of each period as the current one has data for, where that is not all of them."""
    found = next((row["equal_days"] for row in asked.rows if row["equal_days"]), ())
    totals = [
        {
            "currency": each["currency"],
            "current_cost": each["current_cost"],
            "previous_cost": each["previous_cost"],
            "absolute_change": each["current_cost"] - each["previous_cost"],
            "percent_change": percent_change(each["current_cost"], each["previous_cost"]),
        }
        for each in found
        if each["days_after"] is not None
    ]
    days = next((each["days_after"] + 1 for each in found if each["days_after"] is not None), 0)
    if not totals or days >= min(compared.current.days, compared.previous.days):
        return {}
    spans = (
        Period(each.start, each.start + timedelta(days=days - 1)) for each in (compared.current, compared.previous)
    )
    return {"days_with_data_in_both": {"days": days, "periods": " and ".join(map(str, spans)), "totals": totals}}


def _per_day(total: Mapping[str, Any], current_days: int, previous_days: int) -> dict[str, Any]:
    """The costs per day of periods that differ in length, and their change."""
    current, previous = total["current_cost"] / current_days, total["previous_cost"] / previous_days
    return {
        "current_daily": round_amount(current, total["currency"]),
        "previous_daily": round_amount(previous, total["currency"]),
        **_percent_per_day(total, current_days, previous_days),
    }


def _percent_per_day(figures: Mapping[str, Any], current_days: int, previous_days: int) -> dict[str, Any]:
    """The change in percent of the cost per day."""
    current, previous = figures["current_cost"] / current_days, figures["previous_cost"] / previous_days
    return {"percent_change_per_day": percent_change(current, previous)}


def _changed(row: Mapping[str, Any], groups: Sequence[BoundDimension], more: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **_names(row, groups),
        **{name: row[name] for name in ("current_cost", "previous_cost", "absolute_change")},
        "percent_change": percent_change(row["current_cost"], row["previous_cost"]),
        "status": _status(row),
        **more,
        "currency": row["currency"],
    }


def _percent_leaders(rows: Sequence[Mapping[str, Any]], groups: Sequence[BoundDimension]) -> list[dict[str, Any]]:
    """Among all groups, of which rows are those with the largest changes: those that grew and fell most in percent.

    A row of what has no value in a dimension is no service, team or account that could lead.
    """
    leaders = []
    names = [each.name for each in groups if each.name != "currency"]
    named = [row for row in rows if names and all(row[each.name] != each.dimension.none for each in groups)]
    for currency in sorted({row["currency"] for row in rows}):
        own = [row for row in named if row["currency"] == currency and row["percent_change"] is not None]
        grown = [row for row in own if row["percent_change"] > 0]
        fallen = [row for row in own if row["percent_change"] < 0]
        for moved, pick in ((grown, max), (fallen, min)):
            leaders += [pick(moved, key=lambda row: row["percent_change"])] if moved else []
    return [{name: row[name] for name in (*names, "percent_change", "absolute_change", "currency")} for row in leaders]


def _effects(row: Mapping[str, Any]) -> dict[str, Any]:
    """Split a change into that of prices, of quantities (None where nothing was measured in both), and the rest.

    The rest is what has no quantity in both periods: fees, purchases, what is new or gone. The parts add up exactly.
    """
    shown = dict[str, Decimal | None]()
    for name in ("rate_effect", "usage_effect"):
        value = row[name]
        # A float: below the last digit that amounts are stored with there is only noise.
        shown[name] = None if value is None else Decimal(repr(value)).quantize(_STORED)
    other = row["absolute_change"] - sum((value for value in shown.values() if value is not None), Decimal())
    if shown["usage_effect"] is not None and abs(other) < _NOISE:
        shown["usage_effect"] += other
        other = Decimal()
    return {**shown, "other_effect": other}


def _driver(row: Mapping[str, Any], groups: Sequence[BoundDimension]) -> dict[str, Any]:
    used = {name: row[f"{name}_cost"] - row[f"{name}_fees"] for name in ("current", "previous")}
    return {
        **_names(row, groups),
        "current_cost": used["current"],
        "previous_cost": used["previous"],
        "absolute_change": row["absolute_change"],
        "percent_change": percent_change(used["current"], used["previous"]),
        "status": _status(row),
        "path": {
            step["level"]: {"value": step["value"], "change": step["absolute_change"]}
            if step["level"] != "day"
            else {"value": step["value"], "cost": step["current_cost"]}
            for step in row["path"] or ()
        },
        "currency": row["currency"],
    }


def _fees(rows: Sequence[Mapping[str, Any]], groups: Sequence[BoundDimension]) -> list[dict[str, Any]]:
    """The fees of the groups that are shown, where they are not the same in both windows."""
    moved = [row for row in rows if row["current_fees"] != row["previous_fees"]]
    moved.sort(key=lambda row: -abs(row["current_fees"] - row["previous_fees"]))
    return [
        {
            **_names(row, groups),
            "current_fees": row["current_fees"],
            "previous_fees": row["previous_fees"],
            "currency": row["currency"],
        }
        for row in moved[: changes_sql.MOST_FEES]
    ]


def _names(row: Mapping[str, Any], groups: Sequence[BoundDimension]) -> dict[str, Any]:
    return {each.name: row[alias_of(each, index)] for index, each in enumerate(groups)}


def _status(row: Mapping[str, Any]) -> str:
    """Say whether a group is new, gone, made of recurring fees alone, or there in both periods."""
    if not row["previous_items"]:
        return "new"
    if not row["current_items"]:
        return "gone"
    return "recurring fee" if _is_fees(row) else "continuing"


def _is_fees(row: Mapping[str, Any]) -> bool:
    return bool(row["current_cost"] == row["current_fees"] and row["previous_cost"] == row["previous_fees"])


def _result(asked: Asked, rows: Sequence[Mapping[str, Any]], summary: Mapping[str, Any], count: str) -> ToolResult:
    """Make the answer; ``count`` is the column that says how many groups there are to show."""
    there = next((row[count] for row in asked.rows), 0)
    parameters = format_parameters(asked.parameters)
    return ToolResult(asked.found, tuple(rows), summary, parameters, truncated=there > len(rows))
