from datetime import date
from typing import Any

import pytest

from local.demo_model.decisions import decide
from tests.local.demo_model.offered import COST_TOOLS, conversation, transfer

FRIDAY = date(2026, 11, 20)


def calls(question: str, today: date, *earlier: str) -> list[tuple[str, dict[str, Any]]]:
    decision = decide(conversation(question, today, *earlier), [*COST_TOOLS, transfer("CostAnalyst", "AlertManager")])
    return [(call.name, dict(call.arguments)) for call in decision.calls]


def query(group_by: str, start: str = "", end: str = "", **more: Any) -> tuple[str, dict[str, Any]]:
    days = {"start_date": start, "end_date": end} if start else {}
    return "query_costs", {"group_by": group_by} | days | more


def breakdown(dimension: str, start: str = "", end: str = "", **more: Any) -> tuple[str, dict[str, Any]]:
    days = {"start_date": start, "end_date": end} if start else {}
    return "cost_breakdown", {"dimension": dimension} | days | more


def compare(period_type: str, **more: Any) -> tuple[str, dict[str, Any]]:
    return "compare_periods", {"period_type": period_type} | more


def forecast(days: int) -> tuple[str, dict[str, Any]]:
    return "cost_forecast", {"horizon_days": days}


def drivers(days: int, limit: int = 10) -> tuple[str, dict[str, Any]]:
    return "top_cost_drivers", {"days": days, "limit": limit}


SEPT_24 = ("2024-09-01", "2024-09-30")
LAST_MONTH = ("2026-10-01", "2026-10-31")


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        # Each dimension, in several wordings.
        ("What did we spend per provider last month?", query("provider", *LAST_MONTH)),
        ("SPEND BY VENDOR LAST MONTH", query("provider", *LAST_MONTH)),
        ("Spend per team this quarter", query("team", "2026-10-01", "2026-11-20")),
        ("How much did each service cost last month?", query("service", *LAST_MONTH)),
        ("cost by service category for the last 90 days", query("service_category", "2026-08-23", "2026-11-20")),
        ("cost per region, last 7 days", query("region", "2026-11-14", "2026-11-20")),
        ("Which model is the most expensive?", query("model")),
        ("Show daily costs for the last 14 days", query("day", "2026-11-07", "2026-11-20")),
        ("spend per day this week", query("day", "2026-11-16", "2026-11-20")),
        ("weekly costs this quarter", query("week", "2026-10-01", "2026-11-20")),
        ("monthly spend in 2025", query("month", "2025-01-01", "2025-12-31")),
        ("costs per month for the last 12 months", query("month", "2025-12-01", "2026-11-20")),
        ("who spent the most in October?", query("team", *LAST_MONTH)),
        ("How much did we spend last month?", query("provider", *LAST_MONTH)),
        ("How much did we spend?", query("provider")),
        ("spending trend this year", query("month", "2026-01-01", "2026-11-20")),
        ("every day of the year 2024: costs", query("day", "2024-01-01", "2024-12-31", limit=368)),
        # Named months, quarters, halves and years.
        ("Spend by team in September 2024", query("team", *SEPT_24)),
        ("spend by team in Sept", query("team", "2026-09-01", "2026-09-30")),
        ("spend by team last September", query("team", "2026-09-01", "2026-09-30")),
        ("spend by team last November", query("team", "2025-11-01", "2025-11-30")),
        ("spend by team in November", query("team", "2026-11-01", "2026-11-20")),
        ("Total cost in Dec", query("provider", "2025-12-01", "2025-12-31")),
        ("spend by team September last year", query("team", "2025-09-01", "2025-09-30")),
        ("spend by team in 2024-09", query("team", *SEPT_24)),
        ("what did May cost by service?", query("service", "2026-05-01", "2026-05-31")),
        ("cost by model in Q3 2025", query("model", "2025-07-01", "2025-09-30")),
        ("cost by model in Q1'25", query("model", "2025-01-01", "2025-03-31")),
        ("total bill for Q4", query("provider", "2026-10-01", "2026-11-20")),
        ("spend in the third quarter of 2025", query("provider", "2025-07-01", "2025-09-30")),
        ("top ten services last quarter", query("service", "2026-07-01", "2026-09-30", limit=10)),
        ("how much money did we burn in H1 2026?", query("provider", "2026-01-01", "2026-06-30")),
        ("spend for the year 2025.", query("provider", "2025-01-01", "2025-12-31")),
        ("spend by team last year", query("team", "2025-01-01", "2025-12-31")),
        ("spend by team this year", query("team", "2026-01-01", "2026-11-20")),
        # Relative days and weeks.
        ("Which service cost the most yesterday?", query("service", "2026-11-19", "2026-11-19")),
        ("cost by service today", query("service", "2026-11-20", "2026-11-20")),
        ("spend by team last week", query("team", "2026-11-09", "2026-11-15")),
        ("spend by team in the past 2 weeks", query("team", "2026-11-07", "2026-11-20")),
        ("spend by team the last 30 days", query("team", "2026-10-22", "2026-11-20")),
        ("what did we spend two months ago?", query("provider", "2026-09-01", "2026-09-30")),
        ("cost last 3 full months by provider", query("provider", "2026-08-01", "2026-10-31")),
        ("what did we spend the week of 2026-10-07?", query("provider", "2026-10-05", "2026-10-11")),
        ("what did we spend on Monday?", query("provider", "2026-11-16", "2026-11-16")),
        ("spend by team so far this month", query("team", "2026-11-01", "2026-11-20")),
        # Explicit days and ranges.
        ("costs from 2024-09-03 to 2024-09-10 by service", query("service", "2024-09-03", "2024-09-10")),
        ("costs by service between 3 and 10 September 2024", query("service", "2024-09-03", "2024-09-10")),
        ("costs by service, Sep 3 - Sep 10, 2024", query("service", "2024-09-03", "2024-09-10")),
        ("costs by service 3–10 Sep 2024", query("service", "2024-09-03", "2024-09-10")),
        ("costs by service Sept 3 to 10 2024", query("service", "2024-09-03", "2024-09-10")),
        ("costs from Dec 28 to Jan 3, 2025", query("provider", "2024-12-28", "2025-01-03")),
        ("costs from 10 to 3 September 2024", query("provider", "2024-09-03", "2024-09-10")),
        ("spend by week since August", query("week", "2026-08-01", "2026-11-20")),
        ("spend since 2026-08-15", query("provider", "2026-08-15", "2026-11-20")),
        ("spend from September 2024 to February 2025", query("provider", "2024-09-01", "2025-02-28")),
        ("Show me spending for October 15th", query("provider", "2026-10-15", "2026-10-15")),
        ("what did we spend on 13/09/2024", query("provider", "2024-09-13", "2024-09-13")),
        ("spend in August and September 2024", query("provider", "2024-08-01", "2024-09-30")),
        # Filters.
        ("AWS spend by service last month", query("service", *LAST_MONTH, provider="AWS")),
        ("What was our Amazon bill last month?", query("service", *LAST_MONTH, provider="AWS")),
        ("GCP cost by region last month", query("region", *LAST_MONTH, provider="Google Cloud")),
        ("Google Cloud cost by team last month", query("team", *LAST_MONTH, provider="Google Cloud")),
        ("daily Azure spend last week", query("day", "2026-11-09", "2026-11-15", provider="Microsoft Azure")),
        ("spend by team on Gemini last month", query("team", *LAST_MONTH, provider="Google Gemini")),
        (
            "How much did we spend on Claude last week?",
            query("model", "2026-11-09", "2026-11-15", provider="Anthropic"),
        ),
        ("cost by model for OpenAI last month", query("model", *LAST_MONTH, provider="OpenAI")),
        ("Oracle costs last month", query("service", *LAST_MONTH, provider="Oracle")),
        ('spend on "Contoso" last month', query("service", *LAST_MONTH, provider="Contoso")),
        ("How much did we spend on Kubecost last month?", query("service", *LAST_MONTH, provider="Kubecost")),
        ('costs for the "Data Platform" team last month', query("team", *LAST_MONTH)),
        ("GenAI spend by model last month", query("model", *LAST_MONTH, cost_type="genai")),
        ("AI spend last month by team", query("team", *LAST_MONTH, cost_type="genai")),
        ("Which LLM costs us the most?", query("model", cost_type="genai")),
        ("cloud costs by region last month", query("region", *LAST_MONTH, cost_type="cloud")),
        ("SaaS subscriptions by vendor last month", query("provider", *LAST_MONTH, cost_type="subscription")),
        ("storage costs by region last month", query("region", *LAST_MONTH, service_category="Storage")),
        ("excluding AWS, what did we spend last month?", query("provider", *LAST_MONTH)),
        # The most expensive.
        ("Top 3 services by cost in September 2024", query("service", *SEPT_24, limit=3)),
        ("What are the 5 most expensive services this year?", query("service", "2026-01-01", "2026-11-20", limit=5)),
        ("Top services by cost last month", query("service", *LAST_MONTH, limit=10)),
        ("top 900 services last month", query("service", *LAST_MONTH, limit=500)),
        # Shares.
        ("Break down costs by service category last year", breakdown("service_category", "2025-01-01", "2025-12-31")),
        ("percent of spend by team for October", breakdown("team", *LAST_MONTH)),
        ("What share of spend goes to AWS this month?", breakdown("provider", "2026-11-01", "2026-11-20")),
        ("What percentage of our spend is GenAI?", breakdown("cost_type")),
        ("share of GenAI spend by model last month", breakdown("model", *LAST_MONTH, cost_type="genai")),
        ("spend by cost type last month", breakdown("cost_type", *LAST_MONTH)),
        ("cloud vs GenAI vs SaaS last month", breakdown("cost_type", *LAST_MONTH)),
        ("breakdown of AWS costs last month", query("service", *LAST_MONTH, provider="AWS")),
        # Comparisons.
        ("compare last month with the month before", compare("MoM")),
        ("spend last month compared to the previous month", compare("MoM")),
        ("month over month for GCP", compare("MoM", provider="Google Cloud")),
        ("did costs rise last month?", compare("MoM")),
        ("How are we doing this month vs last month?", compare("MTD")),
        ("Is our spend going up compared to last month?", compare("MTD")),
        ("What's our MTD spend?", compare("MTD")),
        ("compare this quarter to last quarter", compare("QoQ")),
        ("QoQ change", compare("QoQ")),
        ("year over year", compare("YoY")),
        ("spend vs last year", compare("YoY")),
        ("compare this month to the same month last year", compare("YoY")),
        ("this week vs last week", query("week", "2026-11-09", "2026-11-20")),
        ("compare August and September 2024", query("month", "2024-08-01", "2024-09-30")),
        ("how did costs change from August to September?", query("month", "2026-08-01", "2026-09-30")),
        ("compare AWS and Azure last month", query("provider", *LAST_MONTH)),
        # What changed.
        ("what changed?", drivers(30)),
        ("Top 5 cost drivers in the last 14 days", drivers(14, 5)),
        ("What is driving our costs?", drivers(30)),
        ("why did spend jump last week?", drivers(12)),
        ("what caused the increase this month?", drivers(20)),
        # Forecasts.
        ("forecast", forecast(30)),
        ("forecast the next 60 days", forecast(60)),
        ("30 day forecast", forecast(30)),
        ("forecast for 2 weeks", forecast(14)),
        ("What will we spend next month?", forecast(30)),
        ("forecast for the rest of the year", forecast(41)),
        ("how much are we going to spend by the end of the month?", forecast(10)),
        ("How much will we spend in December?", forecast(41)),
        ("project our spend for 120 days", forecast(90)),
        ("cost forecast for next year", forecast(90)),
    ],
)
def test_a_question_becomes_one_tool_call(question: str, expected: tuple[str, dict[str, Any]]) -> None:
    assert calls(question, FRIDAY) == [expected]


@pytest.mark.parametrize(
    ("question", "today", "start", "end"),
    [
        ("last month", date(2025, 1, 1), "2024-12-01", "2024-12-31"),
        ("last month", date(2024, 3, 31), "2024-02-01", "2024-02-29"),
        ("last month", date(2023, 3, 31), "2023-02-01", "2023-02-28"),
        ("this month", date(2024, 2, 29), "2024-02-01", "2024-02-29"),
        ("last year", date(2024, 12, 31), "2023-01-01", "2023-12-31"),
        ("this year", date(2025, 1, 1), "2025-01-01", "2025-01-01"),
        ("last quarter", date(2025, 1, 15), "2024-10-01", "2024-12-31"),
        ("this quarter", date(2024, 3, 31), "2024-01-01", "2024-03-31"),
        ("last week", date(2025, 1, 1), "2024-12-23", "2024-12-29"),
        ("last week", date(2026, 11, 16), "2026-11-09", "2026-11-15"),
        ("last week", date(2026, 11, 15), "2026-11-02", "2026-11-08"),
        ("this week", date(2025, 1, 1), "2024-12-30", "2025-01-01"),
        ("yesterday", date(2024, 3, 1), "2024-02-29", "2024-02-29"),
        ("the last 7 days", date(2024, 3, 3), "2024-02-26", "2024-03-03"),
        ("the last 3 months", date(2024, 5, 30), "2024-02-29", "2024-05-30"),
        ("the last 12 months", date(2024, 2, 29), "2023-03-01", "2024-02-29"),
        ("a month ago", date(2024, 3, 31), "2024-02-01", "2024-02-29"),
        ("in December", date(2025, 1, 1), "2024-12-01", "2024-12-31"),
        ("in January", date(2025, 1, 1), "2025-01-01", "2025-01-01"),
        ("in February", date(2025, 2, 28), "2025-02-01", "2025-02-28"),
        ("on February 29", date(2026, 11, 20), "2024-02-29", "2024-02-29"),
        ("from Dec 28 to Jan 3", date(2026, 11, 20), "2025-12-28", "2026-01-03"),
        ("since November", date(2025, 1, 2), "2024-11-01", "2025-01-02"),
        ("in Q4", date(2025, 1, 2), "2024-10-01", "2024-12-31"),
        ("in 2024", date(2024, 2, 29), "2024-01-01", "2024-02-29"),
    ],
)
def test_periods_hold_at_month_ends_leap_days_and_year_boundaries(
    question: str, today: date, start: str, end: str
) -> None:
    assert calls(f"spend by team {question}", today) == [query("team", start, end)]


@pytest.mark.parametrize(
    ("question", "today", "days"),
    [
        ("forecast the rest of the year", date(2026, 12, 31), 1),
        ("forecast the rest of the year", date(2026, 12, 30), 1),
        ("forecast the rest of the month", date(2024, 2, 1), 28),
        ("forecast the rest of the month", date(2023, 2, 1), 27),
        ("forecast the rest of the quarter", date(2026, 10, 1), 90),
    ],
)
def test_a_forecast_reaches_to_the_end_that_was_named(question: str, today: date, days: int) -> None:
    assert calls(question, today) == [forecast(days)]


def test_a_question_with_two_parts_calls_two_tools() -> None:
    question = "How much did we spend last month and what is the forecast for next month?"
    assert calls(question, FRIDAY) == [query("provider", *LAST_MONTH), forecast(30)]


def test_two_dimensions_are_two_calls() -> None:
    assert calls("spend by provider and by team last month", FRIDAY) == [
        query("provider", *LAST_MONTH),
        query("team", *LAST_MONTH),
    ]


def test_two_months_that_do_not_touch_are_two_calls() -> None:
    assert calls("compare September 2023 and September 2024 by team", FRIDAY) == [
        query("team", "2023-09-01", "2023-09-30"),
        query("team", *SEPT_24),
    ]


def test_a_comparison_by_team_sets_equally_long_periods_side_by_side() -> None:
    assert calls("compare this month with last month by team", FRIDAY) == [
        query("team", "2026-10-01", "2026-10-20"),
        query("team", "2026-11-01", "2026-11-20"),
    ]


def test_quarter_over_quarter_by_region_compares_whole_quarters() -> None:
    assert calls("QoQ by region", FRIDAY) == [
        query("region", "2026-04-01", "2026-06-30"),
        query("region", "2026-07-01", "2026-09-30"),
    ]


def test_drivers_of_one_kind_of_cost_come_with_that_cost_day_by_day() -> None:
    assert calls("why did GenAI spend jump last week?", FRIDAY) == [
        drivers(12, 20),
        query("day", "2026-11-02", "2026-11-15", cost_type="genai"),
    ]


def test_what_changed_long_ago_is_read_from_the_two_periods() -> None:
    assert calls("why did costs jump in September 2024?", FRIDAY) == [
        query("service", "2024-08-01", "2024-08-31"),
        query("service", *SEPT_24),
    ]


@pytest.mark.parametrize(
    ("earlier", "question", "expected"),
    [
        (["Spend per provider in September 2024"], "and only AWS?", query("provider", *SEPT_24, provider="AWS")),
        (["Spend per provider in September 2024"], "and in October?", query("provider", "2024-10-01", "2024-10-31")),
        (["Spend per provider in December 2024"], "and January?", query("provider", "2025-01-01", "2025-01-31")),
        (["Spend per provider in Q3 2024"], "and Q4?", query("provider", "2024-10-01", "2024-12-31")),
        (["Spend per provider last month"], "by team instead", query("team", *LAST_MONTH)),
        (["Spend per provider in 2025"], "what about last month?", query("provider", *LAST_MONTH)),
        (["AWS by service last month"], "same for Azure", query("service", *LAST_MONTH, provider="Microsoft Azure")),
        (["Spend last month"], "and the month before?", query("provider", "2026-09-01", "2026-09-30")),
        (["Spend last month"], "daily", query("day", *LAST_MONTH)),
        (["Spend last month"], "as a percentage?", breakdown("provider", *LAST_MONTH)),
        (["GenAI spend last month"], "and subscriptions?", query("provider", *LAST_MONTH, cost_type="subscription")),
        (["OpenAI spend last month"], "and cloud?", query("provider", *LAST_MONTH, cost_type="cloud")),
        (["AWS spend last month"], "all providers, by service", query("service", *LAST_MONTH)),
        (["Top 3 services by cost last month"], "top 5?", query("service", *LAST_MONTH, limit=5)),
        (["compare last month with the month before"], "and only AWS?", compare("MoM", provider="AWS")),
        (["MoM"], "and year over year?", compare("YoY")),
        (["MoM"], "what about last quarter?", compare("QoQ")),
        (["forecast the next 30 days"], "and for 60 days?", forecast(60)),
        (["forecast the next 30 days"], "and last month?", query("provider", *LAST_MONTH)),
        (["Spend last week"], "why?", drivers(12)),
        (["what changed?"], "by region", query("region")),
        (
            ["Top 3 services by cost in September 2024", "and only AWS?"],
            "and in October?",
            query("service", "2024-10-01", "2024-10-31", provider="AWS", limit=3),
        ),
        (
            ["spend by provider last month", "tell me a joke", "hello"],
            "and only AWS?",
            query("provider", *LAST_MONTH, provider="AWS"),
        ),
        (["AWS spend by team in 2024"], "How much did we spend last month?", query("provider", *LAST_MONTH)),
        (["GenAI spend in 2025"], "compare last month with the month before", compare("MoM")),
        ([], "and only AWS?", query("service", provider="AWS")),
    ],
)
def test_a_follow_up_keeps_what_it_does_not_say(
    earlier: list[str], question: str, expected: tuple[str, dict[str, Any]]
) -> None:
    assert calls(question, FRIDAY, *earlier) == [expected]
