"""The meaning of a query: names resolved, stars expanded, every expression typed as GoogleSQL types it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlglot import exp
from sqlglot.errors import OptimizeError, SchemaError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import traverse_scope
from sqlglot.schema import MappingSchema

from local.emulators.bigquery.errors import invalid_query, unsupported
from local.emulators.bigquery.rewrite_json import open_paths
from local.emulators.bigquery.store import EVERY_COLUMN, META, Store, TableId
from local.emulators.bigquery.types import Field, field_from_type

_INFORMATION_TYPES = {"ordinal_position": "INT64", "clustering_ordinal_position": "INT64", "creation_time": "TIMESTAMP"}
_INFORMATION_COLUMNS = {
    "tables": "table_catalog table_schema table_name table_type is_insertable_into is_typed creation_time",
    "columns": "table_catalog table_schema table_name column_name ordinal_position is_nullable data_type is_hidden "
    "is_partitioning_column clustering_ordinal_position",
    "column_field_paths": "table_catalog table_schema table_name column_name field_path data_type description",
}


@dataclass(frozen=True)
class Output:
    """One result column; `field` is None where the annotator knows no type."""

    name: str
    field: Field | None


@dataclass(frozen=True)
class Analysis:
    """A query whose columns are qualified and whose nodes carry types."""

    tree: exp.Query
    outputs: tuple[Output, ...]
    columns: dict[TableId, set[str]]


def analyze(query: exp.Query, store: Store, tables: Iterable[TableId]) -> Analysis:
    """Resolve and type `query`; raises BigQuery's error for a name that does not resolve."""
    schema = _schema(store, tables)
    spelled = _spellings(query, store, tables)
    named = [] if query.is_star else [_written_name(s) for s in query.selects]
    try:
        qualified = qualify(
            query.copy(), schema=schema, dialect="bigquery", quote_identifiers=False, validate_qualify_columns=True
        )
        tree = annotate_types(qualified, schema=schema, dialect="bigquery")
        if open_paths(tree):
            tree = annotate_types(tree, schema=schema, dialect="bigquery")
    except (OptimizeError, SchemaError) as error:
        raise invalid_query(_resolution_message(str(error))) from error
    except (AssertionError, ValueError, KeyError, AttributeError) as error:
        raise unsupported(f"this query ({error})") from error
    _refuse_early_aliases(query, schema)
    return Analysis(tree, _outputs(tree, named, spelled), _columns(tree))


def _written_name(select: exp.Expr) -> str:
    """The name the query itself gives a column: an alias, or the last part of a path."""
    if isinstance(select, exp.Alias | exp.Column):
        return str(select.alias_or_name)
    return str(select.expression.name) if isinstance(select, exp.Dot) else ""


def _schema(store: Store, tables: Iterable[TableId]) -> MappingSchema:
    mapping: dict[str, Any] = {}
    for table_id in tables:
        table = store.table(table_id)
        columns = {f.name.lower(): exp.DataType.build(f.standard, dialect="bigquery") for f in table.fields}
        mapping.setdefault(table_id.dataset, {})[table_id.table] = columns
    mapping[META.strip('"')] = {
        view: {n: exp.DataType.build(_INFORMATION_TYPES.get(n, "STRING"), dialect="bigquery") for n in names.split()}
        for view, names in _INFORMATION_COLUMNS.items()
    }
    return MappingSchema(mapping, dialect="bigquery", normalize=False)


def _resolution_message(text: str) -> str:
    found = re.search(r"Column '?\"?([^'\" ]+)\"?'? could not be resolved", text)
    if found:
        return f"Unrecognized name: {found[1].split('.')[-1]} at [1:1]"
    found = re.search(r"[Uu]nknown column: ([^\s]+)", text)
    if found:
        return f"Unrecognized name: {found[1]} at [1:1]"
    return text.split("\n")[0]


def _refuse_early_aliases(query: exp.Query, schema: MappingSchema) -> None:
    """A select list's alias is not yet known in WHERE, ON or the select list itself."""
    raw = qualify(
        query.copy(),
        schema=schema,
        dialect="bigquery",
        quote_identifiers=False,
        validate_qualify_columns=False,
        expand_alias_refs=False,
    )
    for column in raw.find_all(exp.Column):
        if column.table or not isinstance(column.this, exp.Identifier):
            continue
        if _early(column):
            raise invalid_query(f"Unrecognized name: {column.name} at [1:1]")


def _early(column: exp.Column) -> bool:
    child: exp.Expr = column
    node = column.parent
    while node is not None:
        if isinstance(node, exp.Where | exp.Join):
            return True
        if isinstance(node, exp.Group | exp.Having | exp.Qualify | exp.Window | exp.Unnest | exp.Pivot):
            return False
        if isinstance(node, exp.Order) and isinstance(node.parent, exp.Query):
            return False
        if isinstance(node, exp.Select):
            return child.arg_key == "expressions"
        child, node = node, node.parent
    return False


def _spellings(query: exp.Query, store: Store, tables: Iterable[TableId]) -> dict[str, str]:
    """Lower-case name -> the name as the schema or the query spells it."""
    names = {f.name.lower(): f.name for table_id in tables for f in store.table(table_id).fields}
    for alias in query.find_all(exp.Alias):
        names[alias.alias.lower()] = alias.alias
    return names


def _outputs(tree: exp.Query, named: list[str], spelled: dict[str, str]) -> tuple[Output, ...]:
    outputs: list[Output] = []
    anonymous = 0
    for position, select in enumerate(tree.selects):
        name = named[position] if len(named) == len(tree.selects) else spelled.get(select.alias_or_name)
        name = name if name is not None else select.alias_or_name
        if not name or name == "*" or re.fullmatch(r"_col_\d+", name):
            name, anonymous = f"f{anonymous}_", anonymous + 1
        outputs.append(Output(name, field_from_type(name, select.type)))
    _refuse_duplicates(outputs)
    return tuple(outputs)


def _refuse_duplicates(outputs: list[Output]) -> None:
    names = [output.name.lower() for output in outputs]
    twice = sorted({output.name for output in outputs if names.count(output.name.lower()) > 1})
    if twice:
        listed = ", ".join(twice)
        raise invalid_query(
            f"Duplicate column names in the result are not supported when a destination table is present. "
            f"Found duplicate(s): {listed}"
        )


def _columns(tree: exp.Query) -> dict[TableId, set[str]]:
    """The top-level columns each table must read."""
    read: dict[TableId, set[str]] = {}
    for scope in traverse_scope(tree):
        sources = {
            name: TableId(source.db, source.name)
            for name, source in scope.sources.items()
            if isinstance(source, exp.Table) and source.db
        }
        for table_id in sources.values():
            read.setdefault(table_id, set())
        for row in scope.find_all(exp.TableColumn):
            if row.name in sources:
                read[sources[row.name]].add(EVERY_COLUMN)
        for column in scope.columns:
            if column.table in sources:
                read[sources[column.table]].add(column.name.lower())
    return {table_id: names for table_id, names in read.items() if table_id.dataset != META.strip('"')}
