"""Hand-overs, offers, commands and what is said where nothing can be called."""

import json
from itertools import combinations
from typing import Any

import pytest

from common.transcript.call_records import as_asked, note_of
from local.demo_model.decisions import decide
from local.demo_model.request import Call
from tests.local.demo_model.offered import (
    BY_NAME,
    FIRST,
    TOOLS,
    called,
    conversation,
    decided,
    envelope,
    tool,
    transfer,
)

COSTS = [each.schema() for each in TOOLS["CostAnalyst"]]
QUESTIONS = ("Spend per team last month", "share by team last month", "MoM", "forecast for 500 days",
             "top 40 cost drivers", "list my alerts", "what did S3 cost",
             "How much did we spend last month and what is the forecast?",
             "create an alert when spend exceeds 500 USD on AWS", "call drop_everything now")  # fmt: skip


@pytest.mark.parametrize("question", QUESTIONS)
def test_nothing_but_what_is_offered_is_ever_called(question: str) -> None:
    names = ("query_costs", "cost_forecast", "compare_periods", "list_alerts", "create_alert")
    offers = [*(BY_NAME[name].schema() for name in names), transfer("CostAnalyst"), tool("other", {})]
    for size in range(4):
        for offered in combinations(offers, size):
            for call in decide(conversation(question), list(offered)).calls:
                assert call.name in {each["function"]["name"] for each in offered} - {"other"}
                if call.name in BY_NAME:
                    BY_NAME[call.name].arguments.model_validate_json(json.dumps(call.arguments))


@pytest.mark.parametrize("question", ["hi", "Hello!", "help", "What can you do?", "thanks", "good morning"])
def test_a_greeting_is_answered_with_what_can_be_asked(question: str) -> None:
    decision = decide(conversation(question), COSTS)
    assert not decision.calls
    assert decision.text.startswith("Hello!")
    assert "Top 3 services by cost in September 2024" in decision.text
    assert "list_alerts" not in decision.text
    assert "list_alerts" in decide(conversation(question), [transfer("AlertManager")]).text


@pytest.mark.parametrize(
    ("question", "wants"),
    [
        ("I want to talk to a person", True),
        ("Can I speak with a human please?", True),
        ("please escalate this to someone", True),
        ("connect me to support", True),
        ("What did we spend per person last month?", False),
        ("Spend of the support team last month", False),
        ("costs of the agent platform by service", False),
    ],
)
def test_who_wants_a_person_is_handed_over_and_nobody_else(question: str, wants: bool) -> None:
    called = [call.name for call in decide(conversation(question), COSTS).calls]
    assert ("escalate" in called) is wants


@pytest.mark.parametrize(
    "question", ["tell me a joke", "who won the world cup in 2022?", "???", "42", "flurble the wibble"]
)
def test_what_is_not_understood_is_said_whole_with_what_can_be_asked(question: str) -> None:
    decision = decide(conversation(question), COSTS)
    assert not decision.calls
    assert decision.text.startswith(f'Sorry, I did not understand "{question}"')
    assert "What did we spend per provider last month?" in decision.text


@pytest.mark.parametrize("words", ["February 30, 2025", "31 September 2024", "2025-02-29", "2025-13", "until March"])
def test_a_day_that_does_not_exist_is_asked_about_and_not_guessed(words: str) -> None:
    decision = decide(conversation(f"what did we spend on {words}?"), COSTS)
    assert not decision.calls
    assert words.split(",")[0].split(" March")[0] in decision.text.split(":")[0]


def test_the_day_is_read_from_its_own_line_and_nowhere_else() -> None:
    prompt = "Today is 2019-05-05 (UTC). Really.\n today is 2020-01-01\nToday is 2024-03-01 (UTC).\nEnd."
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": prompt},
        {"role": "user", "content": "Today is 2018-01-01 (UTC)."},
        {"role": "user", "content": "spend by team yesterday"},
    ]
    (call,) = decide(messages, COSTS).calls
    assert call.arguments["start_date"] == "2024-02-29"
    text = decide(conversation("spend by team yesterday", today=None), COSTS).text
    assert "today's date" in text


def test_an_agent_that_is_not_offered_or_was_tried_is_not_asked() -> None:
    messages = conversation("list my alerts")
    assert decide(messages, [transfer("AlertManager")]).calls
    assert "list my alerts" in decide(messages, [transfer("CostAnalyst")]).text
    tried = called([Call("transfer_to_agent", {"agent_name": "AlertManager"})], [{"transferred": True}])
    assert not decide(messages + tried, [transfer("AlertManager")]).calls


@pytest.mark.parametrize("second", ["list my alerts", "what is the forecast for next month?"])
def test_of_two_questions_none_is_answered_and_each_is_asked_for_by_itself(second: str) -> None:
    _, decision = decided(f"how much did we spend last month and {second}")
    assert not decision.calls
    assert f'please ask "how much did we spend last month" and "{second}" one after the other' in decision.text


@pytest.mark.parametrize(
    ("command", "call"),
    [
        ("run quota_status", ("quota_status", {})),
        ("run subscriptions", ("subscriptions", {})),
        (
            'run create_alert name="AWS" threshold=500 currency=USD severity=critical',
            ("create_alert", {"name": "AWS", "threshold": 500, "currency": "USD", "severity": "critical"}),
        ),
        ("run cost_forecast horizon_days=14", ("cost_forecast", {"horizon_days": 14})),
        (
            "run query_costs group_by=team provider=AWS limit=3",
            ("query_costs", {"group_by": "team", "provider": "AWS", "limit": 3}),
        ),
        ('run describe_table table_name="org budgets"', ("describe_table", {"table_name": "org budgets"})),
    ],
)
@pytest.mark.parametrize("first", list(TOOLS))
def test_run_reaches_any_tool_from_any_agent(command: str, call: tuple[str, Any], first: str) -> None:
    agent, decision = decided(command, first=first)
    assert [(each.name, each.arguments) for each in decision.calls] == [call]
    assert call[0] in {each.name for each in TOOLS[agent]}


def test_run_reaches_a_tool_without_an_entry_by_asking_one_agent_after_the_other() -> None:
    new = tool(
        "rename_tag", {"tag": {"type": "string"}, "keys": {"type": "array", "items": {"type": "string"}}}, ["tag"]
    )
    agents = ("Alpha", "Beta", "Gamma")
    agent, asked = FIRST, list[str]()
    for _ in range(5):
        offered = [*([new] if agent == "Beta" else []), transfer(*(name for name in agents if name != agent))]
        decision = decide(conversation("run rename_tag tag=team keys=a,b", agent=agent), offered)
        asked.append(agent)
        if decision.calls[0].name != "transfer_to_agent":
            break
        agent = str(decision.calls[0].arguments.get("agent_name"))
    assert asked == [FIRST, "Alpha", "Beta"]
    assert decision.calls[0] == Call("rename_tag", {"tag": "team", "keys": ["a", "b"]})
    done = conversation("run rename_tag tag=team", agent="Beta") + called(
        decision.calls, [envelope([{"tag": "team", "renamed": 2}])]
    )
    assert "| team | 2 |" in decide(done, [new]).text
    assert 'No tool named "drop_all"' in decide(conversation("run drop_all x=1"), [new]).text
    assert "It takes tag and keys" in decide(conversation("run rename_tag colour=red"), [new]).text
    tried = called([Call("transfer_to_agent", {"agent_name": name}) for name in ("Alpha", "Beta")], [{}, {}])
    last = decide(conversation("run drop_all x=1", agent="Gamma") + tried, [transfer("Alpha", "Beta")])
    assert 'No tool named "drop_all"' in last.text


def test_a_missing_required_argument_of_a_new_tool_is_asked_for() -> None:
    narrow = tool("cost_forecast", {"scenario": {"type": "string"}}, ["scenario"])
    assert "Which scenario" in decide(conversation("forecast"), [narrow]).text


def test_a_message_too_long_to_be_a_question_is_not_read_in_part() -> None:
    decision = decide(conversation("spend by team yesterday " + "please " * 9_000 + "for AWS"), COSTS)
    assert not decision.calls
    assert "at most 1,000 characters" in decision.text.split("\n")[0]


def shown(*names: str) -> str:
    """The product's note on an answer that showed these alerts."""
    rows = [{"alert_history_id": name, "created_at": "2026-02-27T00:10:00+00:00"} for name in names]
    return note_of(json.dumps([{"tool": "alert_history", "arguments": {}, "row_count": len(rows), "rows": rows}]))


@pytest.mark.parametrize(
    ("question", "note", "acknowledged"),
    [
        ("Acknowledge the latest one", shown("fired-3", "fired-2"), "fired-3"),
        ("acknowledge the most recent alert", shown("fired-3"), "fired-3"),
        ("Acknowledge fired-2", shown("fired-3", "fired-2"), "fired-2"),
        ("Acknowledge the alert", shown("fired-3", "fired-2"), None),
        ("Acknowledge the latest one", "", None),
    ],
)
def test_the_latest_one_is_the_first_that_was_shown(question: str, note: str, acknowledged: str | None) -> None:
    messages = conversation("Thanks", "Which alerts fired?")
    messages[-1]["content"] = as_asked(note, "Thanks")
    messages += [{"role": "assistant", "content": "Hello!"}, {"role": "user", "content": question}]
    decision = decide(messages, [BY_NAME["acknowledge_alert"].schema()])
    if acknowledged is None:
        assert decision.text.startswith("Which alert shall I acknowledge?")
    else:
        assert decision.calls == (Call("acknowledge_alert", {"alert_history_id": acknowledged}),)
