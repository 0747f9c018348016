"""No word of a question is dropped: an argument carries it, or the first sentence of the answer names it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from common.focus.services import service_names
from local.demo_model.dates import Calendar
from local.demo_model.reading import read
from local.demo_model.request import Call
from local.demo_model.table import load_table
from tests.local.demo_model.offered import FRIDAY, answered, decided, envelope

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
    r"\d[\d.:/-]*(?:st|nd|rd|th)?|date|today|yesterday|days?|daily|weeks?|months?|quarters?|years?|ytd|mtd|fytd|fiscal|q[1-4]|"
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
    "department": ["Engineering"],
    "provider": ["AWS", "Microsoft Azure", "OpenAI"],
}  # fmt: skip


def cost_rows(call: Call) -> Any:
    """Rows of one dimension, each name with its own amount; a look-up finds names as the product's own does."""
    by = call.arguments.get("group_by") or call.arguments.get("dimension") or "provider"
    group = by[0] if isinstance(by, list) else by
    names = NAMES.get(group, ["2026-10-01", "2026-10-02"])
    if call.name == "list_values":
        search = str(call.arguments["search"]).lower()
        known = NAMES.get(group, [])
        found = [name for name in known if search in name.lower() or name.lower() in service_names(search)]
        return envelope([{"value": name, "billed_cost": 1, "currency": "USD"} for name in found], dimension=group)
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
        meant = re.findall(r"\w+", said.get(word.lower(), ""))
        synonym = meant and (set(meant) <= set(re.findall(r"\w+", carried)) or said[word.lower()] in sentence)
        counted = plain in ("top", "effective") and ("limit" in carried or "effective" in sentence)
        if not (
            found
            or synonym
            or counted
            or (plain in ("without", "excluding") and "not in" in carried)
            or any(plain in match[0] for pattern in explained for match in pattern.finditer(question.lower()))
            or plain.removesuffix("s") in intent.more.get("rows", ())
        ):
            missing.append(word)
    return missing


@pytest.mark.parametrize("line", QUESTIONS)
def test_no_content_word_is_dropped(line: str) -> None:
    *earlier, question = line.split(" || ")
    assert dropped(question, earlier) == []


@pytest.mark.parametrize(
    ("question", "dimension", "values"),
    [
        ("What did we spend on S3?", "service", ["Amazon Simple Storage Service"]),
        ("what did ec2 cost", "service", ["Amazon Elastic Compute Cloud"]),
        ("What did GKE cost us?", "service", ["Google Kubernetes Engine"]),
        ("k8s spend last month", "service", ["Google Kubernetes Engine"]),
        ("What did team Mobile cost in Q3?", "team", ["Mobile"]),
        ("How much did the Data & Analytics team spend?", "team", ["Data & Analytics"]),
        ("What did the US regions cost?", "region", ["us-east-1", "us-west-2"]),
        ("What did S3 and EC2 cost?", "service", ["Amazon Simple Storage Service", "Amazon Elastic Compute Cloud"]),
        ("How much did Engineering spend?", "department", ["Engineering"]),
    ],
)
def test_a_name_is_looked_up_and_becomes_a_filter_that_is_said(question: str, dimension: str, values: Any) -> None:
    calls, text = answered(question, answer=cost_rows)
    assert calls[-1].arguments["filters"] == [{"dimension": dimension, "op": "in", "values": values}]
    assert f"is read as the {dimension} {values[0]}" in text.split(":")[0].replace("&amp;", "&")


@pytest.mark.parametrize(
    ("question", "filters"),
    [
        ("How much tax did we pay?", [{"dimension": "charge_category", "op": "in", "values": ["Tax"]}]),
        ("compute cost excluding AWS", [{"dimension": "provider", "op": "not_in", "values": ["AWS"]}]),
        ("What did weekends cost?", [{"dimension": "weekday", "op": "in", "values": ["Saturday", "Sunday"]}]),
        ("What did us-east-1 cost?", [{"dimension": "region", "op": "in", "values": ["us-east-1"]}]),
        ("spend without weekends", [{"dimension": "weekday", "op": "not_in", "values": ["Saturday", "Sunday"]}]),
        ("spend that has no cost_center tag", [{"dimension": "tag:cost_center", "op": "is_null"}]),
        ("spend tagged environment=prod", [{"dimension": "tag:environment", "op": "in", "values": ["prod"]}]),
        ("cost of tag cost_center CC-110", [{"dimension": "tag:cost_center", "op": "in", "values": ["CC-110"]}]),
        ("on-demand spend", [{"dimension": "pricing_category", "op": "in", "values": ["Standard"]}]),
        ("How much did we save with credits?", [{"dimension": "charge_category", "op": "in", "values": ["Credit"]}]),
        ("Forecast AWS spend", [{"dimension": "provider", "op": "in", "values": ["AWS"]}]),
    ],
)
def test_a_word_that_the_table_knows_becomes_a_filter(question: str, filters: Any) -> None:
    assert answered(question, answer=cost_rows)[0][0].arguments["filters"] == filters


def test_a_name_beside_another_dimension_narrows_what_was_asked_before() -> None:
    earlier = ["What did we spend per service last month?", "and only EC2?"]
    filters = answered("only the Platform team", *earlier, answer=cost_rows)[0][-1].arguments["filters"]
    assert [each["dimension"] for each in filters] == ["service", "team"]


@pytest.mark.parametrize(
    "question",
    ["untagged spend", "What did we spend on Kubecost?", "EC2 costs of Frobnix"],
)
def test_no_figure_is_given_for_a_name_that_is_not_found(question: str) -> None:
    _, text = answered(question, answer=cost_rows)
    assert not re.search(r"USD \d", text)
    assert text.startswith('I found nothing called "')


@pytest.mark.parametrize(
    ("question", "tool", "arguments"),
    [
        ("AWS spend by service and region", "query_costs", {"group_by": ["service", "region"], "provider": "AWS"}),
        ("Are we over budget?", "budget_variance", {}),
        ("How much of the Engineering budget is left?", "budget_variance", {"hierarchy_entity_id": "Engineering"}),
        ("Which day was unusual?", "find_anomalies", {"dimension": "service"}),
        ("Budget of the Platform team", "budget_variance", {"hierarchy_entity_id": "Platform"}),
        ("How are our budgets shared out?", "budget_allocation_tree", {}),
        ("Budget overview", "budget_summary", {}),
        ("Any anomalies at AWS yesterday?", "find_anomalies", {"dimension": "service", "start_date": "2026-11-19",
         "end_date": "2026-11-19", "filters": [{"dimension": "provider", "op": "in", "values": ["AWS"]}]}),
        ("Commitment utilisation", "commitment_summary", {"group_by": ["commitment_type"]}),
        ("Cost per order", "unit_costs", {"per": "order"}),
        ("Cost per GB of storage", "unit_costs",
         {"filters": [{"dimension": "service_category", "op": "in", "values": ["Storage"]}]}),
        ("Allocate shared costs equally over teams", "allocate_shared_costs", {"over": "team", "method": "equal"}),
        ("Which regions are there?", "list_values", {"dimension": "region"}),
        ("How fresh is the data?", "data_status", {}),
        ("When do our subscriptions renew?", "subscriptions", {}),
        ("Spend by the environment tag in October", "query_costs",
         {"group_by": "tag:environment", "start_date": "2026-10-01", "end_date": "2026-10-31"}),
        ("the 3 cheapest regions", "query_costs", {"group_by": "region", "limit": 3, "order_by": "BilledCost asc"}),
        ("Service costs by region", "query_costs", {"group_by": ["service", "region"]}),
        ("spend on the weekend of November 7", "query_costs",
         {"group_by": "provider", "start_date": "2026-11-07", "end_date": "2026-11-08"}),
        ("list, contracted and billed cost", "query_costs",
         {"group_by": "provider", "metrics": ["ListCost", "ContractedCost", "BilledCost"]}),
    ],
)  # fmt: skip
def test_every_tool_is_reached_by_its_own_words(question: str, tool: str, arguments: Any) -> None:
    (call,) = decided(question)[1].calls
    assert (call.name, call.arguments) == (tool, arguments)


@pytest.mark.parametrize(
    ("question", "filters", "group"),
    [
        ("and only EC2?", [["service", "Amazon Elastic Compute Cloud"]], "service"),
        ("by account instead", None, "sub_account"),
        ("only the Platform team", [["team", "Platform"]], "service"),
    ],
)
def test_a_follow_up_keeps_what_was_asked_before(question: str, filters: Any, group: str) -> None:
    call = answered(question, "What did we spend per service last month?", answer=cost_rows)[0][-1]
    named = [[each["dimension"], *each["values"]] for each in call.arguments.get("filters", ())]
    assert (named or None, call.arguments["group_by"]) == (filters, group)
    assert call.arguments["start_date"] == "2026-10-01"


def test_names_are_looked_up_first_and_then_one_call_carries_everything() -> None:
    calls, _ = answered("AWS effective cost by service and team for EC2 in us-west-2 last month", answer=cost_rows)
    assert {call.arguments["search"] for call in calls[:-1]} == {"EC2"}
    assert calls[-1].arguments == {
        "metrics": ["EffectiveCost"],
        "group_by": ["service", "team"],
        "provider": "AWS",
        "filters": [
            {"dimension": "region", "op": "in", "values": ["us-west-2"]},
            {"dimension": "service", "op": "in", "values": ["Amazon Elastic Compute Cloud"]},
        ],
        "start_date": "2026-10-01",
        "end_date": "2026-10-31",
    }


def test_what_is_left_out_becomes_a_filter_that_excludes_it() -> None:
    calls, text = answered("What did we spend last month without tax and the Mobile team?", answer=cost_rows)
    assert [(each["op"], each["values"]) for each in calls[-1].arguments["filters"]] == [
        ("not_in", ["Tax"]),
        ("not_in", ["Mobile"]),
    ]
    assert '"Mobile" is read as not the team Mobile' in text


def test_the_share_of_a_name_is_the_share_of_its_row() -> None:
    calls, _ = answered("What share of AWS is EC2?", answer=cost_rows)
    assert calls[-1].name == "cost_breakdown"
    assert calls[-1].arguments["dimension"] == "service"
    assert [each["dimension"] for each in calls[-1].arguments["filters"]] == ["provider"]


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
