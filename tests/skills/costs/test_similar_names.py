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
