"""The look-ups: which values a dimension has, under the names that people use, and how far the data reaches."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from common.cost_query.arguments import DimensionName, FilterList, PeriodName, Rows
from common.cost_query.caveats import UTC_NAMES
from common.cost_query.dimensions import bind_dimension
from common.cost_query.filters import Filters
from common.cost_query.periods import resolve_period
from common.cost_query.reading import read_filters
from common.cost_query.values import Known, look_up, look_up_period, nearest, read_known
from common.focus.services import aliases_of
from common.skills.inventory.sql import STATUS
from common.skills.inventory.status import describe_provider
from common.tenant import Principal
from common.tools.context import WarehouseContext
from common.tools.periods import Period
from common.tools.registry import Tool, tool
from common.tools.result import ToolResult, format_parameters
from common.warehouse.query import Parameter, fixed

_TAG_KEYS = frozenset({"tag", "tags", "tag_key", "tag_keys"})
_RECENT_DAYS = 60


async def list_values(
    principal: Principal,
    context: WarehouseContext,
    *,
    dimension: Annotated[
        DimensionName,
        WithJsonSchema({"type": "string", "description": "A dimension of query_costs; tag: the tag keys."}),
    ],
    search: Annotated[
        str,
        Field(min_length=1, max_length=100),
        WithJsonSchema({"type": "string", "description": "Part of a name, or S3, k8s ..."}),
    ]
    | None = None,
    filters: FilterList = (),  # type: ignore[assignment]
    period: PeriodName | None = None,
    limit: Rows = 50,
) -> ToolResult:
    """Look up which names there are in the last 13 months, or a period: with cost, first and last day."""
    days = _period(context, period)
    given = read_filters(context, filters)
    named = None if dimension.strip().casefold() in _TAG_KEYS else bind_dimension(dimension, "g0", context.calendar)
    searches = () if search is None else (search,)
    names = _names(named.name if named else None, search)
    found, parameters = await look_up(principal, context, named, searches, days, given, names)
    known = read_known(found.rows)
    shown = [each for each in known if each.found][:limit]
    rows = [_row(each, named.name if named else "tag") for each in shown]
    count = found.rows[0]["found_count"] if found.rows else 0
    near = nearest(search, [each.value for each in known]) if search is not None and not shown else []
    summary = {
        "dimension": named.name if named else "tag",
        "search": search,
        "period": days.as_dict(),
        "filters": given.as_dict(),
        "value_count": count,
        "nearest": near,
        "notes": _notes(search, shown, near, known),
        "cost_basis": "BilledCost",
    }
    return ToolResult(found, tuple(rows), summary, format_parameters(parameters), truncated=count > len(rows))


async def data_status(principal: Principal, context: WarehouseContext) -> ToolResult:
    """Say per provider how far data reaches, its gaps, currencies and last load; and the fiscal calendar."""
    end = Period(context.today, context.today).end_exclusive
    recent = context.today - timedelta(days=_RECENT_DAYS)
    parameters = {"end_exclusive": Parameter("TIMESTAMP", end), "recent_day": Parameter("DATE", recent)}
    found = await context.run(fixed(principal.tenant, STATUS, parameters))
    rows = [describe_provider(row, context.today) for row in found.rows]
    calendar, today = context.calendar, context.today
    fiscal_year, fiscal_quarter = calendar.year_of(today), calendar.quarter_of(today)
    summary = {
        "today": today,
        "first_day": min((row["first_day"] for row in rows), default=None),
        "last_day": max((row["last_day"] for row in rows), default=None),
        "today_included": any(row["last_day"] >= today for row in rows),
        "last_load": max((row["last_load"] for row in rows if row["last_load"]), default=None),
        "currencies": sorted({currency for row in rows for currency in row["currencies"]}),
        "fiscal_calendar": calendar.describe(),
        "fiscal_year": {"name": calendar.name_year(fiscal_year[0]), **Period(*fiscal_year).as_dict()},
        "fiscal_quarter": Period(*fiscal_quarter).as_dict(),
        "time_zone": calendar.zone,
        "notes": _status_notes(rows, calendar.zone, today),
    }
    return ToolResult(found, tuple(rows), summary, format_parameters(parameters))


TOOLS: tuple[Tool, ...] = tuple(tool("costs", function) for function in (list_values, data_status))


def _period(context: WarehouseContext, name: str | None) -> Period:
    if name is None:
        return look_up_period(Period(context.today, context.today), context.today)
    return resolve_period(name, None, None, context.today, context.calendar).period


def _names(dimension: str | None, search: str | None) -> tuple[str, ...]:
    """The names that a searched text is short for."""
    if dimension is None or search is None:
        return ()
    (read,) = Filters.parse([{"dimension": dimension, "values": [search]}]).all
    return read.names(search)


def _row(known: Known, dimension: str) -> dict[str, Any]:
    row: dict[str, Any] = {"value": known.value}
    if dimension == "service":
        row["also_called"] = ", ".join(aliases_of(known.value)) or None
    return row | {
        "billed_cost": known.billed_cost,
        "line_items": known.line_items,
        "first_day": known.first_day,
        "last_day": known.last_day,
        "currency": known.currency,
    }


def _notes(search: str | None, shown: Sequence[Known], near: Sequence[str], known: Sequence[Known]) -> list[str]:
    if shown:
        return []
    if search is None:
        return ["There are no costs in this period."]
    names = ", ".join(near or dict.fromkeys(each.value for each in known[:10]))
    return [f"Nothing is named {search!r}. {'Nearest' if near else 'There is'}: {names or 'nothing'}."]


def _status_notes(rows: Sequence[Mapping[str, Any]], zone: str, today: date) -> list[str]:
    notes = [] if zone in UTC_NAMES else [f"Days are UTC days, not {zone} ones."]
    for row in rows:
        if row["days_without_data"]:
            days = ", ".join(str(day) for day in row["days_without_data"])
            notes.append(f"{row['provider']} has no data on {days}.")
        if row["last_complete_day"] < min(row["last_day"], today - timedelta(days=1)):
            notes.append(
                f"{row['provider']} has fewer line items on {row['last_day']} than usual: it may be incomplete."
            )
    return notes
