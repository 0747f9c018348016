"""unit_costs: cost per unit, token, request and own driver equals a division of sums in Python."""

from collections import defaultdict
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from google.cloud import bigquery

from common.skills.unit_costs import sql
from common.skills.unit_costs.totals import cost_of_one
from common.tenant import OrgSlug, Tenant
from common.warehouse.query import Parameter, fixed
from local.__main__ import main
from local.data import drivers
from tests import googlesql
from tests.skills import drawn
from tests.skills.conftest import DEMO_TODAY, PROJECT, Call, rows_of
from tests.skills.operations_made import usage_rows

Row = dict[str, Any]
MARCH = {"start_date": "2026-03-01", "end_date": "2026-03-31"}
FIRST, LAST = date(2026, 3, 1), date(2026, 3, 31)
ORDER_DAYS = sorted({each["driver_date"] for each in drivers.demo_rows("acme_inc", DEMO_TODAY)})
QUERIES = {name: (text, types) for name, text, types in sql.every_query()}


def of_march(org: str) -> list[Row]:
    return [row for row in rows_of(org) if FIRST <= row["ChargePeriodStart"].date() <= LAST]


def is_usage(row: Row) -> bool:
    return row["ChargeCategory"] == "Usage" and row.get("CommitmentDiscountStatus") != "Unused"


def is_committed(row: Row) -> bool:
    return row.get("CommitmentDiscountStatus") == "Used" or row.get("PricingCategory") == "Committed"


@pytest.mark.parametrize("name", QUERIES)
def test_googlesql_accepts_every_text(name: str) -> None:
    text, types = QUERIES[name]
    tenant = Tenant(OrgSlug("acme_inc"), PROJECT, "organizations")
    bound = fixed(tenant, text, {each: Parameter("STRING", None) for each in types})
    columns = {column.name: column.type for column in googlesql.analyze(bound.sql, types)}
    assert (columns["effective_cost"], columns["quantity"]) == ("NUMERIC", "NUMERIC")


@pytest.mark.parametrize(("per", "kind"), [("consumed_unit", "Consumed"), ("pricing_unit", "Pricing")])
@pytest.mark.parametrize("org", ["acme_inc", "globex_inc"])
async def test_a_unit_costs_what_the_rows_say(ask: Call, org: str, per: str, kind: str) -> None:
    answer = await ask(org, "unit_costs", per=per, group_by=["service"], **MARCH)
    assert "error" not in answer, answer
    sums: dict[tuple[str, str, str], list[Decimal]] = defaultdict(lambda: [Decimal()] * 4)
    for row in of_march(org):
        quantity = row.get(f"{kind}Quantity")
        if quantity and is_usage(row):
            key = (row["ServiceName"], row.get(f"{kind}Unit") or "No unit", row["BillingCurrency"])
            own = is_committed(row)
            found = (quantity, row["EffectiveCost"], quantity * own, row["EffectiveCost"] * own)
            sums[key] = [one + other for one, other in zip(sums[key], found, strict=True)]
    assert {(row["service"], row["unit"], row["currency"]) for row in answer["rows"]} == set(sums)
    for row in answer["rows"]:
        quantity, cost, committed, committed_cost = sums[row["service"], row["unit"], row["currency"]]
        assert row["quantity"] == pytest.approx(float(quantity), rel=1e-12)
        assert row["unit_cost"] == pytest.approx(float(cost / quantity), abs=1e-12)
        if committed:
            assert row["committed_unit_cost"] == pytest.approx(float(committed_cost / committed), abs=1e-12)
        if quantity != committed:
            free = (cost - committed_cost) / (quantity - committed)
            assert row["pay_as_you_go_unit_cost"] == pytest.approx(float(free), abs=1e-12)

    totals: dict[tuple[str, str], list[Decimal]] = defaultdict(lambda: [Decimal()] * 2)
    for (_, unit, currency), (quantity, cost, *_) in sums.items():
        before = totals[unit, currency]
        totals[unit, currency] = [before[0] + quantity, before[1] + cost]
    assert {(each["unit"], each["currency"]) for each in answer["summary"]["totals"]} == set(totals)
    for each in answer["summary"]["totals"]:
        quantity, cost = totals[each["unit"], each["currency"]]
        assert each["quantity"] == pytest.approx(float(quantity), rel=1e-12)
        assert each["effective_cost"] == pytest.approx(float(cost), abs=1e-6)
        assert each["unit_cost"] == pytest.approx(float(cost / quantity), abs=1e-12)


@pytest.mark.parametrize(("per", "column"), [("request", "request_count"), ("tokens", "total_tokens")])
async def test_a_request_and_a_token_cost_what_their_bill_says(ask: Call, per: str, column: str) -> None:
    gpt = [{"dimension": "model", "values": ["gpt-5"]}]
    answer = await ask("acme_inc", "unit_costs", per=per, filters=gpt, **MARCH)
    used = [row for row in usage_rows("acme_inc") if FIRST <= row["usage_date"] <= LAST and row["model"] == "gpt-5"]
    count = sum(row[column] or 0 for row in used)
    costs = [row for row in of_march("acme_inc") if row.get("x_genai_model") == "gpt-5"]
    cost = sum(row["BilledCost"] for row in costs)
    payg = sum(row["BilledCost"] for row in costs if row["x_genai_cost_type"] != "commitment")
    (row,) = answer["rows"]
    assert row["quantity"] == count
    assert row["unit_cost"] == pytest.approx(float(cost / count), abs=1e-12)
    assert row["pay_as_you_go_unit_cost"] == pytest.approx(float(payg / count), abs=1e-12)
    assert cost > payg
    assert any("Provisioned capacity was paid for" in note for note in answer["summary"]["notes"])
    (total,) = answer["summary"]["totals"]
    assert total["commitment_cost"] == pytest.approx(float(cost - payg), abs=1e-6)


async def test_rows_and_what_has_no_quantity_add_up_to_the_cost(ask: Call) -> None:
    answer = await ask("acme_inc", "unit_costs", per="token", group_by=["day", "model"], **MARCH)
    (total,) = answer["summary"]["totals"]
    left = sum(each["cost"] for each in answer["summary"]["cost_without_quantity"])
    assert sum(row["billed_cost"] or 0 for row in answer["rows"]) + left == pytest.approx(
        total["billed_cost"], abs=1e-6
    )


@pytest.mark.parametrize(
    ("org", "per", "average"), [("acme_inc", "order", False), ("globex_inc", "Connected Devices", True)]
)
async def test_an_order_costs_the_bill_over_its_count(ask: Call, org: str, per: str, average: bool) -> None:
    answer = await ask(org, "unit_costs", per=per, group_by=["month"], start_date="2026-02-01", end_date="2026-03-31")
    assert "error" not in answer, answer
    counts: dict[str, list[Decimal]] = defaultdict(list)
    for each in drivers.demo_rows(org, DEMO_TODAY):
        counts[f"{each['driver_date']:%Y-%m}"].append(each["quantity"])
    costs: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for each in rows_of(org):
        costs[f"{each['ChargePeriodStart']:%Y-%m}", each["BillingCurrency"]] += each["EffectiveCost"]
    assert {row["month"] for row in answer["rows"]} == {"2026-02", "2026-03"}
    for row in answer["rows"]:
        days = counts[row["month"]]
        count = sum(days, Decimal()) / (len(days) if average else 1)
        assert row["unit_cost"] == pytest.approx(float(costs[row["month"], row["currency"]] / count), rel=1e-9)
    totals = answer["summary"]["totals"]
    assert bool(totals) is not average
    for each in totals:
        cost = sum((costs[month, each["currency"]] for month in ("2026-02", "2026-03")), Decimal())
        count = sum((sum(counts[month], Decimal()) for month in ("2026-02", "2026-03")), Decimal())
        assert each["unit_cost"] == pytest.approx(float(cost / count), rel=1e-9)
    assert answer["summary"]["counted_as"] == ("daily average" if average else "sum of days")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            {"per": "customer"},
            f"There are: orders ({ORDER_DAYS[0]} to {ORDER_DAYS[-1]}). Counts per day are loaded into "
            "business_drivers_daily",
        ),
        ({"per": "orders", "group_by": ["region"]}, "Drivers have no region"),
        ({"per": "request", "group_by": ["service"]}, "group by one or two of: model"),
        ({"per": "token", "filters": [{"dimension": "region", "values": ["x"]}]}, "Usage has no region"),
        ({"group_by": ["x"]}, "There is no dimension"),
    ],
)
async def test_what_cannot_be_divided_is_said(ask: Call, arguments: dict[str, Any], said: str) -> None:
    answer = await ask("acme_inc", "unit_costs", **arguments)
    assert said in answer["error"]["message"]


async def test_units_of_one_kind_are_bars(ask: Call) -> None:
    answer = await ask("acme_inc", "unit_costs", group_by=["service"], **MARCH)
    drawn.check(answer["chart"])


def test_a_file_of_counts_is_loaded_once_however_often(
    operated: bigquery.Client, bigquery_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", bigquery_url)
    monkeypatch.setenv("GCP_PROJECT_ID", PROJECT)
    file = tmp_path / "customers.csv"
    file.write_text("date,driver,quantity,team\n2026-03-01,customers,120,\n2026-03-02,customers,125.5,Platform\n")
    for _ in range(2):
        assert main(["drivers", str(file), "--org", "edges_inc"]) == 0
    table = f"{PROJECT}.edges_inc_prod.{drivers.TABLE}"
    (row,) = operated.query_and_wait(f"SELECT COUNT(*) AS n, SUM(quantity) AS q FROM `{table}`")
    assert (row["n"], row["q"]) == (2, Decimal("245.5"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("date,quantity\n2026-03-01,1\n", "the columns driver are missing"),
        ("date,driver,quantity\nMarch,orders,1\n", "line 2: 'March' is no date"),
        ("date,driver,quantity\n2026-03-01,orders,many\n", "'many' is no number"),
        ("date,driver,quantity\n2026-03-01,orders,-1\n", "a quantity of 0 or more"),
        ("date,driver,quantity\n2026-03-01,a,1\n2026-03-01,a,2\n", "is there twice"),
        ("date,driver,quantity,aggregation\n2026-03-01,a,1,max\n", "aggregation is sum or average"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "counts.csv"
    file.write_text(text)
    with pytest.raises(drivers.DriverFileError, match=said):
        drivers.read_file(file, datetime(2026, 3, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("cost", "quantity", "one"),
    [
        ("1", "3", "0.333333333333"),
        ("2", "3000000000000", "0.000000000000666666666667"),
        ("1000", "3", "333.333333333333"),
        ("0", "7", "0"),
    ],
)
def test_the_cost_of_one_has_twelve_digits_however_little_it_is(cost: str, quantity: str, one: str) -> None:
    assert cost_of_one(Decimal(cost), Decimal(quantity)) == Decimal(one)
