"""The rewrites of arrays: UNNEST and its offset, aggregates that build arrays, and element access."""

from collections.abc import Callable

from sqlglot import exp

from local.emulators.bigquery.errors import unsupported
from local.emulators.bigquery.nodes import call, kind, number, string

_ARRAY = exp.DataType.Type.ARRAY
_STRUCT = exp.DataType.Type.STRUCT


def _unnest(node: exp.Unnest) -> exp.Expr | None:
    """In a FROM, an offset starts at 0 and the members of unnamed structs are columns."""
    if not isinstance(node.parent, exp.From | exp.Join):
        return None
    offset = node.args.get("offset")
    alias = node.args.get("alias")
    names = [column.name for column in alias.columns] if alias is not None else []
    array = node.expressions[0]
    if len(node.expressions) != 1:
        raise unsupported("UNNEST of several arrays")
    flatten = not _value_name(names, offset) and _is_struct_array(array)
    if not flatten and not offset:
        return None
    unnested: exp.Expr = call("unnest", array)
    if flatten:
        unnested.append("expressions", exp.PropertyEQ(this=exp.var("max_depth"), expression=number(2)))
    else:
        unnested = exp.alias_(unnested, _value_name(names, offset) or "_value", quoted=True)
    select = exp.Select(expressions=[unnested])
    if offset:
        position = call("unnest", call("range", number(0), call("len", array)))
        select.append("expressions", exp.alias_(position, _offset_name(names, offset), quoted=True))
    table = alias.this.name if alias is not None and alias.this is not None else "_unnest"
    return exp.Subquery(this=select, alias=exp.TableAlias(this=exp.to_identifier(table, quoted=True)))


def _value_name(names: list[str], offset: object) -> str | None:
    values = names[:-1] if offset is True or (offset and len(names) > 1) else names
    return values[0] if values else None


def _offset_name(names: list[str], offset: object) -> str:
    return offset.name if isinstance(offset, exp.Identifier) else names[-1] if names else "offset"


def _is_struct_array(array: exp.Expr) -> bool:
    data_type = array.type
    if data_type is None or data_type.this != _ARRAY or not data_type.expressions:
        return False
    return bool(data_type.expressions[0].this == _STRUCT)


def _array_agg(node: exp.ArrayAgg) -> exp.Expr | None:
    if isinstance(node.parent, exp.IgnoreNulls):
        return None
    return _limited(node, ignore_nulls=False)


def _ignore_nulls(node: exp.IgnoreNulls) -> exp.Expr | None:
    return _limited(node.this, ignore_nulls=True) if isinstance(node.this, exp.ArrayAgg) else None


def _limited(node: exp.ArrayAgg, ignore_nulls: bool) -> exp.Expr | None:
    """ARRAY_AGG with its LIMIT as a slice and IGNORE NULLS as a filter."""
    inner = node.this
    limit = inner.expression if isinstance(inner, exp.Limit) else None
    inner = inner.this if limit is not None else inner
    if limit is None and not ignore_nulls:
        return None
    built: exp.Expr = call("array_agg", inner)
    if ignore_nulls:
        built = exp.Filter(this=built, expression=exp.Where(this=_is_not_null(_bare(inner))))
    return built if limit is None else call("list_slice", built, number(1), limit)


def _bare(node: exp.Expr) -> exp.Expr:
    node = node.this if isinstance(node, exp.Order) else node
    return node.expressions[0] if isinstance(node, exp.Distinct) else node


def _is_not_null(node: exp.Expr) -> exp.Expr:
    return exp.Not(this=exp.Is(this=node.copy(), expression=exp.null()))


def _string_agg(node: exp.GroupConcat) -> exp.Expr | None:
    inner = node.this
    if not isinstance(inner, exp.Limit):
        return None
    listed = exp.Filter(this=call("array_agg", inner.this), expression=exp.Where(this=_is_not_null(_bare(inner.this))))
    separator = node.args.get("separator") or string(",")
    return call("array_to_string", call("list_slice", listed, number(1), inner.expression), separator)


def _top_count(node: exp.ApproxTopK) -> exp.Expr:
    return call("bq_top_count", call("histogram", node.this), node.expression)


def _quantiles(node: exp.ApproxQuantiles) -> exp.Expr:
    buckets = node.expression
    if not isinstance(buckets, exp.Literal) or isinstance(node.this, exp.Distinct):
        raise unsupported("APPROX_QUANTILES of DISTINCT values or a computed number")
    count = int(buckets.this)
    points = exp.Array(expressions=[exp.Literal.number(str(i / count)) for i in range(count + 1)])
    return call("quantile_disc", node.this, points)


def _bracket(node: exp.Bracket) -> exp.Expr | None:
    if kind(node.this) == "JSON" or len(node.expressions) != 1:
        raise unsupported("subscripts of JSON")
    offset, safe = node.args.get("offset") or 0, node.args.get("safe")
    return call(f"bq_{'safe_' if safe else ''}element", node.this, node.expressions[0], number(offset))


RULES: dict[type[exp.Expr], Callable[..., exp.Expr | None]] = {
    exp.Unnest: _unnest,
    exp.ArrayAgg: _array_agg,
    exp.IgnoreNulls: _ignore_nulls,
    exp.GroupConcat: _string_agg,
    exp.ApproxTopK: _top_count,
    exp.ApproxQuantiles: _quantiles,
    exp.Bracket: _bracket,
}
