"""BigQuery's rows and tables, as its SDK gives them, as the product's own values."""

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from common.warehouse.query import GuardedQuery
from common.warehouse.result import Column, QueryResult, TableColumn, TableInfo, within

# For each table that a query names, however little it reads.
LEAST_BILLED = 10 * 1024**2


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a reply, each by column, and their fields in the SDK's types; ``affected`` are those of a write."""

    fields: Sequence[Any]
    values: Iterable[dict[str, Any]]
    total: int | None
    affected: int | None


def result_of(
    query: GuardedQuery,
    rows: Rows,
    job_id: str | None,
    bytes_processed: int | None,
    started: float,
    max_bytes: float = math.inf,
) -> QueryResult:
    """The rows that fit. Raises ValueError where a reply has no columns: it is not that there are no rows."""
    if not rows.fields and not query.writes:
        raise ValueError("a SELECT without columns")
    data, cut = within(rows.values, max_bytes)
    return QueryResult(
        columns=tuple(Column(field.name, field.field_type, field.mode) for field in rows.fields),
        rows=data,
        total_rows=max(rows.total or 0, len(data) + cut),
        bytes_processed=bytes_processed or 0,
        job_id=job_id or "",
        sql=query.sql,
        duration_ms=round((time.perf_counter() - started) * 1000),
        affected_rows=rows.affected,
    )


def least_billed(query: GuardedQuery, bytes_processed: int) -> int:
    """The bytes that BigQuery bills on demand for a query whose answer tells only what it processed."""
    return max(bytes_processed, LEAST_BILLED * len(query.tables))


def info_of(table: Any) -> TableInfo:
    """The description of one of the SDK's tables."""
    time_partitioning, range_partitioning = table.time_partitioning, table.range_partitioning
    field = time_partitioning.field or "_PARTITIONTIME" if time_partitioning else None
    return TableInfo(
        name=table.table_id,
        kind=table.table_type or "TABLE",
        description=table.description,
        columns=tuple(_columns(table.schema)),
        partitioned_by=range_partitioning.field if range_partitioning else field,
        partitioning="RANGE" if range_partitioning else time_partitioning and time_partitioning.type_,
        clustered_by=tuple(table.clustering_fields or ()),
        rows=table.num_rows or 0,
        bytes=table.num_bytes or 0,
        modified=table.modified,
    )


def _columns(fields: Iterable[Any], path: str = "") -> Iterator[TableColumn]:
    for field in fields:
        name = f"{path}{field.name}"
        yield TableColumn(name, field.field_type, field.mode or "NULLABLE", field.description)
        yield from _columns(field.fields, f"{name}.")
