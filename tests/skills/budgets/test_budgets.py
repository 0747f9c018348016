"""The budget tools over generated and demo budgets: every figure equals a sum over rows in Python."""

import random
from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from google.cloud import bigquery

from common.focus.providers import provider_key
from common.skills.budgets import sql
from common.skills.budgets.tree import grow
from common.tenant import OrgSlug, Tenant
from common.warehouse import schema
from common.warehouse.query import Parameter, fixed
from local.data import operations, warehouse
from local.data.organizations import DEMO
from tests import googlesql
from tests.skills import drawn
from tests.skills.conftest import DEMO_TODAY, PROJECT, Call, rows_of
from tests.skills.costs_made import row as cost_row

ORG = "budget_inc"
TODAY = date(2026, 3, 17)
NOW = datetime.combine(TODAY, time(9), UTC)
PATHS = ("/ENG", "/ENG/PLATFORM", "/ENG/PLATFORM/API", "/ENG-2", "/ENG-2/WEB", "/OPS", None)
KINDS: dict[str, dict[str, Any]] = {
    "cloud": {},
    "genai": {"ServiceProviderName": "OpenAI", "x_genai_provider": "openai", "x_cloud_provider": None},
    "subscription": {"ServiceProviderName": "GitHub", "x_service_model": "SaaS", "x_cloud_provider": None},
}
CURRENCIES = ("USD", "EUR", "JPY")
Row = dict[str, Any]


def made_costs() -> list[Row]:
    """Costs of seven places, three kinds and three currencies over 200 days, at the first and last second of days."""
    chance = random.Random("budgets")
    rows = []
    for back in range(200):
        day = TODAY - timedelta(days=back)
        for path in PATHS:
            kind = chance.choice(list(KINDS))
            start = datetime.combine(day, chance.choice((time(0), time(23, 59, 59))), UTC)
            columns = KINDS[kind] | {"x_hierarchy_path": path, "BillingCurrency": chance.choice(CURRENCIES)}
            rows.append(cost_row(start, f"{chance.uniform(-5, 60):.9f}", **columns))
    return rows


def made_budgets() -> list[Row]:
    """Sixty budgets whose periods overlap: months, quarters and odd ones, of places, providers and kinds."""
    chance = random.Random("sixty")
    budgets = []
    for number in range(60):
        path = chance.choice((*PATHS[:-1], "organization"))
        start = TODAY - timedelta(days=chance.randint(0, 150))
        entity = path.split("/")[-1]
        budgets.append(
            {
                "budget_id": f"b-{number:02}",
                "org_slug": ORG,
                "hierarchy_entity_id": entity,
                "hierarchy_entity_name": f"The {entity}",
                # One in five knows its entity only, not the path.
                "hierarchy_path": path if path.startswith("/") and number % 5 else None,
                "hierarchy_level_code": "organization" if path == "organization" else "team",
                "category": chance.choice(("total", "Total", "cloud", "genai", "subscription")),
                "budget_type": "monetary",
                "budget_amount": chance.choice((0.0, 100.0, 1234.56, 50_000.0)),
                "currency": chance.choice(CURRENCIES),
                "period_type": "custom",
                "period_start": start,
                "period_end": max(start, TODAY + timedelta(days=chance.randint(-20, 60))),
                "provider": chance.choice((None, None, None, "Amazon Web Services", "openai", "GitHub")),
                "is_active": True,
                "created_by": "test",
                "created_at": NOW,
            }
        )
    return budgets


def kind_of(row: Row) -> str:
    if row.get("x_genai_provider"):
        return "genai"
    return "subscription" if row.get("x_service_model") == "SaaS" else "cloud"


def is_covered(budget: Row, row: Row) -> bool:
    """Whether a cost row is within what the budget covers, its currency apart."""
    path = row.get("x_hierarchy_path") or ""
    place = budget["hierarchy_path"]
    if budget["hierarchy_level_code"] == "organization":
        there = True
    elif place:
        there = path == place or path.startswith(place + "/")
    else:
        there = budget["hierarchy_entity_id"] in path.split("/")
    provider = budget.get("provider")
    return (
        there
        and budget["category"].lower() in ("total", kind_of(row))
        and (provider is None or provider_key(provider) == provider_key(row["ServiceProviderName"]))
        and budget["period_start"] <= row["ChargePeriodStart"].date() <= min(budget["period_end"], TODAY)
    )


@pytest.fixture(scope="module")
def budgeted(operated: bigquery.Client) -> None:
    """The made organisation's costs and budgets, and the demo organisations' budgets, beside the others' rows."""
    warehouse.create(operated, [ORG])
    costs = f"{PROJECT}.{ORG}_prod.{warehouse.COSTS}"
    warehouse.wait_for(warehouse.replace_rows(operated, costs, schema.load("tenant", warehouse.COSTS), made_costs()))
    budgets = [*made_budgets()]
    allocations: list[Row] = []
    for organization in DEMO.values():
        budgets += operations.budgets(organization, DEMO_TODAY)
        allocations += operations.budget_allocations(organization, DEMO_TODAY)
    for table, rows in (("org_budgets", budgets), ("org_budget_allocations", allocations)):
        name = f"{PROJECT}.organizations.{table}"
        warehouse.wait_for(warehouse.replace_rows(operated, name, schema.load("organizations", table), rows))


def money(value: object) -> Decimal:
    return Decimal(str(value))


@pytest.mark.parametrize(("name", "text", "types"), list(sql.every_query()), ids=lambda each: str(each)[:20])
def test_googlesql_accepts_every_text_and_each_is_of_one_organisation(
    name: str, text: str, types: dict[str, str]
) -> None:
    tenant = Tenant(OrgSlug("acme_inc"), PROJECT, "organizations")
    bound = fixed(tenant, text, {each: Parameter("STRING", None) for each in types})
    columns = {each.name: each.type for each in googlesql.analyze(bound.sql, {**types, "org_slug": "STRING"})}
    assert columns.get("actual", "NUMERIC") == "NUMERIC"
    assert text.count("org_slug = @org_slug") == text.count("{shared.")
    assert not bound.writes


async def test_sixty_budgets_equal_sums_over_rows(budgeted: None, ask: Call) -> None:
    answer = await ask(ORG, "budget_variance", _now=NOW, limit=200, include_ended=True)
    assert "error" not in answer, answer
    rows = {row["budget_id"]: row for row in answer["rows"]}
    budgets, costs = made_budgets(), made_costs()
    assert len(rows) == len(budgets) == 60
    compared = 0
    for budget in budgets:
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for each in costs:
            if is_covered(budget, each):
                sums[each["BillingCurrency"]] += each["BilledCost"]
        row, amount = rows[budget["budget_id"]], money(budget["budget_amount"])
        actual = sums.pop(budget["currency"], Decimal())
        compared += bool(actual)
        assert money(row["actual"]) == pytest.approx(actual, abs=Decimal("1e-6")), budget
        assert money(row["left"]) == pytest.approx(amount - actual, abs=Decimal("1e-6"))
        others = {
            part.split()[1]: money(part.split()[0]) for part in row.get("other_currencies", "").split(", ") if part
        }
        assert others == {currency: pytest.approx(total, abs=Decimal("1e-6")) for currency, total in sums.items()}
        if not amount:
            assert row["percent_used"] is None
        else:
            assert money(row["percent_used"]) == pytest.approx(100 * actual / amount, abs=Decimal("0.051"))
        projected = row["projected"]
        if actual > amount:
            assert row["status"] == "OVER"
        elif projected is not None:
            assert row["status"] == ("AT_RISK" if money(projected) > amount else "ON_TRACK")
    assert compared > 40


async def test_a_department_holds_its_teams_and_a_name_that_begins_alike_does_not(budgeted: None, ask: Call) -> None:
    answer = await ask("acme_inc", "budget_variance", hierarchy_entity_id="engineering")
    (row,) = answer["rows"]
    month = [each for each in rows_of("acme_inc") if each["ChargePeriodStart"].date() >= date(2026, 3, 1)]
    spent = sum(each["BilledCost"] for each in month if (each["x_hierarchy_path"] or "").startswith("/DEPT-ENG"))
    assert money(row["actual"]) == pytest.approx(spent, abs=Decimal("1e-6"))
    assert row["amount"] == 62000
    assert row["percent_of_period"] == 100
    assert row["projected"] >= row["actual"] - 0.01


async def test_the_summary_adds_no_team_to_its_department(budgeted: None, ask: Call) -> None:
    answer = await ask("acme_inc", "budget_summary")
    rows = {row["category"]: row for row in answer["rows"]}
    assert set(rows) == {"total", "genai"}
    assert rows["total"]["amount"] == 62000 + 38000 + 14000
    assert rows["total"]["budgets"] == 10
    assert rows["total"]["added"] == "Engineering, Operations, Product"
    assert sum(answer["summary"]["by_status"].values()) == 11


async def test_a_budget_is_projected_to_the_end_of_its_own_period(budgeted: None, ask: Call) -> None:
    answer = await ask("acme_inc", "budget_variance", _now=NOW, category="total")
    came: dict[str, Decimal] = defaultdict(Decimal)
    for each in rows_of("acme_inc"):
        if each["ChargePeriodStart"].date() >= date(2026, 3, 1):
            came[(each["x_hierarchy_path"] or "/").split("/")[1]] += each["BilledCost"]
    departments = {row["budget_id"].split("-")[2] + "-" + row["budget_id"].split("-")[3]: row for row in answer["rows"]}
    for entity in ("DEPT-ENG", "DEPT-OPS"):
        row = departments[entity]
        assert row["percent_of_period"] == pytest.approx(54.8)
        assert row["projected"] == pytest.approx(float(came[entity]), rel=0.08)


@pytest.mark.parametrize("name", ["budget_variance", "budget_summary"])
async def test_the_newest_day_that_actuals_count_is_said(budgeted: None, ask: Call, name: str) -> None:
    later = TODAY + timedelta(days=1)
    for day, said in (
        (TODAY, f"what is there of today, {TODAY}, which is not over"),
        (later, f"Actuals count up to {TODAY}: {later} has no data yet."),
    ):
        answer = await ask(ORG, name, _now=datetime.combine(day, NOW.timetz()))
        assert any(said in note for note in answer["summary"]["notes"])
    past = await ask(ORG, name, _now=NOW, as_of=str(TODAY - timedelta(days=3)))
    assert not any("Actuals count" in note for note in past["summary"]["notes"])


async def test_the_list_says_what_is_set_and_nobody_elses(budgeted: None, ask: Call) -> None:
    answer = await ask("globex_inc", "list_budgets")
    assert answer["summary"]["count"] == len(operations.budgets(DEMO["globex_inc"], DEMO_TODAY))
    assert {row["currency"] for row in answer["rows"]} == {"EUR"}
    assert all("globex" in row["budget_id"] for row in answer["rows"])
    assert answer["parameters"]["org_slug"] == "globex_inc"


async def test_without_budgets_the_answer_says_how_to_set_one(budgeted: None, ask: Call) -> None:
    for name in ("list_budgets", "budget_summary", "budget_variance"):
        answer = await ask("mixed_inc", name)
        assert answer["rows"] == []
        assert "Budgets are set on the platform" in answer["summary"]["note"]


@pytest.mark.parametrize("name", ["budget_summary", "budget_variance"])
async def test_a_day_without_budgets_is_not_said_to_be_an_organisation_without(
    budgeted: None, ask: Call, name: str
) -> None:
    answer = await ask("acme_inc", name, as_of="2026-02-28")
    assert answer["rows"] == []
    note = answer["summary"]["note"]
    assert "No budget is in force on 2026-02-28; those that are set are for days from 2026-03-01 to 2026-03-31" in note


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("list_budgets", {"category": "x"}, "There are: genai, total."),
        ("budget_variance", {"hierarchy_entity_id": "Nobody"}, "There are budgets of: Acme Inc, Engineering"),
        ("budget_variance", {"hierarchy_entity_id": "aws-production"}, "never for an account, service, region or tag"),
        ("budget_variance", {"status": "FINE"}, "status: must be 'OVER', 'AT_RISK'"),
        ("budget_variance", {"as_of": "2027-01-01"}, "Give today or an earlier day"),
        ("budget_summary", {"category": "'; DROP TABLE x"}, "There are: genai, total."),
        ("budget_allocation_tree", {"limit": 3}, "limit: is not known here"),
    ],
)
async def test_what_there_is_not_is_said(
    budgeted: None, ask: Call, name: str, arguments: dict[str, Any], said: str
) -> None:
    answer = await ask("acme_inc", name, **arguments)
    assert said in answer["error"]["message"]


async def test_the_tree_shows_parents_before_children_and_what_is_left(budgeted: None, ask: Call) -> None:
    answer = await ask("acme_inc", "budget_allocation_tree")
    rows = answer["rows"]
    assert [row["budget"] for row in rows][:4] == ["Acme Inc", "Engineering", "Data & Analytics", "Mobile"]
    engineering = next(row for row in rows if row["budget"] == "Engineering")
    assert engineering["allocated_to_children"] == 24000 + 21000 + 9000
    assert engineering["unallocated"] == 8000
    assert answer["summary"]["problems"] == []


def node(number: int, amount: float = 100.0) -> Row:
    return {
        "budget_id": f"n{number}", "hierarchy_entity_name": f"Node {number}", "category": "total",
        "budget_amount": amount, "currency": "USD",
    }  # fmt: skip


def edge(parent: int, child: int, amount: float = 10.0) -> Row:
    return {"parent_budget_id": f"n{parent}", "child_budget_id": f"n{child}", "allocated_amount": amount}


def test_a_circle_is_named_and_every_node_is_shown_once() -> None:
    tree = grow([node(each) for each in range(4)], [edge(1, 2), edge(2, 3), edge(3, 1)])
    assert sorted(row["budget_id"] for row in tree.rows) == ["n0", "n1", "n2", "n3"]
    assert any("circle" in problem and "Node 1" in problem for problem in tree.problems)


def test_an_orphan_and_too_much_shared_out_are_named() -> None:
    tree = grow([node(1), node(2)], [edge(1, 2, 150), edge(1, 9)])
    assert any("Node 1" in problem and "150" in problem for problem in tree.problems)
    assert any("n9" in problem for problem in tree.problems)


def test_a_tree_of_a_thousand_is_shown_however_deep() -> None:
    nodes = [node(each) for each in range(1000)]
    tree = grow(nodes, [edge(each, each + 1) for each in range(999)])
    assert len(tree.rows) == 1000
    assert tree.rows[-1]["depth"] == 999


async def test_budgets_are_bullets(budgeted: None, ask: Call) -> None:
    answer = await ask("acme_inc", "budget_variance")
    chart = answer["chart"]
    drawn.check(chart)
    values = chart["data"]["values"]
    assert {value["actual"] for value in values} == {row["actual"] for row in answer["rows"]}
    assert drawn.marks(chart) == {"bar": 2 * len(values), "tick": len(values)}
