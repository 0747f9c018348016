"""commitment_summary: every figure equals a sum over rows in Python."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from common.skills.commitments import sql
from common.tenant import OrgSlug, Tenant
from common.warehouse.query import Parameter, fixed
from tests import googlesql
from tests.skills import drawn
from tests.skills.conftest import DEMO_TODAY, Call, rows_of

Row = dict[str, Any]
FEBRUARY = {"start_date": "2026-02-01", "end_date": "2026-02-28"}
QUERIES = {name: (text, types) for name, text, types in sql.every_query()}


def of_february(org: str, meets: Callable[[Row], bool]) -> list[Row]:
    first, last = date(2026, 2, 1), date(2026, 2, 28)
    return [row for row in rows_of(org) if first <= row["ChargePeriodStart"].date() <= last and meets(row)]


def total(rows: list[Row], name: str, meets: Callable[[Row], bool] = lambda _row: True) -> Decimal:
    return sum((row[name] for row in rows if meets(row)), Decimal())


def is_used(row: Row) -> bool:
    return row.get("CommitmentDiscountStatus") == "Used"


def is_unused(row: Row) -> bool:
    return row.get("CommitmentDiscountStatus") == "Unused"


@pytest.mark.parametrize("name", QUERIES)
def test_googlesql_accepts_every_text(name: str) -> None:
    text, types = QUERIES[name]
    tenant = Tenant(OrgSlug("acme_inc"), "local-dev-project", "organizations")
    bound = fixed(tenant, text, {each: Parameter("STRING", None) for each in types})
    columns = {column.name: column.type for column in googlesql.analyze(bound.sql, types)}
    assert {columns[each] for each in ("used_cost", "list_cost", "purchased_cost")} == {"NUMERIC"}


@pytest.mark.parametrize(
    ("filters", "meets"),
    [
        ([], lambda _row: True),
        ([{"dimension": "provider", "values": ["AWS"]}], lambda row: row["ServiceProviderName"] == "AWS"),
        (
            [{"dimension": "provider", "values": ["Azure"]}, {"dimension": "service_category", "values": ["Compute"]}],
            lambda row: row["ServiceProviderName"] == "Microsoft Azure" and row["ServiceCategory"] == "Compute",
        ),
        (
            [{"dimension": "service_category", "op": "not_in", "values": ["Compute"]}],
            lambda row: row["ServiceCategory"] != "Compute",
        ),
    ],
)
async def test_totals_equal_sums_over_rows(
    call: Call, filters: list[dict[str, Any]], meets: Callable[[Row], bool]
) -> None:
    answer = await call("acme_inc", DEMO_TODAY, "commitment_summary", filters=filters, **FEBRUARY)
    rows = of_february("acme_inc", meets)
    usage = [row for row in rows if row["ChargeCategory"] == "Usage"]
    pairs = {(row["ServiceProviderName"], row["ServiceCategory"]) for row in usage if is_used(row)}
    eligible = total(
        usage,
        "ListCost",
        lambda row: not is_unused(row) and (row["ServiceProviderName"], row["ServiceCategory"]) in pairs,
    )
    covered = total(usage, "ListCost", is_used)
    used, unused = total(usage, "EffectiveCost", is_used), total(usage, "EffectiveCost", is_unused)
    listed, contracted, effective = (total(usage, f"{name}Cost") for name in ("List", "Contracted", "Effective"))
    (made,) = answer["summary"]["totals"]
    near = {
        "used_cost": used,
        "unused_cost": unused,
        "covered_list_cost": covered,
        "eligible_list_cost": eligible,
        "negotiated_savings": listed - contracted,
        "commitment_savings": contracted - effective,
        "list_cost_incl_unused": listed,
        "usage_effective_cost": effective,
        "purchased_cost": total(
            rows,
            "BilledCost",
            lambda row: row["ChargeCategory"] == "Purchase" and bool(row.get("CommitmentDiscountId")),
        ),
    }
    for name, value in near.items():
        assert made[name] == pytest.approx(float(value), abs=1e-6), name
    rates = {
        "utilization_pct": (used, used + unused),
        "coverage_pct": (covered, eligible),
        "effective_savings_rate_pct": (listed - effective, listed),
    }
    for name, (part, whole) in rates.items():
        assert made[name] == (pytest.approx(float(100 * part / whole), abs=0.0051) if whole else None), name


@pytest.mark.parametrize("dimension", ["service", "region", "sub_account", "team", "month", "commitment"])
async def test_rows_and_what_is_left_out_add_up_to_the_list_cost(call: Call, dimension: str) -> None:
    answer = await call("acme_inc", DEMO_TODAY, "commitment_summary", group_by=[dimension], **FEBRUARY)
    (made,) = answer["summary"]["totals"]
    left = made["list_cost_incl_unused"] - sum(row["list_cost_incl_unused"] for row in answer["rows"])
    said = [note for note in answer["summary"]["notes"] if "in no row" in note]
    if abs(left) < 1e-6:
        assert not said
    else:
        assert f" USD {left:,.2f} of list cost." in said[0]
    assert dimension != "service" or said


async def test_rows_by_provider_and_type_add_up_to_the_totals(call: Call) -> None:
    answer = await call("acme_inc", DEMO_TODAY, "commitment_summary", **FEBRUARY)
    (made,) = answer["summary"]["totals"]
    rows = answer["rows"]
    assert {row["commitment_type"] for row in rows} == {
        "Savings Plan", "Reservation", "Committed Use Discount", "No commitment",
    }  # fmt: skip
    for name in ("used_cost", "unused_cost", "purchased_cost", "covered_list_cost"):
        assert sum(row[name] for row in rows) == pytest.approx(made[name], abs=1e-6)
    aws = next(row for row in rows if row["commitment_type"] == "Savings Plan")
    usage = of_february(
        "acme_inc", lambda row: row["ServiceProviderName"] == "AWS" and row["ChargeCategory"] == "Usage"
    )
    compute = total(usage, "ListCost", lambda row: row["ServiceCategory"] == "Compute" and not is_unused(row))
    assert aws["coverage_pct"] == pytest.approx(float(100 * total(usage, "ListCost", is_used) / compute), abs=0.0051)


@pytest.mark.parametrize("dates", [FEBRUARY, {"start_date": "2026-02-10", "end_date": "2026-02-12"}])
async def test_providers_without_a_purchase_are_named(call: Call, dates: dict[str, str]) -> None:
    answer = await call("acme_inc", DEMO_TODAY, "commitment_summary", **dates)
    first, last = (date.fromisoformat(dates[name]) for name in ("start_date", "end_date"))
    rows = [row for row in of_february("acme_inc", lambda _row: True) if first <= row["ChargePeriodStart"].date()]
    rows = [row for row in rows if row["ChargePeriodStart"].date() <= last]
    using = {row["ServiceProviderName"] for row in rows if is_used(row) or is_unused(row)}
    bought = {
        row["ServiceProviderName"]
        for row in rows
        if row["ChargeCategory"] == "Purchase" and row.get("CommitmentDiscountId")
    }
    said = [note for note in answer["summary"]["notes"] if "No commitment was bought in" in note]
    assert using - bought or dates is FEBRUARY
    if using - bought:
        assert f"from {', '.join(sorted(using - bought))}, though" in said[0]
    else:
        assert said == []


async def test_what_was_bought_is_told_by_commitment(call: Call) -> None:
    answer = await call("acme_inc", DEMO_TODAY, "commitment_summary", group_by=["commitment"], **FEBRUARY)
    (made,) = answer["summary"]["totals"]
    rows = answer["rows"]
    assert sum(row["purchased_cost"] for row in rows) == pytest.approx(made["purchased_cost"], abs=1e-6)
    assert made["purchased_cost"] > 0
    for row in rows:
        assert row["on_demand_eligible_list_cost"] == pytest.approx(made["on_demand_eligible_list_cost"], abs=1e-6)
        if not row["used_cost"]:
            assert row["coverage_pct"] is None


async def test_coverage_is_not_told_under_a_filter_that_leaves_the_rest_out(call: Call) -> None:
    plans = [{"dimension": "commitment_type", "values": ["Savings Plan"]}]
    answer = await call("acme_inc", DEMO_TODAY, "commitment_summary", filters=plans, **FEBRUARY)
    assert answer["rows"]
    assert {each["coverage_pct"] for each in (*answer["rows"], *answer["summary"]["totals"])} == {None}
    assert any(
        "Coverage cannot be told under a filter on commitment_type" in note for note in answer["summary"]["notes"]
    )


async def test_a_bill_without_commitments_says_so_and_has_no_rates(call: Call) -> None:
    answer = await call("edges_inc", date(2024, 12, 31), "commitment_summary", period="2024")
    assert not any(row["used_cost"] or row["unused_cost"] or row["purchased_cost"] for row in answer["rows"])
    assert {each["currency"] for each in answer["summary"]["totals"]} == {"USD", "EUR", "JPY"}
    assert all(each["utilization_pct"] is each["coverage_pct"] is None for each in answer["summary"]["totals"])
    assert any("No commitment was used" in note for note in answer["summary"]["notes"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"group_by": ["nonsense"]}, "There is no dimension 'nonsense'"),
        ({"start_date": "2026-03-02", "end_date": "2026-03-01"}, "is after end_date"),
        ({"filters": [{"dimension": "provider"}]}, "needs values"),
    ],
)
async def test_what_cannot_be_summed_is_said(call: Call, arguments: dict[str, Any], said: str) -> None:
    answer = await call("acme_inc", DEMO_TODAY, "commitment_summary", **arguments)
    assert said in answer["error"]["message"]


async def test_commitments_are_bars_with_a_tick_for_what_was_not_used(call: Call) -> None:
    answer = await call("acme_inc", DEMO_TODAY, "commitment_summary", **FEBRUARY)
    drawn.check(answer["chart"])
    committed = [row for row in answer["rows"] if row["used_cost"] or row["unused_cost"]]
    assert drawn.marks(answer["chart"]) == {"bar": len(committed), "tick": len(committed)}
