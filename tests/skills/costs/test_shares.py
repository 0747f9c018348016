"""Shares and changes in percent: exact sums, signed amounts, and zeros."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest

from common.cost_query.amounts import percent_change, percent_of
from tests.skills.conftest import DEMO_TODAY, Call, rows_of

MARCH = {"start_date": "2026-03-01", "end_date": "2026-03-31"}


def amounts_of(org: str, name: str = "", value: object = None) -> dict[str, Decimal]:
    """What March came to, of rows that have a value if one is given, by currency."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows_of(org):
        if f"{row['ChargePeriodStart']:%Y-%m}" == "2026-03" and (not name or row[name] == value):
            sums[row["BillingCurrency"]] += row["BilledCost"]
    return sums


@pytest.mark.parametrize(
    ("part", "whole", "share"),
    [("1", "3", "33.33"), ("41.9873", "100", "41.99"), ("58.0127", "100", "58.01"), ("-1", "3", "-33.33"),
     ("150", "100", "150.00"), ("0.000000001", "0.000000001", "100.00"), ("5", "-10", "-50.00")],
)  # fmt: skip
def test_a_share_is_rounded_by_itself(part: str, whole: str, share: str) -> None:
    assert percent_of(Decimal(part), Decimal(whole)) == Decimal(share)
    assert percent_of(Decimal(part), Decimal()) is None


@pytest.mark.parametrize("dimension", ["service", "provider", "team", "region", "tag:environment", "tag:team", "day"])
@pytest.mark.parametrize("org", ["acme_inc", "globex_inc"])
async def test_every_share_of_a_breakdown_is_true_and_what_they_add_up_to_is_said(
    call: Call, org: str, dimension: str
) -> None:
    answer = await call(org, DEMO_TODAY, "cost_breakdown", dimension=dimension, **MARCH)
    whole = amounts_of(org)
    for total in answer["summary"]["totals"]:
        currency = total["currency"]
        rows = [row for row in answer["rows"] if row["currency"] == currency]
        for row in rows:
            exact = percent_of(Decimal(str(row["total"])), whole[currency])
            assert Decimal(str(row["pct_of_total"])) == exact
        added = sum(Decimal(str(row["pct_of_total"])) for row in rows)
        said = [note for note in answer["summary"]["notes"] if f"those in {currency} add up to" in note]
        assert len(said) == (added != 100)
        assert all(f"add up to {added}." in note for note in said)


async def test_untagged_and_tagged_are_in_the_summary_from_their_amounts(call: Call) -> None:
    answer = await call("acme_inc", DEMO_TODAY, "cost_breakdown", dimension="tag:environment", **MARCH)
    (total,) = answer["summary"]["totals"]
    (untagged,) = (row for row in answer["rows"] if row["tag:environment"] == "untagged")
    whole = amounts_of("acme_inc")["USD"]
    assert total["without_value"] == untagged["total"]
    assert Decimal(str(total["with_value"])) + Decimal(str(total["without_value"])) == pytest.approx(whole)
    for name in ("with_value", "without_value"):
        share = percent_of(Decimal(str(total[name])), whole)
        assert Decimal(str(total[f"{name}_pct"])) == share
    plain = await call("acme_inc", DEMO_TODAY, "cost_breakdown", dimension="provider", **MARCH)
    assert "with_value" not in plain["summary"]["totals"][0]


@pytest.mark.parametrize("group", [{}, {"group_by": ["service"]}, {"group_by": ["day"]}])
@pytest.mark.parametrize(("metric", "field"), [("BilledCost", "billed_cost"), ("EffectiveCost", "effective_cost")])
@pytest.mark.parametrize("basis", ["charge", "billing"])
async def test_under_filters_the_share_of_all_spend_is_said(
    call: Call, group: dict[str, Any], metric: str, field: str, basis: str
) -> None:
    aws = {"filters": [{"dimension": "provider", "values": ["AWS"]}], "metrics": [metric], "time_basis": basis}
    answer = await call("acme_inc", DEMO_TODAY, "query_costs", **aws, **group, **MARCH)
    bare = await call("acme_inc", DEMO_TODAY, "query_costs", metrics=[metric], time_basis=basis, **MARCH)
    (total,), (whole,) = answer["summary"]["totals"], bare["summary"]["totals"]
    assert total[f"all_{field}"] == whole[field]
    assert Decimal(str(total["share_of_all_pct"])) == percent_of(Decimal(str(total[field])), Decimal(str(whole[field])))
    assert "share_of_all_pct" not in whole


async def test_shares_of_all_spend_are_of_each_currency_and_of_a_breakdown_too(call: Call) -> None:
    filters = [{"dimension": "charge_category", "values": ["Usage"]}]
    whole, part = amounts_of("globex_inc"), amounts_of("globex_inc", "ChargeCategory", "Usage")
    for name, arguments, field in (
        ("query_costs", {}, "all_billed_cost"),
        ("cost_breakdown", {"dimension": "provider"}, "all_total"),
    ):
        answer = await call("globex_inc", DEMO_TODAY, name, filters=filters, **arguments, **MARCH)
        assert answer["summary"]["totals"]
        for total in answer["summary"]["totals"]:
            currency = total["currency"]
            assert Decimal(str(total[field])) == pytest.approx(whole[currency])
            assert Decimal(str(total["share_of_all_pct"])) == percent_of(part[currency], whole[currency])


async def test_a_quantity_has_no_share_of_all_spend(call: Call) -> None:
    aws = {"filters": [{"dimension": "provider", "values": ["AWS"]}]}
    answer = await call("acme_inc", DEMO_TODAY, "query_costs", metrics=["ConsumedQuantity"], **aws, **MARCH)
    assert "share_of_all_pct" not in answer["summary"]["totals"][0]


@pytest.mark.parametrize(
    ("current", "previous", "change"),
    [
        ("150", "100", "50.00"),
        ("50", "100", "-50.00"),
        ("0", "100", "-100.00"),
        ("100", "100", "0.00"),
        ("-50", "-100", "50.00"),
        ("-150", "-100", "-50.00"),
        ("100", "-100", "200.00"),
        ("1.00005", "1", "0.01"),
        ("-1", "3", "-133.33"),
        ("99999999999999999999999999999", "0.000000001", "9999999999999999999999999999899999999900.00"),
    ],
)
def test_a_change_in_percent_has_the_sign_of_its_direction(current: str, previous: str, change: str) -> None:
    assert percent_change(Decimal(current), Decimal(previous)) == Decimal(change)


def test_a_change_from_nothing_has_no_percent() -> None:
    assert percent_change(Decimal(5), Decimal(0)) is None
