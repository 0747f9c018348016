"""Which days an answer is of: all there are, those of its rows, those of invoices, those that two periods share."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from common.warehouse.json_values import json_safe
from tests.skills.conftest import DEMO_TODAY, Call, rows_of

MARCH = {"start_date": "2026-03-01", "end_date": "2026-03-31"}


def service(*names: str, op: str = "in") -> list[dict[str, Any]]:
    return [{"dimension": "service", "op": op, "values": list(names)}]


def day_of(row: dict[str, Any]) -> date:
    started: datetime = row["ChargePeriodStart"]
    return started.date()


@pytest.mark.parametrize(("name", "more"), [("query_costs", {}), ("cost_breakdown", {"dimension": "provider"})])
async def test_all_is_everything_that_is_loaded(call: Call, name: str, more: dict[str, Any]) -> None:
    answer = await call("acme_inc", DEMO_TODAY, name, period="all", **more)
    rows = [row for row in rows_of("acme_inc") if day_of(row) <= DEMO_TODAY]
    (total,) = answer["summary"]["totals"]
    whole = json_safe(sum((row["BilledCost"] for row in rows), Decimal()))
    assert total["billed_cost" if name == "query_costs" else "total"] == whole
    days = {"start_date": str(min(map(day_of, rows))), "end_date": str(DEMO_TODAY)}
    assert answer["summary"]["period"] == answer["summary"]["matching_days"] == days
    notes = " ".join(answer["summary"]["notes"])
    assert "all is read as all that is loaded." in notes
    assert "Data begins on" not in notes


async def test_the_days_of_the_rows_are_always_said(call: Call) -> None:
    for filters in ([], service("Slack"), service("Figma")):
        answer = await call("acme_inc", DEMO_TODAY, "query_costs", period="all", filters=filters)
        names = {each for one in filters for each in one["values"]}
        days = [day_of(row) for row in rows_of("acme_inc") if not names or row["ServiceName"] in names]
        counted = {"start_date": str(min(days)), "end_date": str(max(day for day in days if day <= DEMO_TODAY))}
        assert answer["summary"]["matching_days"] == counted
    empty = await call("acme_inc", DEMO_TODAY, "query_costs", filters=service("Nothing"), **MARCH)
    assert empty["summary"]["matching_days"] is None


async def test_where_a_name_has_costs_and_what_is_available_agree(call: Call) -> None:
    asked = {"filters": service("Slack"), "start_date": "2026-03-20", "end_date": "2026-03-22"}
    summary = (await call("acme_inc", DEMO_TODAY, "query_costs", **asked))["summary"]
    (unmatched,) = summary["unmatched"]
    available = summary["available"]
    assert unmatched["has_costs"] == f"{available['start_date']} to {available['end_date']}"


async def test_invoices_are_counted_by_their_billing_period(call: Call) -> None:
    for name, arguments in (
        ("query_costs", {"group_by": "invoice"}),
        ("query_costs", {"filters": [{"dimension": "invoice", "op": "not_null"}]}),
        ("cost_breakdown", {"dimension": "invoice"}),
    ):
        answer = await call("acme_inc", DEMO_TODAY, name, **arguments, **MARCH)
        assert answer["summary"]["time_basis"] == "billing"
        assert any("billing period that they are invoiced in" in note for note in answer["summary"]["notes"])
    chosen = await call("acme_inc", DEMO_TODAY, "query_costs", group_by="invoice", time_basis="charge", **MARCH)
    assert "time_basis" not in chosen["summary"]
    plain = await call("acme_inc", DEMO_TODAY, "query_costs", group_by="provider", **MARCH)
    assert "time_basis" not in plain["summary"]


async def test_a_word_of_several_that_holds_nothing_is_no_news_where_another_one_does(call: Call) -> None:
    filters = service("Elastic", "zzzz", op="contains")
    summary = (await call("acme_inc", DEMO_TODAY, "query_costs", filters=filters, **MARCH))["summary"]
    assert summary["unmatched"] == []
    assert not any("zzzz" in note for note in summary["notes"])
    alone = await call("acme_inc", DEMO_TODAY, "query_costs", filters=service("zzzz", op="contains"), **MARCH)
    assert [each["value"] for each in alone["summary"]["unmatched"]] == ["zzzz"]


def billed(org: str, first: date, last: date) -> Decimal:
    return sum((row["BilledCost"] for row in rows_of(org) if first <= day_of(row) <= last), Decimal())


async def test_periods_of_which_the_data_ends_early_have_totals_of_the_days_that_both_have(call: Call) -> None:
    ends = max(map(day_of, rows_of("acme_inc")))
    first, today, before = ends - timedelta(days=4), ends + timedelta(days=9), ends - timedelta(days=40)
    periods = {
        "current": f"{first}..{today}",
        "previous": f"{before}..{before + timedelta(days=13)}",
    }
    summary = (await call("acme_inc", today, "compare_periods", **periods))["summary"]
    both = summary["days_with_data_in_both"]
    assert both["days"] == 5
    (total,) = both["totals"]
    assert total["current_cost"] == json_safe(billed("acme_inc", first, ends))
    assert total["previous_cost"] == json_safe(billed("acme_inc", before, before + timedelta(days=4)))
    assert summary["totals"][0]["previous_cost"] > total["previous_cost"]
    whole = await call("acme_inc", DEMO_TODAY, "compare_periods", current="2026-02", previous="2026-01")
    assert "days_with_data_in_both" not in whole["summary"]


async def test_today_is_said_not_to_be_over_only_where_it_is_there(call: Call) -> None:
    ends = max(map(day_of, rows_of("acme_inc")))
    for today in (ends, ends + timedelta(days=2)):
        summary = (await call("acme_inc", today, "compare_periods", period_type="MTD"))["summary"]
        said = summary["basis"] + " ".join(summary["notes"])
        assert ("not over yet" in said) is summary["data"]["today_included"] is (today == ends)


async def test_the_largest_change_in_percent_stands_beside_the_rows_that_go_by_the_absolute_one(call: Call) -> None:
    answer = await call(
        "acme_inc", DEMO_TODAY, "compare_periods", current="2026-02", previous="2026-01", group_by="service", limit=500
    )
    moved = [abs(row["absolute_change"]) for row in answer["rows"]]
    assert moved == sorted(moved, reverse=True)
    shares = {row["service"]: row["percent_change"] for row in answer["rows"] if row["percent_change"] is not None}
    leaders = {row["service"]: row["percent_change"] for row in answer["summary"]["largest_percent_change"]}
    assert leaders
    largest, least = max(shares.values()), min(shares.values())
    assert set(leaders.values()) == {share for share in (max(largest, 0), min(least, 0)) if share}
    assert leaders.items() <= shares.items()
    assert not any("compare the costs per day" in note for note in answer["summary"]["notes"])


async def test_one_row_leads_once_and_what_has_no_team_leads_no_teams(call: Call) -> None:
    months = {"current": "2026-02", "previous": "2026-01"}
    answer = await call(
        "acme_inc", DEMO_TODAY, "compare_periods", **months, group_by="provider", filters=service("Amazon EC2")
    )
    assert len(answer["summary"]["largest_percent_change"]) == len(answer["rows"]) == 1
    answer = await call("acme_inc", DEMO_TODAY, "compare_periods", **months, group_by="team")
    assert "Unallocated" in {row["team"] for row in answer["rows"]}
    assert "Unallocated" not in {row["team"] for row in answer["summary"]["largest_percent_change"]}


async def test_quantities_of_one_unit_have_a_total_and_no_currency(call: Call) -> None:
    hours = {"metrics": ["ConsumedQuantity"], "filters": [{"dimension": "consumed_unit", "values": ["Hours"]}]}
    answer = await call("acme_inc", DEMO_TODAY, "query_costs", group_by="service", **hours, **MARCH)
    rows = [
        row for row in rows_of("acme_inc") if f"{day_of(row):%Y-%m}" == "2026-03" and row["ConsumedUnit"] == "Hours"
    ]
    (total,) = answer["summary"]["totals"]
    assert total["consumed_quantity"] == json_safe(sum((row["ConsumedQuantity"] for row in rows), Decimal()))
    assert total["consumed_unit"] == "Hours"
    assert not any("currency" in row for row in answer["rows"])
    assert "chart" in answer
    named = sorted({row["ServiceName"] for row in rows})
    assert len(named) > 1
    assert any(f"of several services: {', '.join(named)}." in note for note in answer["summary"]["notes"])
    every = await call("acme_inc", DEMO_TODAY, "query_costs", metrics=["ConsumedQuantity"], **MARCH)
    assert "consumed_quantity" not in every["summary"]["totals"][0]
    assert not any("The quantity is of several" in note for note in every["summary"]["notes"])
    money = await call("acme_inc", DEMO_TODAY, "query_costs", metrics=["ConsumedQuantity", "BilledCost"], **MARCH)
    assert {row["currency"] for row in money["rows"]} == {"USD"}
