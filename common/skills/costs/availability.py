"""Which days have data, for an answer without rows."""

from typing import Any

from common.cost_query.asking import Asked
from common.cost_query.filters import Filters
from common.skills.costs import sql
from common.tenant import Principal
from common.tools.context import WarehouseContext
from common.tools.periods import format_days
from common.warehouse.client import QueryRefused
from common.warehouse.query import fixed


async def where_data_is(principal: Principal, context: WarehouseContext, asked: Asked) -> dict[str, Any]:
    """Say which days have data, with one query more, for an answer without rows."""
    if asked.rows:
        return {"available": None}
    return await find_available(principal, context, asked.filters)


async def find_available(principal: Principal, context: WarehouseContext, filters: Filters) -> dict[str, Any]:
    """Find the days that have data: what the filters match, or else anything at all; and the providers there are."""
    text = sql.available(filters)
    try:
        result = await context.run(fixed(principal.tenant, text, filters.parameters()))
    except QueryRefused:
        return {"available": None}  # The empty answer stands; only this hint is too costly to look up.
    row = result.rows[0]
    first, last = row["first_match"] or row["first_day"], row["last_match"] or row["last_day"]
    where: dict[str, Any] = {"available": format_days(first, last)}
    if any(each.dimension.name == "provider" for each in filters.all):
        where["known_providers"] = list(row["providers"])
    return where
