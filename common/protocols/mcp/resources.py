"""The tables that tools read, as MCP resources: one JSON document of columns per table."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from mcp import MCPError
from mcp import types as mcp

from common.warehouse import readable_tables, schema
from common.warehouse.schema import TableSchema

_PREFIX = "cloudcost://tables/"
_TYPE = "application/json"


def listed() -> list[mcp.Resource]:
    """The tables as a client lists them."""
    return [
        mcp.Resource(
            uri=f"{_PREFIX}{name}",
            name=name,
            title=f"Columns of {name}",
            description=document["description"],
            mime_type=_TYPE,
        )
        for name, document in _documents().items()
    ]


def read(uri: str) -> mcp.ReadResourceResult:
    """The columns of one table. Raises MCPError for an address that names none."""
    document = _documents().get(uri.removeprefix(_PREFIX)) if uri.startswith(_PREFIX) else None
    if document is None:
        raise MCPError(mcp.INVALID_PARAMS, "There is no such resource. List the resources to see which there are.")
    text = json.dumps(document, ensure_ascii=False)
    return mcp.ReadResourceResult(contents=[mcp.TextResourceContents(uri=uri, mime_type=_TYPE, text=text)])


@cache
def _documents() -> dict[str, dict[str, Any]]:
    return dict(sorted(_described()))


def _described() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every column of an organisation's own tables; of shared tables only what an organisation may read."""
    for name in schema.tables("tenant"):
        table = schema.load("tenant", name)
        yield name, _document(table, tuple(field.name for field in table.fields))
    for name, shared in readable_tables.shared_tables().items():
        yield name, _document(schema.load("organizations", name), shared.columns)


def _document(table: TableSchema, columns: tuple[str, ...]) -> dict[str, Any]:
    return {
        "table": table.name,
        "description": table.description,
        "partitioned_by": table.time_partitioning.field if table.time_partitioning else None,
        "clustered_by": [name for name in table.clustering if name in columns],
        "columns": [
            {"name": field.name, "type": field.type, "mode": field.mode, "description": field.description}
            for field in table.fields
            if field.name in columns
        ],
    }
