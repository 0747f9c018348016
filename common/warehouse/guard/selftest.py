"""A self-test of the SQL library. If it fails, the guard refuses every query."""

from functools import cache

from sqlglot import exp

from common.warehouse.guard import allowed, sqltext, tokens
from common.warehouse.guard.rules import COMPLETE
from common.warehouse.guard.verdict import Denied

# A quoted path behind an alias of the same first name: an array to sqlglot's default, a table to GoogleSQL.
_SHADOWED = "SELECT y.c FROM own.t AS other, `other.users` AS y"
_ARRAY = "SELECT i.c FROM own.t AS o, o.items AS i"


def require() -> None:
    """Raise Denied unless the self-test passes; it runs once in a process."""
    failure = problem()
    if failure is not None:
        raise Denied("unavailable", "Queries cannot be checked at the moment; use the other tools.")


@cache
def problem() -> str | None:
    """Return what does not hold, or None."""
    if not sqltext.version_is_pinned():
        return f"sqlglot is not {sqltext.PINNED}"
    try:
        if _paths(_SHADOWED) != ["own.t", "other.users"]:
            return "a quoted path behind an alias is not seen as a table"
        if _paths(_ARRAY) != ["own.t", "o.items"]:
            return "an array behind an alias is not left to the resolver"
        quoted = sqltext.parse("SELECT 1 FROM `a-b.c.d` AS t", sqltext.tokenize("SELECT 1 FROM `a-b.c.d` AS t"))
        allowed.check(quoted, COMPLETE.functions)
        marked = next(quoted.find_all(exp.Table)).meta["quoted_table"]
        if not marked or sqltext.generate(quoted) != "SELECT 1 FROM `a-b.c.d` AS t":
            return "a whole quoted path is not kept"
        if sqltext.generate(exp.select(exp.Literal.string("a'\\b\n"))) != "SELECT 'a\\'\\\\b\\n'":
            return "a string is not escaped"
        tokens.gate("SELECT STRUCT(1)", COMPLETE)
    except Exception as error:
        return f"the self-test failed: {type(error).__name__}"
    return None


def _paths(sql: str) -> list[str]:
    tree = sqltext.parse(sql, sqltext.tokenize(sql))
    return [f"{table.db}.{table.name}" for table in tree.find_all(exp.Table)]
