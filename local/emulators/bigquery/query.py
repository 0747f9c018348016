"""Run SQL: plan it once per text, estimate its bytes, execute it on a cursor of its own."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
from sqlglot import exp

from local.emulators.bigquery import dml, parameters
from local.emulators.bigquery.analysis import Output, analyze
from local.emulators.bigquery.checks import check
from local.emulators.bigquery.errors import BigQueryError, invalid_query, resources_exceeded, unsupported
from local.emulators.bigquery.rewrite import to_duckdb
from local.emulators.bigquery.room import Room
from local.emulators.bigquery.statement import parse
from local.emulators.bigquery.store import Store, TableId
from local.emulators.bigquery.types import Field, field_from_duckdb

_PLANS = 512
# GoogleSQL is checked before; what DuckDB cannot read after that is the translation's fault.
_NOT_TRANSLATED = (
    duckdb.ParserException,
    duckdb.CatalogException,
    duckdb.NotImplementedException,
    duckdb.InternalException,
)
MINIMUM_BILLED = 10 * 1024 * 1024


@dataclass(frozen=True)
class Plan:
    """A statement ready for DuckDB, with what a dry run tells about it."""

    sql: str
    kind: str
    outputs: tuple[Output, ...]
    tables: tuple[TableId, ...]
    columns: dict[TableId, set[str]]
    parameters: tuple[str, ...]
    target: TableId | None = None
    first: str | None = None


@dataclass(frozen=True)
class Request:
    """One query as the API asked for it."""

    sql: str
    parameters: Sequence[dict[str, Any]] = ()
    default_dataset: str | None = None
    dry_run: bool = False
    maximum_bytes: int | None = None


@dataclass(frozen=True)
class Result:
    """The result of a query: result columns and rows, or the number of rows that DML changed."""

    kind: str
    fields: tuple[Field, ...]
    rows: Sequence[tuple[Any, ...]]
    bytes: int
    tables: tuple[TableId, ...]
    affected: int | None = None

    @property
    def billed(self) -> int:
        """Bytes billed: at least 10 MB where any table is read."""
        return max(self.bytes, MINIMUM_BILLED) if self.bytes else 0


class Engine:
    """Runs statements against a store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._room = Room()
        self._plans: OrderedDict[tuple[Any, ...], Plan] = OrderedDict()
        self._plans_lock = threading.Lock()

    def run(self, request: Request, started: Callable[[duckdb.DuckDBPyConnection], None] | None = None) -> Result:
        """Answer the request; `started` receives the cursor, so that another thread may interrupt it."""
        plan = self._plan(request)
        arguments = parameters.values(request.parameters)
        arguments = {name: arguments[name] for name in plan.parameters}
        cursor = self.store.cursor()
        try:
            if started is not None:
                started(cursor)
            try:
                with self._room.beside_others():
                    return self._run(plan, request, arguments, cursor)
            except duckdb.OutOfMemoryException:
                with self._room.alone():
                    return self._run(plan, request, arguments, cursor)
        except _NOT_TRANSLATED as error:
            raise unsupported(f"this query ({_message(error)})") from error
        except duckdb.OutOfMemoryException as error:
            raise resources_exceeded(_message(error)) from error
        except duckdb.Error as error:
            raise invalid_query(_message(error)) from error
        finally:
            cursor.close()

    def _run(
        self, plan: Plan, request: Request, arguments: dict[str, Any], cursor: duckdb.DuckDBPyConnection
    ) -> Result:
        processed = self._bytes(plan, cursor)
        _check_bytes(processed, request.maximum_bytes)
        if request.dry_run:
            return self._describe(plan, arguments, processed, cursor)
        if plan.target is not None:
            return self._change(plan, plan.target, arguments, processed, cursor)
        return self._select(plan, arguments, processed, cursor)

    def _plan(self, request: Request) -> Plan:
        types = parameters.declared(request.parameters)
        key = (request.sql, request.default_dataset, repr(types), self.store.version)
        with self._plans_lock:
            known = self._plans.get(key)
            if known is not None:
                self._plans.move_to_end(key)
                return known
        try:
            plan = compile_plan(request.sql, self.store, request.default_dataset, types)
        except (BigQueryError, duckdb.Error):
            raise
        except Exception as error:
            # The parser or a rewrite has met what it does not know: the query may well be BigQuery's.
            raise unsupported(f"this query ({type(error).__name__})") from error
        with self._plans_lock:
            self._plans[key] = plan
            while len(self._plans) > _PLANS:
                self._plans.popitem(last=False)
        return plan

    def _bytes(self, plan: Plan, cursor: duckdb.DuckDBPyConnection) -> int:
        return sum(self.store.bytes_of(self.store.table(table), names, cursor) for table, names in plan.columns.items())

    def _select(self, plan: Plan, arguments: dict[str, Any], size: int, cursor: duckdb.DuckDBPyConnection) -> Result:
        cursor.execute(plan.sql, arguments)
        rows = cursor.fetchall()
        fields = _fields(plan.outputs, cursor.description or [])
        return Result(plan.kind, fields, rows, size, plan.tables)

    def _describe(self, plan: Plan, arguments: dict[str, Any], size: int, cursor: duckdb.DuckDBPyConnection) -> Result:
        """A dry run: DuckDB binds the statement and nothing runs."""
        if plan.target is not None:
            cursor.execute(f"EXPLAIN {plan.sql}", arguments)
            return Result(plan.kind, (), (), size, plan.tables)
        if all(output.field is not None for output in plan.outputs):
            cursor.execute(f"EXPLAIN {plan.sql}", arguments)
            fields = tuple(output.field for output in plan.outputs if output.field is not None)
        else:
            cursor.execute(f"SELECT * FROM ({plan.sql}) LIMIT 0", arguments)
            fields = _fields(plan.outputs, cursor.description or [])
        return Result(plan.kind, fields, (), size, plan.tables)

    def _change(
        self, plan: Plan, target: TableId, arguments: dict[str, Any], size: int, cursor: duckdb.DuckDBPyConnection
    ) -> Result:
        table = self.store.table(target)
        with table.lock:
            try:
                statements = [plan.sql] if plan.first is None else [plan.first, plan.sql]
                changed = _execute_all(cursor, statements, arguments)
            finally:
                self.store.changed(table)
        return Result(plan.kind, (), (), size, plan.tables, changed)


def compile_plan(sql: str, store: Store, default_dataset: str | None, types: dict[str, dict[str, Any]]) -> Plan:
    """Parse, resolve, type, check and translate one statement."""
    statement = parse(sql, store, default_dataset, types)
    if not isinstance(statement.tree, exp.Query):
        change = dml.compile_change(statement, store)
        return Plan(
            change.sql,
            statement.kind,
            (),
            statement.tables,
            change.columns,
            statement.parameters,
            change.target,
            change.first,
        )
    analysis = analyze(statement.tree, store, statement.tables)
    check(analysis.tree)
    translated = to_duckdb(analysis.tree)
    return Plan(translated, statement.kind, analysis.outputs, statement.tables, analysis.columns, statement.parameters)


def _execute_all(cursor: duckdb.DuckDBPyConnection, statements: Sequence[str], arguments: dict[str, Any]) -> int:
    """Run statements as one, all or nothing, and return how many rows they changed."""
    if len(statements) == 1:
        changed = cursor.execute(statements[0], arguments).fetchone()
        return int(changed[0]) if changed else 0
    cursor.execute("BEGIN")
    try:
        total = 0
        for statement in statements:
            used = {name: value for name, value in arguments.items() if f"${name}" in statement}
            changed = cursor.execute(statement, used).fetchone()
            total += int(changed[0]) if changed else 0
        cursor.execute("COMMIT")
    except BaseException:
        cursor.execute("ROLLBACK")
        raise
    return total


def _fields(outputs: Sequence[Output], description: Sequence[Any]) -> tuple[Field, ...]:
    found = []
    for output, column in zip(outputs, description, strict=True):
        found.append(output.field or field_from_duckdb(output.name, column[1]))
    return tuple(found)


def _check_bytes(processed: int, maximum: int | None) -> None:
    if maximum is None or not processed:
        return
    billed = max(processed, MINIMUM_BILLED)
    if billed > maximum:
        raise BigQueryError(
            400,
            "bytesBilledLimitExceeded",
            f"Query exceeded limit for bytes billed: {maximum}. {billed} or higher required.",
        )


def _message(error: duckdb.Error) -> str:
    """DuckDB's refusal without its kind and its drawing of the statement."""
    text = str(error).split("\n")[0]
    kind, _, rest = text.partition(": ")
    text = rest if kind.endswith("Error") and rest else text
    if text.startswith("NOT NULL constraint failed: "):
        return f"Required field {text.rsplit('.', 1)[-1]} cannot be null"
    return text
