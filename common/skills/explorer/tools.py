"""The explorer's tools: which tables there are, what is in them, and a query of the model's own through the guard."""

import asyncio
import base64
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AliasChoices, Field

from common import limits
from common.skills.explorer import charts
from common.skills.explorer import sql as queries
from common.skills.explorer.description import (
    UNLISTED,
    WantedColumns,
    describe_own,
    describe_shared,
    own_row,
    shared_row,
)
from common.tenant import Principal
from common.tools.context import WarehouseContext
from common.tools.registry import Tool, tool
from common.tools.result import ToolError, ToolResult
from common.warehouse.guard import Denied, admit
from common.warehouse.json_values import json_safe
from common.warehouse.query import Parameter, admitted, fixed
from common.warehouse.readable_tables import SharedTable, shared_tables
from common.warehouse.result import QueryRefused, TableInfo

TABLES_READ_AT_ONCE = 8

TableName = Annotated[
    str,
    Field(
        validation_alias=AliasChoices("table_name", "table"),
        min_length=1,
        max_length=300,
        description="A table that list_org_tables names, such as cost_data_standard_1_3 or org_budgets.",
    ),
]
Sql = Annotated[
    str,
    Field(
        validation_alias=AliasChoices("query", "sql"),
        min_length=1,
        max_length=limits.MAX_SQL_CHARS,
        description="One SELECT in GoogleSQL (BigQuery). Name tables as list_org_tables does; write literals, not "
        "parameters; no comments needed.",
    ),
]


async def list_org_tables(principal: Principal, context: WarehouseContext) -> ToolResult:
    """List the tables that can be queried: the organisation's own, and its rows of the platform's shared tables.

    Rows have the table's name as it is written in SQL, its kind, a description and the number of columns; row_count
    and bytes are known for the organisation's own tables only. Use describe_table for the columns.
    """
    names = await context.warehouse.tables(principal.tenant)
    listed = names[: limits.MAX_LISTED_TABLES]
    places = asyncio.Semaphore(TABLES_READ_AT_ONCE)

    async def read(name: str) -> TableInfo | None:
        async with places:
            return await context.warehouse.table(principal.tenant, name)

    # A table that went away between the two looks is none.
    own = [info for info in await asyncio.gather(*(read(name) for name in listed)) if info is not None]
    shared = [table for table in shared_tables().values() if table.name not in UNLISTED]
    rows = [own_row(principal, info) for info in own]
    rows += [shared_row(principal, table) for table in shared]
    summary = {
        "own_dataset": principal.tenant.dataset,
        "own_tables": len(own),
        "shared_dataset": principal.tenant.organizations_dataset,
        "shared_tables": len(shared),
        "note": "A table without a dataset is one of the organisation's own. Of shared tables only its rows are seen.",
    }
    return ToolResult(None, tuple(rows), summary, truncated=len(names) > len(listed))


async def describe_table(
    principal: Principal,
    context: WarehouseContext,
    *,
    table_name: TableName,
    columns: Annotated[
        list[Annotated[str, Field(max_length=300)]], Field(max_length=50, description="Only these columns.")
    ]
    | None = None,
    search: Annotated[
        str,
        Field(min_length=1, max_length=100, description="Only columns whose name or description has this word."),
    ]
    | None = None,
) -> ToolResult:
    """Describe one table: its columns with type, mode and description, the main ones first, and how to join it.

    Columns with few distinct values show them in `values`; filter by these. Tags show their keys with values. Of a
    shared table only the readable columns are shown. Ask for the columns you need: a wide table is long.
    """
    wanted = WantedColumns(frozenset(name.casefold() for name in columns or ()), (search or "").strip().casefold())
    own, shared = _named(principal, table_name)
    if own is not None:
        info = await context.warehouse.table(principal.tenant, own)
        if info is not None:
            return await describe_own(principal, context, info, wanted)
    if shared is not None:
        return await describe_shared(principal, context, shared, wanted)
    raise ToolError("unknown_table", f"There is no table {table_name[:100]!r}. list_org_tables names those there are.")


async def run_read_query(principal: Principal, context: WarehouseContext, *, query: Sql) -> ToolResult:
    """Run one SELECT over the organisation's own tables and its rows of the shared tables, at most 500 rows.

    For questions that no other tool answers. The query is checked first; where it is refused, the error says what to
    change. The answer's `sql` is the query as it ran: shared tables filtered, names whole, a LIMIT added.
    """
    try:
        allowed = await admit(query, principal)
    except Denied as denied:
        raise ToolError(f"sql_{denied.code}", denied.message) from None
    allowed_query = admitted(principal.tenant, allowed.sql, allowed.tables)
    found, currencies = await asyncio.gather(context.run(allowed_query), _currencies(principal, context, allowed.sql))
    rows = tuple({name: _plain(value) for name, value in row.items()} for row in found.rows)
    full = len(rows) >= limits.MAX_RESULT_ROWS
    summary = {
        "tables": sorted(_spelled(principal, path) for path in allowed.tables),
        "columns": [{"name": column.name, "type": column.type, "mode": column.mode} for column in found.columns],
        "note": " ".join(_notes(full or found.truncated, currencies)) or None,
        "cached": found.cached,
    }
    # The size of a table that others' rows are in is not told.
    told = replace(found, bytes_processed=0) if allowed_query.reads_shared else found
    return ToolResult(told, rows, summary, truncated=full or found.truncated)


def _notes(is_cut: bool, currencies: Sequence[str]) -> Iterator[str]:
    if is_cut:
        yield "There may be more rows than fit. Aggregate, or narrow the query."
    if len(currencies) > 1:
        yield (
            f"The costs are in {len(currencies)} currencies ({', '.join(currencies)}) and the query neither groups nor "
            "filters by BillingCurrency: an amount that it sums is a mix of them and means nothing. Group by "
            "BillingCurrency, or say so."
        )


async def _currencies(principal: Principal, context: WarehouseContext, text: str) -> Sequence[str]:
    """The currencies of the organisation's costs, where a query may have added amounts of several."""
    if not _may_mix(text):
        return ()
    since = {"since": Parameter("TIMESTAMP", context.now - timedelta(days=_CURRENCY_DAYS))}
    try:
        found = await context.run(fixed(principal.tenant, queries.CURRENCIES, since))
    except QueryRefused:
        return ()
    return [row["currency"] for row in found.rows]


def _may_mix(text: str) -> bool:
    """Return true if a query computes with amounts of the costs and does not mention their currency."""
    named = text.casefold()
    return "cost_data_standard_1_3" in named and _AMOUNTS.search(named) is not None and "billingcurrency" not in named


_CURRENCY_DAYS = 400
_AMOUNTS = re.compile(r"\b(billed|effective|list|contracted)cost\b")
TOOLS: tuple[Tool, ...] = (
    tool("explorer", list_org_tables),
    tool("explorer", describe_table),
    tool("explorer", run_read_query, draws=charts.query, shows_sql=True),
)


def _spelled(principal: Principal, path: str) -> str:
    """A table's name as list_org_tables writes it: without the own dataset, and never with the project."""
    dataset, table = path.split(".")[-2:]
    return table if dataset == principal.tenant.dataset else f"{dataset}.{table}"


def _named(principal: Principal, table: str) -> tuple[str | None, SharedTable | None]:
    """The possible meanings of a name: a table of the own dataset, a readable shared table, both or neither."""
    tenant = principal.tenant
    parts = table.replace("`", "").split(".")
    name, path = parts[-1], parts[:-1]
    if (len(path) == 2 and path[0] != tenant.project_id) or len(path) > 2:
        return None, None
    dataset = path[-1] if path else None
    own = name if dataset in (None, tenant.dataset) and queries.is_table_name(name) else None
    shared = shared_tables().get(name) if dataset in (None, tenant.organizations_dataset) else None
    return own, shared


def _plain(value: object) -> Any:
    """A value of any BigQuery type as JSON can hold it: bytes in base64, and text for what JSON has no form of."""
    match value:
        case float() if not math.isfinite(value):
            return str(value)
        case bytes():
            return base64.b64encode(value).decode()
        case Mapping():
            return {str(name): _plain(item) for name, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            try:
                return json_safe(value)
            except TypeError:
                return value.isoformat() if hasattr(value, "isoformat") else str(value)
