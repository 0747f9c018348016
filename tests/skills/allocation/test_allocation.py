"""allocate_shared_costs: whatever the rule, what is allocated adds up to what is shared, to the last digit."""

import random
from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from common.skills.allocation import sql
from common.skills.allocation.sharing import divide_exactly
from common.tenant import OrgSlug, Tenant
from common.warehouse.query import Parameter, fixed
from tests import googlesql
from tests.skills import drawn
from tests.skills.conftest import PROJECT, Call, rows_of

MARCH = {"start_date": "2026-03-01", "end_date": "2026-03-31"}
QUERIES = {name: (text, types) for name, text, types in sql.every_query()}


def money(value: object) -> Decimal:
    return Decimal(str(value))


def by_team(org: str) -> dict[tuple[str | None, str], Decimal]:
    sums: dict[tuple[str | None, str], Decimal] = defaultdict(Decimal)
    for row in rows_of(org):
        if date(2026, 3, 1) <= row["ChargePeriodStart"].date() <= date(2026, 3, 31):
            sums[row["x_hierarchy_entity_name"], row["BillingCurrency"]] += row["BilledCost"]
    return sums


@pytest.mark.parametrize("name", QUERIES)
def test_googlesql_accepts_every_text(name: str) -> None:
    text, types = QUERIES[name]
    tenant = Tenant(OrgSlug("acme_inc"), PROJECT, "organizations")
    bound = fixed(tenant, text, {each: Parameter("STRING", None) for each in types})
    columns = {column.name: column.type for column in googlesql.analyze(bound.sql, types)}
    assert (columns["direct_cost"], columns["shared_cost"]) == ("NUMERIC", "NUMERIC")


@pytest.mark.parametrize("seed", range(30))
def test_the_parts_add_up_to_the_amount_exactly(seed: int) -> None:
    chance = random.Random(seed)
    amount = Decimal(chance.randint(-(10**15), 10**15)) * Decimal("0.000000001")
    weights = {f"t{each}": Decimal(str(round(chance.uniform(0, 9), 3))) for each in range(chance.randint(1, 40))}
    weights["t0"] = Decimal("0.5")
    parts = divide_exactly(amount, weights)
    assert sum(parts.values()) == amount
    whole = sum(weights.values())
    assert all(abs(part - amount * weights[name] / whole) <= Decimal("0.000000001") for name, part in parts.items())


def test_no_weight_above_zero_divides_nothing() -> None:
    for weights in ({}, {"a": Decimal(0)}, {"a": Decimal(1), "b": Decimal(-1)}):
        with pytest.raises(ValueError, match="weights are zero or more"):
            divide_exactly(Decimal(1), weights)


@pytest.mark.parametrize("method", ["proportional", "equal", "weights"])
async def test_direct_and_allocated_add_up_to_the_total(ask: Call, method: str) -> None:
    weights = {"weights": {"platform": 3, "Mobile": 1}} if method == "weights" else {}
    answer = await ask("acme_inc", "allocate_shared_costs", method=method, **weights, **MARCH)
    assert "error" not in answer, answer
    sums = by_team("acme_inc")
    shared = sums.pop((None, "USD"))
    direct = {team: cost for (team, _), cost in sums.items()}
    (total,) = answer["summary"]["totals"]
    assert money(total["shared_cost"]) == pytest.approx(shared, abs=Decimal("1e-6"))
    assert money(total["total_cost"]) == pytest.approx(shared + sum(direct.values()), abs=Decimal("1e-6"))
    assert sum(money(row["allocated_cost"]) for row in answer["rows"]) == pytest.approx(shared, abs=Decimal("1e-6"))
    assert {row["team"] for row in answer["rows"]} == set(direct)
    for row in answer["rows"]:
        weight = {
            "proportional": direct[row["team"]] / sum(direct.values()),
            "equal": Decimal(1) / len(direct),
            "weights": {"Platform": Decimal("0.75"), "Mobile": Decimal("0.25")}.get(row["team"], Decimal()),
        }[method]
        assert money(row["allocated_cost"]) == pytest.approx(shared * weight, abs=Decimal("1e-6"))
        assert money(row["direct_cost"]) == pytest.approx(direct[row["team"]], abs=Decimal("1e-6"))
    assert answer["summary"]["rule"].split(":")[0] in ("Proportional", "Equal", "By the weights given")


async def test_a_service_is_shared_over_departments_in_each_currency(ask: Call) -> None:
    shared = [{"dimension": "service", "values": ["GitHub Team", "Miro"]}]
    answer = await ask("globex_inc", "allocate_shared_costs", shared=shared, over="department", method="equal", **MARCH)
    assert "error" not in answer, answer
    totals = {each["currency"]: each for each in answer["summary"]["totals"]}
    for currency in totals:
        rows = [row for row in answer["rows"] if row["currency"] == currency]
        assert sum(money(row["allocated_cost"]) for row in rows) == pytest.approx(
            money(totals[currency]["shared_cost"]), abs=Decimal("1e-6")
        )
    assert totals["EUR"]["shared_cost"] > 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"method": "weights"}, "needs weights"),
        ({"method": "weights", "weights": {"Nobody": 1}}, "There is nothing named 'Nobody' to allocate to: "),
        ({"method": "weights", "weights": {"Platform": -1}}, "weights.Platform: "),
        ({"over": "month"}, "Costs are not allocated over month"),
        ({"shared": [{"dimension": "x", "values": ["y"]}]}, "There is no dimension"),
    ],
)
async def test_what_cannot_be_allocated_is_said(ask: Call, arguments: dict[str, Any], said: str) -> None:
    answer = await ask("acme_inc", "allocate_shared_costs", **arguments, **MARCH)
    assert said in answer["error"]["message"]


async def test_allocated_costs_are_bars_with_a_tick_for_the_own(ask: Call) -> None:
    answer = await ask("acme_inc", "allocate_shared_costs", **MARCH)
    drawn.check(answer["chart"])
    assert drawn.marks(answer["chart"]) == {"bar": len(answer["rows"]), "tick": len(answer["rows"])}


async def test_what_is_of_nobody_and_not_shared_is_said(ask: Call) -> None:
    shared = [{"dimension": "provider", "values": ["AWS"]}]
    answer = await ask("acme_inc", "allocate_shared_costs", shared=shared, **MARCH)
    (total,) = answer["summary"]["totals"]
    left = sum(
        row["BilledCost"]
        for row in rows_of("acme_inc")
        if date(2026, 3, 1) <= row["ChargePeriodStart"].date() <= date(2026, 3, 31)
        and row["x_hierarchy_entity_name"] is None
        and row["ServiceProviderName"] != "AWS"
    )
    assert left != 0
    assert money(total["of_nobody_and_not_shared"]) == pytest.approx(left, abs=Decimal("1e-6"))
    assert any("USD belongs to nobody and is not shared" in note for note in answer["summary"]["notes"])
