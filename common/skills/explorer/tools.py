"""The explorer's tools: which tables there are, what is in them, and a query of the model's own through the guard."""

import asyncio
import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from common import limits
from common.skills.explorer import charts, sql
from common.tenant import Principal
from common.tools.context import WarehouseContext
from common.tools.registry import Tool, tool
from common.tools.result import ToolError, ToolResult
from common.warehouse import schema
from common.warehouse.guard import Denied, admit
from common.warehouse.json_values import json_safe
from common.warehouse.query import admitted, fixed
from common.warehouse.readable_tables import SharedTable, shared_tables
from common.warehouse.result import QueryRefused, QueryResult, TableInfo

TableName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=300,
        description="A table that list_org_tables names, such as cost_data_standard_1_3 or org_budgets.",
    ),
]
Sql = Annotated[
    str,
    Field(
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
    places = asyncio.Semaphore(limits.TABLES_READ_AT_ONCE)

    async def read(name: str) -> TableInfo | None:
        async with places:
            return await context.warehouse.table(principal.tenant, name)

    # A table that went away between the two looks is none.
    own = [info for info in await asyncio.gather(*(read(name) for name in listed)) if info is not None]
    rows = [_own_row(principal, info) for info in own]
    rows += [_shared_row(principal, table) for table in shared_tables().values()]
    summary = {
        "own_dataset": principal.tenant.dataset,
        "own_tables": len(own),
        "shared_dataset": principal.tenant.organizations_dataset,
        "shared_tables": len(shared_tables()),
        "note": "A table without a dataset is one of the organisation's own. Of shared tables only its rows are seen.",
    }
    return ToolResult(None, tuple(rows), summary, truncated=len(names) > len(listed))


async def describe_table(principal: Principal, context: WarehouseContext, *, table: TableName) -> ToolResult:
    """Describe one table: its columns with type, mode and description, its partitioning and clustering.

    For the organisation's own tables, string columns with few distinct values show them in `values`; filter by these.
    Of a shared table only the readable columns are shown.
    """
    own, shared = _named(principal, table)
    if own is not None:
        info = await context.warehouse.table(principal.tenant, own)
        if info is not None:
            return await _describe_own(principal, context, info)
    if shared is not None:
        return _describe_shared(principal, shared)
    raise ToolError("unknown_table", f"There is no table {table[:100]!r}. list_org_tables names those there are.")


async def run_read_query(principal: Principal, context: WarehouseContext, *, sql: Sql) -> ToolResult:
    """Run one SELECT over the organisation's own tables and its rows of the shared tables, at most 500 rows.

    For questions that no other tool answers. The query is checked first; where it is refused, the error says what to
    change. The answer's `sql` is the query as it ran: shared tables filtered, names whole, a LIMIT added.
    """
    try:
        allowed = await admit(sql, principal)
    except Denied as denied:
        raise ToolError(f"sql_{denied.code}", denied.message) from None
    query = admitted(principal.tenant, allowed.sql, allowed.tables)
    found = await context.run(query)
    rows = tuple({name: _plain(value) for name, value in row.items()} for row in found.rows)
    full = len(rows) >= limits.MAX_RESULT_ROWS
    summary = {
        "tables": sorted(allowed.tables),
        "columns": [{"name": column.name, "type": column.type, "mode": column.mode} for column in found.columns],
        "note": "There may be more rows than fit. Aggregate, or narrow the query." if full or found.truncated else None,
        "cached": found.cached,
    }
    # The size of a table that others' rows are in is not told.
    told = replace(found, bytes_processed=0) if query.reads_shared else found
    return ToolResult(told, rows, summary, truncated=full or found.truncated)


_TOO_LARGE = "No values: the table has no plain text columns, or is too large to look through."

TOOLS: tuple[Tool, ...] = (
    tool("explorer", list_org_tables),
    tool("explorer", describe_table),
    tool("explorer", run_read_query, draws=charts.query, shows_sql=True),
)


def _named(principal: Principal, table: str) -> tuple[str | None, SharedTable | None]:
    """What a name may mean: a table of the own dataset, a readable shared table, both or neither."""
    tenant = principal.tenant
    parts = table.replace("`", "").split(".")
    name, path = parts[-1], parts[:-1]
    if (len(path) == 2 and path[0] != tenant.project_id) or len(path) > 2:
        return None, None
    dataset = path[-1] if path else None
    own = name if dataset in (None, tenant.dataset) and sql.is_table_name(name) else None
    shared = shared_tables().get(name) if dataset in (None, tenant.organizations_dataset) else None
    return own, shared


def _own_row(principal: Principal, info: TableInfo) -> dict[str, Any]:
    return {
        "table": info.name,
        "dataset": principal.tenant.dataset,
        "kind": info.kind,
        "description": info.description,
        "column_count": len(info.columns),
        "row_count": info.rows,
        "bytes": info.bytes,
    }


def _shared_row(principal: Principal, table: SharedTable) -> dict[str, Any]:
    dataset = principal.tenant.organizations_dataset
    return {
        "table": f"{dataset}.{table.name}",
        "dataset": dataset,
        "kind": "SHARED",
        "description": schema.load("organizations", table.name).description,
        "column_count": len(table.columns),
        "row_count": None,
        "bytes": None,
    }


async def _describe_own(principal: Principal, context: WarehouseContext, info: TableInfo) -> ToolResult:
    found, values, note = await _sample(principal, context, info)
    rows = [
        {
            "column": column.name,
            "type": column.type,
            "mode": column.mode,
            "description": column.description,
            "values": values.get(column.name),
        }
        for column in info.columns[: limits.MAX_TABLE_COLUMNS]
    ]
    summary = {
        **_own_row(principal, info),
        "partitioned_by": info.partitioned_by,
        "partitioning": info.partitioning,
        "clustered_by": info.clustered_by,
        "modified": info.modified,
        "values_from": note,
    }
    return ToolResult(found, tuple(rows), summary, truncated=len(rows) < len(info.columns))


def _describe_shared(principal: Principal, table: SharedTable) -> ToolResult:
    declared = schema.load("organizations", table.name)
    fields = [field for field in declared.fields if field.name in table.columns]
    rows = [
        {
            "column": field.name,
            "type": field.type,
            "mode": field.mode,
            "description": field.description,
            "values": None,
        }
        for field in fields
    ]
    partitioning = declared.time_partitioning
    readable = set(table.columns)
    summary = {
        **_shared_row(principal, table),
        "partitioned_by": partitioning.field if partitioning and partitioning.field in readable else None,
        "partitioning": partitioning.type if partitioning and partitioning.field in readable else None,
        "clustered_by": [name for name in declared.clustering if name in readable],
        "rows_seen": "the caller's own rows" if "user_id" in table.filters else "the organisation's own rows",
    }
    return ToolResult(None, tuple(rows), summary)


async def _sample(
    principal: Principal, context: WarehouseContext, info: TableInfo
) -> tuple[QueryResult | None, Mapping[str, Sequence[str]], str]:
    """The values of columns that have few, where looking costs little; and where they come from."""
    asked = sql.sample(info, context.now)
    if asked is None:
        return None, {}, _TOO_LARGE
    text, parameters, columns = asked
    query = replace(fixed(principal.tenant, text, parameters), max_bytes=limits.SAMPLE_BYTES)
    try:
        found = await context.run(query)
    except QueryRefused as refused:
        # The columns stand; only this hint is missing.
        note = _TOO_LARGE if refused.code == "bytes_over_limit" else "No values: they could not be read."
        return None, {}, note
    row = found.rows[0] if found.rows else {}
    values = {}
    for index, column in enumerate(columns):
        counted = [value for value, _ in (entry.values() for entry in row.get(f"c{index}") or ()) if value is not None]
        if 0 < len(counted) <= limits.SAMPLE_VALUES:
            values[column] = sorted(_short(value) for value in counted)
    days = f"the last {limits.SAMPLE_DAYS} days" if parameters else "the whole table"
    return found, values, f"Values of {days}, of columns with at most {limits.SAMPLE_VALUES} of them."


def _short(value: str) -> str:
    most = limits.SAMPLE_VALUE_CHARS
    return value if len(value) <= most else f"{value[: most - 1]}…"


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
