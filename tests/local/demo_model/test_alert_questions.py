from typing import Any

import pytest

from tests.local.demo_model.specialist_tools import LAST_MONTH, LAST_WEEK, THIS_MONTH, YESTERDAY, answered, decided

ALERT_ID = "demo-acme_inc-total-20261012"


def rules(**filters: Any) -> tuple[str, dict[str, Any]]:
    return "list_alerts", filters


def fired(days: tuple[str, str] | None = None, **filters: Any) -> tuple[str, dict[str, Any]]:
    return "alert_history", filters | ({"start_date": days[0], "end_date": days[1]} if days else {})


def new(name: str, threshold: float, currency: str, **more: Any) -> tuple[str, dict[str, Any]]:
    return "create_alert", {"name": name, "threshold": threshold, "currency": currency, **more}


def seen(*ids: str) -> list[tuple[str, dict[str, Any]]]:
    return [("acknowledge_alert", {"alert_history_id": each}) for each in ids]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("list my alerts", rules()),
        ("which alerts are paused?", rules(status="paused")),
        ("Show me active alerts", rules(status="active")),
        ("disabled alert rules", rules(status="disabled")),
        ("any critical alerts?", rules()),
        ("What is the threshold of our alerts?", rules()),
        ("What alerts fired last week?", fired(LAST_WEEK)),
        ("which alerts were triggered since August", fired(("2026-08-01", "2026-11-20"))),
        ("how many critical alerts fired in October?", fired(LAST_MONTH, severity="critical")),
        ("alerts yesterday", fired(YESTERDAY)),
        ("unacknowledged alerts this month", fired(THIS_MONTH)),
        ("last 5 alerts", fired(limit=5)),
        ("show the latest alert", fired(limit=1)),
        ("alert history", fired()),
    ],
)
def test_a_question_about_alerts_is_one_call_of_the_alert_manager(
    question: str, expected: tuple[str, dict[str, Any]]
) -> None:
    agent, calls, _ = answered("Orchestrator", question)
    assert (agent, calls) == ("AlertManager", [expected])


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (
            "create an alert when spend exceeds 500 USD on AWS, critical",
            new("AWS monthly cost above 500 USD", 500, "USD", provider="AWS", severity="critical"),
        ),
        (
            "create an alert when spend exceeds $1,500.50 per day",
            new("Daily cost above 1,500.5 USD", 1500.5, "USD", period="daily"),
        ),
        (
            "alert me if Azure costs go above 2.5k EUR a week",
            new(
                "Microsoft Azure weekly cost above 2,500 EUR", 2500, "EUR", provider="Microsoft Azure", period="weekly"
            ),
        ),
        (
            "Set up a warning alert for OpenAI over 2026 USD",
            new("OpenAI monthly cost above 2,026 USD", 2026, "USD", provider="OpenAI", severity="warning"),
        ),
        ('create an alert called "Big bill" at 10k USD for all costs', new("Big bill", 10_000, "USD")),
        ("notify me when our cloud spend hits 500 CHF", new("Monthly cost above 500 CHF", 500, "CHF")),
        (
            "create an alert when the Platform team spends more than 900 EUR per month",
            new("Platform monthly cost above 900 EUR", 900, "EUR", hierarchy_entity="Platform", period="monthly"),
        ),
        (
            "Create an alert for AWS at 500 USD. Make it critical",
            new("AWS monthly cost above 500 USD", 500, "USD", provider="AWS", severity="critical"),
        ),
        ("add an alert above USD500", new("Monthly cost above 500 USD", 500, "USD")),
    ],
)
def test_a_new_alert_is_read_from_the_words_that_ask_for_it(
    question: str, expected: tuple[str, dict[str, Any]]
) -> None:
    agent, calls, _ = answered("Orchestrator", question)
    assert (agent, calls) == ("AlertManager", [expected])


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("create an alert on AWS", "Which amount, and in which currency"),
        ("create an alert when spend exceeds 500 on AWS", "In which currency is the threshold of 500?"),
        ("create an alert when AWS spend in EUR is too high", "Which amount of EUR"),
        ("notify me when we spend over 20%", "Which amount"),
        ("create an alert over 0 USD", "Which amount"),
        ("create an alert over 1.23456 USD", "three of them after the point"),
        ("create an alert when GenAI spend exceeds 100 USD", "not GenAI alone"),
        ("create an alert when spend exceeds 100 USD on EC2", "not EC2 alone"),
        ("create an alert when storage costs exceed 100 USD", "not Storage alone"),
        ("create an alert when AWS or Azure spend exceeds 10 EUR", "Which of AWS and Microsoft Azure"),
        ("create an alert when a team spends more than 900 EUR", "Which team"),
        ("acknowledge the alert", "Which alert shall I acknowledge?"),
        ("acknowledge the alert of 2026-10-12", "Which alert shall I acknowledge?"),
        ("what alerts fired on February 30?", '"february 30"'),
        ("delete the alert AWS monthly", "Nothing was changed"),
        ("please pause all alerts", "cannot change, pause or delete"),
    ],
)
def test_what_is_missing_is_asked_for_and_nothing_is_called(question: str, asked: str) -> None:
    agent, calls, said = answered("Orchestrator", question)
    assert (agent, calls) == ("AlertManager", [])
    assert asked in said


@pytest.mark.parametrize(
    ("question", "ids"),
    [
        (f"acknowledge alert {ALERT_ID}", [ALERT_ID]),
        (f"ack {ALERT_ID}.", [ALERT_ID]),
        (f'mark alert "{ALERT_ID}" as seen', [ALERT_ID]),
        ("acknowledge 6f7c3f0e-5f0a-5c52-9d0e-5a3f6d1f8b21", ["6f7c3f0e-5f0a-5c52-9d0e-5a3f6d1f8b21"]),
        (f"acknowledge {ALERT_ID} and {ALERT_ID}1", [ALERT_ID, f"{ALERT_ID}1"]),
    ],
)
def test_an_alert_that_is_named_is_acknowledged(question: str, ids: list[str]) -> None:
    assert answered("Orchestrator", question)[1] == seen(*ids)


@pytest.mark.parametrize(
    ("earlier", "question", "expected"),
    [
        (["what alerts fired last week?"], "only critical", [fired(LAST_WEEK, severity="critical")]),
        (["how many critical alerts fired last week?"], "and in October?", [fired(LAST_MONTH, severity="critical")]),
        (["list my alerts"], "and last week?", [fired(LAST_WEEK)]),
        (["list my alerts"], "the paused ones", [rules(status="paused")]),
        (["which alerts are paused?"], "all", [rules()]),
        (["list my alerts", "tell me a joke"], "and last week?", [fired(LAST_WEEK)]),
        (["acknowledge the alert"], ALERT_ID, seen(ALERT_ID)),
        (["acknowledge the alert"], f"alert {ALERT_ID}", seen(ALERT_ID)),
        (["acknowledge the alert"], "alerts in 2026", [fired(("2026-01-01", "2026-11-20"))]),
        (
            ["create an alert when spend exceeds 500 on AWS"],
            "in euros, critical",
            [new("AWS monthly cost above 500 EUR", 500, "EUR", provider="AWS", severity="critical")],
        ),
        (["create an alert"], "500 USD", [new("Monthly cost above 500 USD", 500, "USD")]),
        (
            ["create an alert when spend exceeds 500 on AWS", "USD"],
            "same for Azure",
            [new("Microsoft Azure monthly cost above 500 USD", 500, "USD", provider="Microsoft Azure")],
        ),
        (
            ["create an alert when GenAI spend exceeds 100 USD"],
            "OpenAI",
            [new("OpenAI monthly cost above 100 USD", 100, "USD", provider="OpenAI")],
        ),
        (
            ["create an alert when GenAI spend exceeds 100 USD"],
            "all costs",
            [new("Monthly cost above 100 USD", 100, "USD")],
        ),
        (["create an alert on AWS"], "list my critical alerts", [rules()]),
    ],
)
def test_a_follow_up_completes_what_was_said_before(
    earlier: list[str], question: str, expected: list[tuple[str, dict[str, Any]]]
) -> None:
    agent, calls, _ = answered("Orchestrator", question, *earlier)
    assert (agent, calls) == ("AlertManager", expected)


@pytest.mark.parametrize("reply", ["thanks", "ok", "only critical", "and last week?", "yes", "AWS"])
def test_an_alert_that_is_set_up_is_never_set_up_again_by_a_later_word(reply: str) -> None:
    created = "create an alert when spend exceeds 500 USD on AWS"
    for agent in ("Orchestrator", "AlertManager"):
        calls = answered(agent, reply, created)[1]
        assert "create_alert" not in [name for name, _ in calls]


def test_a_question_asked_back_is_asked_by_the_specialist_and_not_by_the_router() -> None:
    (call,) = decided("Orchestrator", "create an alert on AWS").calls
    assert dict(call.arguments) == {"agent_name": "AlertManager"}
