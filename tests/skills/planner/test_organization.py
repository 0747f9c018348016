"""A plan beside the organisation's own budgets: each lands where its own tool says, with the plan's days added."""

import calendar
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from google.cloud import bigquery

from common.warehouse import schema
from local.data import warehouse
from tests.skills.conftest import DEMO_TODAY, PROJECT, Call
from tests.skills.costs_made import row as cost_row

ORG = "planned_inc"
TODAY = DEMO_TODAY - timedelta(days=11)
LLAMA = {"task_type": "inference", "domain": "language", "gpu_needed": True, "model": "Qwen3 4B"}
MONTH_END = date(2026, 3, 31)
# id, entity, path, level, category, provider, amount, currency, end
BUDGETS = (
    ("whole", ORG, None, "organization", "total", None, 50_000, "USD", MONTH_END),
    ("eng", "ENG", "/ENG", "department", "cloud", None, 700, "USD", date(2026, 6, 30)),
    ("web", "WEB", "/ENG/WEB", "team", "total", None, 20_000, "USD", MONTH_END),
    ("ops", "OPS", "/OPS", "team", "total", None, 20_000, "USD", MONTH_END),
    ("eng-2", "ENG-2", "/ENG-2", "team", "total", None, 1, "USD", MONTH_END),
    ("euros", "EU", "/EU", "team", "total", None, 9_000, "EUR", MONTH_END),
    ("azure", "AZ", "/AZ", "team", "total", "Azure", 9_000, "USD", MONTH_END),
    ("ai", "ENG", "/ENG", "department", "genai", None, 5, "USD", MONTH_END),
    ("over", "OPS", "/OPS", "team", "total", None, 5, "USD", date(2026, 2, 28)),
)
Rows = list[dict[str, Any]]


def cents(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.01"), ROUND_HALF_UP)


def money(value: object) -> Decimal:
    return Decimal(str(value))


def costs() -> Rows:
    """Ninety days of costs at three places, each day's own amount."""
    return [
        cost_row(
            datetime(TODAY.year, TODAY.month, TODAY.day, 5, tzinfo=UTC) - timedelta(days=back),
            f"{2 + back % 7}.25",
            x_hierarchy_path=path,
        )
        for back in range(90)
        for path in ("/ENG/WEB", "/OPS", None)
    ]


@pytest.fixture(scope="module")
def budgeted(operated: bigquery.Client) -> Iterator[None]:
    warehouse.create(operated, [ORG])
    table = f"{PROJECT}.{ORG}_prod.{warehouse.COSTS}"
    warehouse.wait_for(warehouse.replace_rows(operated, table, schema.load("tenant", warehouse.COSTS), costs()))
    shared = f"`{PROJECT}.organizations.org_budgets`"
    for name, entity, path, level, category, provider, amount, currency, end in BUDGETS:
        text = ", ".join("NULL" if each is None else f"'{each}'" for each in (path, level, category, provider))
        operated.query_and_wait(
            f"INSERT INTO {shared} (budget_id, org_slug, hierarchy_entity_id, hierarchy_entity_name, hierarchy_path, "
            "hierarchy_level_code, category, provider, budget_type, budget_amount, currency, period_type, "
            "period_start, period_end, is_active, created_by, created_at) VALUES "
            f"('{name}', '{ORG}', '{entity}', '{entity}', {text}, 'monetary', {amount}, '{currency}', 'custom', "
            f"'2026-02-01', '{end}', TRUE, 'test', CURRENT_TIMESTAMP())"
        )
    yield
    operated.query_and_wait(f"DELETE FROM {shared} WHERE org_slug = '{ORG}'")


async def planned(plan: Call, **arguments: Any) -> tuple[Rows, dict[str, Any]]:
    answer = await plan("plan_deployment", _org=ORG, _today=TODAY, **{**LLAMA, **arguments})
    assert "error" not in answer, answer
    return answer["rows"], answer["summary"]["plan"]


@pytest.mark.usefixtures("budgeted")
async def test_each_budget_lands_where_its_tool_says_and_the_plans_days_on_top(plan: Call, ask: Call) -> None:
    machines, told = await planned(plan, provider="aws")
    noon = datetime(TODAY.year, TODAY.month, TODAY.day, 12, tzinfo=UTC)
    standing = {
        (each["budget"], each["category"]): each for each in (await ask(ORG, "budget_variance", _now=noon))["rows"]
    }
    shown = told["organization"]["budgets"]
    # Not the one of another provider, nor one of tokens' costs, nor one that has ended; and five at most.
    assert {each["budget"] for each in shown} == {ORG, "ENG", "WEB", "ENG-2", "OPS"}
    for each in shown:
        known = standing[each["budget"], each["category"]]
        assert (each["amount"], each["actual"], each["projected"]) == tuple(
            None if known[name] is None else float(cents(money(known[name])))
            for name in ("amount", "actual", "projected")
        )
        spent = sum(
            (
                row["BilledCost"]
                for row in costs()
                if date(2026, 2, 1) <= row["ChargePeriodStart"].date() <= TODAY
                and {ORG: True, "ENG": "/ENG/" in str(row["x_hierarchy_path"]),
                     "WEB": row["x_hierarchy_path"] == "/ENG/WEB", "OPS": row["x_hierarchy_path"] == "/OPS"}
                .get(each["budget"], False)
            ),
            Decimal(),
        )  # fmt: skip
        assert money(each["actual"]) == cents(spent)
        rest = (date.fromisoformat(each["period_end"]) - TODAY).days
        added = cents(money(machines[0]["own_monthly"]) * rest / (Decimal(365) / 12))
        lands = cents(money(each["actual"] if each["projected"] is None else each["projected"])) + added
        assert (money(each["plan_cost"]), money(each["lands_at"])) == (added, lands)
        assert money(each["left"]) == money(each["amount"]) - lands
        assert each["fits"] is (lands <= money(each["amount"]))
        days = (date.fromisoformat(each["period_end"]) - date(2026, 2, 1)).days + 1
        whole = cents(money(machines[0]["own_monthly"]) * days / (Decimal(365) / 12))
        assert money(each["whole_period_cost"]) == whole
        assert each["whole_period_fits"] is (lands - added + whole <= money(each["amount"]))
    assert [each["fits"] for each in shown] == sorted((each["fits"] for each in shown), key=[False, True, None].index)
    assert "ask who pays" in told["organization"]["budgets_note"]
    assert not any("With this plan" in warning for warning in told["warnings"])


@pytest.mark.usefixtures("budgeted")
async def test_a_payer_has_its_own_budgets_and_those_above_it(plan: Call) -> None:
    _, told = await planned(plan, paid_by="web")
    shown = {each["budget"]: each["fits"] for each in told["organization"]["budgets"]}
    assert shown == {ORG: True, "ENG": False, "WEB": True}
    assert told["organization"]["budgets_note"] is None
    (warning,) = [each for each in told["warnings"] if each.startswith("With this plan")]
    assert "the budget of ENG (cloud) to 2026-06-30 lands at" in warning
    _, told = await planned(plan, paid_by="eu")
    (euros,) = [each for each in told["organization"]["budgets"] if each["currency"] == "EUR"]
    assert (euros["plan_cost"], euros["lands_at"], euros["fits"]) == (None, None, None)
    assert "No rate from USD to EUR" in euros["note"]
    answer = await plan("plan_deployment", _org=ORG, _today=TODAY, **LLAMA, paid_by="Marketing")
    assert answer["error"]["code"] == "unknown_entity"
    assert "paid_by" in answer["error"]["message"]
    assert "ENG-2" in answer["error"]["message"]


@pytest.mark.usefixtures("budgeted")
async def test_budgets_are_of_one_organisation(plan: Call) -> None:
    answer = await plan("plan_deployment", **LLAMA, _org="empty_inc")
    told = answer["summary"]["plan"]["organization"]
    assert told["budgets"] == []
    assert "No budget" in told["budgets_note"]


# What the plan's machines have cost, with and without its tag: day, amount, currency, tag.
PLAN = "plan-0123456789ab"
TAGGED = [
    *((date(2026, 1, 20) + timedelta(days=back), f"{10 + back}.5", "USD", PLAN) for back in range(50)),
    (date(2026, 2, 3), "99", "USD", "plan-ba9876543210"),
    (date(2026, 2, 3), "77", "USD", None),
    (date(2026, 2, 4), "11", "EUR", PLAN),
]


def charges() -> Rows:
    return [
        cost_row(
            datetime(day.year, day.month, day.day, 3, tzinfo=UTC), amount, BillingCurrency=currency,
            Tags={"plan": tag} if tag else {"team": PLAN},
        )
        for day, amount, currency, tag in TAGGED
    ]  # fmt: skip


@pytest.fixture(scope="module")
def tagged(operated: bigquery.Client) -> None:
    for org, rows in (("tagged_inc", charges()), ("tagless_inc", charges()[-3:-1])):
        warehouse.create(operated, [org])
        table = f"{PROJECT}.{org}_prod.{warehouse.COSTS}"
        warehouse.wait_for(warehouse.replace_rows(operated, table, schema.load("tenant", warehouse.COSTS), rows))


def stored(own_total: float) -> dict[str, Any]:
    cost = {"own_total": own_total, "list_total": 500.0, "rows": [{"item": "aws g6.xlarge in us-east-1"}]}
    return {
        "plan_id": PLAN, "understanding": "To serve it", "catalog": {"oldest_price": "2026-01-01"}, "cost": cost,
    }  # fmt: skip


@pytest.mark.usefixtures("tagged")
async def test_tagged_costs_are_held_against_the_stored_plan_by_month(plan: Call, plans: Any) -> None:
    plans.known[PLAN] = stored(430.1)
    answer = await plan("compare_plan", _org="tagged_inc", plan_id=PLAN)
    assert answer["summary"]["plan"]["monthly_usd"] == 430.1
    wanted = []
    for currency in ("EUR", "USD"):
        for month in (1, 2, 3):
            own = [
                row
                for row in charges()
                if row["Tags"].get("plan") == PLAN
                and row["BillingCurrency"] == currency
                and row["ChargePeriodStart"].month == month
            ]
            if not own:
                continue
            effective, billed = (sum((row[name] for row in own), Decimal()) for name in ("EffectiveCost", "BilledCost"))
            days = [row["ChargePeriodStart"].date() for row in own]
            part = cents(money(430.1) * ((max(days) - min(days)).days + 1) / calendar.monthrange(2026, month)[1])
            usd = currency == "USD"
            wanted.append((f"2026-0{month}", currency, billed, effective, part if usd else None,
                           cents(effective - part) if usd else None))  # fmt: skip
    names = ("month", "currency", "billed_cost", "effective_cost", "planned_cost", "over_plan")
    found = [tuple(row[name] for name in names) for row in answer["rows"]]
    assert sorted(found) == sorted(
        (month, currency, *(None if each is None else float(each) for each in values))
        for month, currency, *values in wanted
    )
    totals = {each["currency"]: each for each in answer["summary"]["totals"]}
    in_usd = [each for each in wanted if each[1] == "USD"]
    assert money(totals["USD"]["over_plan"]) == sum((each[5] or Decimal() for each in in_usd), Decimal())
    assert totals["EUR"]["planned_cost"] is None
    assert any("another currency" in note for note in answer["summary"]["notes"])


@pytest.mark.usefixtures("tagged")
async def test_a_plan_of_nobody_and_a_tag_that_nothing_has_are_said(plan: Call, plans: Any) -> None:
    answer = await plan("compare_plan", _org="tagged_inc", plan_id=PLAN)
    assert answer["summary"]["plan"] is None
    assert all(row["planned_cost"] is None for row in answer["rows"])
    assert "None of your conversations has" in answer["summary"]["notes"][0]
    plans.known[PLAN] = stored(1.0)
    answer = await plan("compare_plan", _org="tagless_inc", plan_id=PLAN)
    assert answer["rows"] == []
    assert "No charge of these days has the tag" in answer["summary"]["notes"][0]
    assert plans.asked == [("tagged_inc", "", PLAN), ("tagless_inc", "", PLAN)]
    # Without an id it is the conversation's last plan.
    answer = await plan("compare_plan", _org="tagged_inc")
    assert answer["summary"]["plan_id"] == PLAN
    plans.known.clear()
    assert (await plan("compare_plan", _org="tagged_inc"))["error"]["code"] == "unknown_plan"
    refused = await plan("compare_plan", plan_id="plan-0123456789AB' OR 1=1")
    assert "plan_id" in refused["error"]["message"]
