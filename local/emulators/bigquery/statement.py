"""Read one BigQuery statement: parse it, find its tables and parameters, refuse what the emulator cannot run."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError

from local.emulators.bigquery import functions, unpivot
from local.emulators.bigquery.errors import invalid, invalid_query, unsupported
from local.emulators.bigquery.store import META, Store, TableId
from local.emulators.bigquery.types import field_from_resource

# sqlglot warns on stderr about what it only half understands; here that is refused instead.
logging.getLogger("sqlglot").setLevel(logging.ERROR)

INFORMATION_SCHEMA = {"TABLES": "tables", "COLUMNS": "columns", "COLUMN_FIELD_PATHS": "column_field_paths"}
_STATEMENTS = {exp.Insert: "INSERT", exp.Update: "UPDATE", exp.Delete: "DELETE", exp.Merge: "MERGE"}
_SCRIPT_WORDS = ("DECLARE", "BEGIN", "SET", "IF", "LOOP", "WHILE", "CALL", "EXECUTE", "RAISE", "COMMIT", "ROLLBACK")


@dataclass(frozen=True)
class Statement:
    """A parsed statement whose tables exist and whose parameters are typed casts."""

    tree: exp.Expr
    kind: str
    tables: tuple[TableId, ...]
    parameters: tuple[str, ...]


def parse(sql: str, store: Store, default_dataset: str | None, parameters: Mapping[str, dict[str, Any]]) -> Statement:
    """Read `sql`; `parameters` maps lower-case names to their REST parameterType."""
    tree = _single(sql)
    kind = _kind(tree)
    functions.check(sql, tree)
    _refuse_clauses(tree)
    unpivot.rewrite(tree)
    tables = _resolve_tables(tree, store, default_dataset)
    used = _type_parameters(tree, parameters)
    _name_array_members(tree)
    return Statement(tree, kind, tables, used)


def _single(sql: str) -> exp.Expr:
    try:
        trees = [tree for tree in sqlglot.parse(sql, read="bigquery") if tree is not None]
    except ParseError as error:
        detail: dict[str, Any] = error.errors[0] if error.errors else {}
        near = str(detail.get("highlight") or "end of query")
        where = f"[{detail.get('line', 1)}:{detail.get('col', 1)}]"
        raise invalid_query(f'Syntax error: Unexpected "{near}" at {where}') from error
    except TokenError as error:
        raise invalid_query(f"Syntax error: {error}") from error
    if not trees:
        raise invalid_query("Syntax error: Unexpected end of statement at [1:1]")
    if len(trees) > 1:
        raise unsupported("scripts of several statements")
    tree = trees[0]
    if isinstance(tree, exp.Subquery):
        tree = tree.unwrap()
    return tree


def _kind(tree: exp.Expr) -> str:
    if isinstance(tree, exp.Query):
        return "SELECT"
    for statement, kind in _STATEMENTS.items():
        if isinstance(tree, statement):
            return kind
    word = str(tree.this if isinstance(tree, exp.Command) else tree.key).upper()
    if word in _SCRIPT_WORDS or isinstance(tree, exp.Create | exp.Drop | exp.Alter | exp.TruncateTable | exp.Command):
        known = word in _SCRIPT_WORDS or not isinstance(tree, exp.Command)
        if known or word in ("GRANT", "REVOKE", "EXPORT", "LOAD", "ASSERT", "EXPLAIN", "CREATE", "ALTER", "DROP"):
            raise unsupported(f"{word} statements; tables are made with tables.insert")
    raise invalid_query(f'Syntax error: Unexpected keyword or identifier "{word}" at [1:1]')


def _refuse_clauses(tree: exp.Expr) -> None:
    for node in tree.walk():
        if isinstance(node, exp.TableSample):
            raise unsupported("TABLESAMPLE")
        if isinstance(node, exp.Version | exp.HistoricalData):
            raise unsupported("FOR SYSTEM_TIME AS OF")
        if isinstance(node, exp.Command | exp.MatchRecognize | exp.Lateral):
            raise unsupported(node.key.upper())
        if isinstance(node, exp.With) and node.args.get("recursive"):
            raise unsupported("WITH RECURSIVE")
        if isinstance(node, exp.DataType) and node.this in (exp.DataType.Type.BIGDECIMAL, exp.DataType.Type.INTERVAL):
            raise unsupported(f"the type {node.sql('bigquery')}")


def _resolve_tables(tree: exp.Expr, store: Store, default_dataset: str | None) -> tuple[TableId, ...]:
    found: dict[TableId, None] = {}
    for table in list(tree.find_all(exp.Table)):
        if not isinstance(table.this, exp.Identifier):
            raise unsupported(f"table functions ({table.this.sql('bigquery')})")
        if not table.db and _is_cte(table):
            continue
        found |= _resolve(table, store, default_dataset)
    _lower_qualifiers(tree)
    return tuple(found)


def _is_cte(table: exp.Table) -> bool:
    """Return true if a WITH of this query or an enclosing one defines the name."""
    node: exp.Expr | None = table
    name = table.name.lower()
    while node is not None:
        with_ = node.args.get("with_") or node.args.get("with")
        if with_ is not None and any(cte.alias.lower() == name for cte in with_.expressions):
            return True
        node = node.parent
    return False


def _resolve(table: exp.Table, store: Store, default_dataset: str | None) -> dict[TableId, None]:
    if table.catalog:
        store.check_project(table.catalog)
    dataset, name = table.db or default_dataset, table.name
    if name.upper().startswith("INFORMATION_SCHEMA"):
        _information_schema(table, store, dataset, name.split(".")[-1].upper())
        return {}
    if not dataset:
        raise invalid(f'Table "{name}" must be qualified with a dataset (e.g. dataset.table).')
    if "*" in name:
        raise unsupported("wildcard tables")
    table_id = TableId(dataset, name)
    store.table(table_id)
    table.set("catalog", None)
    table.set("db", exp.to_identifier(dataset, quoted=True))
    table.set("this", exp.to_identifier(name, quoted=True))
    if not table.alias:
        table.set("alias", exp.TableAlias(this=exp.to_identifier(name.lower(), quoted=True)))
    return {table_id: None}


def _information_schema(table: exp.Table, store: Store, dataset: str | None, view: str) -> None:
    """Replace `ds.INFORMATION_SCHEMA.X` by the store's own table of it, limited to the dataset."""
    if not dataset:
        raise unsupported("INFORMATION_SCHEMA without a dataset")
    store.dataset(dataset)
    if view not in INFORMATION_SCHEMA:
        raise unsupported(f"INFORMATION_SCHEMA.{view}")
    alias = (table.alias or view).lower()
    source = exp.Table(
        this=exp.to_identifier(INFORMATION_SCHEMA[view], quoted=True),
        db=exp.to_identifier(META.strip('"'), quoted=True),
        alias=exp.TableAlias(this=exp.to_identifier("_meta")),
    )
    condition = exp.EQ(this=exp.column("table_schema", table="_meta"), expression=exp.Literal.string(dataset))
    inner = exp.select("*").from_(source).where(condition)
    table.replace(exp.Subquery(this=inner, alias=exp.TableAlias(this=exp.to_identifier(alias))))


def _lower_qualifiers(tree: exp.Expr) -> None:
    """Range variables ignore case, and `dataset.table.column` means the table's own range variable."""
    for alias in tree.find_all(exp.TableAlias):
        if isinstance(alias.this, exp.Identifier):
            alias.this.set("this", alias.this.name.lower())
    for table in tree.find_all(exp.Table):
        if not table.db and isinstance(table.this, exp.Identifier):
            table.this.set("this", table.this.name.lower())
    names = {alias.name for alias in tree.find_all(exp.TableAlias)}
    for column in tree.find_all(exp.Column):
        qualifier = column.args.get("table")
        if qualifier is None:
            continue
        qualifier.set("this", qualifier.name.lower().split(".")[-1])
        if column.args.get("db") is not None and column.table in names:
            column.set("db", None)
            column.set("catalog", None)


def _type_parameters(tree: exp.Expr, parameters: Mapping[str, dict[str, Any]]) -> tuple[str, ...]:
    """Wrap every @name in a cast to its declared type; returns the lower-case names used."""
    if tree.find(exp.SessionParameter):
        raise unsupported("system variables")
    if tree.find(exp.Placeholder):
        raise unsupported("positional parameters")
    used: dict[str, None] = {}
    for parameter in list(tree.find_all(exp.Parameter)):
        name = parameter.name.lower()
        if name not in parameters:
            raise invalid_query(f"Query parameter '{parameter.name}' not found at [1:1]")
        used[name] = None
        cast = exp.Cast(this=exp.Parameter(this=exp.var(name)), to=parameter_type(parameters[name]))
        cast.meta["parameter"] = True
        parameter.replace(cast)
    return tuple(used)


def _name_array_members(tree: exp.Expr) -> None:
    """[STRUCT(1 AS a), (2)] names its later members by its first; a bare UNNEST of scalars has one column, f0_."""
    for array in tree.find_all(exp.Array):
        first = array.expressions[0] if array.expressions else None
        if isinstance(first, exp.Struct):
            names = [item.name for item in first.expressions if isinstance(item, exp.PropertyEQ)]
            for item in array.expressions[1:]:
                _name_members(item, names)
    for unnest in tree.find_all(exp.Unnest):
        placed = isinstance(unnest.parent, exp.From | exp.Join)
        if placed and not unnest.args.get("alias") and _is_scalar_array(unnest.expressions[0]):
            unnest.set("alias", exp.TableAlias(columns=[exp.to_identifier("f0_")]))


def _name_members(item: exp.Expr, names: list[str]) -> None:
    values = list(item.expressions)
    unnamed = isinstance(item, exp.Tuple | exp.Struct) and not any(isinstance(v, exp.PropertyEQ) for v in values)
    if unnamed and len(values) == len(names):
        pairs = [exp.PropertyEQ(this=exp.to_identifier(n), expression=v) for n, v in zip(names, values, strict=True)]
        item.replace(exp.Struct(expressions=pairs))


def _is_scalar_array(array: exp.Expr) -> bool:
    if isinstance(array, exp.Array):
        return not any(isinstance(item, exp.Struct | exp.Query) for item in array.expressions)
    return isinstance(array, exp.GenerateSeries | exp.GenerateDateArray | exp.GenerateTimestampArray | exp.Split)


def parameter_type(declared: dict[str, Any]) -> exp.DataType:
    """The sqlglot type of a REST parameterType."""
    return exp.DataType.build(_standard(declared), dialect="bigquery")


def _standard(declared: dict[str, Any]) -> str:
    kind = str(declared.get("type", "")).upper()
    if kind == "ARRAY":
        return f"ARRAY<{_standard(declared['arrayType'])}>"
    if kind in ("STRUCT", "RECORD"):
        members: Sequence[dict[str, Any]] = declared.get("structTypes", [])
        return "STRUCT<" + ", ".join(f"`{m['name']}` {_standard(m['type'])}" for m in members) + ">"
    return field_from_resource({"name": "parameter", "type": kind}).standard
