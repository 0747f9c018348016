"""Turn a typed BigQuery tree into one that DuckDB answers as BigQuery would: numbers, casts, aggregates, strings."""

from collections.abc import Callable

from sqlglot import exp
from sqlglot.errors import ErrorLevel, UnsupportedError

from local.emulators.bigquery import pivot, rewrite_arrays, rewrite_json, rewrite_time
from local.emulators.bigquery.errors import unsupported
from local.emulators.bigquery.nodes import call, cast, kind, number, string, typed_like
from local.emulators.bigquery.store import CATALOG

Rule = Callable[..., exp.Expr | None]


def to_duckdb(tree: exp.Expr) -> str:
    """The DuckDB SQL of an annotated tree; refuses what has no faithful form."""
    pivot.rename(tree)
    rewrite(tree)
    for table in tree.find_all(exp.Table):
        if table.db:
            table.set("catalog", exp.to_identifier(CATALOG))
    try:
        return tree.sql(dialect="duckdb", identify=True, unsupported_level=ErrorLevel.RAISE)
    except UnsupportedError as error:
        raise unsupported(str(error).split("\n")[0]) from error


def rewrite(tree: exp.Expr) -> None:
    """Apply the rules in place, children before parents."""
    for node in reversed(list(tree.walk(bfs=False))):
        rule = _RULES.get(type(node))
        if rule is None:
            continue
        new = rule(node)
        if new is not None and new is not node:
            typed_like(new, node)
            node.replace(new)


def _literal(node: exp.Literal) -> exp.Expr | None:
    if node.is_string:
        return None
    if node.this.isdigit():
        arithmetic = isinstance(node.parent, exp.Add | exp.Sub | exp.Mul | exp.IntDiv | exp.Mod)
        return cast(node, "INT64") if arithmetic and kind(node.parent) != "DATE" else None
    if kind(node) != "FLOAT64" or _in_numeric_context(node):
        return None
    return cast(node, "FLOAT64")


def _in_numeric_context(node: exp.Expr) -> bool:
    """Return true if a floating literal meets a NUMERIC, to which GoogleSQL coerces it exactly."""
    child: exp.Expr = node
    parent = node.parent
    while isinstance(parent, exp.Paren | exp.Neg | exp.If | exp.Case | exp.Coalesce):
        if kind(parent) == "NUMERIC":
            return True
        child, parent = parent, parent.parent
    if isinstance(parent, exp.Cast):
        return kind(parent) == "NUMERIC"
    if parent is None or isinstance(parent, exp.Select | exp.Alias):
        return False
    siblings = [other for other in parent.iter_expressions() if other is not child]
    return kind(parent) == "NUMERIC" or any(kind(other) == "NUMERIC" for other in siblings)


def _data_type(node: exp.DataType) -> exp.Expr | None:
    if node.this == exp.DataType.Type.DECIMAL and not node.expressions:
        parameters = [exp.DataTypeParam(this=number(38)), exp.DataTypeParam(this=number(9))]
        node.set("expressions", parameters)
    return None


def _divide(node: exp.Div) -> exp.Expr:
    name = "bq_numeric_divide" if kind(node) == "NUMERIC" else "bq_divide"
    return call(name, node.left, node.right)


def _safe_divide(node: exp.SafeDivide) -> exp.Expr:
    name = "bq_numeric_safe_divide" if kind(node) == "NUMERIC" else "bq_safe_divide"
    return call(name, node.this, node.expression)


def _arithmetic(node: exp.Binary) -> exp.Expr | None:
    result = kind(node)
    if result == "NUMERIC":
        return cast(node, "NUMERIC")
    if result == "DATE" and isinstance(node, exp.Add | exp.Sub):
        left, right = node.left, node.right
        if kind(left) == "INT64":
            left, right = right, left
        days = exp.cast(right.copy(), "INT", dialect="duckdb")
        return cast(type(node)(this=left.copy(), expression=days), "DATE")
    return None


_FROM_TEXT = ("DATE", "TIMESTAMP", "DATETIME", "TIME")


def _coerced(node: exp.Binary) -> exp.Expr | None:
    """A STRING parameter beside a DATE or TIMESTAMP is read as one."""
    left, right = _as_other(node.left, node.right), _as_other(node.right, node.left)
    if left is node.left and right is node.right:
        return None
    return type(node)(this=left.copy(), expression=right.copy())


def _as_other(value: exp.Expr, other: exp.Expr) -> exp.Expr:
    wanted = kind(other)
    if wanted in _FROM_TEXT and value.meta.get("parameter") and kind(value) == "STRING":
        return cast(value, wanted)
    return value


def _between(node: exp.Between) -> exp.Expr | None:
    for name in ("low", "high"):
        node.set(name, _as_other(node.args[name], node.this))
    return None


def _in(node: exp.In) -> exp.Expr | None:
    if node.expressions:
        node.set("expressions", [_as_other(item, node.this) for item in node.expressions])
    return None


def _coalesce(node: exp.Coalesce) -> exp.Expr | None:
    node.set("expressions", [_as_other(item, node.this) for item in node.expressions])
    return None


def _sum(node: exp.Sum) -> exp.Expr | None:
    return None if isinstance(node.parent, exp.Window) else _sized(node, node)


def _sized(node: exp.Expr, typed: exp.Expr) -> exp.Expr | None:
    """DuckDB widens sums; BigQuery keeps INT64 and NUMERIC, and fails where they overflow."""
    result = kind(typed)
    return cast(node, result) if result in ("INT64", "NUMERIC") else None


def _average(node: exp.Avg) -> exp.Expr | None:
    if kind(node) != "NUMERIC" or isinstance(node.parent, exp.Window):
        return None
    return call("bq_average", cast(exp.Sum(this=node.this.copy()), "NUMERIC"), exp.Count(this=node.this.copy()))


def _window(node: exp.Window) -> exp.Expr | None:
    aggregate = node.this
    if isinstance(aggregate, exp.Avg) and kind(aggregate) == "NUMERIC":
        total, items = node.copy(), node.copy()
        total.set("this", exp.Sum(this=aggregate.this.copy()))
        items.set("this", exp.Count(this=aggregate.this.copy()))
        return call("bq_average", cast(total, "NUMERIC"), items)
    if isinstance(aggregate, exp.Sum | exp.CountIf):
        return _sized(node, aggregate)
    return None


def _rounding(node: exp.Expr) -> exp.Expr | None:
    return cast(node, kind(node)) if kind(node) in ("NUMERIC", "FLOAT64") else None


def _power(node: exp.Pow) -> None:
    if "NUMERIC" in (kind(node.this), kind(node.expression)):
        raise unsupported("POW of NUMERIC")


def _cast(node: exp.Cast) -> exp.Expr | None:
    if node.meta.get("emulator") or node.meta.get("parameter"):
        return None
    if node.args.get("format"):
        raise unsupported("CAST with FORMAT")
    source, target, safe = kind(node.this), kind(node), isinstance(node, exp.TryCast)
    if target == "INT64" and source in ("FLOAT64", "NUMERIC"):
        return type(node)(this=call("round", node.this), to=node.to.copy())
    if target == "INT64" and source == "STRING":
        return call("bq_safe_integer" if safe else "bq_integer", node.this)
    if target == "BOOL" and source == "STRING":
        return call("bq_safe_boolean" if safe else "bq_boolean", node.this)
    if target == "STRING":
        return _to_string(node, source)
    if target == "BYTES" and source == "STRING":
        return call("encode", node.this)
    return None


def _to_string(node: exp.Cast, source: str) -> exp.Expr | None:
    if source == "FLOAT64":
        return call("bq_float_text", node.this)
    if source == "NUMERIC":
        return call("bq_numeric_text", node.this)
    if source == "BYTES":
        return call("decode", node.this)
    if source == "TIMESTAMP":
        return call("bq_timestamp_text", node.this)
    if source in ("ARRAY", "STRUCT", "UNKNOWN") and not isinstance(node.this, exp.Literal):
        raise unsupported(f"CAST of {source} to STRING")
    return None


def _like(node: exp.Like) -> exp.Expr | None:
    if isinstance(node.parent, exp.Escape):
        return None
    return exp.Escape(this=node.copy(), expression=string("\\"))


def _substring(node: exp.Substring) -> exp.Expr:
    start, length = node.args["start"], node.args.get("length")
    safe = isinstance(node.parent, exp.SafeFunc)
    if length is None:
        return call("bq_substr", node.this, start)
    return call("bq_safe_substr_length" if safe else "bq_substr_length", node.this, start, length)


def _json_value(node: exp.JSONExtractScalar) -> exp.Expr:
    path = node.expression if node.expression is not None else string("$")
    return call("bq_json_value", node.this, path)


def _string_of(node: exp.String) -> exp.Expr | None:
    if node.args.get("zone"):
        raise unsupported("STRING with a time zone")
    source = kind(node.this)
    if source == "JSON":
        return rewrite_json.text_of(node)
    return call("bq_timestamp_text", node.this) if source == "TIMESTAMP" else cast(node.this, "STRING")


def _json_format(node: exp.JSONFormat) -> exp.Expr | None:
    if _holds(node.this.type, ("NUMERIC", "TIMESTAMP", "DATETIME", "FLOAT64", "BYTES")):
        raise unsupported("TO_JSON_STRING of NUMERIC, FLOAT64, TIMESTAMP, DATETIME or BYTES")
    if node.args.get("to_json"):
        return exp.cast(call("to_json", node.this), "JSON", dialect="duckdb")
    return None


def _holds(data_type: exp.DataType | None, kinds: tuple[str, ...]) -> bool:
    if data_type is None:
        return False
    holder = exp.Cast(this=exp.null(), to=data_type.copy())
    return any(kind_of_node(t) in kinds for t in holder.find_all(exp.DataType))


def kind_of_node(data_type: exp.DataType) -> str:
    typed = exp.var("typed")
    typed.type = data_type
    return kind(typed)


def _safe_function(node: exp.SafeFunc) -> exp.Expr:
    return call("try", node.this)


def _approx_count(node: exp.ApproxDistinct) -> exp.Expr:
    return exp.Count(this=exp.Distinct(expressions=[node.this.copy()]))


def _format(node: exp.Format) -> exp.Expr:
    template = node.this
    if not isinstance(template, exp.Literal) or not template.is_string:
        raise unsupported("FORMAT with a computed format")
    conversions = rewrite_time.printf_conversions(template.this)
    arguments = list(node.expressions)
    if len(conversions) != len(arguments):
        raise unsupported("FORMAT with this number of arguments")
    prepared = [_format_argument(c, a) for c, a in zip(conversions, arguments, strict=True)]
    return call("printf", string(template.this.replace("%t", "%s").replace("%i", "%d")), *prepared)


def _format_argument(conversion: str, argument: exp.Expr) -> exp.Expr:
    source = kind(argument)
    if conversion in "di":
        return cast(argument, "INT64")
    if conversion in "fFeEgG":
        return cast(argument, "FLOAT64")
    if conversion == "t" and source in ("FLOAT64", "TIMESTAMP", "BYTES", "UNKNOWN", "STRUCT", "ARRAY"):
        raise unsupported(f"FORMAT %t of {source}")
    if conversion == "s" and source != "STRING":
        raise unsupported(f"FORMAT %s of {source}")
    return call("bq_numeric_text", argument) if source == "NUMERIC" else cast(argument, "STRING")


def _count_if(node: exp.CountIf) -> exp.Expr | None:
    return None if isinstance(node.parent, exp.Window) else cast(node, "INT64")


def _checked(name: str) -> Rule:
    def rule(node: exp.Expr) -> exp.Expr:
        operator = {"safe_add": exp.Add, "safe_subtract": exp.Sub, "safe_multiply": exp.Mul}[name]
        wanted = kind(node) if kind(node) in ("INT64", "NUMERIC") else "FLOAT64"
        sides = [cast(side, wanted) for side in (node.this, node.expression)]
        return call("try", operator(this=sides[0], expression=sides[1]))

    return rule


_RULES: dict[type[exp.Expr], Rule] = {
    exp.Literal: _literal,
    exp.DataType: _data_type,
    exp.Div: _divide,
    exp.SafeDivide: _safe_divide,
    exp.Add: _arithmetic,
    exp.Sub: _arithmetic,
    exp.Mul: _arithmetic,
    **dict.fromkeys((exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE), _coerced),
    exp.Between: _between,
    exp.In: _in,
    exp.Coalesce: _coalesce,
    exp.Sum: _sum,
    exp.Avg: _average,
    exp.Window: _window,
    exp.CountIf: _count_if,
    exp.Round: _rounding,
    exp.Ceil: _rounding,
    exp.Floor: _rounding,
    exp.Trunc: _rounding,
    exp.Pow: _power,
    exp.Cast: _cast,
    exp.TryCast: _cast,
    exp.Like: _like,
    exp.Substring: _substring,
    exp.JSONExtractScalar: _json_value,
    exp.String: _string_of,
    exp.JSONFormat: _json_format,
    exp.SafeFunc: _safe_function,
    exp.ApproxDistinct: _approx_count,
    exp.Format: _format,
    exp.SafeAdd: _checked("safe_add"),
    exp.SafeSubtract: _checked("safe_subtract"),
    exp.SafeMultiply: _checked("safe_multiply"),
    **rewrite_time.RULES,
    **rewrite_arrays.RULES,
    **rewrite_json.RULES,
}
