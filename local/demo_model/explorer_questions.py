"""What a message wants of the tables: their names, one table's columns, or a query that it holds."""

import re

from local.demo_model.dates import normalised
from local.demo_model.sql_text import sql_in
from local.demo_model.tasks import EXPLORER, Task

_COST_TABLE = "cost_data_standard_1_3"
_USAGE_TABLE = "genai_usage_daily_unified"
_NAME = re.compile(r"`(?P<quoted>[\w.-]+)`|(?<![\w.])(?P<bare>(?:[\w-]+\.)*[A-Za-z]\w*_\w+)(?![\w(])")
_AFTER_TABLE = re.compile(
    r"(?:\btable (?:called |named )?|\b(?:columns?|schema|structure|fields?) (?:of|in|for) (?:the )?(?:table )?|"
    r"\bdescribe (?:the )?(?:table )?)(?P<name>[A-Za-z][\w.]*)"
)
_NO_NAMES = """
the my our a an all each every table tables data dataset do does is are has have with of in for and or names
columns schema cost costs billing usage spend it that this me us please
"""
_NO_NAME = frozenset(_NO_NAMES.split())
_OF_COSTS = re.compile(r"\b(?:costs?|billing|spend|spending|focus)(?: and usage)?(?: data)?(?: tables?)?\b")
_OF_USAGE = re.compile(r"\b(?:gen(?:erative)?[ -]?ai|usage|tokens?)(?: usage)?(?: data)?(?: tables?)?\b")
_DESCRIBES = re.compile(r"\b(?:describe|columns?|fields?|schema|structure|types?|partition\w*|clustered)\b")
_WRITES_SQL = re.compile(
    r"\b(?:write|generate|compose|give me|need|create|run|help me with)\b.*\b(?:sql|query|queries)\b"
)
_BUDGETS = re.compile(r"\bbudgets?\b")
_SAMPLE = re.compile(r"(?<!how many )\b(?:rows|preview|sample|raw)\b")

_NO_SQL = (
    "I run SQL, but I do not write it. Send one SELECT in GoogleSQL, for example:\n\n"
    f"```sql\nSELECT ServiceName, BillingCurrency, SUM(BilledCost) AS billed_cost\nFROM {_COST_TABLE}\n"
    "WHERE ChargePeriodStart >= TIMESTAMP('2026-01-01')\nGROUP BY ServiceName, BillingCurrency\n"
    'ORDER BY billed_cost DESC\n```\n\n"Which tables do I have?" lists the tables, and "Describe table '
    f'{_COST_TABLE}" its columns.'
)
_BUDGETS_ONLY = (
    'These are the budgets that are active. What was spent against them is another question: "What did we spend by '
    'team this month?"'
)
BUDGETS_SQL = """SELECT hierarchy_entity_name, category, provider, budget_type, budget_amount, currency,
  period_start, period_end
FROM organizations.org_budgets
WHERE is_active
ORDER BY period_start DESC, budget_amount DESC
LIMIT 50"""


def read_explorer(text: str) -> tuple[Task, ...]:
    """The task of a message about tables; SQL that it holds is run exactly as it is written."""
    sql = sql_in(text)
    if sql is not None:
        return (Task(text, EXPLORER, "run_read_query", {"sql": sql}),)
    plain = normalised(text)
    if _WRITES_SQL.search(plain):
        return (Task(text, EXPLORER, ask=_NO_SQL),)
    table = _table(text, plain)
    if table is not None and _SAMPLE.search(plain) and not _DESCRIBES.search(plain):
        return (Task(text, EXPLORER, "run_read_query", {"sql": f"SELECT * FROM {table} LIMIT 10"}),)
    if table is not None:
        return (Task(text, EXPLORER, "describe_table", {"table": table}),)
    if _BUDGETS.search(plain):
        return (Task(text, EXPLORER, "run_read_query", {"sql": BUDGETS_SQL}, note=_BUDGETS_ONLY),)
    return (Task(text, EXPLORER, "list_org_tables"),)


def continued_explorer(known: Task, text: str) -> tuple[Task, ...]:
    """Another table of the same kind of question; empty where the text names none."""
    if known.tool not in ("describe_table", "list_org_tables") or len(text.split()) > 8:
        return ()
    found = _NAME.search(text)
    return (Task(text, EXPLORER, "describe_table", {"table": _named(found)}),) if found else ()


def _table(text: str, plain: str) -> str | None:
    if found := _NAME.search(text):
        return _named(found)
    for match in _AFTER_TABLE.finditer(text):
        if match["name"].lower() not in _NO_NAME:
            return match["name"].rstrip(".")
    if _DESCRIBES.search(plain):
        if _OF_USAGE.search(plain) and not re.search(r"\bcosts?\b", plain):
            return _USAGE_TABLE
        return _COST_TABLE if _OF_COSTS.search(plain) else None
    return None


def _named(found: re.Match[str]) -> str:
    return (found["quoted"] or found["bare"]).rstrip(".")
