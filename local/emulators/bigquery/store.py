"""The store: datasets and tables in one DuckDB file, their REST resources beside the rows in the same transaction."""

import contextlib
import json
import os
import shutil
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

import duckdb

from local.emulators.bigquery import macros
from local.emulators.bigquery.errors import BigQueryError, access_denied, duplicate, invalid, not_found, unsupported
from local.emulators.bigquery.types import Field, bytes_sql, fields_from_schema

EVERY_COLUMN = "*"
CATALOG = "store"
_SCRATCH = "bigquery-emulator-"
META = '"$emulator"'
_MEMORY = "512MB"
_INFORMATION = {
    "schemata": "catalog_name VARCHAR, schema_name VARCHAR, location VARCHAR",
    "tables": "table_catalog VARCHAR, table_schema VARCHAR, table_name VARCHAR, table_type VARCHAR, "
    "is_insertable_into VARCHAR, is_typed VARCHAR, creation_time TIMESTAMPTZ",
    "columns": "table_catalog VARCHAR, table_schema VARCHAR, table_name VARCHAR, column_name VARCHAR, "
    "ordinal_position BIGINT, is_nullable VARCHAR, data_type VARCHAR, is_hidden VARCHAR, "
    "is_partitioning_column VARCHAR, clustering_ordinal_position BIGINT",
    "column_field_paths": "table_catalog VARCHAR, table_schema VARCHAR, table_name VARCHAR, column_name VARCHAR, "
    "field_path VARCHAR, data_type VARCHAR, description VARCHAR",
}


@dataclass(frozen=True, slots=True)
class TableId:
    """A table of the emulator's one project."""

    dataset: str
    table: str

    @property
    def sql(self) -> str:
        """The table's quoted DuckDB name."""
        return f'{CATALOG}."{self.dataset}"."{self.table}"'


@dataclass
class Table:
    """A table's resource as it was given, its fields, and the sizes known for the present version of its rows."""

    id: TableId
    resource: dict[str, Any]
    fields: tuple[Field, ...]
    modified_ms: int
    version: int = 0
    widths: dict[str, int] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)


def _remove_leftovers() -> None:
    """Remove the scratch folders of emulators that were killed."""
    for folder in Path(gettempdir()).glob(f"{_SCRATCH}*"):
        owner = folder.name.removeprefix(_SCRATCH).partition("-")[0]
        try:
            os.kill(int(owner), 0)  # Asks only whether the process is there.
        except ProcessLookupError:
            shutil.rmtree(folder, ignore_errors=True)
        except (ValueError, OSError):
            continue


def now_ms() -> int:
    return int(time.time() * 1000)


def valid_name(name: str) -> bool:
    """Dataset and table names that are safe inside a quoted identifier."""
    return bool(name) and len(name) <= 1024 and name.replace("_", "a").replace("-", "a").isalnum() and name.isascii()


class Store:
    """Datasets, tables and rows; every method is safe to call from any thread."""

    def __init__(self, project: str, directory: Path | None) -> None:
        self.project = project
        self.datasets: dict[str, dict[str, Any]] = {}
        self.version = 0
        self._tables: dict[str, dict[str, Table]] = defaultdict(dict)
        self._catalog_lock = threading.RLock()
        _remove_leftovers()
        self._scratch = TemporaryDirectory(prefix=f"{_SCRATCH}{os.getpid()}-")
        self.scratch = Path(self._scratch.name)
        self._connection = duckdb.connect(":memory:")
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)
        target = ":memory:" if directory is None else str(directory / "bigquery.duckdb").replace("'", "''")
        self._connection.execute(f"ATTACH '{target}' AS {CATALOG}")
        self._connection.execute("SET GLOBAL TimeZone='UTC'")
        if directory is not None:
            # What a query or load needs beyond this goes to disk: a laptop holds the product beside it.
            self._connection.execute(f"SET memory_limit='{_MEMORY}'")
        self._connection.execute("SET temp_directory='" + str(self.scratch / "spilled").replace("'", "''") + "'")
        macros.install(self._connection)
        self._open()
        # Queries see tables and nothing of the machine; load jobs read from the scratch folder only.
        scratch = str(self.scratch).replace("'", "''")
        self._connection.execute(f"SET allowed_directories=['{scratch}']")
        self._connection.execute("SET enable_external_access=false")

    def _open(self) -> None:
        self._connection.execute(f"CREATE SCHEMA IF NOT EXISTS {CATALOG}.{META}")
        self._connection.execute(
            f"CREATE TABLE IF NOT EXISTS {CATALOG}.{META}.resources (dataset VARCHAR, name VARCHAR, body VARCHAR)"
        )
        for name, columns in _INFORMATION.items():
            self._connection.execute(f"CREATE TABLE IF NOT EXISTS {CATALOG}.{META}.{name} ({columns})")
        rows = self._connection.execute(f"SELECT dataset, name, body FROM {CATALOG}.{META}.resources").fetchall()
        for dataset, name, body in rows:
            resource = json.loads(body)
            if name is None:
                self.datasets[dataset] = resource
            else:
                self._register(TableId(dataset, name), resource)

    def _register(self, table_id: TableId, resource: dict[str, Any]) -> None:
        fields = fields_from_schema(resource["schema"]["fields"])
        modified = int(resource["creationTime"])
        self._tables[table_id.dataset][table_id.table] = Table(table_id, resource, fields, modified)

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own to the same database, for one thread."""
        cursor = self._connection.cursor()
        cursor.execute("SET TimeZone='UTC'")
        return cursor

    def close(self) -> None:
        with contextlib.suppress(duckdb.Error):
            self._connection.execute(f"CHECKPOINT {CATALOG}")
        self._connection.close()
        self._scratch.cleanup()

    def check_project(self, project: str) -> None:
        if project != self.project:
            raise access_denied(f"Project {project}: User does not have permission to use the project.")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor whose statements are all kept or all undone."""
        with contextlib.closing(self.cursor()) as cursor:
            cursor.execute("BEGIN")
            try:
                yield cursor
                cursor.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(duckdb.Error):
                    cursor.execute("ROLLBACK")
                raise

    def create_dataset(self, dataset: str, resource: dict[str, Any]) -> dict[str, Any]:
        if not valid_name(dataset):
            raise invalid(f'Invalid dataset ID "{dataset}".')
        with self._catalog_lock:
            if any(dataset.lower() == known.lower() for known in self.datasets):
                raise duplicate(f"Dataset {self.project}:{dataset}")
            created = str(now_ms())
            kept = resource | {"creationTime": created, "lastModifiedTime": created}
            location = str(resource.get("location") or "US")
            with self.transaction() as cursor:
                cursor.execute(f'CREATE SCHEMA IF NOT EXISTS {CATALOG}."{dataset}"')
                cursor.execute(
                    f"INSERT INTO {CATALOG}.{META}.resources VALUES (?, NULL, ?)", [dataset, json.dumps(kept)]
                )
                cursor.execute(
                    f"INSERT INTO {CATALOG}.{META}.schemata VALUES (?, ?, ?)", [self.project, dataset, location]
                )
            self.datasets[dataset] = kept
            self.version += 1
            return kept

    def patch_dataset(self, dataset: str, changes: dict[str, Any]) -> None:
        """Change what describes a dataset, and who may use it: that is kept, and asked of nobody here."""
        described = {"description", "friendlyName", "labels", "access"}
        if refused := changes.keys() - described - {"datasetReference", "etag"}:
            raise unsupported(f"changing {', '.join(sorted(refused))} of a dataset")
        with self._catalog_lock:
            kept = self.dataset(dataset) | {name: changes[name] for name in described & changes.keys()}
            with self.transaction() as cursor:
                cursor.execute(
                    f"UPDATE {CATALOG}.{META}.resources SET body = ? WHERE dataset = ? AND name IS NULL",
                    [json.dumps(kept), dataset],
                )
            self.datasets[dataset] = kept

    def delete_dataset(self, dataset: str, with_contents: bool) -> None:
        with self._catalog_lock:
            tables = self.tables(dataset)
            if tables and not with_contents:
                raise BigQueryError(400, "resourceInUse", f"Dataset {self.project}:{dataset} is still in use")
            for table in tables:
                self.delete_table(table.id)
            with self.transaction() as cursor:
                cursor.execute(f"DELETE FROM {CATALOG}.{META}.resources WHERE dataset = ?", [dataset])
                cursor.execute(f"DELETE FROM {CATALOG}.{META}.schemata WHERE schema_name = ?", [dataset])
            del self.datasets[dataset]
            self.version += 1

    def dataset(self, dataset: str) -> dict[str, Any]:
        if dataset not in self.datasets:
            raise not_found(f"Dataset {self.project}:{dataset}")
        return self.datasets[dataset]

    def tables(self, dataset: str) -> list[Table]:
        """The dataset's tables by name."""
        self.dataset(dataset)
        return [table for _, table in sorted(self._tables[dataset].items())]

    def table(self, table_id: TableId) -> Table:
        self.dataset(table_id.dataset)
        found = self._tables[table_id.dataset].get(table_id.table)
        if found is None:
            name = f"Table {self.project}:{table_id.dataset}.{table_id.table} was not found in location US"
            raise not_found(name)
        return found

    def create_table(self, table_id: TableId, resource: dict[str, Any]) -> Table:
        if not valid_name(table_id.table):
            raise invalid(f'Invalid table ID "{table_id.table}".')
        for kind in ("view", "materializedView", "externalDataConfiguration"):
            if kind in resource:
                raise unsupported(f"tables with {kind}")
        fields = fields_from_schema(resource.get("schema", {}).get("fields", []))
        with self._catalog_lock:
            self.dataset(table_id.dataset)
            if table_id.table in self._tables[table_id.dataset]:
                raise duplicate(f"Table {self.project}:{table_id.dataset}.{table_id.table}")
            if any(table_id.table.lower() == name.lower() for name in self._tables[table_id.dataset]):
                raise unsupported(f"two tables whose names differ only in case ({table_id.table})")
            kept = resource | {"creationTime": str(now_ms())}
            columns = ", ".join(f'"{f.name}" {f.duckdb}{" NOT NULL" if f.required else ""}' for f in fields)
            with self.transaction() as cursor:
                cursor.execute(f"CREATE TABLE {table_id.sql} ({columns})")
                cursor.execute(
                    f"INSERT INTO {CATALOG}.{META}.resources VALUES (?, ?, ?)",
                    [table_id.dataset, table_id.table, json.dumps(kept)],
                )
                self._describe(cursor, table_id, kept, fields)
            self._register(table_id, kept)
            self.version += 1
            return self.table(table_id)

    def _describe(
        self, cursor: duckdb.DuckDBPyConnection, table_id: TableId, resource: dict[str, Any], fields: Iterable[Field]
    ) -> None:
        where = [self.project, table_id.dataset, table_id.table]
        cursor.execute(f"INSERT INTO {CATALOG}.{META}.tables VALUES (?, ?, ?, 'BASE TABLE', 'YES', 'NO', now())", where)
        partition = (resource.get("timePartitioning") or {}).get("field", "").lower()
        clustering = [name.lower() for name in (resource.get("clustering") or {}).get("fields", [])]
        columns, paths = [], []
        raw = resource["schema"]["fields"]
        for position, (item, entry) in enumerate(zip(fields, raw, strict=True), start=1):
            name = item.name.lower()
            ordinal = clustering.index(name) + 1 if name in clustering else None
            nullable = "NO" if item.required else "YES"
            partitioning = "YES" if name == partition else "NO"
            columns.append([*where, item.name, position, nullable, item.standard, "NO", partitioning, ordinal])
            paths += [[*where, item.name, *path] for path in _field_paths(item, entry, "")]
        cursor.executemany(f"INSERT INTO {CATALOG}.{META}.columns VALUES (?,?,?,?,?,?,?,?,?,?)", columns)
        cursor.executemany(f"INSERT INTO {CATALOG}.{META}.column_field_paths VALUES (?,?,?,?,?,?,?)", paths)

    def patch_table(self, table_id: TableId, changes: dict[str, Any]) -> Table:
        """Change what describes a table, and add columns at its end; those that are there stay as they are."""
        described = {"description", "friendlyName", "labels"}
        if "schema" in changes:
            self._add_columns(table_id, changes.pop("schema").get("fields", []))
        if refused := changes.keys() - described - {"tableReference", "etag"}:
            raise unsupported(f"changing {', '.join(sorted(refused))} of a table")
        with self._catalog_lock:
            table = self.table(table_id)
            table.resource = table.resource | {name: changes[name] for name in described & changes.keys()}
            with table.lock, self.transaction() as cursor:
                cursor.execute(
                    f"UPDATE {CATALOG}.{META}.resources SET body = ? WHERE dataset = ? AND name = ?",
                    [json.dumps(table.resource), table_id.dataset, table_id.table],
                )
            return table

    def _add_columns(self, table_id: TableId, entries: list[dict[str, Any]]) -> None:
        """Give a table the columns of a schema that has all it has, in order, and NULLABLE ones after them."""
        wanted = fields_from_schema(entries)
        with self._catalog_lock:
            table = self.table(table_id)
            known = {field.name: field for field in table.fields}
            added = [field for field in wanted if field.name not in known]
            if any(known.get(field.name, field) != field for field in wanted) or not known.keys() <= {
                field.name for field in wanted
            }:
                raise invalid(
                    f"Provided Schema does not match Table {self.project}:{table_id.dataset}.{table_id.table}"
                )
            if any(field.required for field in added):
                raise invalid("Provided Schema does not match Table: cannot add required fields to an existing schema.")
            entries_by_name = {entry["name"]: entry for entry in entries}
            # New columns stand at the end, whatever the order of the request.
            ordered = (*table.fields, *added)
            schema = {"fields": [entries_by_name[field.name] for field in ordered]}
            resource = table.resource | {"schema": schema}
            with table.lock, self.transaction() as cursor:
                for field in added:
                    cursor.execute(f'ALTER TABLE {table_id.sql} ADD COLUMN "{field.name}" {field.duckdb}')
                where = [table_id.dataset, table_id.table]
                cursor.execute(
                    f"UPDATE {CATALOG}.{META}.resources SET body = ? WHERE dataset = ? AND name = ?",
                    [json.dumps(resource), *where],
                )
                for name in ("tables", "columns", "column_field_paths"):
                    cursor.execute(
                        f"DELETE FROM {CATALOG}.{META}.{name} WHERE table_schema = ? AND table_name = ?", where
                    )
                self._describe(cursor, table_id, resource, ordered)
                table.resource, table.fields, table.widths = resource, ordered, {}
            self.version += 1

    def delete_table(self, table_id: TableId) -> None:
        with self._catalog_lock:
            table = self.table(table_id)
            with table.lock, self.transaction() as cursor:
                cursor.execute(f"DROP TABLE {table_id.sql}")
                where = [table_id.dataset, table_id.table]
                cursor.execute(f"DELETE FROM {CATALOG}.{META}.resources WHERE dataset = ? AND name = ?", where)
                for name in ("tables", "columns", "column_field_paths"):
                    cursor.execute(
                        f"DELETE FROM {CATALOG}.{META}.{name} WHERE table_schema = ? AND table_name = ?", where
                    )
            del self._tables[table_id.dataset][table_id.table]
            self.version += 1

    def changed(self, table: Table) -> None:
        """Forget the sizes of a table whose rows have changed."""
        table.version += 1
        table.modified_ms = now_ms()
        table.widths = {}

    def rows(self, table: Table, cursor: duckdb.DuckDBPyConnection) -> int:
        counted = cursor.execute(f"SELECT count(*) FROM {table.id.sql}").fetchone()
        return int(counted[0]) if counted else 0

    def bytes_of(self, table: Table, columns: Iterable[str], cursor: duckdb.DuckDBPyConnection) -> int:
        """The logical bytes of the named columns (lower case), measured once per version of the rows."""
        widths = table.widths
        named = set(columns)
        wanted = sorted(f.name.lower() for f in table.fields) if EVERY_COLUMN in named else sorted(named)
        unknown = [f for f in table.fields if f.name.lower() in wanted and f.name.lower() not in widths]
        if unknown:
            sums = ", ".join("coalesce(sum(" + bytes_sql(f'"{f.name}"', f) + "), 0)" for f in unknown)
            measured = cursor.execute(f"SELECT {sums} FROM {table.id.sql}").fetchone() or ()
            widths.update({f.name.lower(): int(size) for f, size in zip(unknown, measured, strict=True)})
        return sum(widths.get(name, 0) for name in wanted)


def _field_paths(item: Field, entry: dict[str, Any], prefix: str) -> Iterator[list[Any]]:
    path = f"{prefix}{item.name}"
    yield [path, item.standard, entry.get("description")]
    for child, raw in zip(item.fields, entry.get("fields", []), strict=True):
        yield from _field_paths(child, raw, f"{path}.")
