"""The envelope that every tool answers with: rows, their meaning, and the source behind them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from common import json_text
from common.tenant import Principal
from common.warehouse.json_values import json_safe
from common.warehouse.query import Parameter
from common.warehouse.result import QueryResult

TOOL_RESULT_CHARS = 60_000

CHART = "chart"
# What a model has no use for, and what it need not read where the query is the product's own.
_NOT_FOR_MODELS = frozenset({CHART, "rows", "columns", "job_id", "duration_ms", "cached"})
_OF_A_FIXED_QUERY = frozenset({"sql", "parameters"})
_TYPES = {bool: "BOOLEAN", int: "INTEGER", float: "FLOAT", Decimal: "NUMERIC", date: "DATE", datetime: "TIMESTAMP"}


_OBJECT = {"type": "object"}
# The envelope as JSON Schema: a result, or an error. What a source adds stands beside the rest.
ENVELOPE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "rows": {"type": "array", "items": _OBJECT, "description": "One object per row, by column name."},
        "columns": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "type": {"type": "string"}},
                "required": ["name", "type"],
            },
        },
        "row_count": {"type": "integer", "minimum": 0},
        "truncated": {"type": "boolean", "description": "There were more rows than are here."},
        "summary": {**_OBJECT, "description": "Totals per currency, the period and filters as they were read, notes."},
        "sql": {"type": "string", "description": "The query that ran."},
        "parameters": {**_OBJECT, "description": "The values that the query bound."},
        "bytes_processed": {"type": "integer", "minimum": 0},
        "cached": {"type": "boolean"},
        "job_id": {"type": ["string", "null"]},
        "duration_ms": {"type": "integer", "minimum": 0},
        "document": _OBJECT,
        "service": {"type": "string"},
        CHART: {**_OBJECT, "description": "A Vega-Lite spec."},
        "error": {
            "type": "object",
            "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
            "required": ["code", "message"],
        },
    },
    "anyOf": [
        {"required": ["rows", "columns", "row_count", "truncated", "summary", "parameters", "duration_ms"]},
        {"required": ["error"]},
    ],
}


class ToolError(Exception):
    """A tool cannot answer. ``code`` is stable; ``message`` tells the model what happened and what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class DocumentSource:
    """A document as the source of an answer: its title, and the place to find it again."""

    title: str
    location: str


@dataclass(frozen=True, slots=True)
class ServiceCall:
    """A call to another service as the source of an answer."""

    service: str
    duration_ms: int


Source = QueryResult | DocumentSource | ServiceCall | None


@dataclass(frozen=True, slots=True)
class ToolResult:
    """Rows with their columns, a summary with totals and periods, and the source that they came from.

    ``background`` are rows that only a chart shows: no part of the envelope.
    """

    source: Source
    rows: tuple[Mapping[str, Any], ...]
    summary: Mapping[str, Any]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    truncated: bool = False
    background: tuple[Mapping[str, Any], ...] = ()

    def envelope(self) -> dict[str, Any]:
        """The result as JSON-safe values: decimals as numbers, dates and times in ISO 8601."""
        known = self.source.columns if isinstance(self.source, QueryResult) else ()
        types = {column.name: column.type for column in known}
        names = list(self.rows[0]) if self.rows else []
        envelope = {
            "rows": self.rows,
            "columns": [{"name": name, "type": types.get(name) or _type_of(self.rows, name)} for name in names],
            "row_count": len(self.rows),
            "truncated": self.truncated,
            "summary": self.summary,
            **_describe(self.source, self.parameters),
        }
        safe = json_safe(envelope)
        assert isinstance(safe, dict)
        return safe


def _describe(source: Source, parameters: Mapping[str, Any]) -> dict[str, Any]:
    match source:
        case QueryResult():
            return {
                "sql": source.sql,
                "parameters": parameters,
                "bytes_processed": source.bytes_processed,
                "cached": source.cached,
                "job_id": source.job_id,
                "duration_ms": source.duration_ms,
            }
        case DocumentSource():
            return {"document": {"title": source.title, "location": source.location}, "parameters": parameters}
        case ServiceCall():
            return {"service": source.service, "parameters": parameters, "duration_ms": source.duration_ms}
        case None:
            return {"parameters": parameters}


def of_shared_tables(
    principal: Principal,
    found: QueryResult,
    rows: tuple[Mapping[str, Any], ...],
    summary: Mapping[str, Any],
    parameters: Mapping[str, Parameter],
    *,
    truncated: bool = False,
) -> ToolResult:
    """Make the answer of a query of shared tables: with the @org_slug that it binds, and without its bytes."""
    bound = {"org_slug": principal.org_slug, **format_parameters(parameters)}
    # The size of a table with the rows of all organisations is nobody's to know.
    return ToolResult(replace(found, bytes_processed=0), rows, summary, bound, truncated)


def format_parameters(parameters: Mapping[str, Parameter]) -> dict[str, Any]:
    """The bound values as JSON holds them."""
    return {name: json_safe(parameter.value) for name, parameter in parameters.items()}


def bytes_read(envelope: Mapping[str, Any]) -> int:
    """The bytes that BigQuery read for this very call; 0 for an error or a cached answer."""
    return 0 if envelope.get("cached") else int(envelope.get("bytes_processed") or 0)


def error_envelope(code: str, message: str) -> dict[str, Any]:
    """The envelope of a call that failed."""
    return {"error": {"code": code, "message": message}}


# What a model is told of a call that its person declined.
NOT_APPROVED = error_envelope("not_approved", "The user did not allow this call. Do not make it again; say so.")


def as_stored(result: Mapping[str, Any], max_chars: int) -> str:
    """Format a tool result with its chart as JSON text; without the chart, and cut, where that is too long."""
    text = _compact(result)
    return text if len(text) <= max_chars else as_message(result, max_chars)


def as_message(result: Mapping[str, Any], max_chars: int = TOOL_RESULT_CHARS) -> str:
    """Format a tool result as JSON text for a model, without its chart.

    Rows are left out from the end until the text fits; ``truncated`` is true then.
    """
    shown = {name: value for name, value in result.items() if name != CHART}
    text = _compact(shown)
    while len(text) > max_chars and shown.get("rows"):
        rows = shown["rows"]
        shown |= {"rows": rows[: len(rows) // 2], "truncated": True}
        text = _compact(shown)
    if len(text) > max_chars:
        text = _compact(error_envelope("result_too_large", "The result is too large to show. Ask for less."))
    return text


def as_model_message(result: Mapping[str, Any], *, shows_sql: bool = False) -> str:
    """Format a tool result for the organisation's model, which pays for every word: the summary, then the rows.

    Columns are named once and rows are lists of values. What the product's own query was is left out: a client that
    shows it has it from the stored result. Rows are left out from the end until the text fits.
    """
    if "rows" not in result:
        return as_message(result)
    left_out = _NOT_FOR_MODELS if shows_sql else _NOT_FOR_MODELS | _OF_A_FIXED_QUERY
    rows = list(result["rows"])
    columns = list(dict.fromkeys(name for row in rows for name in row))
    shown = {name: value for name, value in result.items() if name not in left_out}
    message = {
        "summary": shown.pop("summary", {}),
        **shown,
        "columns": columns,
        "rows": [[row.get(name) for name in columns] for row in rows],
    }
    return as_message(message)


def read_model_message(message: Mapping[str, Any]) -> dict[str, Any]:
    """Give the rows of a model's message their names back; a message of another form stays as it is."""
    rows, columns = message.get("rows"), message.get("columns")
    if not isinstance(rows, list) or not isinstance(columns, list):
        return dict(message)
    named = [dict(zip(columns, row, strict=False)) if isinstance(row, list) else row for row in rows]
    return {**message, "rows": named}


def _compact(value: Mapping[str, Any]) -> str:
    return json_text.write(value)


def _type_of(rows: Iterable[Mapping[str, Any]], name: str) -> str:
    value = next((row[name] for row in rows if row[name] is not None), None)
    return _TYPES.get(type(value), "STRING")
