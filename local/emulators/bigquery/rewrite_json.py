"""The rewrites of JSON: fields and elements by name and number, its keys, and its scalars, strictly or leniently."""

from collections.abc import Callable

from sqlglot import exp

from local.emulators.bigquery.errors import unsupported
from local.emulators.bigquery.nodes import call, kind, number, string


def open_paths(tree: exp.Expr) -> bool:
    """Make ``column.field`` and ``column['field']`` of a typed tree's JSON into calls; true if there were any."""
    found = False
    for node in reversed(list(tree.walk(bfs=False))):
        if isinstance(node, exp.Dot | exp.Bracket) and kind(node.this) == "JSON":
            path = _field(node) if isinstance(node, exp.Dot) else _element(node)
            opened = exp.Cast(this=call("json_extract", node.this, string(path)), to=exp.DataType.build("JSON"))
            opened.meta["emulator"] = True
            opened.type = exp.DataType.build("JSON")
            if isinstance(node.parent, exp.Select):
                # The column keeps the name of the field.
                node.replace(exp.alias_(opened, node.name) if isinstance(node, exp.Dot) else opened)
            else:
                node.replace(opened)
            found = True
    return found


def _field(node: exp.Dot) -> str:
    return _named(node.expression.name)


def _element(node: exp.Bracket) -> str:
    item = node.expressions[0]
    if len(node.expressions) != 1 or not isinstance(item, exp.Literal):
        raise unsupported("subscripts of JSON that are computed")
    return _named(item.this) if item.is_string else f"$[{item.this}]"


def _named(name: str) -> str:
    if '"' in name or "\\" in name:
        raise unsupported("fields of JSON with quotes in their names")
    return f'$."{name}"'


def _keys(node: exp.JSONKeysAtDepth) -> exp.Expr:
    depth: exp.Expr = number(10**6)
    for argument in (node.expression, node.args.get("mode")):
        if isinstance(argument, exp.Kwarg):
            if argument.name != "mode" or argument.expression.name.lower() != "strict":
                raise unsupported("JSON_KEYS with a mode other than strict")
        elif argument is not None:
            depth = argument
    return call("bq_json_keys", node.this, depth)


def _value_array(node: exp.JSONValueArray) -> exp.Expr:
    return call("bq_json_value_array", node.this, node.expression or string("$"))


def _query_array(node: exp.JSONExtractArray) -> exp.Expr:
    return call("bq_json_query_array", node.this, node.expression or string("$"))


def _scalar(name: str) -> Callable[[exp.Expr], exp.Expr]:
    return lambda node: call(name, node.this)


def _strict(name: str) -> Callable[[exp.Expr], exp.Expr]:
    """Make a rule for what fails if the JSON is of another type, or is NULL behind SAFE."""
    return lambda node: call(f"bq_{'safe_' * isinstance(node.parent, exp.SafeFunc)}json_{name}", node.this)


def text_of(node: exp.String) -> exp.Expr:
    """STRING of a JSON."""
    return _strict("text")(node)


def _distance(name: str) -> Callable[[exp.Expr], exp.Expr]:
    def rule(node: exp.Expr) -> exp.Expr:
        for vector in (node.this, node.expression):
            elements = vector.type.expressions if vector.type is not None else []
            if elements and elements[0].this == exp.DataType.Type.STRUCT:
                raise unsupported("distances of sparse vectors")
        return call(name, node.this, node.expression)

    return rule


RULES: dict[type[exp.Expr], Callable[..., exp.Expr | None]] = {
    exp.JSONKeysAtDepth: _keys,
    exp.JSONValueArray: _value_array,
    exp.JSONExtractArray: _query_array,
    exp.LaxString: _scalar("bq_lax_string"),
    exp.LaxInt64: _scalar("bq_lax_integer"),
    exp.LaxFloat64: _scalar("bq_lax_float"),
    exp.LaxBool: _scalar("bq_lax_boolean"),
    exp.Int64: _strict("integer"),
    exp.Float64: _strict("float"),
    exp.JSONBool: _strict("boolean"),
    exp.CosineDistance: _distance("bq_cosine_distance"),
    exp.EuclideanDistance: _distance("bq_euclidean_distance"),
}
