"""What an answer says of its question: names that were looked up, how far data reaches, what cannot be asked."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from common.focus.calendar import FiscalCalendar
from common.warehouse.json_values import json_safe
from tests.skills import ledger
from tests.skills.conftest import DEMO_TODAY, MANY_DAY, Call, CountingWarehouse, rows_of

MARCH = {"start_date": "2026-03-01", "end_date": "2026-03-31"}


def billed(org: str, start: str, end: str, **columns: str) -> Any:
    rows = ledger.between(rows_of(org), date.fromisoformat(start), date.fromisoformat(end))
    kept = [row for row in rows if all(row.get(name) == value for name, value in columns.items())]
    assert kept
    return json_safe(sum((row["BilledCost"] for row in kept), Decimal()))


@pytest.mark.parametrize(
    ("asked", "service"),
    [
        ("EC2", "Amazon Elastic Compute Cloud"),
        ("s3", "Amazon Simple Storage Service"),
        ("GKE", "Google Kubernetes Engine"),
        ("k8s", "Google Kubernetes Engine"),
        ("BigQuery", "BigQuery"),
        ("Lambda", "AWS Lambda"),
        ("RDS", "Amazon Relational Database Service"),
    ],
)
async def test_a_short_name_is_answered_in_one_query(
    call: Call, counting: CountingWarehouse, asked: str, service: str
) -> None:
    counting.ran.clear()
    filters = [{"dimension": "service", "values": [asked]}]
    answer = await call("acme_inc", DEMO_TODAY, "query_costs", filters=filters, **MARCH)
    assert answer["rows"][0]["billed_cost"] == billed("acme_inc", *MARCH.values(), ServiceName=service)
    assert answer["summary"]["unmatched"] == []
    assert len(counting.ran) == 1
    if asked.casefold() != service.casefold():
        assert answer["summary"]["matched"] == [{"dimension": "service", "values": [service]}]


async def test_words_that_names_hold_stand_for_all_of_them_and_that_is_said(
    call: Call, counting: CountingWarehouse
) -> None:
    counting.ran.clear()
    filters = [{"dimension": "service", "values": ["Redshift", "CloudWatch", "SQL"]}]
    answer = await call("acme_inc", DEMO_TODAY, "query_costs", group_by="service", filters=filters, **MARCH)
    named = {row["service"] for row in answer["rows"]}
    assert {"Amazon Redshift", "Amazon CloudWatch", "Azure SQL Database", "Cloud SQL"} <= named
    assert answer["summary"]["unmatched"] == []
    assert set(answer["summary"]["matched"][0]["values"]) == named
    assert any("stands for" in note for note in answer["summary"]["notes"])
    assert len(counting.ran) == 3


async def test_a_name_that_is_not_there_is_told_with_the_nearest(call: Call) -> None:
    filters = [{"dimension": "service", "values": ["Bigqeury", "AWS Lambda"]}]
    answer = await call("acme_inc", DEMO_TODAY, "query_costs", group_by="service", filters=filters, **MARCH)
    assert [row["service"] for row in answer["rows"]] == ["AWS Lambda"]
    assert answer["summary"]["unmatched"] == [{"dimension": "service", "value": "Bigqeury", "nearest": ["BigQuery"]}]
    assert any("'Bigqeury'" in note and "BigQuery" in note for note in answer["summary"]["notes"])


async def test_an_exclusion_that_excludes_nothing_is_told(call: Call) -> None:
    filters = [{"dimension": "charge_category", "op": "not_in", "values": ["Taxes"]}]
    answer = await call("acme_inc", DEMO_TODAY, "query_costs", filters=filters, **MARCH)
    assert answer["rows"][0]["billed_cost"] == billed("acme_inc", *MARCH.values())
    assert answer["summary"]["unmatched"] == [{"dimension": "charge_category", "value": "Taxes", "nearest": ["Tax"]}]


async def test_a_name_without_costs_in_the_period_is_told_with_its_days(call: Call) -> None:
    filters = [{"dimension": "service", "values": ["Jira"]}]
    days = {"start_date": "2026-03-01", "end_date": "2026-03-05"}
    answer = await call("acme_inc", DEMO_TODAY, "query_costs", filters=filters, **days)
    assert answer["rows"] == []
    (unmatched,) = answer["summary"]["unmatched"]
    assert unmatched["has_costs"].endswith("2026-03-21")
    assert any("has no costs in this period" in note for note in answer["summary"]["notes"])


async def test_filters_that_exclude_each_other_are_an_empty_answer_that_says_so(call: Call) -> None:
    filters = [{"dimension": "provider", "values": ["AWS"]}, {"dimension": "service", "values": ["BigQuery"]}]
    answer = await call("acme_inc", DEMO_TODAY, "query_costs", filters=filters, **MARCH)
    assert answer["rows"] == []
    assert answer["summary"]["unmatched"] == []
    assert "No charge of the period meets all filters together." in answer["summary"]["notes"]
    assert answer["summary"]["available"] is not None


async def test_the_documented_arguments_and_filters_mean_the_same(call: Call) -> None:
    plain = await call("acme_inc", DEMO_TODAY, "query_costs", group_by="service", provider="aws",
                       service_category="compute", **MARCH)  # fmt: skip
    listed = [{"dimension": "provider", "op": "in", "values": ["AWS"]},
              {"dimension": "ServiceCategory", "values": ["Compute"]}]  # fmt: skip
    for filters in (listed, {"provider": ["AWS"], "service_category": "Compute"}):
        answer = await call("acme_inc", DEMO_TODAY, "query_costs", group_by=["service"], filters=filters, **MARCH)
        assert answer["rows"] == plain["rows"]


async def test_rows_are_ordered_and_cut_by_the_metric_that_was_asked_for(call: Call) -> None:
    answer = await call(
        "acme_inc", DEMO_TODAY, "query_costs", group_by="service", provider="AWS", metrics=["EffectiveCost"], limit=5,
        **MARCH,
    )  # fmt: skip
    rows = [row for row in ledger.between(rows_of("acme_inc"), date(2026, 3, 1), DEMO_TODAY)
            if row["ServiceProviderName"] == "AWS"]  # fmt: skip
    sums = sorted((-sums.effective, name) for (name, _), sums in ledger.grouped(rows, "service").items())
    assert [(row["service"], row["effective_cost"]) for row in answer["rows"]] == [
        (name, json_safe(-amount)) for amount, name in sums[:5]
    ]
    upwards = await call(
        "acme_inc", DEMO_TODAY, "query_costs", group_by="service", order_by="BilledCost asc", metrics="BilledCost",
        **MARCH,
    )  # fmt: skip
    amounts = [row["billed_cost"] for row in upwards["rows"]]
    assert amounts == sorted(amounts)


async def test_an_answer_says_how_far_data_reaches(call: Call) -> None:
    data = (await call("acme_inc", DEMO_TODAY, "query_costs", **MARCH))["summary"]["data"]
    assert (data["last_day"], data["last_complete_day"], data["today_included"]) == ("2026-03-31", "2026-03-30", True)
    assert "AWS" in data["providers_by_last_day"]["2026-03-31"]
    assert "Jira" not in data["providers_by_last_day"]["2026-03-31"]
    later = await call("acme_inc", date(2026, 4, 10), "query_costs", period="this_month")
    assert later["rows"] == []
    assert any("Data ends on 2026-03-31" in note for note in later["summary"]["notes"])
    earlier = await call("acme_inc", DEMO_TODAY, "query_costs", start_date="2024-12-01", end_date="2025-01-31")
    assert any("Data begins on 2025-01-01" in note for note in earlier["summary"]["notes"])


async def test_days_are_said_to_be_utc_where_the_organisation_lives_elsewhere(call: Call) -> None:
    for zone, said in (("Europe/Berlin", True), ("UTC", False), ("Etc/UTC", False)):
        answer = await call("acme_inc", DEMO_TODAY, "query_costs", _calendar=FiscalCalendar(1, zone), **MARCH)
        assert any("UTC days" in note for note in answer["summary"]["notes"]) is said


async def test_several_currencies_are_said_to_be_never_added(call: Call) -> None:
    answer = await call("globex_inc", DEMO_TODAY, "query_costs", **MARCH)
    assert [row["currency"] for row in answer["rows"]] == ["EUR", "USD"]
    assert any("never added together" in note for note in answer["summary"]["notes"])


async def test_what_does_not_fit_is_counted(call: Call) -> None:
    answer = await call("many_inc", MANY_DAY, "query_costs", group_by="service", limit=500)
    assert (answer["truncated"], answer["row_count"]) == (True, 500)
    assert "103 more groups are not shown; totals cover them." in answer["summary"]["notes"]


async def test_genai_bought_through_a_cloud_is_genai(call: Call) -> None:
    answer = await call("bill_inc", date(2024, 4, 30), "query_costs", group_by="service", cost_type="genai",
                        period="this_year")  # fmt: skip
    assert {row["service"] for row in answer["rows"]} == {"Amazon Bedrock", "Azure OpenAI Service", "OpenAI API"}


async def test_a_drop_in_a_tiny_amount_is_not_lost(call: Call) -> None:
    answer = await call("edges_inc", DEMO_TODAY, "query_costs", provider="Straße & Söhne", group_by="day",
                        start_date="2023-02-28", end_date="2023-02-28")  # fmt: skip
    rows = [row for row in ledger.between(rows_of("edges_inc"), date(2023, 2, 28), date(2023, 2, 28))
            if row["ServiceProviderName"] == "Straße & Söhne"]  # fmt: skip
    assert answer["rows"][0]["billed_cost"] == json_safe(sum((row["BilledCost"] for row in rows), Decimal()))


@pytest.mark.parametrize(
    ("name", "arguments", "code", "said"),
    [
        ("query_costs", {"group_by": "colour"}, "unknown_dimension", "Use one of: provider, publisher"),
        ("query_costs", {"group_by": "level:0"}, "unknown_dimension", "level:1"),
        ("query_costs", {"group_by": ["team", "Team"]}, "invalid_arguments", "names team twice"),
        ("query_costs", {"group_by": 'tag:a"b'}, "invalid_tag", "no quote"),
        ("query_costs", {"group_by": "tag:"}, "invalid_tag", "list_values"),
        ("query_costs", {"metrics": "Carbon"}, "unknown_metric", "BilledCost"),
        ("query_costs", {"order_by": "ListCost"}, "invalid_order", "BilledCost, EffectiveCost, LineItems"),
        ("query_costs", {"filters": [{"dimension": "mood", "values": ["x"]}]}, "unknown_dimension", "mood"),
        ("query_costs", {"filters": [{"dimension": "team"}]}, "invalid_filter", "needs values"),
        (
            "query_costs",
            {"filters": [{"dimension": "team", "op": "like", "values": ["x"]}]},
            "invalid_filter",
            "not_in",
        ),
        ("query_costs", {"filters": [{"dimension": "team", "values": [" "]}]}, "invalid_filter", "1 to 500"),
        ("query_costs", {"filters": [{"dimension": "team", "values": ["x"] * 51}]}, "invalid_filter", "at most 50"),
        ("query_costs", {"filters": [{"values": ["x"]}]}, "unknown_dimension", "Use one of"),
        ("query_costs", {"period": "someday"}, "invalid_range", "last_month"),
        ("query_costs", {"period": "last_month", "end_date": "2026-03-01"}, "invalid_range", "not both"),
        ("query_costs", {"start_date": "2026-03-02", "end_date": "2026-03-01"}, "invalid_range", "on or before"),
        ("cost_breakdown", {"dimension": "team", "metric": "ConsumedQuantity"}, "unknown_metric", "query_costs"),
        ("compare_periods", {"current": "2030-01"}, "invalid_range", "after today"),
        ("top_cost_drivers", {"group_by": "nothing"}, "unknown_dimension", "Use one of"),
        ("list_values", {"dimension": "nothing"}, "unknown_dimension", "Use one of"),
    ],
)
async def test_what_cannot_be_asked_is_answered_with_what_can(
    call: Call, counting: CountingWarehouse, name: str, arguments: dict[str, Any], code: str, said: str
) -> None:
    counting.ran.clear()
    answer = await call("acme_inc", DEMO_TODAY, name, **arguments)
    assert answer["error"]["code"] == code
    assert said in answer["error"]["message"]
    assert counting.ran == []


async def test_a_month_of_the_demo_reads_little(call: Call, counting: CountingWarehouse) -> None:
    for name, arguments in (
        ("query_costs", {"group_by": ["service", "region", "tag:environment"], "period": "last_month"}),
        ("query_costs", {"group_by": "service", "period": "last_month", "time_basis": "billing"}),
        ("cost_breakdown", {"dimension": "sub_account", "period": "last_month"}),
        ("compare_periods", {"period_type": "MoM"}),
        ("top_cost_drivers", {}),
        ("list_values", {"dimension": "resource"}),
        ("data_status", {}),
    ):
        answer = await call("acme_inc", DEMO_TODAY, name, **arguments)
        assert 0 < answer["bytes_processed"] <= 25_000_000, name


async def test_rows_of_several_groups_are_said_to_be_combinations(call: Call) -> None:
    answer = await call("acme_inc", DEMO_TODAY, "query_costs", group_by=["service", "region"], limit=5, **MARCH)
    notes = answer["summary"]["notes"]
    assert any("more combinations of service and region are not shown" in note for note in notes)
    single = await call("acme_inc", DEMO_TODAY, "query_costs", group_by="service", limit=5, **MARCH)
    assert not any("combinations" in note for note in single["summary"]["notes"])
    pairs = await call("acme_inc", DEMO_TODAY, "query_costs", group_by=["provider", "service"], **MARCH)
    providers = [row["provider"] for row in pairs["rows"]]
    most = max(providers, key=providers.count)
    assert any(f"provider {most} is in {providers.count(most)} rows" in note for note in pairs["summary"]["notes"])


async def test_a_dimension_that_no_row_has_a_value_for_is_said(call: Call) -> None:
    for tool_name, asked in (
        ("query_costs", {"group_by": "tag:nobody"}),
        ("cost_breakdown", {"dimension": "tag:nobody"}),
    ):
        answer = await call("acme_inc", DEMO_TODAY, tool_name, **asked, **MARCH)
        said = "No row of the period has a value for tag:nobody; the data does not provide it."
        assert said in answer["summary"]["notes"]
    answer = await call("acme_inc", DEMO_TODAY, "query_costs", group_by="provider", **MARCH)
    assert not any("has a value for" in note for note in answer["summary"]["notes"])


async def test_the_last_days_are_those_of_the_providers_that_are_counted(call: Call) -> None:
    filters = [{"dimension": "provider", "values": ["AWS"]}]
    data = (await call("acme_inc", DEMO_TODAY, "query_costs", filters=filters, **MARCH))["summary"]["data"]
    assert "providers_by_last_day" not in data
    later = await call(
        "acme_inc", date(2026, 4, 10), "query_costs", filters=filters, start_date="2026-03-01", end_date="2026-04-10"
    )
    assert later["summary"]["data"]["providers_by_last_day"] == {"2026-03-31": "AWS"}


async def test_a_dimension_without_any_value_is_said_to_have_none(call: Call) -> None:
    unused = [{"dimension": "capacity_status", "values": ["Unused"]}]
    answer = await call("acme_inc", DEMO_TODAY, "query_costs", group_by="capacity_reservation", filters=unused)
    assert "No row has a capacity status at all; the data does not provide it." in answer["summary"]["notes"]


async def test_a_text_that_no_name_holds_is_said_so(call: Call) -> None:
    parts = [{"dimension": "sku_meter", "op": "contains", "values": ["zzz"]}]
    answer = await call("acme_inc", DEMO_TODAY, "query_costs", filters=parts)
    assert [note for note in answer["summary"]["notes"] if "No sku meter holds 'zzz'" in note]
