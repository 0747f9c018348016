"""Answers about tables and queries, from the results of the explorer's tools."""

import json
from typing import Any

from local.demo_model import payloads
from local.demo_model.formatting import both, bytes_of, count, counted, instant, plain_number, table, text
from local.demo_model.payloads import Payload
from local.demo_model.tasks import Task
from local.demo_model.transcript import ToolResult

_SHOWN_VALUES = 6


def list_org_tables(_: ToolResult, payload: Payload, __: Task | None) -> list[str]:
    """The tables that can be queried, by the name that is written in SQL."""
    summary, rows = payloads.summary(payload), payloads.rows(payload)
    if not rows:
        return ["There are no tables that you can query."]
    own, shared = summary.get("own_tables"), summary.get("shared_tables")
    kinds = (
        f": {plain_number(own)} of your organisation's own and {plain_number(shared)} shared" if own is not None else ""
    )
    cells = [
        [
            text(row.get("table")),
            text(row.get("description")),
            count(row.get("column_count")),
            "-" if row.get("row_count") is None else count(row["row_count"]),
            "-" if row.get("bytes") is None else bytes_of(row["bytes"]),
        ]
        for row in rows
    ]
    return [
        f"You can query **{counted(len(rows), 'table')}**{kinds}.",
        table(["Table", "Description", "Columns", "Rows", "Size"], cells, numeric_from=2),
        _cut(payload, "tables"),
        f"_{text(summary['note'])}_" if summary.get("note") else "",
    ]


def describe_table(result: ToolResult, payload: Payload, _: Task | None) -> list[str]:
    """One table's columns."""
    summary, rows = payloads.summary(payload), payloads.rows(payload)
    name = text(summary.get("table") or result.arguments.get("table"))
    size = f" and {counted(summary['row_count'], 'row')}" if summary.get("row_count") is not None else ""
    described = f" {text(summary['description']).rstrip('.')}." if summary.get("description") else ""
    headline = f"**{name}** has {counted(summary.get('column_count', len(rows)), 'column')}{size}.{described}"
    cells = [
        [
            text(row.get("column")),
            text(row.get("type")),
            text(row.get("mode")),
            text(row["description"]) if row.get("description") else "",
            _values(row.get("values")),
        ]
        for row in rows
    ]
    partitioned, clustered = summary.get("partitioned_by"), payloads.names(summary.get("clustered_by"))
    facts = [
        f"Partitioned by {text(partitioned)}"
        + (f" ({text(summary['partitioning'])})" if summary.get("partitioning") else "")
        if partitioned
        else "Not partitioned",
        f"clustered by {both([text(each) for each in clustered])}" if clustered else "not clustered",
        *([f"you see {text(summary['rows_seen'])}"] if summary.get("rows_seen") else []),
        *([f"changed {instant(summary['modified'])}"] if summary.get("modified") else []),
    ]
    return [
        headline,
        table(["Column", "Type", "Mode", "Description", "Values"], cells, numeric_from=5, most=len(cells)),
        _cut(payload, "columns"),
        text(summary["values_from"]) if summary.get("values_from") else "",
        f"_{'; '.join(facts)}._",
    ]


def run_read_query(_: ToolResult, payload: Payload, __: Task | None) -> list[str]:
    """The rows of a query as they came."""
    summary, rows = payloads.summary(payload), payloads.rows(payload)
    read = [text(name) for name in payloads.names(summary.get("tables"))]
    of = f" from {both(read)}" if read else ""
    closing = "_The SQL as it ran is attached"
    closing += f"; it read {bytes_of(payload['bytes_processed'])}._" if payload.get("bytes_processed") else "._"
    if not rows:
        return [f"The query ran{of} and returned no rows.", closing]
    headings = list(rows[0])
    cells = [[_cell(row.get(heading)) for heading in headings] for row in rows]
    return [
        f"The query returned **{counted(payload.get('row_count', len(rows)), 'row')}**{of}.",
        table([text(name) for name in headings], cells, numeric_from=len(headings)),
        text(summary["note"]) if summary.get("note") else _cut(payload, "rows"),
        closing,
    ]


def _values(value: Any) -> str:
    values = [text(each) for each in payloads.names(value)]
    more = f" and {len(values) - _SHOWN_VALUES} more" if len(values) > _SHOWN_VALUES else ""
    return ", ".join(values[:_SHOWN_VALUES]) + more


def _cell(value: Any) -> str:
    """A value as it came: figures are not rounded, lists and records are JSON."""
    if value is None:
        return "NULL"
    return text(json.dumps(value, default=str, ensure_ascii=False) if isinstance(value, list | dict) else value)


def _cut(payload: Payload, things: str) -> str:
    return f"The list is cut: there are more {things} than fit." if payload.get("truncated") else ""
