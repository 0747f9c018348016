"""No word of a question is dropped: an argument carries it, or the first sentence of the answer names it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from local.demo_model.dates import Calendar
from local.demo_model.decisions import decide
from local.demo_model.reading import read
from local.demo_model.request import Call
from local.demo_model.table import load_table
from tests.local.demo_model.offered import FRIDAY, answered, called, conversation, envelope, tool, transfer

QUESTIONS = Path(__file__).with_name("questions.txt").read_text(encoding="utf-8").splitlines()
# Words without content, and those that name days; the table's own list is not asked.
_EMPTY_WORDS = """
a an the is are was were be do does did has have had we our us you your i me my it its of on in at to for from by with
and or but per what which who how much many when where show list give tell all any only also please this that these last
next previous current most more than through per until not on end rest instead over their will same just going what's us
use used was haben
"""
_EMPTY = frozenset(_EMPTY_WORDS.split())
_DAYS = re.compile(
    r"\d[\d.:/-]*(?:st|nd|rd|th)?|today|yesterday|days?|daily|weeks?|months?|quarters?|years?|ytd|mtd|fytd|fiscal|q[1-4]|"
    r"jan\w*|feb\w*|mar\w*|apr\w*|may|june?|july?|aug\w*|sep\w*|oct\w*|nov\w*|dec\w*",
    re.IGNORECASE,
)
NAMES = {
    "service": ["Amazon Elastic Compute Cloud", "Amazon Simple Storage Service", "AWS Lambda", "BigQuery",
                "Google Kubernetes Engine", "Amazon Relational Database Service", "Virtual Machines",
                "Amazon CloudFront"],
    "team": ["Platform", "Data & Analytics", "Customer Support", "Mobile"],
    "region": ["us-east-1", "us-west-2", "eastus"],
    "model": ["gpt-5", "claude-sonnet-4-5"],
    "provider": ["AWS", "Microsoft Azure", "OpenAI"],
}  # fmt: skip


def cost_rows(call: Call) -> Any:
    """Rows of one dimension; each name has its own amount."""
    group = call.arguments.get("group_by") or call.arguments.get("dimension") or "provider"
    names = NAMES.get(str(group), ["2026-10-01", "2026-10-02"])
    rows = [
        {group: name, "billed_cost": 10 + at, "effective_cost": 5 + at, "currency": "USD"}
        for at, name in enumerate(names)
    ]
    totals = [{"currency": "USD", "billed_cost": 99, "effective_cost": 98}]
    period = {"start_date": "2026-10-01", "end_date": "2026-10-31"}
    return envelope(rows, group_by=group, period=period, totals=totals, cost_basis="BilledCost")


def content_words(question: str) -> list[str]:
    words = re.findall(r"[^\W_][\w'&-]*\w|[^\W_]", question)
    return [word for word in words if word.lower() not in _EMPTY and not _DAYS.fullmatch(word)]


def dropped(question: str, earlier: list[str]) -> list[str]:
    """The words that neither a call nor the first sentence accounts for."""
    calls, text = answered(question, *earlier, answer=cost_rows)
    if not re.search(r"USD \d|\| ---", text):
        # It asks, and gives no figure for part of the question.
        assert re.search(r"^(?:I cannot|I found nothing|Sorry, I did not|Which|In which)|convert|left out", text)
        return []
    sentence = re.split(r"(?<=[.!])\s|\n\n", text)[0].lower()
    carried = json.dumps([[call.name, call.arguments] for call in calls], ensure_ascii=False).lower().replace("_", " ")
    calendar = Calendar(FRIDAY, 4)
    known = read(earlier[-1], calendar) if earlier else None
    reading = read(question, calendar, known)
    intent = reading.intent or load_table()[0][-1]
    # A synonym is carried by the value that it stands for.
    said = {
        word: str(value.value).lower().replace("_", " ")
        for values in reading.slots.values()
        for value in values
        for word in re.findall(r"[\w'&-]+", value.said.lower())
    }
    explained = [intent.pattern(name) for name in ("words",)] + [
        load_table()[1].pattern(name) for name in ("compare", "common")
    ]
    missing = []
    for word in content_words(question):
        plain = word.lower().removesuffix("'s")
        found = re.search(rf"(?<!\w){re.escape(plain)}(?!\w)", sentence) or plain in carried
        synonym = said.get(word.lower()) and (said[word.lower()] in carried or said[word.lower()] in sentence)
        counted = plain in ("top", "effective") and ("limit" in carried or "effective" in sentence)
        if not (
            found
            or synonym
            or counted
            or any(pattern.search(question.lower()) and pattern.search(plain) for pattern in explained)
        ):
            missing.append(word)
    return missing


@pytest.mark.parametrize("line", QUESTIONS)
def test_no_content_word_is_dropped(line: str) -> None:
    *earlier, question = line.split(" || ")
    assert dropped(question, earlier) == []


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("What did we spend on S3?", '"S3" is the service **Amazon Simple Storage Service** USD 11.00'),
        ("what did ec2 cost", '"ec2" is the service **Amazon Elastic Compute Cloud** USD 10.00'),
        ("What did GKE cost us?", "**Google Kubernetes Engine** USD 14.00"),
        ("k8s spend last month", "**Google Kubernetes Engine** USD 14.00"),
        ("What did team Mobile cost in Q3?", "**Mobile** USD 13.00"),
        ("How much did the Data & Analytics team spend?", "**Data & Analytics** USD 11.00"),
        ("What did us-east-1 cost?", "**us-east-1** USD 10.00"),
    ],
)
def test_a_name_is_looked_up_and_its_own_figure_given(question: str, said: str) -> None:
    calls, text = answered(question, answer=cost_rows)
    assert said in text
    assert "USD 99" not in text
    assert all("provider" not in call.arguments for call in calls)


@pytest.mark.parametrize(
    "question",
    ["How much tax did we pay?", "EC2 cost in us-west-2 in October", "Daily S3 cost", "untagged spend",
     "cost per customer",
     "compute cost excluding AWS", "Forecast AWS spend for the next 30 days", "What did we spend on Kubecost?"],
)  # fmt: skip
def test_no_figure_is_given_for_another_question(question: str) -> None:
    _, text = answered(question, answer=cost_rows)
    assert not re.search(r"USD \d", text)
    assert re.match(r"I (?:cannot narrow this to|found nothing called) \"", text)


LIST_VALUES = tool("list_values", {"dimension": {"type": "string"}, "search": {"type": "string"}}, ["search"])
FILTERED = tool(
    "query_costs",
    {
        "metrics": {"type": "array", "items": {"type": "string", "enum": ["billed_cost", "effective_cost"]}},
        "group_by": {"type": "array", "items": {"type": "string", "enum": ["service", "team", "region", "sku", "day"]}},
        "filters": {"type": "array", "items": {"type": "object"}},
        "period": {"type": "string", "enum": ["last_month", "this_month"]},
    },
)


def test_a_tool_with_filters_is_covered_by_looking_its_names_up_first() -> None:
    question = "AWS effective cost by service and team for EC2 in us-west-2 last month"
    messages = conversation(question, agent="CostAnalyst")
    offered = [FILTERED, LIST_VALUES, transfer("Explorer")]
    first = decide(messages, offered)
    assert [(call.name, call.arguments["search"]) for call in first.calls] == [
        ("list_values", "EC2"),
        ("list_values", "us-west-2"),
    ]
    found = [[{"dimension": "service", "value": "Amazon EC2"}], [{"dimension": "region", "value": "us-west-2"}]]
    (call,) = decide(messages + called(first.calls, [envelope(rows) for rows in found]), offered).calls
    assert call.arguments == {
        "metrics": ["effective_cost"],
        "group_by": ["service", "team"],
        "filters": [
            {"dimension": "provider", "op": "in", "values": ["AWS"]},
            {"dimension": "service", "op": "in", "values": ["Amazon EC2"]},
            {"dimension": "region", "op": "in", "values": ["us-west-2"]},
        ],
        "period": "last_month",
    }


def test_what_is_left_out_becomes_a_filter_that_excludes_it() -> None:
    messages = conversation("What did we spend last month without tax and credits?", agent="CostAnalyst")
    first = decide(messages, [FILTERED, LIST_VALUES])
    assert [call.arguments["search"] for call in first.calls] == ["tax", "credits"]
    found = [[{"dimension": "charge_category", "value": value}] for value in ("Tax", "Credit")]
    (call,) = decide(messages + called(first.calls, [envelope(rows) for rows in found]), [FILTERED, LIST_VALUES]).calls
    assert [(each["op"], each["values"]) for each in call.arguments["filters"]] == [
        ("not_in", ["Tax"]),
        ("not_in", ["Credit"]),
    ]


def test_a_name_that_the_look_up_does_not_find_is_said() -> None:
    messages = conversation("Spend on Frobnix last month", agent="CostAnalyst")
    first = decide(messages, [FILTERED, LIST_VALUES])
    text = decide(messages + called(first.calls, [envelope([])]), [FILTERED, LIST_VALUES]).text
    assert '"Frobnix"' in text.split(".")[0]


@pytest.mark.parametrize(
    ("question", "start", "end"),
    [
        ("spend by team this fiscal year", "2026-04-01", "2026-11-20"),
        ("spend by team last fiscal year", "2025-04-01", "2026-03-31"),
        ("spend by team in fiscal year 2025", "2025-04-01", "2026-03-31"),
        ("spend by team this fiscal quarter", "2026-10-01", "2026-11-20"),
        ("FYTD spend by team", "2026-04-01", "2026-11-20"),
    ],
)
def test_a_fiscal_year_begins_in_the_organisations_month(question: str, start: str, end: str) -> None:
    (call,) = answered(question, answer=cost_rows)[0]
    assert (call.arguments["start_date"], call.arguments["end_date"]) == (start, end)
