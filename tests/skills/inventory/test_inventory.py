"""The look-ups: values by the names that people use, tag keys, and how far the data of each provider reaches."""

from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from common.focus.calendar import FiscalCalendar
from common.skills.inventory.status import describe_provider
from common.warehouse.json_values import json_safe
from tests.skills import ledger
from tests.skills.conftest import DEMO_TODAY, UTC_YEAR, Call, CountingWarehouse, rows_of


async def test_values_come_with_their_cost_and_days_largest_first(call: Call) -> None:
    answer = await call("acme_inc", DEMO_TODAY, "list_values", dimension="region", period="this_year")
    rows = ledger.between(rows_of("acme_inc"), date(2026, 1, 1), DEMO_TODAY)
    sums = ledger.grouped(rows, "region")
    assert {(row["value"], row["currency"]): row["billed_cost"] for row in answer["rows"]} == {
        key: json_safe(value.billed) for key, value in sums.items()
    }
    amounts = [abs(row["billed_cost"]) for row in answer["rows"]]
    assert amounts == sorted(amounts, reverse=True)
    assert answer["summary"]["value_count"] == len(sums)


@pytest.mark.parametrize(
    ("dimension", "search", "values"),
    [
        ("service", "S3", {"Amazon Simple Storage Service"}),
        ("service", "kubernetes", {"Google Kubernetes Engine"}),
        ("service", "cloud sq", {"Cloud SQL"}),
        ("sub_account", "production", {"production (aws-production)", "corp-production (azure-corp-production)"}),
        ("provider", "gcp", {"Google Cloud"}),
        ("tag", "cost", {"cost_center"}),
        ("tag:environment", "PR", {"prod"}),
    ],
)
async def test_a_search_finds_what_is_meant_in_one_query(
    call: Call, counting: CountingWarehouse, dimension: str, search: str, values: set[str]
) -> None:
    counting.ran.clear()
    answer = await call("acme_inc", DEMO_TODAY, "list_values", dimension=dimension, search=search)
    assert {row["value"] for row in answer["rows"]} == values
    assert len(counting.ran) == 1


async def test_tag_keys_are_those_of_the_rows(call: Call) -> None:
    answer = await call("acme_inc", DEMO_TODAY, "list_values", dimension="tag", period="last_month")
    rows = ledger.between(rows_of("acme_inc"), date(2026, 2, 1), date(2026, 2, 28))
    for found in answer["rows"]:
        own = [row for row in rows if found["value"] in (row.get("Tags") or {})]
        assert found["line_items"] == len(own)
        assert found["billed_cost"] == json_safe(sum((row["BilledCost"] for row in own), Decimal()))
    assert {found["value"] for found in answer["rows"]} == {key for row in rows for key in row.get("Tags") or ()}


async def test_tag_keys_under_filters_are_those_of_the_rows_that_pass(call: Call) -> None:
    filters = [
        {"dimension": "service", "values": ["EC2"]},
        {"dimension": "charge_category", "op": "not_in", "values": ["Tax"]},
    ]
    asked = {"dimension": "tag", "period": "last_month", "filters": filters}
    answer = await call("acme_inc", DEMO_TODAY, "list_values", **asked)
    own = [
        row
        for row in ledger.between(rows_of("acme_inc"), date(2026, 2, 1), date(2026, 2, 28))
        if row["ServiceName"] == "Amazon Elastic Compute Cloud" and row["ChargeCategory"] != "Tax"
    ]
    counts = Counter(key for row in own for key in row.get("Tags") or ())
    assert {row["value"]: row["line_items"] for row in answer["rows"]} == counts
    searched = await call("acme_inc", DEMO_TODAY, "list_values", search="cost", **asked)
    assert {row["value"]: row["line_items"] for row in searched["rows"]} == {"cost_center": counts["cost_center"]}


async def test_a_search_that_finds_nothing_names_the_nearest(call: Call) -> None:
    answer = await call("acme_inc", DEMO_TODAY, "list_values", dimension="service", search="Bigqeury")
    assert answer["rows"] == []
    assert answer["summary"]["nearest"] == ["BigQuery"]
    empty = await call("empty_inc", DEMO_TODAY, "list_values", dimension="service")
    assert empty["summary"]["notes"] == ["There are no costs in this period."]


async def test_the_status_has_each_provider_s_days_and_the_fiscal_calendar(call: Call) -> None:
    answer = await call("acme_inc", DEMO_TODAY, "data_status", _calendar=FiscalCalendar(4, "America/New_York"))
    rows = rows_of("acme_inc")
    for found in answer["rows"]:
        own = [row for row in rows if row["ServiceProviderName"] == found["provider"]]
        days = [ledger.day_of(row) for row in own]
        assert (found["first_day"], found["last_day"]) == (min(days).isoformat(), max(days).isoformat())
        assert found["line_items"] == len(own)
        assert found["currencies"] == sorted({row["BillingCurrency"] for row in own})
    summary = answer["summary"]
    assert (summary["first_day"], summary["last_day"]) == ("2025-01-01", "2026-03-31")
    assert summary["fiscal_year"] == {"name": "FY2025/26", "start_date": "2025-04-01", "end_date": "2026-03-31"}
    assert any("America/New_York" in note for note in summary["notes"])
    assert (await call("empty_inc", DEMO_TODAY, "data_status", _calendar=UTC_YEAR))["rows"] == []


def provider(counts: dict[date, int]) -> dict[str, Any]:
    """The row of a provider as the query gives it."""
    days = sorted(counts)
    return {
        "provider": "AWS",
        "first_day": days[0],
        "last_day": days[-1],
        "days": days,
        "day_line_items": [counts[day] for day in days],
        "line_items": sum(counts.values()),
        "currencies": ["USD"],
        "billing_period": date(2026, 3, 1),
        "last_load": None,
        "with_tags": 0,
        "with_team": 0,
        "with_zone": 0,
    }


TODAY = date(2026, 3, 31)
DAILY = {TODAY - timedelta(days=number): 100 for number in range(1, 31)}


def test_a_day_that_is_missing_is_a_gap() -> None:
    gone = date(2026, 3, 15)
    told = describe_provider(provider({day: count for day, count in DAILY.items() if day != gone}), TODAY)
    assert told["days_without_data"] == [gone]
    assert told["last_complete_day"] == date(2026, 3, 30)


def test_a_last_day_of_few_line_items_is_not_complete() -> None:
    assert describe_provider(provider(DAILY | {date(2026, 3, 30): 10}), TODAY)["last_complete_day"] == date(2026, 3, 29)
    assert describe_provider(provider(DAILY | {TODAY: 10}), TODAY)["last_complete_day"] == date(2026, 3, 30)


def test_a_provider_that_bills_once_a_month_has_no_gaps() -> None:
    monthly = {date(2026, month, 4): 1 for month in (1, 2, 3)} | {date(2025, month, 4): 1 for month in range(6, 13)}
    told = describe_provider(provider(monthly), TODAY)
    assert told["days_without_data"] == []
    assert told["last_complete_day"] == date(2026, 3, 4)
