"""One decision, in this process: pipes, gate, parse, allow-lists, resolution, rewriting, verification."""

from sqlglot import exp

from common.tenant import Tenant
from common.warehouse.guard import allowed, generators, growth, piped, rewrite, sqltext, tokens, verify
from common.warehouse.guard.resolve import Resolver
from common.warehouse.guard.rules import COMPLETE, Rules
from common.warehouse.guard.selftest import require
from common.warehouse.guard.verdict import Admitted, Denied


def decide(sql: str, tenant: Tenant, user_id: str, rules: Rules = COMPLETE) -> Admitted:
    """Return the query to send, or raise Denied; any other failure is a denial too."""
    require()
    try:
        return _decide(sql, tenant, user_id, rules)
    except Denied:
        raise
    except (RecursionError, MemoryError) as error:
        raise Denied("nesting", "The query is nested too deeply; flatten it with CTEs.") from error
    except Exception as error:
        raise Denied("failed", "The query could not be checked; write it more simply.") from error


def _decide(sql: str, tenant: Tenant, user_id: str, rules: Rules) -> Admitted:
    tokens.check_text(sql, rules)
    sql = piped.unfold(sql)
    tree = sqltext.parse(sql, tokens.gate(sql, rules))
    if rules.only_allowed_nodes:
        allowed.check(tree, rules.functions)
    references = Resolver(tenant, rules).resolve(tree)
    growth.check(tree, generators.check(tree, rules.max_generated), rules.max_value_bytes)
    tables = [reference.table for reference in references if reference.table is not None]
    rewritten: exp.Query = rewrite.rewrite(tree, references, tenant, user_id, rules)
    text = sqltext.generate(rewritten)
    if rules.verify:
        text = verify.verify(text, tables, tenant, user_id, rules)
    return Admitted(text, frozenset(table.path for table in tables))
