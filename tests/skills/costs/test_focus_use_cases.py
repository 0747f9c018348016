"""The use cases that FOCUS publishes, each by one call of one fixed tool over the demo data."""

from typing import Any

import pytest

from tests.skills.conftest import DEMO_TODAY, Call

_COSTS = ["ListCost", "ContractedCost", "BilledCost", "EffectiveCost"]
_RATES = ["EffectiveCost", "ConsumedQuantity", "PricingQuantity"]
_MONTH: dict[str, Any] = {"period": "last_month"}


def having(dimension: str, *values: str, op: str = "in") -> dict[str, Any]:
    return {"dimension": dimension, "op": op, "values": list(values)}


# Use case -> the tool, its arguments, and whether the demo data has anything to say.
CASES: dict[str, tuple[str, dict[str, Any], bool]] = {
    "accounts with charges": ("query_costs", {"group_by": ["billing_account", "sub_account"], **_MONTH}, True),
    "provider, publisher and issuer": (
        "query_costs",
        {"group_by": ["provider", "publisher", "invoice_issuer"], **_MONTH},
        True,
    ),
    "credits": (
        "query_costs",
        {
            "group_by": ["provider", "charge_description"],
            "filters": [having("charge_category", "Credit")],
            "period": "last_12_months",
        },
        True,
    ),
    "billed per invoice": ("query_costs", {"group_by": "invoice", "time_basis": "billing", **_MONTH}, True),
    "hourly rate of machines per region": (
        "query_costs",
        {
            "group_by": ["region", "consumed_unit"],
            "metrics": _RATES,
            "filters": [having("service_subcategory", "Virtual Machines")],
            **_MONTH,
        },
        True,
    ),
    "instance hours per day": (
        "query_costs",
        {"group_by": "day", "metrics": ["ConsumedQuantity"], "filters": [having("consumed_unit", "Hours")], **_MONTH},
        True,
    ),
    "cost and quantity of storage": (
        "query_costs",
        {"metrics": _RATES, "filters": [having("service_category", "Storage")], **_MONTH},
        True,
    ),
    "tokens consumed": (
        "query_costs",
        {
            "group_by": "provider",
            "metrics": ["ConsumedQuantity"],
            "filters": [having("consumed_unit", "Tokens")],
            **_MONTH,
        },
        True,
    ),
    "effective by pricing currency": (
        "query_costs",
        {"group_by": "pricing_currency", "metrics": ["EffectiveCost"], **_MONTH},
        True,
    ),
    "share that is tagged": ("cost_breakdown", {"dimension": "tag:cost_center", **_MONTH}, True),
    "prices paid for a SKU": (
        "query_costs",
        {
            "group_by": ["sku_price", "contracted_unit_price"],
            "metrics": _RATES,
            "filters": [having("sku", "aws-t3.large-linux-us-west-2")],
            "period": "last_12_months",
        },
        True,
    ),
    "category and subcategory": (
        "query_costs",
        {"group_by": ["service_category", "service_subcategory"], **_MONTH},
        True,
    ),
    "capacity reservations unused": (
        "query_costs",
        {"group_by": "capacity_reservation", "filters": [having("capacity_status", "Unused")], **_MONTH},
        False,
    ),
    "corrections by account": (
        "query_costs",
        {
            "group_by": ["sub_account", "billing_period"],
            "filters": [having("charge_class", "Correction")],
            "period": "last_12_months",
        },
        True,
    ),
    "recurring charges of commitments": (
        "query_costs",
        {
            "group_by": ["month", "commitment"],
            "filters": [having("charge_frequency", "Recurring"), having("commitment", op="not_null")],
            "period": "last_6_months",
        },
        True,
    ),
    "by service": ("query_costs", {"group_by": "service", **_MONTH}, True),
    "per month by category": (
        "query_costs",
        {"group_by": ["month", "service_category"], "provider": "AWS", "period": "last_3_months"},
        True,
    ),
    "service by region": ("query_costs", {"group_by": ["service", "region"], **_MONTH}, True),
    "service by account": ("query_costs", {"group_by": ["sub_account", "service"], "provider": "AWS", **_MONTH}, True),
    "services month over month": ("compare_periods", {"period_type": "MoM", "group_by": ["service"]}, True),
    "an application month over month": (
        "query_costs",
        {"group_by": "month", "filters": [having("tag:cost_center", "CC-110")], "period": "last_6_months"},
        True,
    ),
    "components of a resource": (
        "query_costs",
        {
            "group_by": ["charge_category", "sku_meter"],
            "metrics": _COSTS,
            "filters": [having("resource", "asg-checkout-baseline")],
            **_MONTH,
        },
        True,
    ),
    "by category": ("cost_breakdown", {"dimension": "service_category", **_MONTH}, True),
    "effective cost of compute": (
        "query_costs",
        {"metrics": ["EffectiveCost"], "provider": "AWS", "service_category": "Compute", **_MONTH},
        True,
    ),
    "commitments purchased": (
        "query_costs",
        {
            "group_by": ["commitment", "commitment_type"],
            "filters": [having("charge_category", "Purchase"), having("commitment", op="not_null")],
            "period": "this_year",
        },
        True,
    ),
    "list and effective by service": (
        "query_costs",
        {"group_by": "service", "metrics": _COSTS, "filters": [having("charge_category", "Usage")], **_MONTH},
        True,
    ),
    "resources by SKU": ("query_costs", {"group_by": ["resource", "sku"], **_MONTH}, True),
    "marketplace per month": (
        "query_costs",
        {
            "group_by": ["month", "publisher"],
            "filters": [having("provider", "AWS"), having("publisher", "AWS", op="not_in")],
            "period": "last_6_months",
        },
        False,
    ),
    "compute services of an account": (
        "query_costs",
        {
            "group_by": "service",
            "service_category": "Compute",
            "filters": [having("sub_account", "aws-production")],
            **_MONTH,
        },
        True,
    ),
    "by availability zone": (
        "query_costs",
        {"group_by": "availability_zone", "filters": [having("sub_account", "aws-production")], **_MONTH},
        True,
    ),
    "accounts by region": (
        "query_costs",
        {"group_by": ["sub_account", "region"], "metrics": ["BilledCost", "LineItems"], **_MONTH},
        True,
    ),
    "usage and rates per SKU": (
        "query_costs",
        {"group_by": ["sku", "month"], "metrics": _RATES, "period": "last_3_months"},
        True,
    ),
    "discounts per service": ("query_costs", {"group_by": "service", "metrics": _COSTS, **_MONTH}, True),
    "resource usage month over month": (
        "query_costs",
        {"group_by": ["month", "resource"], "metrics": ["ConsumedQuantity"], "period": "last_2_months"},
        True,
    ),
    "commitments unused": (
        "query_costs",
        {
            "group_by": ["commitment"],
            "metrics": ["EffectiveCost"],
            "filters": [having("commitment_status", "Unused")],
            **_MONTH,
        },
        True,
    ),
    "currencies per team": ("query_costs", {"group_by": "team", **_MONTH}, True),
}


@pytest.mark.parametrize("name", CASES)
async def test_a_use_case_is_one_call(call: Call, name: str) -> None:
    tool, arguments, has_rows = CASES[name]
    org = "globex_inc" if name == "currencies per team" else "acme_inc"
    answer = await call(org, DEMO_TODAY, tool, **arguments)
    assert "error" not in answer, answer
    assert bool(answer["rows"]) is has_rows
    # An answer without rows says what there is instead.
    assert has_rows or (answer["summary"]["notes"] and answer["summary"]["available"])
