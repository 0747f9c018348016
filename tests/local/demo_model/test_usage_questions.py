from typing import Any

import pytest

from tests.local.demo_model.specialist_tools import LAST_MONTH, LAST_WEEK, THIS_MONTH, YESTERDAY, answered


def usage(group_by: str, days: tuple[str, str] | None = None, **filters: Any) -> tuple[str, dict[str, Any]]:
    return "genai_usage", {"group_by": group_by, **filters, **_days(days)}


def consumers(dimension: str, days: tuple[str, str] | None = None, **more: Any) -> tuple[str, dict[str, Any]]:
    return "top_consumers", {"dimension": dimension, **more, **_days(days)}


def runs(**filters: Any) -> tuple[str, dict[str, Any]]:
    return "pipeline_runs", filters


def _days(days: tuple[str, str] | None) -> dict[str, str]:
    return {"start_date": days[0], "end_date": days[1]} if days else {}


QUOTA: tuple[str, dict[str, Any]] = ("quota_status", {})


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("how many tokens did we use last month?", [usage("model", LAST_MONTH)]),
        ("GenAI usage by model", [usage("model")]),
        ("GenAI usage by provider last month", [usage("provider", LAST_MONTH)]),
        ("GenAI usage by team this month", [usage("team", THIS_MONTH)]),
        ("GenAI usage by day last week", [usage("day", LAST_WEEK)]),
        ("cost per million tokens", [usage("model")]),
        ("cost per million tokens by provider in October", [usage("provider", LAST_MONTH)]),
        ("how many requests did gpt-5-mini get yesterday", [usage("model", YESTERDAY, model="gpt-5-mini")]),
        ("Claude tokens last month", [usage("model", LAST_MONTH, provider="Anthropic")]),
        ("which team used the most tokens this month?", [usage("team", THIS_MONTH)]),
        ("token trend over the last 90 days", [usage("week", ("2026-08-23", "2026-11-20"))]),
        ("OpenAI and Anthropic tokens last month", [usage("provider", LAST_MONTH)]),
        ("compare tokens this month and last month", [usage("model", THIS_MONTH), usage("model", LAST_MONTH)]),
        ("how much of our quota is left?", [QUOTA]),
        ("are we close to our limits?", [QUOTA]),
        ("how many runs are left this month?", [QUOTA]),
        ("how many pipelines can we still run today?", [QUOTA]),
        ("which models are used the most?", [usage("model")]),
        ("top consumers by model", [consumers("model")]),
        ("top 5 consumers last month", [consumers("service", LAST_MONTH, limit=5)]),
        ("top 900 consumers", [consumers("service", limit=20)]),
        ("top 3 consumers by team in October", [consumers("team", LAST_MONTH, limit=3)]),
        ("usage by service last month", [consumers("service", LAST_MONTH)]),
        ("failed pipeline runs", [runs(status="failed")]),
        ("last pipeline runs of AWS", [runs(provider="AWS")]),
        ("last 5 pipeline runs", [runs(limit=5)]),
        ("when did the last GCP pipeline run?", [runs(provider="Google Cloud", limit=1)]),
        ("are any pipelines running?", [runs(status="running")]),
        ("SaaS pipeline runs", [runs(provider="saas")]),
        ("Which pipelines failed yesterday?", [runs(status="failed", limit=50)]),
        (
            "how many tokens did we use last month and how much of our quota is left?",
            [usage("model", LAST_MONTH), QUOTA],
        ),
    ],
)
def test_a_question_about_usage_is_called_by_the_usage_analyst(
    question: str, expected: list[tuple[str, dict[str, Any]]]
) -> None:
    agent, calls, _ = answered("Orchestrator", question)
    assert (agent, calls) == ("UsageAnalyst", expected)


@pytest.mark.parametrize(
    ("earlier", "question", "expected"),
    [
        (["how many tokens did we use last month?"], "and by team?", usage("team", LAST_MONTH)),
        (["how many tokens did we use last month?"], "and last week?", usage("model", LAST_WEEK)),
        (["how many tokens did we use last month?"], "only Claude", usage("model", LAST_MONTH, provider="Anthropic")),
        (["Claude tokens by day last month"], "all providers", usage("day", LAST_MONTH)),
        (["GenAI usage by model last month"], "by day instead", usage("day", LAST_MONTH)),
        (["how many tokens did we use last month?"], "and how much did it cost?", usage("model", LAST_MONTH)),
        (["how many tokens did we use last month?", "and by team?"], "and last week?", usage("team", LAST_WEEK)),
        (["failed pipeline runs"], "and only GCP?", runs(status="failed", provider="Google Cloud")),
        (["AWS pipeline runs"], "the failed ones", runs(provider="AWS", status="failed")),
        (["failed pipeline runs"], "and the quota?", QUOTA),
    ],
)
def test_a_follow_up_keeps_what_it_does_not_say(
    earlier: list[str], question: str, expected: tuple[str, dict[str, Any]]
) -> None:
    agent, calls, _ = answered("Orchestrator", question, *earlier)
    assert (agent, calls) == ("UsageAnalyst", [expected])


def test_days_that_cannot_be_read_are_asked_about() -> None:
    assert '"february 30"' in answered("Orchestrator", "how many tokens did we use on February 30?")[2]
