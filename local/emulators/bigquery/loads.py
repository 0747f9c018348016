"""Load jobs: newline-delimited JSON or Parquet into a table, all of it or none; DuckDB parses, a bad row is named."""

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb

from local.emulators.bigquery import coerce
from local.emulators.bigquery.errors import BigQueryError, duplicate, invalid, not_found, unsupported
from local.emulators.bigquery.inserts import append
from local.emulators.bigquery.store import Store, Table, TableId
from local.emulators.bigquery.types import Field

_MAX_ROW_BYTES = 100 * 1024 * 1024
_LEAST_OBJECT_BYTES = 1024 * 1024
_BATCH = 2_000
_FORMATS = ("NEWLINE_DELIMITED_JSON", "PARQUET")
_DISPOSITIONS = ("WRITE_APPEND", "WRITE_TRUNCATE", "WRITE_EMPTY")


@dataclass(frozen=True)
class Loaded:
    """The result of a load job."""

    rows: int
    bytes: int
    input_bytes: int


class Loads:
    """Load jobs into a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def load(self, config: dict[str, Any], data: bytes) -> Loaded:
        """Run one load configuration over the uploaded file."""
        kind = str(config.get("sourceFormat") or "CSV").upper()
        if kind not in _FORMATS:
            raise unsupported(f"load jobs of {kind}; use {' or '.join(_FORMATS)}")
        for option in ("timePartitioningDecorator", "schemaUpdateOptions", "decimalTargetTypes", "jsonExtension"):
            if config.get(option):
                raise unsupported(f"load jobs with {option}")
        if int(config.get("maxBadRecords") or 0):
            raise unsupported("load jobs with maxBadRecords")
        table = self._destination(config)
        path = self._store.scratch / f"load-{uuid.uuid4().hex}"
        path.write_bytes(data)
        try:
            if kind == "PARQUET":
                return self._run_parquet(table, config, path, len(data))
            return self._run(table, config, path, len(data))
        finally:
            path.unlink(missing_ok=True)

    def _destination(self, config: dict[str, Any]) -> Table:
        reference = config["destinationTable"]
        self._store.check_project(reference.get("projectId", self._store.project))
        table_id = TableId(reference["datasetId"], reference["tableId"])
        if "$" in table_id.table:
            raise unsupported("partition decorators")
        try:
            return self._store.table(table_id)
        except BigQueryError as error:
            self._store.dataset(table_id.dataset)
            if config.get("createDisposition") == "CREATE_NEVER":
                raise not_found(f"Table {self._store.project}:{table_id.dataset}.{table_id.table}") from error
            if not config.get("schema"):
                raise invalid("No schema specified on job or table; the emulator does not detect schemas.") from error
            kept: dict[str, Any] = {
                key: config[key] for key in ("schema", "timePartitioning", "clustering") if key in config
            }
            return self._store.create_table(table_id, kept)

    def _run(self, table: Table, config: dict[str, Any], path: Path, size: int) -> Loaded:
        disposition = str(config.get("writeDisposition") or "WRITE_APPEND").upper()
        if disposition not in _DISPOSITIONS:
            raise invalid(f"Invalid writeDisposition {disposition}")
        ignore_unknown = bool(config.get("ignoreUnknownValues"))
        with table.lock:
            try:
                rows = self._stored(
                    table, disposition, lambda cursor: _insert_fast(cursor, table, path, ignore_unknown)
                )
            except (duckdb.Error, _Unsure):
                # Row by row is slow and exact: it accepts all that BigQuery accepts and names what it refuses.
                rows = self._stored(
                    table, disposition, lambda cursor: _insert_slow(cursor, table, path, ignore_unknown)
                )
            self._store.changed(table)
        return Loaded(rows, size, size)

    def _run_parquet(self, table: Table, config: dict[str, Any], path: Path, size: int) -> Loaded:
        disposition = str(config.get("writeDisposition") or "WRITE_APPEND").upper()
        if disposition not in _DISPOSITIONS:
            raise invalid(f"Invalid writeDisposition {disposition}")
        with table.lock:
            try:
                rows = self._stored(table, disposition, lambda cursor: _insert_parquet(cursor, table, path))
            except duckdb.Error as error:
                raise invalid(f"Error while reading data, error message: {str(error).splitlines()[0]}") from error
            self._store.changed(table)
        return Loaded(rows, size, size)

    def _stored(self, table: Table, disposition: str, insert: Callable[[duckdb.DuckDBPyConnection], int]) -> int:
        with self._store.transaction() as cursor:
            if disposition == "WRITE_EMPTY" and self._store.rows(table, cursor):
                raise duplicate(f"Table {self._store.project}:{table.id.dataset}.{table.id.table}")
            if disposition == "WRITE_TRUNCATE":
                cursor.execute(f"DELETE FROM {table.id.sql}")
            return insert(cursor)


def _insert_fast(cursor: duckdb.DuckDBPyConnection, table: Table, path: Path, ignore_unknown: bool) -> int:
    if not path.stat().st_size:
        return 0
    object_size = _object_size(path)
    spelled = _spellings(cursor, table, path, ignore_unknown, object_size)
    if any((f.type == "STRUCT" or (f.repeated and not _is_vector(f))) and f.name in spelled for f in table.fields):
        raise _Unsure("nested fields")
    inserted = cursor.execute(_insert_sql(table, spelled, object_size), [str(path)]).fetchone()
    return int(inserted[0]) if inserted else 0


def _insert_parquet(cursor: duckdb.DuckDBPyConnection, table: Table, path: Path) -> int:
    """Insert the file's columns by name; a column that the table lacks, or of another type, is refused."""
    described = cursor.execute("SELECT column_name, column_type FROM (DESCRIBE FROM read_parquet(?))", [str(path)])
    columns = {str(name).lower(): (str(name), str(kind)) for name, kind in described.fetchall()}
    fields = {field.name.lower(): field for field in table.fields}
    for name, (spelled, kind) in columns.items():
        field = fields.get(name)
        if field is None:
            raise invalid(f"Provided Schema does not match Table: no such field: {spelled}.")
        if _plain_type(field.duckdb) != _plain_type(kind):
            raise invalid(
                f"Provided Schema does not match Table: field {spelled} has changed type from {field.type} to {kind}"
            )
    names = ", ".join('"' + fields[name].name + '"' for name in columns)
    inserted = cursor.execute(
        f"INSERT INTO {table.id.sql} ({names}) SELECT {names} FROM read_parquet(?)", [str(path)]
    ).fetchone()
    return int(inserted[0]) if inserted else 0


def _plain_type(kind: str) -> str:
    return kind.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ").replace(" ", "")


def _insert_slow(cursor: duckdb.DuckDBPyConnection, table: Table, path: Path, ignore_unknown: bool) -> int:
    for _ in _checked_rows(path, table.fields, ignore_unknown):
        pass  # the whole file is checked before any of it is stored
    count = 0
    rows = _checked_rows(path, table.fields, ignore_unknown)
    while batch := list(islice(rows, _BATCH)):
        append(cursor, table, batch)
        count += len(batch)
    return count


def _is_vector(field: Field) -> bool:
    """Return true for an array of numbers, which is too long to be read one by one."""
    return field.repeated and field.type == "FLOAT64"


class _Unsure(Exception):
    """DuckDB would read what BigQuery may refuse: the rows are to be read one by one."""


def _spellings(
    cursor: duckdb.DuckDBPyConnection, table: Table, path: Path, ignore_unknown: bool, object_size: int
) -> dict[str, list[str]]:
    """Field name -> the keys that mean it in this file; names ignore case."""
    keys = cursor.execute(
        "SELECT DISTINCT unnest(json_keys(json)) FROM "
        f"(SELECT json FROM read_ndjson_objects(?, maximum_object_size={object_size}))",
        [str(path)],
    ).fetchall()
    known = {f.name.lower(): f.name for f in table.fields}
    found: dict[str, list[str]] = {}
    for (key,) in keys:
        if key.lower() in known:
            found.setdefault(known[key.lower()], []).append(key)
        elif not ignore_unknown:
            raise _Unsure(f"No such field: {key}.")
    if any(len(spellings) > 1 for spellings in found.values()):
        raise _Unsure("A field is spelled in several ways.")
    return found


def _insert_sql(table: Table, spelled: dict[str, list[str]], object_size: int) -> str:
    present = [f for f in table.fields if f.name in spelled]
    read = ", ".join(f"{_quoted(spelled[f.name][0])}: {_quoted(_read_type(f))}" for f in present)
    columns = ", ".join(_converted(f, spelled) for f in table.fields)
    names = ", ".join(f'"{f.name}"' for f in table.fields)
    source = f"read_json(?, format='newline_delimited', maximum_object_size={object_size}, columns={{{read}}})"
    if not present:
        source = f"read_ndjson_objects(?, maximum_object_size={object_size})"
    return f"INSERT INTO {table.id.sql} ({names}) SELECT {columns} FROM {source} AS _file"


def _object_size(path: Path) -> int:
    """Return the size that DuckDB must expect of a row, which it takes several times over for its buffers."""
    with path.open("rb") as file:
        longest = max((len(line) for line in file), default=0)
    return min(max(longest + 1, _LEAST_OBJECT_BYTES), _MAX_ROW_BYTES)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _read_type(field: Field) -> str:
    """Scalars are read as text and then cast, so that the cast's rules are ours; JSON tells text from objects."""
    if _is_vector(field):
        return "VARCHAR[]"
    return "JSON" if field.type in ("JSON", "STRING") else "VARCHAR"


def _converted(field: Field, spelled: dict[str, list[str]]) -> str:
    keys = spelled.get(field.name)
    if keys is None:
        return f"CAST({'[]' if field.repeated else 'NULL'} AS {field.duckdb})"
    column = '_file."' + keys[0].replace('"', '""') + '"'
    if _is_vector(field):
        return (
            f"CASE WHEN {column} IS NULL THEN [] WHEN list_count({column}) < len({column}) "
            f"THEN error('null in an array') ELSE CAST({column} AS {field.duckdb}) END"
        )
    strict = {
        "INT64": f"CASE WHEN {column} IS NULL THEN NULL WHEN regexp_full_match({column}, '-?[0-9]+') "
        f"THEN CAST({column} AS BIGINT) ELSE error('not an integer') END",
        "BOOL": f"bq_boolean({column})",
        "DATE": f"CASE WHEN length({column}) > 10 THEN error('not a date') ELSE CAST({column} AS DATE) END",
        "STRING": f"CASE WHEN json_type({column}) IN ('OBJECT', 'ARRAY') THEN error('not a string') "
        f"ELSE json_extract_string({column}, '$') END",
        "BYTES": f"from_base64({column})",
        "JSON": f"CASE WHEN json_type({column}) = 'VARCHAR' THEN CAST(json_extract_string({column}, '$') AS JSON) "
        f"WHEN json_type({column}) = 'NULL' THEN NULL ELSE {column} END",
    }
    return strict.get(field.type, f"CAST({column} AS {field.duckdb})")


def _checked_rows(path: Path, fields: tuple[Field, ...], ignore_unknown: bool) -> Iterator[dict[str, Any]]:
    """The file's rows, normalised; raises BigQuery's sentence for the first bad one, with its number and position."""
    for number, position, line in _lines(path):
        try:
            values = json.loads(line)
            if not isinstance(values, dict):
                raise ValueError("not an object")
        except ValueError as error:
            raise invalid(_sentence(number, position, f"Row is not a JSON object: {error}")) from error
        converted, problems = coerce.row(values, fields, ignore_unknown)
        if problems:
            raise invalid(_sentence(number, position, problems[0].message)) from problems[0]
        yield converted


def _lines(path: Path) -> Iterator[tuple[int, int, bytes]]:
    position = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, position, line
            position += len(line)


def _sentence(number: int, position: int, problem: str) -> str:
    return (
        "Error while reading data, error message: JSON table encountered too many errors, giving up. "
        f"Rows: {number}; errors: 1. JSON parsing error in row starting at position {position} (row {number}): "
        f"{problem}"
    )
