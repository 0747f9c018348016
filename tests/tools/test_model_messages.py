"""What the organisation's model is shown of a tool's result: short, whole, and readable again."""

import json

from common.app import Services
from common.settings import Settings
from common.tools.result import as_model_message, read_model_message

RESULT = {
    "rows": [{"service": "a", "cost": 1.5, "path": {"day": "x"}}, {"service": "b", "cost": None, "also": 1}],
    "columns": [{"name": "service", "type": "STRING"}, {"name": "cost", "type": "NUMERIC"}],
    "row_count": 2,
    "truncated": False,
    "summary": {"totals": [{"cost": 1.5}]},
    "sql": "SELECT 1",
    "parameters": {"start": "2026-01-01"},
    "bytes_processed": 10,
    "cached": False,
    "job_id": "job",
    "duration_ms": 5,
    "chart": {"data": {}},
}


def test_the_summary_comes_first_and_columns_are_named_once() -> None:
    message = json.loads(as_model_message(RESULT))
    assert next(iter(message)) == "summary"
    assert message["columns"] == ["service", "cost", "path", "also"]
    assert message["rows"] == [["a", 1.5, {"day": "x"}, None], ["b", None, None, 1]]
    assert message.keys() == {"summary", "columns", "rows", "row_count", "truncated", "bytes_processed"}


def test_a_query_of_the_model_s_own_is_shown_and_a_fixed_one_is_not() -> None:
    assert json.loads(as_model_message(RESULT, shows_sql=True))["sql"] == "SELECT 1"
    tools = {tool.name: tool for tool in Services(Settings()).registry.tools}
    assert {name for name, tool in tools.items() if tool.shows_sql} == {"run_read_query"}


def test_a_message_is_read_back_as_rows_with_names() -> None:
    read = read_model_message(json.loads(as_model_message(RESULT)))
    assert read["rows"][0] == {"service": "a", "cost": 1.5, "path": {"day": "x"}, "also": None}
    assert read_model_message({"error": {"code": "x"}}) == {"error": {"code": "x"}}
    assert read_model_message(RESULT) == RESULT


def test_an_error_stays_as_it_is() -> None:
    error = {"error": {"code": "invalid_range", "message": "Give dates."}}
    assert json.loads(as_model_message(error)) == error


def test_what_is_too_long_loses_rows_from_the_end_and_says_so() -> None:
    long = RESULT | {"rows": [{"name": "x" * 100, "number": number} for number in range(2_000)]}
    message = json.loads(as_model_message(long))
    assert message["truncated"] is True
    assert [row[1] for row in message["rows"]] == list(range(len(message["rows"])))
    assert 100 < len(message["rows"]) < 2_000


def test_a_message_is_shorter_than_the_result_by_the_names_of_its_columns() -> None:
    rows = [{"service": f"s{number}", "billed_cost": number, "effective_cost": number} for number in range(50)]
    assert len(as_model_message(RESULT | {"rows": rows})) < 0.55 * len(json.dumps(RESULT | {"rows": rows}))
