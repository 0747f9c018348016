"""Names that a filter's word is part of, too: told with the answer, never left out in silence."""

from typing import Any

import pytest

from tests.skills.conftest import DEMO_TODAY, Call, CountingWarehouse

MARCH = {"start_date": "2026-03-01", "end_date": "2026-03-31"}


async def asked(call: Call, dimension: str, *values: str, **more: Any) -> dict[str, Any]:
    filters = [{"dimension": dimension, "op": more.pop("op", "in"), "values": list(values)}, *more.pop("also", ())]
    answer = await call("acme_inc", DEMO_TODAY, "query_costs", group_by=dimension, filters=filters, **MARCH)
    summary: dict[str, Any] = answer["summary"]
    return summary


@pytest.mark.parametrize(
    ("word", "read", "others", "queries"),
    [
        ("production", "production (aws-production)", ["corp-production (azure-corp-production)"], 1),
        (
            "prod",
            "acme-ml-prod (gcp-acme-ml-prod)",
            ["corp-production (azure-corp-production)", "production (aws-production)"],
            3,
        ),
        ("DATA", "data (aws-data)", [], 1),
    ],
)
async def test_other_names_with_the_word_are_told(
    call: Call, counting: CountingWarehouse, word: str, read: str, others: list[str], queries: int
) -> None:
    counting.ran.clear()
    summary = await asked(call, "sub_account", word)
    assert len(counting.ran) == queries
    assert read in summary["matched"][0]["values"]
    told = [each for each in summary["similar"] if each["also"]]
    assert [each["also"] for each in told] == ([others] if others else [])
    named = [note for note in summary["notes"] if note.startswith(f"{word!r} was read as {read} only; ")]
    assert len(named) == len(told)
    for note in named:
        assert all(other in note for other in others)
        assert "not counted" in note


async def test_an_exclusion_tells_what_it_does_not_leave_out(call: Call) -> None:
    summary = await asked(call, "sub_account", "production", op="not_in")
    assert summary["similar"][0]["also"] == ["corp-production (azure-corp-production)"]
    assert any("has the word too and is not left out." in note for note in summary["notes"])


async def test_a_name_that_another_filter_leaves_out_is_not_told(call: Call) -> None:
    summary = await asked(call, "sub_account", "production", also=[{"dimension": "provider", "values": ["AWS"]}])
    assert summary["similar"] == []


@pytest.mark.parametrize(
    ("dimension", "value"), [("sub_account", "aws-production"), ("service", "EC2"), ("region", "us-east-1")]
)
async def test_an_id_or_a_known_short_name_is_no_question(call: Call, dimension: str, value: str) -> None:
    summary = await asked(call, dimension, value)
    assert summary["totals"][0]["billed_cost"] > 0
    assert summary["similar"] == []
    assert not any("was read as" in note for note in summary["notes"])


async def test_a_word_for_one_name_is_told_as_that_name(call: Call) -> None:
    summary = await asked(call, "service", "Lambda")
    assert summary["matched"] == [{"dimension": "service", "values": ["AWS Lambda"]}]
    summary = await asked(call, "team", "analytics")
    assert "'analytics' was read as Data & Analytics." in summary["notes"]


async def test_an_empty_answer_names_the_filters_that_emptied_it(call: Call) -> None:
    other = [{"dimension": "service", "values": ["BigQuery"]}]
    summary = await asked(call, "provider", "AWS", also=other)
    assert "There are charges without the filter on provider (AWS); or service (BigQuery)." in summary["notes"]


@pytest.mark.parametrize("op", ["in", "not_in"])
async def test_other_names_have_their_figures_as_if_they_were_asked_for(call: Call, op: str) -> None:
    summary = await asked(call, "sub_account", "production", op=op)
    (told,) = summary["similar"]
    alone = await asked(call, "sub_account", "azure-corp-production")
    assert told["figures"] == [
        {"sub_account": "corp-production (azure-corp-production)"}
        | {name: alone["totals"][0][name] for name in ("billed_cost", "effective_cost", "line_items", "currency")}
    ]


async def test_other_names_are_told_with_figures_by_a_breakdown_and_a_comparison(call: Call) -> None:
    filters = [{"dimension": "sub_account", "values": ["production"]}]
    alone = await asked(call, "sub_account", "azure-corp-production")
    divided = await call("acme_inc", DEMO_TODAY, "cost_breakdown", dimension="service", filters=filters, **MARCH)
    (figures,) = divided["summary"]["similar"][0]["figures"]
    assert figures["total"] == alone["totals"][0]["billed_cost"]
    compared = await call(
        "acme_inc", DEMO_TODAY, "compare_periods", current="2026-03", previous="2026-02", filters=filters
    )
    (figures,) = compared["summary"]["similar"][0]["figures"]
    assert figures["current_cost"] == alone["totals"][0]["billed_cost"]
    assert figures["previous_cost"] > 0


async def test_a_name_that_was_taken_for_others_has_their_figures(call: Call) -> None:
    summary = await asked(call, "sub_account", "prod")
    assert [each["sub_account"] for each in summary["similar"][0]["figures"]] == summary["similar"][0]["also"]
