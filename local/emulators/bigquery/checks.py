"""Refusals that GoogleSQL makes and DuckDB does not: types that do not match without a cast."""

from collections.abc import Callable

from sqlglot import exp

from local.emulators.bigquery import coerce
from local.emulators.bigquery.errors import invalid_query
from local.emulators.bigquery.nodes import kind
from local.emulators.bigquery.types import Field

_NUMBERS = frozenset({"INT64", "FLOAT64", "NUMERIC"})
_FROM_STRING = frozenset({"DATE", "TIMESTAMP", "DATETIME", "TIME"})
_SYMBOLS = {exp.EQ: "=", exp.NEQ: "!=", exp.GT: ">", exp.GTE: ">=", exp.LT: "<", exp.LTE: "<="}
_OPERATORS = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/"}


def check(tree: exp.Expr) -> None:
    """Raise BigQuery's refusal for the first expression whose types do not fit."""
    for node in tree.walk():
        rule = _CHECKS.get(type(node))
        if rule is not None:
            rule(node)


def _coercible(node: exp.Expr, wanted: str) -> bool:
    """Literals and parameters of type STRING become a DATE or TIMESTAMP where one is wanted."""
    node = node.unnest()
    if isinstance(node, exp.Literal):
        try:
            coerce.value_of(node.this, Field("literal", wanted), "literal", ignore_unknown=False)
        except coerce.BadValue as error:
            raise invalid_query(f'Could not cast literal "{node.this}" to type {wanted} at [1:1]') from error
        return True
    return bool(node.meta.get("parameter"))


def comparable(a: exp.Expr, b: exp.Expr) -> bool:
    """Return true if GoogleSQL compares the two without a cast. Unknown types pass."""
    first, second = kind(a), kind(b)
    if "UNKNOWN" in (first, second) or "NULL" in (first, second) or first == second:
        return True
    if {first, second} <= _NUMBERS or {first, second} == {"DATE", "DATETIME"}:
        return True
    if first == "STRING" and second in _FROM_STRING:
        return _coercible(a, second)
    if second == "STRING" and first in _FROM_STRING:
        return _coercible(b, first)
    return False


def _refuse(operator: str, *operands: exp.Expr) -> None:
    types = ", ".join(kind(operand) for operand in operands)
    raise invalid_query(f"No matching signature for operator {operator} for argument types: {types} at [1:1]")


def _comparison(node: exp.Binary) -> None:
    if not comparable(node.left, node.right):
        _refuse(_SYMBOLS[type(node)], node.left, node.right)


def _between(node: exp.Between) -> None:
    low, high = node.args["low"], node.args["high"]
    if not (comparable(node.this, low) and comparable(node.this, high)):
        _refuse("BETWEEN", node.this, low, high)


def _in(node: exp.In) -> None:
    for item in node.expressions:
        if not comparable(node.this, item):
            _refuse("IN", node.this, item)
    query, unnest = node.args.get("query"), node.args.get("unnest")
    if query is not None:
        selects = query.unnest().selects
        if selects and not comparable(node.this, selects[0]):
            _refuse("IN", node.this, selects[0])
    if unnest is not None:
        _in_array(node, unnest)


def _in_array(node: exp.In, unnest: exp.Expr) -> None:
    array = unnest.expressions[0] if unnest.expressions else unnest
    if kind(array) != "ARRAY" or array.type is None or not array.type.expressions:
        return
    element = exp.var("element")
    element.type = array.type.expressions[0]
    if array.meta.get("parameter"):
        element.meta["parameter"] = True
    if isinstance(array, exp.Array) and all(isinstance(item, exp.Literal) for item in array.expressions):
        element.meta["parameter"] = True
    if not comparable(node.this, element):
        _refuse("IN UNNEST", node.this, array)


def _arithmetic(node: exp.Binary) -> None:
    left, right = kind(node.left), kind(node.right)
    if "UNKNOWN" in (left, right) or "NULL" in (left, right) or {left, right} <= _NUMBERS:
        return
    if isinstance(node, exp.Add | exp.Sub):
        dated = {left, right} == {"DATE", "INT64"} and (isinstance(node, exp.Add) or left == "DATE")
        if dated or "INTERVAL" in (left, right) or isinstance(node.right, exp.Interval):
            return
    _refuse(_OPERATORS[type(node)], node.left, node.right)


def _boolean(name: str) -> Callable[[exp.Expr], None]:
    def rule(node: exp.Expr) -> None:
        found = kind(node.this)
        if found not in ("BOOL", "UNKNOWN", "NULL"):
            raise invalid_query(f"{name} clause should return type BOOL, but returns {found} at [1:1]")

    return rule


def _connector(node: exp.Connector) -> None:
    for side in (node.left, node.right):
        if kind(side) not in ("BOOL", "UNKNOWN", "NULL"):
            _refuse(node.key.upper(), node.left, node.right)


def _not(node: exp.Not) -> None:
    if kind(node.this) not in ("BOOL", "UNKNOWN", "NULL"):
        _refuse("NOT", node.this)


def _negation(node: exp.Neg) -> None:
    if kind(node.this) not in (*_NUMBERS, "UNKNOWN", "NULL", "INTERVAL"):
        _refuse("-", node.this)


def _numeric_aggregate(node: exp.AggFunc) -> None:
    argument = node.this
    if isinstance(argument, exp.Distinct) and argument.expressions:
        argument = argument.expressions[0]
    if kind(argument) not in (*_NUMBERS, "UNKNOWN", "NULL", "INTERVAL"):
        name = node.sql_name()
        raise invalid_query(f"No matching signature for aggregate function {name} for argument types: {kind(argument)}")


def _text(node: exp.Func) -> None:
    if kind(node.this) not in ("STRING", "BYTES", "UNKNOWN", "NULL"):
        raise invalid_query(
            f"No matching signature for function {node.sql_name()} for argument types: {kind(node.this)}"
        )


def _string_agg(node: exp.GroupConcat) -> None:
    inner = node.this
    while isinstance(inner, exp.Limit | exp.Order | exp.Distinct):
        inner = inner.expressions[0] if isinstance(inner, exp.Distinct) else inner.this
    if kind(inner) not in ("STRING", "BYTES", "UNKNOWN", "NULL"):
        raise invalid_query(
            f"No matching signature for aggregate function STRING_AGG for argument types: {kind(inner)}"
        )


def _difference(node: exp.TimestampDiff) -> None:
    if not comparable(node.this, node.expression) or "DATE" in (kind(node.this), kind(node.expression)):
        _refuse("TIMESTAMP_DIFF", node.this, node.expression)


def _shift(node: exp.TimestampAdd) -> None:
    unit = node.args.get("unit")
    if unit is not None and unit.name.upper() in ("WEEK", "MONTH", "QUARTER", "YEAR"):
        raise invalid_query(f"TIMESTAMP_ADD does not support the {unit.name.upper()} date part at [1:1]")


def _json_value(node: exp.JSONExtractScalar) -> None:
    if kind(node.this) not in ("STRING", "JSON", "UNKNOWN", "NULL"):
        raise invalid_query(f"No matching signature for function JSON_VALUE for argument types: {kind(node.this)}")


def _like(node: exp.Like) -> None:
    if not {kind(node.this), kind(node.expression)} <= {"STRING", "BYTES", "UNKNOWN", "NULL"}:
        _refuse("LIKE", node.this, node.expression)


def _common(name: str, values: list[exp.Expr]) -> None:
    for value in values[1:]:
        if not comparable(values[0], value):
            types = ", ".join(kind(v) for v in values)
            raise invalid_query(f"No matching signature for {name} for argument types: {types} at [1:1]")


def _coalesce(node: exp.Coalesce) -> None:
    _common("function COALESCE", [node.this, *node.expressions])


def _extreme(node: exp.Func) -> None:
    _common(f"function {node.sql_name()}", [node.this, *node.expressions])


def _nullif(node: exp.Nullif) -> None:
    _common("function NULLIF", [node.this, node.expression])


def _if(node: exp.If) -> None:
    if isinstance(node.parent, exp.Case):
        return
    if kind(node.this) not in ("BOOL", "UNKNOWN", "NULL"):
        raise invalid_query(f"No matching signature for function IF for argument types: {kind(node.this)}")
    branches = [branch for branch in (node.args.get("true"), node.args.get("false")) if branch is not None]
    _common("function IF", branches)


def _case(node: exp.Case) -> None:
    arms = node.args["ifs"]
    branches = [arm.args["true"] for arm in arms]
    default = node.args.get("default")
    _common("operator CASE", [*branches, default] if default is not None else branches)
    for arm in arms:
        if node.this is not None:
            _common("operator CASE", [node.this, arm.this])
        elif kind(arm.this) not in ("BOOL", "UNKNOWN", "NULL"):
            raise invalid_query(f"CASE WHEN should be BOOL, but is {kind(arm.this)} at [1:1]")


def _set_operation(node: exp.SetOperation) -> None:
    left, right = node.left.selects, node.right.selects
    name = node.key.upper()
    if len(left) != len(right):
        raise invalid_query(f"Queries in {name} have mismatched column count; query 1 has {len(left)} columns")
    for position, (a, b) in enumerate(zip(left, right, strict=True), start=1):
        first, second = a.unalias(), b.unalias()
        if not comparable(first, second):
            raise invalid_query(
                f"Column {position} in {name} has incompatible types: {kind(first)}, {kind(second)} at [1:1]"
            )


def _cast(node: exp.Cast) -> None:
    source, target = kind(node.this), kind(node)
    if source in ("UNKNOWN", "NULL", target) or node.meta.get("parameter"):
        return
    if target not in _CASTS.get(source, frozenset({target})):
        raise invalid_query(f"Invalid cast from {source} to {target} at [1:1]")


_CASTS = {
    "INT64": frozenset({"FLOAT64", "NUMERIC", "BOOL", "STRING"}),
    "FLOAT64": frozenset({"INT64", "NUMERIC", "STRING"}),
    "NUMERIC": frozenset({"INT64", "FLOAT64", "STRING"}),
    "BOOL": frozenset({"INT64", "STRING"}),
    "DATE": frozenset({"STRING", "DATETIME", "TIMESTAMP"}),
    "DATETIME": frozenset({"STRING", "DATE", "TIMESTAMP", "TIME"}),
    "TIMESTAMP": frozenset({"STRING", "DATE", "DATETIME", "TIME"}),
    "TIME": frozenset({"STRING"}),
    "BYTES": frozenset({"STRING"}),
    "JSON": frozenset(),
}

_CHECKS: dict[type[exp.Expr], Callable[..., None]] = {
    **dict.fromkeys(_SYMBOLS, _comparison),
    **dict.fromkeys(_OPERATORS, _arithmetic),
    exp.GroupConcat: _string_agg,
    exp.TimestampDiff: _difference,
    exp.TimestampAdd: _shift,
    exp.TimestampSub: _shift,
    exp.JSONExtractScalar: _json_value,
    exp.Between: _between,
    exp.In: _in,
    exp.Where: _boolean("WHERE"),
    exp.Having: _boolean("HAVING"),
    exp.Qualify: _boolean("QUALIFY"),
    exp.And: _connector,
    exp.Or: _connector,
    exp.Not: _not,
    exp.Neg: _negation,
    exp.Sum: _numeric_aggregate,
    exp.Avg: _numeric_aggregate,
    exp.Stddev: _numeric_aggregate,
    exp.Variance: _numeric_aggregate,
    exp.Upper: _text,
    exp.Lower: _text,
    exp.Length: _text,
    exp.Substring: _text,
    exp.Trim: _text,
    exp.Like: _like,
    exp.Coalesce: _coalesce,
    exp.Greatest: _extreme,
    exp.Least: _extreme,
    exp.Nullif: _nullif,
    exp.If: _if,
    exp.Case: _case,
    exp.Union: _set_operation,
    exp.Except: _set_operation,
    exp.Intersect: _set_operation,
    exp.Cast: _cast,
    exp.TryCast: _cast,
}
