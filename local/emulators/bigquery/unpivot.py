"""UNPIVOT as what it stands for: one SELECT for each of its columns, all together."""

from sqlglot import exp

from local.emulators.bigquery.errors import unsupported


def rewrite(tree: exp.Expr) -> None:
    """Replace every ``source UNPIVOT(…)`` of a parsed tree by a subquery, before its names are resolved."""
    for pivot in reversed(list(tree.find_all(exp.Pivot))):
        if not pivot.args.get("unpivot"):
            continue
        source = pivot.parent
        if source is None or len(source.args.get("pivots") or []) != 1 or source.args.get("joins"):
            raise unsupported("UNPIVOT beside another PIVOT or in a parenthesised join")
        alias = pivot.args.get("alias") or exp.TableAlias(this=exp.to_identifier("_unpivot"))
        plain = source.copy()
        plain.set("pivots", None)
        source.replace(exp.Subquery(this=_union(pivot, plain), alias=alias.copy()))


def _union(pivot: exp.Pivot, source: exp.Expr) -> exp.Query:
    values = [_names(item) for item in pivot.expressions]
    (field,) = pivot.args["fields"]
    columns = [column for item in field.expressions for column in _columns(item)]
    arms = [_arm(pivot, source, values[0], field.this.name, item, columns) for item in field.expressions]
    query: exp.Query = arms[0]
    for arm in arms[1:]:
        query = exp.Union(this=query, expression=arm, distinct=False)
    return query


def _arm(
    pivot: exp.Pivot, source: exp.Expr, values: list[str], name: str, item: exp.Expr, columns: list[str]
) -> exp.Select:
    read = _columns(item)
    if len(read) != len(values) or len(pivot.expressions) != 1:
        raise unsupported("UNPIVOT of several lists of columns")
    label = item.args["alias"] if isinstance(item, exp.PivotAlias) else exp.Literal.string("_".join(read))
    if isinstance(label, exp.Identifier):
        label = exp.Literal.string(label.name)
    star = exp.Star(except_=[exp.column(column) for column in columns])
    select = exp.Select(expressions=[star])
    for value, column in zip(values, read, strict=True):
        select.append("expressions", exp.alias_(exp.column(column), value))
    select.append("expressions", exp.alias_(label.copy(), name))
    select.set("from_", exp.From(this=source.copy()))
    if not pivot.args.get("include_nulls"):
        missing = [exp.Is(this=exp.column(column), expression=exp.null()) for column in read]
        kept: exp.Expr = exp.Not(this=missing[0])
        for other in missing[1:]:
            kept = exp.Or(this=kept, expression=exp.Not(this=other))
        select.set("where", exp.Where(this=kept))
    return select


def _columns(item: exp.Expr) -> list[str]:
    return _names(item.this if isinstance(item, exp.PivotAlias) else item)


def _names(item: exp.Expr) -> list[str]:
    item = item.unnest()
    return [part.name for part in item.expressions] if isinstance(item, exp.Tuple) else [item.name]
