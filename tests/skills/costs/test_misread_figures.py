"""Figures that can be misread have a sentence beside them: purchases, shares of a part, longer periods."""

from decimal import Decimal
from typing import Any

import pytest

from common.cost_query.amounts import percent_change
from common.warehouse.json_values import json_safe
from tests.skills.conftest import DEMO_TODAY, Call, rows_of

QUARTER = {"start_date": "2026-01-01", "end_date": "2026-03-31"}
_SHARES = "Shares are of the filtered rows, not of all spend; share_of_all_pct in totals is of all spend."
_TWICE = "beside the usage that they cover; add ChargeCategory not_in Purchase before comparing"
_NO_PURCHASE = [{"dimension": "charge_category", "op": "not_in", "values": ["Purchase"]}]


def bought(name: str) -> Decimal:
    return sum(
        (
            row[name]
            for row in rows_of("acme_inc")
            if f"{row['ChargePeriodStart']:%Y-%m}" in ("2026-01", "2026-02", "2026-03")
            and row["ChargeCategory"] == "Purchase"
            and row.get("CommitmentDiscountId")
        ),
        Decimal(),
    )


def about(answer: dict[str, Any], text: str) -> list[str]:
    return [note for note in answer["summary"]["notes"] if text in note]


@pytest.mark.parametrize("limit", [1, 500])
async def test_list_cost_says_what_of_it_is_purchases(call: Call, limit: int) -> None:
    listed, contracted = bought("ListCost"), bought("ContractedCost")
    assert listed > 0 < contracted
    answer = await call(
        "acme_inc", DEMO_TODAY, "query_costs", group_by="service",
        metrics=["ListCost", "ContractedCost", "EffectiveCost"], limit=limit, **QUARTER,
    )  # fmt: skip
    told = " ".join(about(answer, _TWICE))
    assert told
    assert f"USD {listed:,.2f} of purchased" in told
    assert f"USD {contracted:,.2f} of purchased" in told


@pytest.mark.parametrize("metric", ["ListCost", "ContractedCost"])
async def test_a_breakdown_of_list_cost_says_so_too(call: Call, metric: str) -> None:
    answer = await call("acme_inc", DEMO_TODAY, "cost_breakdown", dimension="service", metric=metric, **QUARTER)
    (told,) = about(answer, _TWICE)
    assert told.startswith(f"{metric.removesuffix('Cost')} cost holds USD {bought(metric):,.2f} of purchased")


@pytest.mark.parametrize("metric", ["ListCost", "ContractedCost"])
async def test_a_comparison_of_list_cost_says_so_of_both_periods(call: Call, metric: str) -> None:
    months = {"current": "2026-02..2026-03", "previous": "2026-01"}
    answer = await call("acme_inc", DEMO_TODAY, "compare_periods", metric=metric, limit=1, **months)
    (told,) = about(answer, "in both periods together " + _TWICE)
    assert told.startswith(f"{metric.removesuffix('Cost')} cost holds USD {bought(metric):,.2f} of purchased")
    drivers = await call("acme_inc", DEMO_TODAY, "top_cost_drivers", metric=metric)
    assert about(drivers, "in both periods together " + _TWICE)


@pytest.mark.parametrize("name", ["compare_periods", "top_cost_drivers"])
async def test_a_comparison_of_billed_cost_says_nothing_of_purchases(call: Call, name: str) -> None:
    assert not about(await call("acme_inc", DEMO_TODAY, name), _TWICE)


@pytest.mark.parametrize(
    ("name", "arguments", "basis", "why"),
    [
        ("query_costs", {}, "BilledCost", "what is invoiced"),
        ("query_costs", {"metrics": ["EffectiveCost"]}, "EffectiveCost", "spread over the usage"),
        ("cost_breakdown", {"dimension": "team", "metric": "ListCost"}, "ListCost", "public prices"),
        ("compare_periods", {"metric": "ContractedCost"}, "ContractedCost", "negotiated prices"),
        ("unit_costs", {}, "EffectiveCost", "spread over the usage"),
        ("find_anomalies", {"start_date": "2026-03-01"}, "BilledCost", "what is invoiced"),
    ],
)
async def test_the_cost_that_was_chosen_has_its_reason(
    call: Call, name: str, arguments: dict[str, Any], basis: str, why: str
) -> None:
    summary = (await call("acme_inc", DEMO_TODAY, name, **arguments))["summary"]
    assert summary["cost_basis"] == basis
    assert why in summary["cost_basis_means"]


async def test_a_quantity_has_no_reason_of_a_cost(call: Call) -> None:
    answer = await call("acme_inc", DEMO_TODAY, "query_costs", metrics=["ConsumedQuantity"])
    assert "cost_basis_means" not in answer["summary"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"metrics": ["EffectiveCost", "BilledCost"]},
        {"metrics": ["ListCost"], "filters": _NO_PURCHASE},
        {"metrics": ["ListCost"], "filters": [{"dimension": "charge_category", "values": ["Purchase"]}]},
    ],
)
async def test_nothing_is_said_where_nothing_counts_twice(call: Call, arguments: dict[str, Any]) -> None:
    answer = await call("acme_inc", DEMO_TODAY, "query_costs", group_by="service", **arguments, **QUARTER)
    assert answer["rows"]
    assert not about(answer, _TWICE)


async def test_shares_under_a_filter_are_said_to_be_of_a_part(call: Call) -> None:
    part = {"filters": [{"dimension": "provider", "values": ["AWS"]}], **QUARTER}
    for name, arguments in (("query_costs", {"group_by": "service"}), ("cost_breakdown", {"dimension": "service"})):
        assert about(await call("acme_inc", DEMO_TODAY, name, **arguments, **part), _SHARES)
        assert not about(await call("acme_inc", DEMO_TODAY, name, **arguments, **QUARTER), _SHARES)
    # Without groups there are no shares to misread.
    assert not about(await call("acme_inc", DEMO_TODAY, "query_costs", **part), _SHARES)


async def test_rows_of_periods_of_different_length_change_per_day(call: Call) -> None:
    answer = await call(
        "acme_inc", DEMO_TODAY, "compare_periods", current="2026-02", previous="2026-01", group_by=["provider"]
    )
    assert answer["rows"]
    days = {"2026-01": 31, "2026-02": 28}
    costs: dict[tuple[str, str], Decimal] = {}
    for row in rows_of("acme_inc"):
        key = (row["ServiceProviderName"], f"{row['ChargePeriodStart']:%Y-%m}")
        costs[key] = costs.get(key, Decimal()) + row["BilledCost"]
    for row in answer["rows"]:
        current, previous = (
            costs.get((row["provider"], month), Decimal()) / days[month] for month in ("2026-02", "2026-01")
        )
        assert row["percent_change_per_day"] == json_safe(percent_change(current, previous))
    same = await call("acme_inc", DEMO_TODAY, "compare_periods", current="2026-03", previous="2026-01")
    assert same["rows"]
    assert not any("percent_change_per_day" in row for row in same["rows"])
