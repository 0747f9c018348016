"""The warehouse's answers: rows with columns, the description of a table, or a refusal."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any


class QueryRefused(Exception):
    """BigQuery will not run this query as it stands; ``code`` says why, ``detail`` what to do."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Column:
    """A result column: name, BigQuery type (legacy name), and mode."""

    name: str
    type: str
    mode: str = "NULLABLE"


@dataclass(frozen=True, slots=True)
class QueryResult:
    """Rows as Python values (Decimal, aware datetime, date), and what it took to get them.

    ``affected_rows`` is the number of rows that a write changed; ``cached`` says that nothing
    ran for this answer, and the bytes are those of when it did. ``bytes_billed`` is what BigQuery charges for: rounded
    up, and nothing where it answered from its own cache.
    """

    columns: tuple[Column, ...]
    rows: tuple[dict[str, Any], ...]
    total_rows: int
    bytes_processed: int
    job_id: str
    sql: str
    duration_ms: int
    affected_rows: int | None = None
    cached: bool = False
    bytes_billed: int = 0

    @property
    def truncated(self) -> bool:
        return self.total_rows > len(self.rows)


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of a table; one inside a record is named by its path, such as ``labels.key``."""

    name: str
    type: str
    mode: str
    description: str | None


@dataclass(frozen=True, slots=True)
class TableInfo:
    """The description of a table: columns, layout and size."""

    name: str
    kind: str
    description: str | None
    columns: tuple[TableColumn, ...]
    partitioned_by: str | None
    partitioning: str | None
    clustered_by: tuple[str, ...]
    rows: int
    bytes: int
    modified: datetime | None


def within(rows: Iterable[dict[str, Any]], most: float) -> tuple[tuple[dict[str, Any], ...], bool]:
    """The first rows, as many as fit into so many bytes, and whether any did not."""
    data, size = list[dict[str, Any]](), 0
    for row in rows:
        size += size_of(row)
        if size > most:
            return tuple(data), True
        data.append(row)
    return tuple(data), False


def size_of(value: object) -> int:
    """About how many bytes a value takes as JSON."""
    if isinstance(value, str):
        return (len(value) if value.isascii() else len(value.encode())) + 2
    # Most values are scalars: asking whether they are mappings would cost more than measuring them.
    if type(value) in _SCALARS:
        return len(str(value))
    if isinstance(value, bytes):
        return len(value) * 4 // 3 + 2
    if isinstance(value, Mapping):
        return 2 + sum([size_of(name) + size_of(item) + 2 for name, item in value.items()])
    if isinstance(value, Sequence):
        return 2 + sum([size_of(item) + 1 for item in value])
    return len(str(value))


_SCALARS = frozenset((type(None), bool, int, float, Decimal, date, datetime))
