"""Make a resolved query say only what the guard saw: whole paths, filters, explicit UNNEST, a LIMIT."""

from collections.abc import Sequence

from sqlglot import exp

from common.tenant import Tenant
from common.warehouse.guard.names import RealTable, path_parts
from common.warehouse.guard.resolve import Reference
from common.warehouse.guard.rules import Rules
from common.warehouse.guard.verdict import Denied
from common.warehouse.readable_tables import FilterValue, SharedTable


def rewrite(tree: exp.Query, references: Sequence[Reference], tenant: Tenant, user_id: str, rules: Rules) -> exp.Query:
    """Rewrite the tree in place and return its root."""
    for reference in references:
        if reference.kind == "array":
            _unnest(reference.node)
        elif reference.table is not None:
            if reference.table.shared is not None and (rules.filter_rows or rules.restrict_columns):
                _filtered(reference.node, reference.table, reference.table.shared, tenant, user_id, rules)
            else:
                _whole_path(reference.node, reference.table)
    return _limited(tree, rules.max_rows)


def filtered_select(table: RealTable, shared: SharedTable, tenant: Tenant, user_id: str, rules: Rules) -> exp.Select:
    """The only query that may read a shared table: its readable columns of the caller's rows."""
    columns: list[exp.Expr] = [exp.column(exp.to_identifier(name, quoted=True)) for name in shared.columns]
    select = exp.Select(expressions=columns if rules.restrict_columns else [exp.Star()])
    select.set("from_", exp.From(this=exp.Table(this=exp.to_identifier(table.path, quoted=True))))
    values: dict[FilterValue, str] = {"org_slug": tenant.org_slug, "user_id": user_id}
    if rules.filter_rows:
        conditions = [
            exp.EQ(this=exp.column(exp.to_identifier(name, quoted=True)), expression=exp.Literal.string(values[name]))
            for name in shared.filters
        ]
        condition: exp.Expr = conditions[0]
        for other in conditions[1:]:
            condition = exp.And(this=condition, expression=other)
        select.set("where", exp.Where(this=condition))
    return select


def _filtered(
    node: exp.Table, table: RealTable, shared: SharedTable, tenant: Tenant, user_id: str, rules: Rules
) -> None:
    alias, pivots, joins = (node.args.get(name) for name in ("alias", "pivots", "joins"))
    if alias is None and not pivots:
        alias = _alias(table.alias)
    subquery = exp.Subquery(
        this=filtered_select(table, shared, tenant, user_id, rules), alias=alias, pivots=pivots, joins=joins
    )
    node.replace(subquery)


def _whole_path(node: exp.Table, table: RealTable) -> None:
    if node.args.get("alias") is None and not node.args.get("pivots"):
        node.set("alias", _alias(table.alias))
    node.set("catalog", None)
    node.set("db", None)
    node.set("this", exp.to_identifier(table.path, quoted=True))
    node.meta.pop("quoted_table", None)


def _alias(name: str) -> exp.TableAlias:
    return exp.TableAlias(this=exp.to_identifier(name, quoted=not name.isidentifier() or name[0].isdigit()))


def _unnest(node: exp.Table) -> None:
    """``FROM t, t.items AS i`` as ``UNNEST(t.items) AS i``, which can never be a table."""
    parts = [exp.to_identifier(part, quoted=True) for part in path_parts(node)]
    array: exp.Expr = exp.Column(this=parts[1], table=parts[0])
    for part in parts[2:]:
        array = exp.Dot(this=array, expression=part)
    alias = node.args.get("alias")
    name = alias.this if alias is not None else parts[-1].copy()
    if node.args.get("pivots") or node.args.get("joins"):
        raise Denied("construct", "An array in FROM may not carry PIVOT or stand first in a parenthesised join.")
    node.replace(exp.Unnest(expressions=[array], alias=exp.TableAlias(columns=[name])))


def _limited(tree: exp.Query, most: int) -> exp.Query:
    """Give the outermost query the smaller of its own LIMIT and ``most``; both must be plain numbers."""
    if isinstance(tree, exp.Subquery):
        # A parenthesised query as a whole: the LIMIT goes where it holds for every row that comes out.
        unwrapped = _unwrapped(tree)
        if unwrapped is not tree:
            return _limited(unwrapped, most)
    limit = tree.args.get("limit")
    given = _number(limit.expression) if limit is not None else most
    offset = tree.args.get("offset")
    if offset is not None:
        _number(offset.expression)
    tree.set("limit", exp.Limit(expression=exp.Literal.number(min(given, most))))
    return tree


def _unwrapped(tree: exp.Subquery) -> exp.Query:
    inner = tree.this
    if isinstance(inner, exp.Query) and not any(value for name, value in tree.args.items() if name != "this"):
        inner.pop()
        return inner
    return tree


def _number(node: exp.Expr) -> int:
    if isinstance(node, exp.Literal) and not node.is_string and node.this.isascii() and node.this.isdigit():
        return int(node.this)
    raise Denied("limit", "LIMIT and OFFSET take a plain whole number.")
