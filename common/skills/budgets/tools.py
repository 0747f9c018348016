"""The budget tools: which budgets there are, how they stand, where they land, and how they are shared out."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from common import limits
from common.focus.providers import provider_aliases
from common.skills.budgets import charts, sql
from common.skills.budgets.standing import RULE, Standing, Status, percent, stand
from common.skills.budgets.tree import grow
from common.tenant import Principal
from common.tools.context import WarehouseContext
from common.tools.periods import Period
from common.tools.registry import Tool, tool
from common.tools.result import ToolError, ToolResult, of_shared_tables
from common.warehouse.query import Parameter, fixed
from common.warehouse.result import QueryResult

MAX_BUDGETS = 200
# Days of costs that budgets are held against and projected from, and how long ago a budget may have ended.
BUDGET_DAYS = 400
BUDGET_ENDED_DAYS = 366
BUDGET_PROBLEMS = 50

_NONE_SET = (
    "No budget is set for this organisation. Budgets are set on the platform, or by loading rows into org_budgets; "
    "create_alert can watch a threshold in the meantime."
)
_OTHER_PERIODS = (
    "No budget is in force on {day}; those that are set are for days from {first} to {last}. Give as_of one of these "
    "days for how they stand; list_budgets shows them all."
)
_WHOSE = (
    "Budgets are set for the organisation, departments, projects and teams, by category and provider, never for an "
    "account, service, region or tag: compare what one of those cost with an amount that is named."
)
_WHOLE = frozenset({"organization", "organisation", "company"})

Category = Annotated[
    str,
    StringConstraints(min_length=1, max_length=40),
    Field(description="Only budgets of this category: total, cloud, genai or subscription."),
]
Entity = Annotated[
    str,
    StringConstraints(min_length=1, max_length=limits.ALERT_ID_CHARS),
    Field(description="Only budgets of this department, project or team, by its name or id."),
]
AsOf = Annotated[date, Field(strict=True, description="The day to look from, YYYY-MM-DD. Default: today.")]
Rows = Annotated[int, Field(ge=1, le=MAX_BUDGETS, description="At most this many rows.")]


async def list_budgets(
    principal: Principal,
    context: WarehouseContext,
    *,
    category: Category | None = None,
    hierarchy_entity_id: Entity | None = None,
    is_active: Annotated[bool, Field(description="False: only withdrawn ones.")] | None = None,
    limit: Rows = 100,
) -> ToolResult:
    """List the budgets that are set, of all periods: amount, currency, period, entity, category and provider."""
    parameters = {"max_rows": Parameter("INT64", limits.MAX_RESULT_ROWS)}
    found = await context.run(fixed(principal.tenant, sql.LIST, parameters))
    chosen = [
        row
        for row in _choose(found.rows, category, hierarchy_entity_id)
        if is_active is None or row["is_active"] is is_active
    ]
    rows = tuple(
        {
            "budget": row["hierarchy_entity_name"],
            "category": row["category"],
            "provider": row["provider"],
            "amount": Decimal(str(row["budget_amount"])),
            "currency": row["currency"],
            "budget_type": row["budget_type"],
            "period_type": row["period_type"],
            "period_start": row["period_start"],
            "period_end": row["period_end"],
            "level": row["hierarchy_level_code"],
            "is_active": row["is_active"],
            "notes": row["notes"],
            "budget_id": row["budget_id"],
        }
        for row in chosen[:limit]
    )
    summary = {
        "count": len(chosen),
        "categories": _counted(chosen, "category"),
        **({} if found.rows else {"note": _NONE_SET}),
    }
    return of_shared_tables(principal, found, rows, summary, parameters, truncated=len(chosen) > len(rows))


async def budget_summary(
    principal: Principal,
    context: WarehouseContext,
    *,
    category: Category | None = None,
    as_of: AsOf | None = None,
) -> ToolResult:
    """Total the budgets of today per currency, category and period: amount, actual, projected, what is left, statuses.

    A budget below another of the same kind is part of it and is not added again.
    """
    found, standings, parameters, day = await _stand(principal, context, category, None, as_of, ended_days=0)
    groups: dict[tuple[Any, ...], list[Standing]] = {}
    for each in (each for each in standings if each.is_measured):
        groups.setdefault(_kind(each), []).append(each)
    rows = tuple(_total(key, group) for key, group in sorted(groups.items(), key=lambda item: repr(item[0])))
    summary = {
        "as_of": day,
        "by_status": dict(Counter(each.status for each in standings)),
        "over": [_called(each) for each in standings if each.status == "OVER"],
        "at_risk": [_called(each) for each in standings if each.status == "AT_RISK"],
        "status_rule": RULE,
        "cost_basis": "BilledCost",
        **await _none_said(principal, context, found, day),
        "notes": _about_days(found, day, context.today),
    }
    return of_shared_tables(principal, found, rows, summary, parameters)


async def budget_variance(
    principal: Principal,
    context: WarehouseContext,
    *,
    category: Category | None = None,
    hierarchy_entity_id: Entity | None = None,
    status: Annotated[Status, Field(description="Only budgets that stand like this.")] | None = None,
    as_of: AsOf | None = None,
    include_ended: Annotated[bool, Field(description="Also budgets whose period ended within the last year.")] = False,
    limit: Rows = 50,
) -> ToolResult:
    """Hold each budget against its own period's spend: OVER, AT_RISK or ON_TRACK, with where the period will land.

    Use it for "are we over budget" and "what is left". projected_over is negative where money will be left.
    """
    ended = BUDGET_ENDED_DAYS if include_ended else 0
    found, standings, parameters, day = await _stand(
        principal, context, category, hierarchy_entity_id, as_of, ended_days=ended
    )
    order: dict[Status, int] = {"OVER": 0, "AT_RISK": 1, "ON_TRACK": 2, "NOT_MEASURED": 3}
    chosen = sorted(
        (each for each in standings if status is None or each.status == status),
        key=lambda each: (order[each.status], -(percent(each.actual, each.amount) or Decimal())),
    )
    rows = tuple(each.as_row() for each in chosen[:limit])
    summary: dict[str, Any] = {
        "as_of": day,
        "by_status": dict(Counter(each.status for each in standings)),
        "data_to": found.rows[0]["last_day"] if found.rows else None,
        "status_rule": RULE,
        "cost_basis": "BilledCost",
        **await _none_said(principal, context, found, day),
        "notes": [*_about_days(found, day, context.today), *_notes(standings, parameters)],
    }
    return of_shared_tables(principal, found, rows, summary, parameters, truncated=len(chosen) > len(rows))


async def budget_allocation_tree(
    principal: Principal,
    context: WarehouseContext,
    *,
    category: Category | None = None,
    as_of: AsOf | None = None,
) -> ToolResult:
    """Show how budgets are shared out among the budgets below them, parents first, with what is left unallocated."""
    day = as_of or context.today
    parameters = {"as_of": Parameter("DATE", day)}
    found = await context.run(fixed(principal.tenant, sql.TREE, parameters))
    everything = found.rows[0]["nodes"] or ()
    nodes = _choose(everything, category, None)
    kept = {node["budget_id"] for node in nodes}
    edges = [
        edge
        for edge in found.rows[0]["edges"] or ()
        if len(nodes) == len(everything) or {edge["parent_budget_id"], edge["child_budget_id"]} <= kept
    ]
    tree = grow(nodes, edges)
    rows = tuple(tree.rows[: limits.MAX_RESULT_ROWS])
    summary: dict[str, Any] = {
        "as_of": day,
        "budgets": len(tree.rows),
        "problems": tree.problems[:BUDGET_PROBLEMS],
        **({} if nodes else {"note": f"No budget is in force on {day}. list_budgets shows those of other periods."}),
    }
    return of_shared_tables(principal, found, rows, summary, parameters, truncated=len(tree.rows) > len(rows))


TOOLS: tuple[Tool, ...] = tuple(
    tool("budgets", function, draws=draws)
    for function, draws in (
        (list_budgets, None),
        (budget_summary, None),
        (budget_variance, charts.variance),
        (budget_allocation_tree, None),
    )
)


async def _stand(
    principal: Principal,
    context: WarehouseContext,
    category: str | None,
    entity: str | None,
    as_of: date | None,
    *,
    ended_days: int,
) -> tuple[QueryResult, list[Standing], dict[str, Parameter], date]:
    day = as_of or context.today
    if day > context.today:
        raise ToolError("invalid_range", f"as_of {day} is after today, {context.today}. Give today or an earlier day.")
    parameters = variance_parameters(day, ended_days)
    found = await context.run(fixed(principal.tenant, sql.VARIANCE, parameters))
    chosen = _choose(found.rows, category, entity)
    standings = await asyncio.to_thread(lambda: [stand(row, day) for row in chosen])
    return found, standings, parameters, day


def variance_parameters(day: date, ended_days: int) -> dict[str, Parameter]:
    """The values that the text of the variance binds, to look from a day."""
    read = Period(day - timedelta(days=BUDGET_DAYS), day)
    names, keys = zip(*provider_aliases(), strict=True)
    return {
        **read.bounds(),
        "start_day": Parameter("DATE", read.start),
        "end_day_exclusive": Parameter("DATE", read.end + timedelta(days=1)),
        "as_of": Parameter("DATE", day),
        "oldest_end": Parameter("DATE", day - timedelta(days=ended_days)),
        "provider_names": Parameter("STRING", names),
        "provider_keys": Parameter("STRING", keys),
        "max_rows": Parameter("INT64", MAX_BUDGETS),
    }


def _choose(budgets: Sequence[Mapping[str, Any]], category: str | None, entity: str | None) -> list[Mapping[str, Any]]:
    """The budgets of a category and of an entity. Raises ToolError, with what there is, where none is."""
    chosen = list(budgets)
    if category is not None:
        chosen = [each for each in chosen if each["category"] == category.strip().lower()]
        if budgets and not chosen:
            known = ", ".join(sorted({each["category"] for each in budgets}))
            raise ToolError("unknown_category", f"There is no budget of category {category!r}. There are: {known}.")
    if entity is None:
        return chosen
    name = entity.strip().casefold()
    of_entity = [
        each
        for each in chosen
        if name in (each["hierarchy_entity_id"].casefold(), each["hierarchy_entity_name"].casefold())
    ]
    if chosen and not of_entity:
        known = ", ".join(dict.fromkeys(each["hierarchy_entity_name"] for each in chosen[: limits.MAX_ENTITIES_NAMED]))
        raise ToolError("unknown_entity", f"There is no budget of {entity!r}. There are budgets of: {known}. {_WHOSE}")
    return of_entity


def _counted(rows: Iterable[Mapping[str, Any]], name: str) -> dict[str, int]:
    return dict(sorted(Counter(row[name] for row in rows).items()))


async def _none_said(principal: Principal, context: WarehouseContext, found: QueryResult, day: date) -> dict[str, Any]:
    """Say where no budget was found whether none is set, or none for that day."""
    if found.rows:
        return {}
    parameters = {"max_rows": Parameter("INT64", limits.MAX_RESULT_ROWS)}
    every = [row for row in (await context.run(fixed(principal.tenant, sql.LIST, parameters))).rows if row["is_active"]]
    if not every:
        return {"note": _NONE_SET}
    first, last = min(row["period_start"] for row in every), max(row["period_end"] for row in every)
    return {"note": _OTHER_PERIODS.format(day=day, first=first, last=last)}


def _kind(each: Standing) -> tuple[Any, ...]:
    budget = each.budget
    unit = budget["currency"] if budget["budget_type"] == "monetary" else "tokens"
    return unit, budget["category"], budget["provider"], budget["period_start"], budget["period_end"]


def _total(key: tuple[Any, ...], group: Sequence[Standing]) -> dict[str, Any]:
    """The row of budgets of one kind: the topmost are added, for those below are parts of them."""
    unit, category, provider, start, end = key
    top = [each for each in group if not any(_is_below(each, other) for other in group)]
    amount, actual = (sum((getattr(each, name) for each in top), Decimal()) for name in ("amount", "actual"))
    projections = [each.projected for each in top]
    projected = None if None in projections else sum((each for each in projections if each is not None), Decimal())
    return {
        "category": category,
        "provider": provider,
        "period_start": start,
        "period_end": end,
        "budgets": len(group),
        "added": ", ".join(_called(each) for each in top[: limits.MAX_ENTITIES_NAMED]),
        "amount": amount,
        "actual": actual,
        "left": amount - actual,
        "percent_used": percent(actual, amount),
        "projected": projected,
        "projected_over": None if projected is None else projected - amount,
        "currency": unit,
    }


def _is_below(each: Standing, other: Standing) -> bool:
    if each is other:
        return False
    if other.budget["hierarchy_level_code"].lower() in _WHOLE:
        return each.budget["hierarchy_level_code"].lower() not in _WHOLE
    path, above = each.budget["hierarchy_path"], other.budget["hierarchy_path"]
    return bool(path and above and path.startswith(f"{above}/"))


def _called(each: Standing) -> str:
    name, category = each.budget["hierarchy_entity_name"], each.budget["category"]
    return f"{name}" if category == "total" else f"{name} ({category})"


def _about_days(found: QueryResult, day: date, today: date) -> list[str]:
    """Say which is the newest day that actuals count, and that today is not over."""
    newest: date | None = found.rows[0]["newest_day"] if found.rows else None
    if newest is None or (newest == day != today):
        return []
    if newest == day:
        return [f"Actuals count what is there of today, {day}, which is not over, as spend queries do."]
    return [f"Actuals count up to {newest}: {day} has no data yet."]


def _notes(standings: Sequence[Standing], parameters: Mapping[str, Parameter]) -> list[str]:
    said = []
    if any(each.status == "NOT_MEASURED" for each in standings):
        said.append("Budgets of seats are not measured: no table says how many seats are in use.")
    if any(each.budget["other_currencies"] for each in standings):
        said.append("Spend in other currencies than a budget's is named, never converted or added.")
    first = parameters["start_day"].value
    if early := [_called(each) for each in standings if each.budget["period_start"] < first]:
        said.append(f"Costs before {first} are not read: {', '.join(early[:10])} began before.")
    return said
