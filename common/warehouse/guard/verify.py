"""The second look: the text that would be sent is read again from nothing and must say what was admitted."""

from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

from common.tenant import Tenant
from common.warehouse.guard import allowed, lexical, sqltext
from common.warehouse.guard.names import RealTable
from common.warehouse.guard.resolve import Resolver
from common.warehouse.guard.rewrite import filtered_select
from common.warehouse.guard.rules import Rules
from common.warehouse.guard.verdict import Denied

_TRIES = 3


def verify(sql: str, admitted: Iterable[RealTable], tenant: Tenant, user_id: str, rules: Rules) -> str:
    """Return the text at its fixed point; Denied unless it has allowed nodes, the same tables and whole filters."""
    tables = list(admitted)
    for _ in range(_TRIES):
        again = _checked(sql, tables, tenant, user_id, rules)
        if again == sql:
            return sql
        sql = again  # some literals settle only when they are printed for the second time
    raise _unverified()


def _checked(sql: str, tables: list[RealTable], tenant: Tenant, user_id: str, rules: Rules) -> str:
    """Check one text from its characters on, and return what is printed for its tree."""
    expected = Counter(table.path for table in tables)
    lexemes = lexical.read(sql)
    lexical.check(lexemes, rules.functions)
    if Counter(lexical.paths(lexemes)) != expected:
        raise _unverified()
    tree = sqltext.parse(sql, sqltext.tokenize(sql))
    if rules.only_allowed_nodes:
        allowed.check(tree, rules.functions)
    found: Counter[str] = Counter()
    for reference in Resolver(tenant, rules, columns=False).resolve(tree):
        if reference.kind == "array" or (reference.kind == "real" and not reference.node.meta.get("quoted_table")):
            raise _unverified()
        if reference.table is not None:
            found[reference.table.path] += 1
    if found != expected:
        raise _unverified()
    _filters(sql, set(tables), expected, tenant, user_id, rules)
    limit = tree.args.get("limit")
    if limit is None or int(limit.expression.this) > rules.max_rows:
        raise _unverified()
    return sqltext.generate(tree)


def _filters(
    sql: str, tables: set[RealTable], expected: Counter[str], tenant: Tenant, user_id: str, rules: Rules
) -> None:
    """Every mention of a shared table is inside its whole filtered SELECT, to the letter.

    That text holds quotes and backticks, which a string literal or a quoted name would have to escape: it cannot occur
    inside one.
    """
    for table in tables:
        if table.shared is None or not (rules.filter_rows or rules.restrict_columns):
            continue
        wanted = f"({filtered_text(table, tenant, user_id, rules)})"
        if sql.count(wanted) != expected[table.path]:
            raise _unverified()


@lru_cache(maxsize=256)
def filtered_text(table: RealTable, tenant: Tenant, user_id: str, rules: Rules) -> str:
    """The text of the only SELECT that may read a shared table."""
    assert table.shared is not None
    return sqltext.generate(filtered_select(table, table.shared, tenant, user_id, rules))


def _unverified() -> Denied:
    return Denied(
        "unverified", "The query cannot be rewritten safely; name tables and aliases plainly and simplify it."
    )
