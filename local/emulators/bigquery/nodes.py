"""Small builders over sqlglot nodes that the rewrites share."""

from sqlglot import exp

from local.emulators.bigquery.types import kind_of

_DUCKDB_TYPES = {
    "INT64": "BIGINT",
    "FLOAT64": "DOUBLE",
    "NUMERIC": "DECIMAL(38, 9)",
    "STRING": "TEXT",
    "BOOL": "BOOLEAN",
    "DATE": "DATE",
    "DATETIME": "TIMESTAMP",
    "TIMESTAMP": "TIMESTAMPTZ",
    "TIME": "TIME",
}


def kind(node: exp.Expr | None) -> str:
    """The GoogleSQL type name the annotator gave a node, or UNKNOWN."""
    if node is None:
        return "UNKNOWN"
    return "NULL" if isinstance(node.unnest(), exp.Null) else kind_of(node.type)


def call(name: str, *arguments: exp.Expr) -> exp.Anonymous:
    """A DuckDB function call by name."""
    return exp.Anonymous(this=name, expressions=[argument.copy() for argument in arguments])


def cast(node: exp.Expr, to: str) -> exp.Cast:
    """A cast of a copy of `node` to the DuckDB form of a GoogleSQL scalar type; the node keeps that type."""
    target = exp.DataType.build(_DUCKDB_TYPES[to], dialect="duckdb")
    made = exp.Cast(this=node.copy(), to=target)
    made.type = exp.DataType.build(to, dialect="bigquery")
    made.meta["emulator"] = True
    return made


def number(value: int) -> exp.Expr:
    return exp.Literal.number(value)


def string(value: str) -> exp.Literal:
    return exp.Literal.string(value)


def typed_like(new: exp.Expr, old: exp.Expr) -> exp.Expr:
    """Give a replacement the type of what it replaces, for the rewrites of its parents."""
    new.type = old.type
    return new
