import pytest

from local.demo_model.decisions import decide
from local.demo_model.explorer_questions import BUDGETS_SQL
from tests.local.demo_model.offered import conversation
from tests.local.demo_model.specialist_tools import FRIDAY, answered, offer

COSTS = "cost_data_standard_1_3"


@pytest.mark.parametrize(
    ("question", "name", "arguments"),
    [
        ("which tables do I have?", "list_org_tables", {}),
        ("list tables", "list_org_tables", {}),
        ("what data do I have?", "list_org_tables", {}),
        ("what fields are in genai_usage_daily_unified", "describe_table", {"table": "genai_usage_daily_unified"}),
        (f"How many rows does {COSTS} have?", "describe_table", {"table": COSTS}),
        ("what columns are there?", "list_org_tables", {}),
        (f"describe table {COSTS}", "describe_table", {"table": COSTS}),
        ("columns of genai_usage_daily_unified", "describe_table", {"table": "genai_usage_daily_unified"}),
        (
            "what columns does organizations.org_budgets have?",
            "describe_table",
            {"table": "organizations.org_budgets"},
        ),
        ("columns of org_alert_history", "describe_table", {"table": "org_alert_history"}),
        ("show me the schema of the cost data", "describe_table", {"table": COSTS}),
        ("describe `my-project.x.abc`", "describe_table", {"table": "my-project.x.abc"}),
        ("describe table budgets", "describe_table", {"table": "budgets"}),
        (f"show me rows of {COSTS}", "run_read_query", {"sql": f"SELECT * FROM {COSTS} LIMIT 10"}),
        ("list our budgets", "run_read_query", {"sql": BUDGETS_SQL}),
    ],
)
def test_a_question_about_tables_is_one_call_of_the_explorer(
    question: str, name: str, arguments: dict[str, str]
) -> None:
    agent, calls, _ = answered("Orchestrator", question)
    assert (agent, calls) == ("Explorer", [(name, arguments)])


MANY_LINES = (
    f"SELECT ServiceName,   -- the name\n  SUM(BilledCost)\nFROM {COSTS}\nWHERE Tags LIKE '%  alert %'\nGROUP BY 1;"
)


@pytest.mark.parametrize(
    ("message", "sql"),
    [
        ("SELECT 1", "SELECT 1"),
        (MANY_LINES, MANY_LINES),
        (f"  \n{MANY_LINES}\n", MANY_LINES),
        (f"Please run this for me:\n\n```sql\n{MANY_LINES}\n```\nand tell me the alerts", MANY_LINES),
        (f"```\n{MANY_LINES}\n```", MANY_LINES),
        (f"```sql\n{MANY_LINES}", MANY_LINES),
        ("```sql\nDROP TABLE x\n```", "DROP TABLE x"),
        (f"select count(*) from {COSTS}", f"select count(*) from {COSTS}"),
        ("with x as (select 1) select * from x", "with x as (select 1) select * from x"),
        ("run this: SELECT COUNT(*) FROM org_budgets", "SELECT COUNT(*) FROM org_budgets"),
        (f"DELETE FROM {COSTS}", f"DELETE FROM {COSTS}"),
        ("SELECT '" + "x" * 3_000 + "'", "SELECT '" + "x" * 3_000 + "'"),
    ],
)
def test_sql_is_run_exactly_as_it_was_written(message: str, sql: str) -> None:
    agent, calls, _ = answered("Orchestrator", message)
    assert (agent, calls) == ("Explorer", [("run_read_query", {"sql": sql})])


@pytest.mark.parametrize(
    "question",
    [
        "With which provider do we spend the most?",
        "select the top 3 services by cost last month",
        "spend by team as a table",
        "spend by service last month in a table",
    ],
)
def test_words_that_begin_like_sql_or_ask_for_a_table_are_about_costs(question: str) -> None:
    agent, calls, _ = answered("Orchestrator", question)
    assert agent == "CostAnalyst"
    assert [name for name, _ in calls] == ["query_costs"]


@pytest.mark.parametrize("question", ["Write SQL for the cost data", "run a query"])
def test_sql_is_not_written_and_that_is_said(question: str) -> None:
    agent, calls, said = answered("Orchestrator", question)
    assert (agent, calls) == ("Explorer", [])
    assert "I do not write it" in said


def test_a_follow_up_describes_another_table() -> None:
    _, calls, _ = answered("Orchestrator", "and genai_usage_daily_unified?", f"describe table {COSTS}")
    assert calls == [("describe_table", {"table": "genai_usage_daily_unified"})]


def test_sql_in_parts_of_a_message_keeps_its_lines() -> None:
    messages = conversation("", FRIDAY)
    messages[-1]["content"] = [{"type": "text", "text": MANY_LINES}]
    (call,) = decide(messages, offer("Explorer")).calls
    assert call.arguments == {"sql": MANY_LINES}
