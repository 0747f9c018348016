"""The envelope that every tool answers with: rows, what they mean, and the query behind them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from common.warehouse.client import QueryResult


class ToolError(Exception):
    """A tool cannot answer. ``code`` is stable; ``message`` tells the model what happened and what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class ToolResult:
    """Rows with their columns, a summary with totals and periods, and the query that produced them."""

    query: QueryResult
    rows: tuple[Mapping[str, Any], ...]
    summary: Mapping[str, Any]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    truncated: bool = False

    def envelope(self) -> dict[str, Any]:
        """The result as JSON-safe values: decimals as numbers, dates and times in ISO 8601."""
        types = {column.name: column.type for column in self.query.columns}
        names = list(self.rows[0]) if self.rows else []
        envelope = {
            "rows": self.rows,
            "columns": [{"name": name, "type": types.get(name) or _type_of(self.rows, name)} for name in names],
            "row_count": len(self.rows),
            "truncated": self.truncated,
            "summary": self.summary,
            "sql": self.query.sql,
            "parameters": self.parameters,
            "bytes_processed": self.query.bytes_processed,
            "cached": self.query.cached,
            "job_id": self.query.job_id,
            "duration_ms": self.query.duration_ms,
        }
        safe = json_safe(envelope)
        assert isinstance(safe, dict)
        return safe


def bytes_read(envelope: Mapping[str, Any]) -> int:
    """The bytes that BigQuery read for this very call: none where the answer was kept from before, or is an error."""
    return 0 if envelope.get("cached") else int(envelope.get("bytes_processed") or 0)


def json_safe(value: object) -> Any:
    """The value as JSON can hold it. Raises TypeError for a type that no tool returns."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case datetime() | date():
            return value.isoformat()
        case Mapping():
            return {str(key): json_safe(item) for key, item in value.items()}
        case Iterable():
            return [json_safe(item) for item in value]
        case _:
            raise TypeError(f"no JSON for {type(value).__name__}")


def _type_of(rows: Iterable[Mapping[str, Any]], name: str) -> str:
    value = next((row[name] for row in rows if row[name] is not None), None)
    kinds = {bool: "BOOLEAN", int: "INTEGER", float: "FLOAT", Decimal: "NUMERIC", date: "DATE", datetime: "TIMESTAMP"}
    return kinds.get(type(value), "STRING")
