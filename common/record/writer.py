"""Writing to the record: batches of rows merged by their ids, so that a batch sent twice changes nothing.

One statement takes the rows of all organisations: BigQuery lets few statements change a table at the same time.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from common import limits
from common.record.start import MARGIN
from common.tenant import OrgSlug, Tenant
from common.warehouse import schema
from common.warehouse.client import QueryRefused, Warehouse
from common.warehouse.query import Parameter, fixed

Row = Mapping[str, Any]

_NEVER = datetime.fromtimestamp(0, UTC)

_CASTS = {
    "STRING": "STRING",
    "INTEGER": "INT64",
    "TIMESTAMP": "TIMESTAMP",
    "BOOLEAN": "BOOL",
    "FLOAT": "FLOAT64",
    "NUMERIC": "NUMERIC",
}


MERGE_SQL = """
MERGE {{shared.{table}}} AS t
USING (
  SELECT
    {read}
  FROM UNNEST(@rows) AS row_json
) AS s
ON t.org_slug IN UNNEST(@org_slugs) AND t.org_slug = s.org_slug AND {key}{days}
{update}WHEN NOT MATCHED THEN INSERT ({names}) VALUES ({values})
"""
# Before a purge: on which days there is anything to delete. It reads no text.
SPAN_SQL = """
SELECT MIN(created_at) AS earliest, MAX(created_at) AS latest
FROM {{shared.{table}}}
WHERE org_slug = @org_slug
"""
SPAN_OF_SQL = f"{SPAN_SQL}  AND conversation_id IN UNNEST(@conversation_ids)\n"
PURGE_SQL = """
DELETE FROM {{shared.{table}}}
WHERE org_slug = @org_slug AND created_at BETWEEN @earliest AND @latest
  AND conversation_id IN UNNEST(@conversation_ids)
"""
PURGE_ALL_SQL = """
DELETE FROM {{shared.{table}}}
WHERE org_slug = @org_slug AND created_at BETWEEN @earliest AND @latest
"""
# No lease waits for it, and it may concern years.
PURGE_ALL_SECONDS = 300.0


class RecordWriter:
    """Merges rows of any organisations and purges those of one.

    Raises QueryRefused where BigQuery will not take a batch, WarehouseBusy where others change the table, and
    WarehouseUnavailable where it does not answer; a batch that was not answered may have been written all the same.
    """

    def __init__(self, warehouse: Warehouse, everybody: Tenant) -> None:
        self._warehouse = warehouse
        # The statements' project and shared dataset; they touch the organisations that their rows name.
        self._everybody = everybody

    async def merge(self, table: str, rows: Sequence[tuple[OrgSlug, Row]]) -> int:
        """Write rows of organisations, whose ids must differ; return how many were new or newer than what was there."""
        # Whose row it is, its entry says; what the row itself says of that does not count.
        texts = tuple(json.dumps({**row, "org_slug": org_slug}, ensure_ascii=False) for org_slug, row in rows)
        org_slugs = tuple(sorted({org_slug for org_slug, _ in rows}))
        given = {"rows": Parameter("STRING", texts), "org_slugs": Parameter("STRING", org_slugs)}
        rule = _rule_of(table)
        if rule.fixed_day:
            moments = [_moment(row.get("created_at")) for _, row in rows]
            given |= {
                "earliest": Parameter("TIMESTAMP", min(moments)),
                "latest": Parameter("TIMESTAMP", max(moments)),
            }
        else:
            # An entry of before there was this field says nothing: then all days are read.
            begun = [_moment(row.get(rule.not_before) or _NEVER) for _, row in rows]
            given["earliest"] = Parameter("TIMESTAMP", min(begun) - MARGIN)
        return await self._write(
            self._everybody, "all" if len(org_slugs) > 1 else org_slugs[0], merge_sql(table), given
        )

    async def purge(self, tenant: Tenant, table: str, conversation_ids: Sequence[str]) -> int:
        """Delete the rows of these conversations; return how many there were."""
        given = {"conversation_ids": Parameter("STRING", tuple(conversation_ids))}
        span = await self._span(tenant, SPAN_OF_SQL.format(table=table), given)
        if span is None:
            return 0
        return await self._write(tenant, tenant.org_slug, PURGE_SQL.format(table=table), {**given, **span})

    async def purge_all(self, tenant: Tenant, table: str) -> int:
        """Delete every row of the organisation; return how many there were."""
        span = await self._span(tenant, SPAN_SQL.format(table=table), {})
        if span is None:
            return 0
        return await self._write(tenant, tenant.org_slug, PURGE_ALL_SQL.format(table=table), span, PURGE_ALL_SECONDS)

    async def _span(self, tenant: Tenant, sql: str, given: Mapping[str, Parameter]) -> dict[str, Parameter] | None:
        """The times between which rows were made; None where there is none. No sync writes others meanwhile."""
        labels = {"org": tenant.org_slug, "purpose": "record"}
        (row,) = (await self._warehouse.look_up(fixed(tenant, sql, given), labels=labels)).rows
        if row["earliest"] is None:
            return None
        return {name: Parameter("TIMESTAMP", row[name]) for name in ("earliest", "latest")}

    async def _write(
        self,
        tenant: Tenant,
        org: str,
        sql: str,
        given: Mapping[str, Parameter],
        seconds: float = limits.SYNC_STATEMENT_SECONDS,
    ) -> int:
        labels = {"org": org, "purpose": "record"}
        query = fixed(tenant, sql, given)
        result = await self._warehouse.run(query, labels=labels, seconds=seconds, own=True)
        return result.affected_rows or 0


@cache
def merge_sql(table: str) -> str:
    """The MERGE of a table. ``@rows`` are JSON objects that say their organisation, one of ``@org_slugs``."""
    merge = _rule_of(table)
    fields = schema.load("organizations", table).fields
    read = ",\n    ".join(f"{_read(field)} AS {field.name}" for field in fields)
    key = " AND ".join(f"t.{name} = s.{name}" for name in merge.key)
    days = " AND t.created_at BETWEEN @earliest AND @latest" if merge.fixed_day else " AND t.created_at >= @earliest"
    update = ""
    if merge.newest:
        changing = [field.name for field in fields if field.name not in (*merge.key, *merge.kept, "org_slug")]
        sets = ", ".join(f"{name} = s.{name}" for name in changing)
        update = f"WHEN MATCHED AND s.{merge.newest} > t.{merge.newest} THEN UPDATE SET {sets}\n"
    names = ", ".join(field.name for field in fields)
    values = ", ".join(f"s.{field.name}" for field in fields)
    # Every name in it is a schema file's; values are bound.
    return MERGE_SQL.format(table=table, read=read, key=key, days=days, update=update, names=names, values=values)


def _rule_of(table: str) -> schema.MergeRule:
    rule = schema.load("organizations", table).merge
    if rule is None:
        raise KeyError(f"{table} is no table of the record")
    return rule


def _read(field: schema.Field) -> str:
    if field.mode == "REPEATED":
        return f"JSON_VALUE_ARRAY(row_json, '$.{field.name}')"
    text = f"JSON_VALUE(row_json, '$.{field.name}')"
    return text if field.type == "STRING" else f"CAST({text} AS {_CASTS[field.type]})"


def _moment(text: object) -> datetime:
    try:
        return datetime.fromisoformat(str(text)).astimezone(UTC)
    except ValueError as error:
        raise QueryRefused("query_failed", "A row says no time at which it was made.") from error
