import json
from datetime import date
from itertools import combinations
from typing import Any

import pytest

from common.skills.costs.tools import TOOLS as PRODUCT_TOOLS
from local.demo_model.decisions import decide
from tests.local.demo_model.offered import COST_TOOLS, Message, called, conversation, envelope, system, tool, transfer

TODAY = date(2026, 11, 20)
ALL_AGENTS = ("CostAnalyst", "AlertManager", "UsageAnalyst", "Explorer")


def handed_to(question: str, *agents: str, earlier: tuple[str, ...] = ()) -> str | None:
    decision = decide(conversation(question, TODAY, *earlier), [transfer(*agents)])
    if not decision.calls:
        return None
    (call,) = decision.calls
    assert call.name == "transfer_to_agent"
    return str(call.arguments["agent_name"])


@pytest.mark.parametrize(
    ("question", "agent"),
    [
        ("What did we spend per provider last month?", "CostAnalyst"),
        ("forecast", "CostAnalyst"),
        ("usage costs by model last month", "CostAnalyst"),
        ("last month", "CostAnalyst"),
        ("Show me active alerts", "AlertManager"),
        ("Are we over budget this month?", "Explorer"),
        ("How many tokens did we use last week?", "UsageAnalyst"),
        ("Which pipelines failed yesterday?", "UsageAnalyst"),
        ("Write SQL for the cost data", "Explorer"),
        ("Which tables are there?", "Explorer"),
        ("tell me a joke", None),
        ("What's the weather in September?", None),
        ("hello", None),
    ],
)
def test_a_question_is_handed_to_the_agent_of_its_subject(question: str, agent: str | None) -> None:
    assert handed_to(question, *ALL_AGENTS) == agent


def test_a_follow_up_is_handed_to_the_agent_of_the_question_before() -> None:
    assert handed_to("and last month?", *ALL_AGENTS, earlier=("Show me active alerts",)) == "AlertManager"
    assert handed_to("and last month?", *ALL_AGENTS, earlier=("Spend per team in 2025",)) == "CostAnalyst"


def test_an_agent_that_is_not_offered_is_never_named() -> None:
    decision = decide(conversation("Show me active alerts", TODAY), [transfer("CostAnalyst")])
    assert not decision.calls
    assert "alerts" in decision.text
    assert "Forecast" in decision.text


def test_a_specialist_hands_a_question_of_another_subject_on() -> None:
    tools = [*COST_TOOLS, transfer("AlertManager")]
    (call,) = decide(conversation("Show me active alerts", TODAY), tools).calls
    assert (call.name, dict(call.arguments)) == ("transfer_to_agent", {"agent_name": "AlertManager"})


def test_after_the_transfer_the_agents_own_tool_is_called() -> None:
    messages = conversation("Spend per team last month", TODAY)
    messages += called("transfer_to_agent", {"agent_name": "CostAnalyst"}, {"transferred": True})
    (call,) = decide(messages, [*COST_TOOLS, transfer("AlertManager")]).calls
    assert call.name == "query_costs"


def test_an_agent_that_was_tried_is_not_tried_again() -> None:
    messages = conversation("Spend per team last month", TODAY)
    messages += called("transfer_to_agent", {"agent_name": "CostAnalyst"}, {"transferred": True})
    decision = decide(messages, [transfer("CostAnalyst")])
    assert not decision.calls
    assert "no tool" in decision.text


QUESTIONS = (
    "Spend per team last month",
    "share by team last month",
    "spend by cost type",
    "MoM",
    "forecast for 500 days",
    "top 40 cost drivers",
    "Show me active alerts",
    "How much did we spend last month and what is the forecast?",
    "call drop_everything now",
)


@pytest.mark.parametrize("question", QUESTIONS)
def test_nothing_but_what_is_offered_is_ever_called(question: str) -> None:
    offers = [*COST_TOOLS, transfer("CostAnalyst"), transfer("AlertManager"), tool("other", {})]
    for size in range(4):
        for offered in combinations(offers, size):
            schemas = {item["function"]["name"]: item["function"]["parameters"] for item in offered}
            for call in decide(conversation(question, TODAY), list(offered)).calls:
                assert call.name in schemas
                assert call.name != "other"
                _is_valid(call.arguments, schemas[call.name])


def _is_valid(arguments: Any, schema: Any) -> None:
    assert set(arguments) <= set(schema["properties"])
    assert set(schema["required"]) <= set(arguments)
    for name, value in arguments.items():
        choices = [schema["properties"][name], *schema["properties"][name].get("anyOf", ())]
        for choice in choices:
            assert "enum" not in choice or value in choice["enum"]
            assert value >= choice.get("minimum", value)
            assert value <= choice.get("maximum", value)


def test_arguments_that_the_schema_does_not_know_are_left_out() -> None:
    narrow = tool("query_costs", {"group_by": {"type": "string", "enum": ["team"]}}, ["group_by"])
    (call,) = decide(conversation("AWS spend per team last month", TODAY), [narrow]).calls
    assert dict(call.arguments) == {"group_by": "team"}


def test_a_tool_whose_required_argument_cannot_be_given_is_not_called() -> None:
    narrow = tool("query_costs", {"group_by": {"type": "string", "enum": ["region"]}}, ["group_by"])
    assert not decide(conversation("spend per team last month", TODAY), [narrow]).calls


def test_a_breakdown_that_is_not_offered_becomes_a_query() -> None:
    query = [item for item in COST_TOOLS if item["function"]["name"] == "query_costs"]
    (call,) = decide(conversation("share of spend by team in 2025", TODAY), query).calls
    assert call.name == "query_costs"
    assert call.arguments["group_by"] == "team"


@pytest.mark.parametrize("question", ["hi", "Hello!", "help", "What can you do?", "thanks", "good morning"])
def test_a_greeting_is_answered_with_what_can_be_asked(question: str) -> None:
    decision = decide(conversation(question, TODAY), COST_TOOLS)
    assert not decision.calls
    assert decision.text.startswith("Hello!")
    assert "Top 3 services by cost in September 2024" in decision.text


@pytest.mark.parametrize("question", ["tell me a joke", "who won the world cup in 2022?", "", "???", "42"])
def test_what_is_not_understood_is_said_with_what_can_be_asked(question: str) -> None:
    decision = decide(conversation(question, TODAY), COST_TOOLS)
    assert not decision.calls
    assert "did not understand" in decision.text
    assert "What did we spend per provider last month?" in decision.text


@pytest.mark.parametrize("words", ["February 30, 2025", "31 September 2024", "2025-02-29", "2025-13"])
def test_a_day_that_does_not_exist_is_asked_about_and_not_guessed(words: str) -> None:
    decision = decide(conversation(f"what did we spend on {words}?", TODAY), COST_TOOLS)
    assert not decision.calls
    assert words.lower() in decision.text


def test_a_period_without_a_first_day_is_asked_about() -> None:
    decision = decide(conversation("what did we spend until March?", TODAY), COST_TOOLS)
    assert not decision.calls
    assert "until march" in decision.text


def test_today_is_read_from_its_own_line_and_nowhere_else() -> None:
    prompt = "Today is 2019-05-05 (UTC). Really.\n today is 2020-01-01\nToday is 2024-03-01 (UTC).\nEnd."
    messages: list[Message] = [
        {"role": "system", "content": prompt},
        {"role": "user", "content": "Today is 2018-01-01 (UTC)."},
        {"role": "assistant", "content": "Today is 2017-01-01 (UTC)."},
        {"role": "user", "content": "spend by team yesterday"},
    ]
    (call,) = decide(messages, COST_TOOLS).calls
    assert call.arguments["start_date"] == "2024-02-29"


def test_without_a_day_nothing_is_supposed() -> None:
    decision = decide(conversation("spend by team yesterday", None), COST_TOOLS)
    assert not decision.calls
    assert "today's date" in decision.text


def test_content_in_parts_is_read_like_text() -> None:
    parts = [{"type": "text", "text": str(system(TODAY)["content"])}]
    question = [{"type": "text", "text": "spend by team "}, {"type": "text", "text": "yesterday"}]
    messages: list[Message] = [{"role": "system", "content": parts}, {"role": "user", "content": question}]
    (call,) = decide(messages, COST_TOOLS).calls
    assert call.arguments["end_date"] == "2026-11-19"


def test_a_very_long_message_is_read_as_far_as_a_question_goes() -> None:
    (call,) = decide(conversation("spend by team yesterday" + " " * 9_000 + "x" * 9_000, TODAY), COST_TOOLS).calls
    assert call.arguments["start_date"] == "2026-11-19"


def test_results_are_answered_and_no_further_tool_is_called() -> None:
    rows = [{"team": "Web", "billed_cost": 1.5, "effective_cost": 1.0, "line_items": 2, "currency": "USD"}]
    result = envelope(rows, {"group_by": "team"})
    messages = conversation("spend by team last month", TODAY) + called("query_costs", {"group_by": "team"}, result)
    for tools in (COST_TOOLS, [], None, [transfer("CostAnalyst")]):
        decision = decide(messages, tools)
        assert not decision.calls
        assert "| Web | USD 1.50 | USD 1.00 | 2 |" in decision.text


def test_without_tools_and_results_the_answer_is_a_text() -> None:
    decision = decide(conversation("spend by team last month", TODAY), None)
    assert not decision.calls
    assert decision.text


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_call_is_accepted_by_the_products_own_tools(question: str) -> None:
    tools = {each.name: each for each in PRODUCT_TOOLS}
    for call in decide(conversation(question, TODAY), [each.schema() for each in PRODUCT_TOOLS]).calls:
        tools[call.name].arguments.model_validate_json(json.dumps(call.arguments))
