"""tabledata.insertAll: rows checked one by one, stored together; a repeated insertId is stored once."""

import json
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import duckdb

from local.emulators.bigquery import coerce
from local.emulators.bigquery.errors import invalid
from local.emulators.bigquery.store import Store, Table, TableId
from local.emulators.bigquery.types import Field

_REMEMBERED = 20_000
MAX_ROWS = 50_000


class Inserts:
    """Streaming inserts into a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._seen: dict[TableId, OrderedDict[str, None]] = {}

    def insert_all(self, table_id: TableId, body: dict[str, Any]) -> list[dict[str, Any]]:
        """Store the rows; returns insertErrors. Without skipInvalidRows one bad row stops them all."""
        table = self._store.table(table_id)
        rows = body.get("rows") or []
        if not rows:
            raise invalid("No rows present in the request.")
        if len(rows) > MAX_ROWS:
            raise invalid(f"too many rows present in the request, limit: {MAX_ROWS} row count: {len(rows)}.")
        good, errors = self._convert(rows, table, bool(body.get("ignoreUnknownValues")))
        if errors and not body.get("skipInvalidRows"):
            return errors + [_stopped(index) for index, _, _ in good]
        self._store_rows(table, good)
        return errors

    def _convert(
        self, rows: Sequence[dict[str, Any]], table: Table, ignore_unknown: bool
    ) -> tuple[list[tuple[int, str | None, dict[str, Any]]], list[dict[str, Any]]]:
        good, errors = [], []
        for index, entry in enumerate(rows):
            values, problems = coerce.row(entry.get("json") or {}, table.fields, ignore_unknown)
            if problems:
                errors.append({"index": index, "errors": [_error(problem) for problem in problems]})
            else:
                good.append((index, entry.get("insertId"), values))
        return good, errors

    def _store_rows(self, table: Table, good: Sequence[tuple[int, str | None, dict[str, Any]]]) -> None:
        with table.lock:
            seen = self._seen.setdefault(table.id, OrderedDict())
            fresh, ids = [], dict[str, None]()
            for _, insert_id, values in good:
                if insert_id is not None and (insert_id in seen or insert_id in ids):
                    continue
                if insert_id is not None:
                    ids[insert_id] = None
                fresh.append(values)
            if fresh:
                with self._store.transaction() as cursor:
                    append(cursor, table, fresh)
                self._store.changed(table)
            seen.update(ids)
            while len(seen) > _REMEMBERED:
                seen.popitem(last=False)

    def forget(self, table_id: TableId) -> None:
        """A deleted table's ids are free again."""
        self._seen.pop(table_id, None)


def append(cursor: duckdb.DuckDBPyConnection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows of normalised text as one statement."""
    structure = json.dumps([{f.name: _text_structure(f) for f in table.fields}])
    columns = ", ".join(_stored(f) for f in table.fields)
    names = ", ".join(f'"{f.name}"' for f in table.fields)
    cursor.execute(
        f"INSERT INTO {table.id.sql} ({names}) SELECT {columns} FROM (SELECT unnest(from_json(?, ?)) AS _row)",
        [json.dumps(list(rows)), structure],
    )


def _stored(field: Field) -> str:
    value = f'_row."{field.name}"'
    return f"CAST({f'coalesce({value}, [])' if field.repeated else value} AS {field.duckdb})"


def _text_structure(field: Field) -> Any:
    one: Any = "VARCHAR"
    if field.type == "STRUCT":
        one = {f.name: _text_structure(f) for f in field.fields}
    return [one] if field.repeated else one


def _error(problem: coerce.BadValue) -> dict[str, str]:
    return {"reason": "invalid", "location": problem.location, "debugInfo": "", "message": problem.message}


def _stopped(index: int) -> dict[str, Any]:
    return {"index": index, "errors": [{"reason": "stopped", "location": "", "debugInfo": "", "message": ""}]}
