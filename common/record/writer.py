"""Writing to the record: batches of rows merged by their ids, so that a batch sent twice changes nothing."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from common import limits
from common.tenant import Tenant
from common.warehouse import schema
from common.warehouse.client import QueryRefused, Warehouse
from common.warehouse.query import Parameter, fixed

Row = Mapping[str, Any]

_CASTS = {"STRING": "STRING", "INTEGER": "INT64", "TIMESTAMP": "TIMESTAMP", "BOOLEAN": "BOOL", "FLOAT": "FLOAT64"}


MERGE_SQL = """
MERGE {{shared.{table}}} AS t
USING (
  SELECT
    {read}
  FROM UNNEST(@rows) AS row_json
) AS s
ON t.org_slug = @org_slug AND {key}{days}
{update}WHEN NOT MATCHED THEN INSERT (org_slug, {names}) VALUES (@org_slug, {values})
"""
PURGE_SQL = """
DELETE FROM {{shared.{table}}}
WHERE org_slug = @org_slug AND conversation_id IN UNNEST(@conversation_ids)
"""


class RecordWriter:
    """Merges and purges rows of one organisation.

    Raises QueryRefused where BigQuery will not take a batch, WarehouseBusy where others change the table, and
    WarehouseUnavailable where it does not answer; a batch that was not answered may have been written all the same.
    """

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    async def merge(self, tenant: Tenant, table: str, rows: Sequence[Row]) -> int:
        """Write rows, whose ids must differ; return how many were new or newer than what was there."""
        given = {"rows": Parameter("STRING", tuple(json.dumps(row, ensure_ascii=False) for row in rows))}
        if _rule_of(table).fixed_day:
            moments = [_moment(row.get("created_at")) for row in rows]
            given |= {
                "earliest": Parameter("TIMESTAMP", min(moments)),
                "latest": Parameter("TIMESTAMP", max(moments)),
            }
        return await self._write(tenant, merge_sql(table), given)

    async def purge(self, tenant: Tenant, table: str, conversation_ids: Sequence[str]) -> int:
        """Delete the rows of these conversations; return how many there were."""
        given = {"conversation_ids": Parameter("STRING", tuple(conversation_ids))}
        return await self._write(tenant, PURGE_SQL.format(table=table), given)

    async def _write(self, tenant: Tenant, sql: str, given: Mapping[str, Parameter]) -> int:
        labels = {"org": tenant.org_slug, "purpose": "record"}
        query = fixed(tenant, sql, given)
        result = await self._warehouse.run(query, labels=labels, seconds=limits.SYNC_STATEMENT_SECONDS, own=True)
        return result.affected_rows or 0


@cache
def merge_sql(table: str) -> str:
    """The MERGE of a table. ``@rows`` are JSON objects; the organisation is never theirs to say."""
    merge = _rule_of(table)
    fields = schema.load("organizations", table).fields
    own = [field for field in fields if field.name != "org_slug"]
    read = ",\n    ".join(f"{_read(field)} AS {field.name}" for field in own)
    key = " AND ".join(f"t.{name} = s.{name}" for name in merge.key)
    days = " AND t.created_at BETWEEN @earliest AND @latest" if merge.fixed_day else ""
    update = ""
    if merge.newest:
        changing = [field.name for field in own if field.name not in (*merge.key, *merge.kept)]
        sets = ", ".join(f"{name} = s.{name}" for name in changing)
        update = f"WHEN MATCHED AND s.{merge.newest} > t.{merge.newest} THEN UPDATE SET {sets}\n"
    names = ", ".join(field.name for field in own)
    values = ", ".join(f"s.{field.name}" for field in own)
    # Every name in it is a schema file's; values are bound.
    return MERGE_SQL.format(table=table, read=read, key=key, days=days, update=update, names=names, values=values)


def _rule_of(table: str) -> schema.MergeRule:
    rule = schema.load("organizations", table).merge
    if rule is None:
        raise KeyError(f"{table} is no table of the record")
    return rule


def _read(field: schema.Field) -> str:
    text = f"JSON_VALUE(row_json, '$.{field.name}')"
    return text if field.type == "STRING" else f"CAST({text} AS {_CASTS[field.type]})"


def _moment(text: object) -> datetime:
    try:
        return datetime.fromisoformat(str(text)).astimezone(UTC)
    except ValueError as error:
        raise QueryRefused("query_failed", "A row says no time at which it was made.") from error
