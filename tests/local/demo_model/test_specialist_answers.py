import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from local.demo_model.formatting import bytes_of, counted, duration, instant, plain_number
from tests.local.demo_model.offered import envelope
from tests.local.demo_model.prepared import NOON, alert, result_of, rule, run, used, used_in_all
from tests.local.demo_model.specialist_tools import AGENTS, BY_NAME, LAST_WEEK, TOOLS, told

WEEK = {"start_date": LAST_WEEK[0], "end_date": LAST_WEEK[1]}


async def test_the_rules_are_counted_and_listed_with_what_makes_them_fire() -> None:
    quiet = {"last_triggered_at": NOON, "cooldown_minutes": 60, "provider_filter": []}
    result = await result_of(
        "list_alerts", {}, [rule("Big"), rule("Off", is_active=False), rule("Just fired", **quiet)]
    )
    said = told("list my alerts", "list_alerts", {}, result)
    assert said.startswith("There are **3 alert rules**: 1 active, 1 paused and 1 disabled.")
    assert "| Big | active | critical | monthly cost above USD 500.00 | aws | never |" in said
    assert "| Just fired | paused (cooldown) | critical |" in said
    assert "| everything | 2026-11-20 12:00 UTC |" in said
    assert said.endswith("_Status as of 2026-11-20 12:00 UTC; no filters._")


async def test_a_status_that_no_rule_has_is_said_with_the_rules_there_are() -> None:
    result = await result_of("list_alerts", {"status": "paused"}, [rule("Big")])
    said = told("which alerts are paused?", "list_alerts", {"status": "paused"}, result)
    assert said == "**0** of 1 alert rule (1 active, 0 paused and 0 disabled) are paused."


async def test_rules_are_narrowed_to_the_severity_that_was_asked_for() -> None:
    result = await result_of("list_alerts", {}, [rule("Big"), rule("Small", severity="info")])
    said = told("only critical", "list_alerts", {}, result, "list my alerts")
    assert "Shown are the 1 of 2 rules that your question is about: severity critical." in said
    assert "Small" not in said


async def test_a_new_alert_is_told_as_it_was_stored() -> None:
    arguments = {"name": "Big", "threshold": 500, "currency": "USD", "provider": "AWS", "severity": "critical"}
    question = "create an alert when spend exceeds 500 USD on AWS, critical"
    result = await result_of("create_alert", arguments, [], [rule("Big")], affected_rows=1)
    said = told(question, "create_alert", arguments, result)
    assert said.startswith("The alert **Big** is set up. Raised when the monthly billed cost of aws passes 500 USD.")
    assert "| Big | active | critical | monthly cost above USD 500.00 | aws |" in said
    assert "No notification channel is attached" in said
    assert "Rule id rule-Big" in said
    again = await result_of("create_alert", arguments, [], [rule("Big")], affected_rows=0)
    assert "was there already" in told(question, "create_alert", arguments, again)


async def test_what_fired_is_told_with_its_figures_and_ids() -> None:
    failures = json.dumps({"failures": 2, "pipelines": ["a"], "threshold": 1, "value": 2})
    rows = [alert(12), alert(11, trigger_data=failures, status="ACKNOWLEDGED")]
    result = await result_of("alert_history", WEEK, rows)
    said = told("what alerts fired last week?", "alert_history", WEEK, result)
    assert said.startswith("In 2026-11-09 to 2026-11-15 **3 alerts** fired: 2 critical, 1 warning and 1 acknowledged.")
    assert "| 2026-11-12 00:10 UTC | Total | critical | SENT | USD 1,234.50 (usual USD 1,000.00) | alert-12 |" in said
    assert "| ACKNOWLEDGED | 2 (threshold 1) | alert-11 |" in said
    assert "there are more alerts than were asked for" in said
    unseen = told("unacknowledged alerts last week", "alert_history", WEEK, result)
    assert "alert-11" not in unseen
    assert "alert-12" in unseen


async def test_a_week_in_which_nothing_fired_names_the_days_that_have_alerts() -> None:
    days = {"first_day": date(2026, 9, 1), "last_day": date(2026, 11, 2), "alert_count": 4}
    result = await result_of("alert_history", WEEK, [], [days])
    said = told("what alerts fired last week?", "alert_history", WEEK, result)
    assert said == ("No alert fired in 2026-11-09 to 2026-11-15. There are alerts from 2026-09-01 to 2026-11-02.")


async def test_an_acknowledgement_says_who_and_when() -> None:
    before = alert(12, acknowledged_by=None, acknowledged_at=None, other_acknowledged=False)
    after = alert(12, status="ACKNOWLEDGED", acknowledged_by="u-ada", acknowledged_at=NOON, other_acknowledged=False)
    arguments = {"alert_history_id": "alert-12"}
    result = await result_of("acknowledge_alert", arguments, [before], [], [], [after], affected_rows=1)
    said = told("acknowledge alert-12", "acknowledge_alert", arguments, result)
    assert said.startswith("**Total** (alert-12) is acknowledged by u-ada at 2026-11-20 12:00 UTC.")
    again = await result_of("acknowledge_alert", arguments, [after])
    said = told("acknowledge alert-12", "acknowledge_alert", arguments, again)
    assert "was acknowledged before; nothing was changed." in said
    assert "by u-ada at 2026-11-20 12:00 UTC" in said


async def test_tokens_are_told_with_what_they_cost() -> None:
    rows = [used("gpt-5", 1_000_000, "2.5"), used("other", None, "1", has_tokens=False), *used_in_all(1_000_000, "3.5")]
    arguments = {"group_by": "model", **WEEK}
    result = await result_of("genai_usage", arguments, rows)
    said = told("how many tokens did we use last week?", "genai_usage", arguments, result)
    assert said.startswith(
        "For 2026-11-09 to 2026-11-15 there were **1,000,000 tokens** (input 1, output 2, cached 3) in 7 requests, "
        "with a billed cost of **USD 3.50** (USD 3.50 per million tokens)."
    )
    assert "| gpt-5 | 7 | 1 | 2 | 3 | 1,000,000 | USD 2.50 | USD 2.50 |" in said
    assert "| other | n/a | n/a | n/a | n/a | n/a | USD 1.00 | n/a |" in said
    assert "n/a: not measured" in said
    assert said.endswith("_Period 2026-11-09 to 2026-11-15; no filters; costs are BilledCost._")


async def test_the_group_with_the_most_tokens_is_named_where_it_is_asked_for() -> None:
    rows = [used("Web", 5, "9"), used("Data", 50, "1"), *used_in_all(55, "10")]
    result = await result_of("genai_usage", {"group_by": "team"}, rows)
    assert "The most tokens: **Data** with 50." in told("which team used the most tokens?", "genai_usage", {}, result)
    assert "The most tokens" not in told("tokens by team", "genai_usage", {}, result)


async def test_usage_that_is_not_there_is_said_with_what_is() -> None:
    total = used(None, None, "0", is_total=True)
    days = {"first_match": None, "last_match": None, "first_day": date(2026, 1, 1), "last_day": date(2026, 11, 1)}
    arguments = {"provider": "DeepSeek", "group_by": "model", **WEEK}
    result = await result_of("genai_usage", arguments, [total], [days | {"providers": ["anthropic", "openai"]}])
    said = told("DeepSeek tokens last week", "genai_usage", arguments, result)
    assert said == (
        "There is no GenAI usage for 2026-11-09 to 2026-11-15 with provider DeepSeek. Data is available from "
        "2026-01-01 to 2026-11-01. The providers are anthropic and openai."
    )


async def test_what_is_left_of_the_quotas_is_told() -> None:
    counters = {
        "usage_date": date(2026, 11, 20), "last_updated": NOON, "pipelines_run_today": 9, "daily_limit": 10,
        "pipelines_run_month": 1_100, "monthly_limit": None, "concurrent_pipelines_running": 1, "concurrent_limit": 2,
    }  # fmt: skip
    said = told("quota", "quota_status", {}, await result_of("quota_status", {}, [counters]))
    assert said.startswith(
        "Left of the pipeline runs: **1** of 10 daily and **1** of 2 concurrent. Unlimited: monthly."
    )
    assert "Nearly used up: daily." in said
    assert "| Daily | 9 | 10 | 1 | 90.0% | at midnight UTC |" in said
    assert "| Monthly | 1,100 | unlimited | unlimited | n/a |" in said
    nothing = told("quota", "quota_status", {}, await result_of("quota_status", {}, []))
    assert nothing == "No usage has been counted for this organisation yet, so its limits are not known here."


async def test_the_largest_consumers_are_ranked_for_each_currency() -> None:
    def consumer(position: int, name: str, currency: str, place: int) -> dict[str, Any]:
        tokens = position == 1
        counted_in_all = {"group_count": 5, "place": place, "currency_billed_cost": 90, "currency_line_items": 4}
        return {
            **used(name, 8, "30", currency=currency, has_tokens=tokens), **counted_in_all, "position": position
        }  # fmt: skip

    rows = [consumer(1, "gpt-5", "USD", 1), consumer(2, "Hosting", "EUR", 1), consumer(3, "Other", "USD", 2)]
    result = await result_of("top_consumers", {"dimension": "service", "limit": 3}, rows)
    said = told("top 3 consumers by service", "top_consumers", {"dimension": "service", "limit": 3}, result)
    assert "is **gpt-5** with USD 30.00 and **Hosting** with EUR 30.00 of" in said
    assert "**EUR 90.00** and **USD 90.00** billed in all" in said
    assert "| gpt-5 | USD 30.00 | 7 | 8 |" in said
    assert "| Hosting | EUR 30.00 | n/a | n/a |" in said
    assert "Shown are 3 of 5 groups." in said


async def test_runs_are_told_with_their_kind_of_failure_and_not_their_message() -> None:
    rows = [run(1, date(2026, 11, 20)), run(2, date(2026, 11, 19)), run(3, date(2026, 11, 18))]
    arguments = {"status": "failed", "limit": 50}
    result = await result_of("pipeline_runs", arguments, rows)
    said = told("failed pipeline runs", "pipeline_runs", arguments, result)
    assert said.startswith("**9 pipeline runs** with status failed from ")
    assert "| 2026-11-20 04:00 UTC | aws_costs |" in said
    assert "| FAILED | 2 min 5 s | scheduler | RateLimited |" in said
    assert "too many requests" not in said
    of_a_day = told("which pipelines failed yesterday?", "pipeline_runs", arguments, result)
    assert "Of the newest 3, 1 run began in 2026-11-19." in of_a_day
    assert "2026-11-20 04:00" not in of_a_day
    assert "reaches back" not in of_a_day
    before = told("which pipelines failed last week?", "pipeline_runs", arguments, result)
    assert "0 runs began in 2026-11-09 to 2026-11-15. The list reaches back to 2026-11-18 only" in before


async def test_the_tables_are_listed_by_the_names_that_sql_takes() -> None:
    said = told("which tables do I have?", "list_org_tables", {}, await result_of("list_org_tables", {}))
    assert "of your organisation's own and" in said
    assert "| cost_data_standard_1_3 | Costs in FOCUS 1.3. | 25 | 12,345 | 2.5 MB |" in said
    assert "| organizations.org_budgets |" in said


async def test_a_table_is_described_with_all_its_columns_and_their_values() -> None:
    values = {"c0": [{"value": each, "count": 1} for each in ("EC2", "S3")]}
    arguments = {"table": "cost_data_standard_1_3"}
    result = await result_of("describe_table", arguments, [values])
    said = told("describe table cost_data_standard_1_3", "describe_table", arguments, result)
    assert said.startswith("**cost_data_standard_1_3** has 25 columns and 12,345 rows. Costs in FOCUS 1.3.")
    assert "| ServiceName | STRING | NULLABLE | What was bought \\| used. | EC2, S3 |" in said
    assert "| x_23 | NUMERIC |" in said
    assert "more rows" not in said
    assert "_Partitioned by ChargePeriodStart (DAY); clustered by ServiceProviderName;" in said


async def test_a_table_that_is_not_there_is_said_with_how_to_find_those_there_are() -> None:
    result = await result_of("describe_table", {"table": "nothing_here"})
    said = told("describe nothing_here", "describe_table", {"table": "nothing_here"}, result)
    assert "There is no table 'nothing_here'" in said
    assert said.endswith('Ask "Which tables do I have?" for their names.')


def test_the_rows_of_a_query_are_shown_as_they_came() -> None:
    rows = [{"Year": 2026, "share": 0.1234567, "tags": {"a": [1]}, "none": None}]
    result = envelope(rows, {"tables": ["cost_data_standard_1_3"], "note": None}, bytes_processed=2_048)
    said = told("SELECT 1", "run_read_query", {"sql": "SELECT 1"}, result)
    assert "The query returned **1 row** from cost_data_standard_1_3." in said
    assert "| Year | share | tags | none |" in said
    assert '| 2026 | 0.1234567 | {"a": \\[1\\]} | NULL |' in said
    assert "it read 2 KB" in said
    empty = told("SELECT 1", "run_read_query", {"sql": "SELECT 1"}, envelope([], {"tables": []}))
    assert empty.startswith("The query ran and returned no rows.")


def test_the_budgets_come_with_what_they_do_not_say() -> None:
    result = envelope([{"category": "cloud", "budget_amount": 5}], {"tables": ["org_budgets"]})
    said = told("are we over budget?", "run_read_query", {"sql": "SELECT 1"}, result)
    assert "| cloud | 5 |" in said
    assert "What was spent against them is another question" in said


@pytest.mark.parametrize(
    ("question", "tool", "note"),
    [
        ("how much of our quota was left last month?", "quota_status", "Quotas are those of now"),
        ("top AWS consumers by service", "top_consumers", "cannot be narrowed to AWS"),
        ("what alerts do we have for Azure?", "list_alerts", "cannot be narrowed to Microsoft Azure"),
    ],
)
def test_what_a_tool_cannot_be_narrowed_to_is_said(question: str, tool: str, note: str) -> None:
    assert note in told(question, tool, {}, {"rows": [], "summary": {}})


@pytest.mark.parametrize(
    ("tool", "code", "advice"),
    [
        ("run_read_query", "sql_not_a_query", "Change that in the query and send it again."),
        ("run_read_query", "sql_busy", "Try again in a moment"),
        ("run_read_query", "bytes_over_limit", "too much data"),
        ("create_alert", "unknown_entity", "Ask again with the name of one of these."),
        ("create_alert", "not_approved", "Nothing was changed."),
        ("acknowledge_alert", "not_found", "lists the alerts with their ids"),
        ("genai_usage", "timeout", "It took too long."),
    ],
)
def test_an_error_is_told_with_what_to_do(tool: str, code: str, advice: str) -> None:
    said = told("list my alerts", tool, {}, {"error": {"code": code, "message": "It did not go."}})
    assert advice in said


@pytest.mark.parametrize("name", [tool.name for agent in AGENTS[1:] for tool in TOOLS[agent]])
@pytest.mark.parametrize(
    "payload",
    [
        {"rows": [], "summary": {}},
        {"rows": [{}], "summary": {}},
        {"rows": [{"odd": "x"}]},
        {"rows": "none", "summary": []},
        {"rows": [{"name": None, "trigger_data": "[1]", "start_time": 5}], "summary": {"by_status": 3, "totals": 1}},
        {},
    ],
)
def test_a_result_of_another_shape_is_still_answered(name: str, payload: dict[str, Any]) -> None:
    assert name in BY_NAME
    assert told("list my alerts", name, {}, payload)


def test_numbers_moments_and_sizes_are_written_plainly() -> None:
    assert [plain_number(each) for each in (1234, 0.5, 100, None, "x")] == ["1,234", "0.5", "100", "n/a", "n/a"]
    assert (counted(1, "run"), counted(2, "run"), counted(0, "run")) == ("1 run", "2 runs", "0 runs")
    assert instant("2026-11-20T13:05:59+01:00") == "2026-11-20 12:05 UTC"
    assert instant(datetime(2026, 1, 2, tzinfo=UTC).isoformat()) == "2026-01-02 00:00 UTC"
    assert instant("soon") == "soon"
    assert [duration(each) for each in (950, 59_960, 61_000, None)] == ["1.0 s", "60.0 s", "1 min 1 s", "n/a"]
    assert [bytes_of(each) for each in (0, 999, 2_048, 3_400_000_000)] == ["0 B", "999 B", "2 KB", "3.4 GB"]
