"""Usage by two groups and under filters, the cost of each request and kind of token, retries, and subscriptions."""

from collections import Counter, defaultdict
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from local.data import demo, operations, subscriptions
from local.data.organizations import DEMO
from tests.skills.conftest import DEMO_TODAY, Call, rows_of
from tests.skills.operations_made import shared_rows, usage_rows

Row = dict[str, Any]
MARCH = {"start_date": "2026-03-01", "end_date": "2026-03-31"}
FIRST, LAST = date(2026, 3, 1), date(2026, 3, 31)


def used(org: str) -> list[Row]:
    return [row for row in usage_rows(org) if FIRST <= row["usage_date"] <= LAST]


def spent(org: str) -> list[Row]:
    return [
        row
        for row in rows_of(org)
        if FIRST <= row["ChargePeriodStart"].date() <= LAST
        # In the demo data, Vertex AI is what is bought through a cloud.
        and (row.get("x_genai_provider") is not None or row["ServiceName"] == "Vertex AI")
    ]


@pytest.mark.parametrize("org", demo.ORGS)
async def test_two_groups_hold_tokens_and_costs_of_both(ask: Call, org: str) -> None:
    answer = await ask(org, "genai_usage", group_by=["team", "model"], **MARCH)
    requests: Counter[tuple[str, str]] = Counter()
    costs: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in used(org):
        requests[row["x_hierarchy_entity_name"] or "Unallocated", row["model"]] += row["request_count"] or 0
    for row in spent(org):
        model = row.get("x_genai_model") or "No model"
        costs[row["x_hierarchy_entity_name"] or "Unallocated", model] += row["BilledCost"]
    known = {(row["team"], row["model"]): row["requests"] for row in answer["rows"] if row["requests"] is not None}
    assert known == dict(requests)
    for row in answer["rows"]:
        cost = costs[row["team"], row["model"]]
        assert row["billed_cost"] == pytest.approx(float(cost), abs=1e-6)
        if row["requests"]:
            assert row["cost_per_request"] == pytest.approx(float(cost / row["requests"]), abs=1e-9)


async def test_each_kind_of_token_has_its_own_price_and_provisioned_capacity_none(ask: Call) -> None:
    answer = await ask("acme_inc", "genai_usage", model="gpt-5", **MARCH)
    (row,) = answer["rows"]
    costs = [each for each in spent("acme_inc") if each["x_genai_model"] == "gpt-5"]
    tokens = [each for each in used("acme_inc") if each["model"] == "gpt-5"]
    for name, meter in (("input", "Input Tokens"), ("cached", "Cached Input Tokens"), ("output", "Output Tokens")):
        cost = sum(each["BilledCost"] for each in costs if each["SkuMeter"] == meter)
        count = sum(each[f"{name}_tokens"] or 0 for each in tokens)
        assert row[f"{name}_cost_per_million"] == pytest.approx(float(cost * 1_000_000 / count), abs=1e-6)
    commitment = sum(each["BilledCost"] for each in costs if each["x_genai_cost_type"] == "commitment")
    assert commitment > 0
    assert row["commitment_cost"] == pytest.approx(float(commitment), abs=1e-6)


@pytest.mark.parametrize(
    ("filters", "meets"),
    [
        (
            [{"dimension": "team", "op": "not_in", "values": ["AI Products"]}],
            lambda row: row["x_hierarchy_entity_name"] != "AI Products",
        ),
        (
            [{"dimension": "entity", "values": ["Engineering"]}],
            lambda row: (row["x_hierarchy_path"] or "").startswith("/DEPT-ENG"),
        ),
        ([{"dimension": "team", "op": "is_null"}], lambda row: row["x_hierarchy_entity_name"] is None),
    ],
)
async def test_filters_hold_for_usage_and_costs(ask: Call, filters: list[Row], meets: Any) -> None:
    answer = await ask("acme_inc", "genai_usage", filters=filters, **MARCH)
    requests = sum(row["request_count"] or 0 for row in used("acme_inc") if meets(row))
    cost = sum((row["BilledCost"] for row in spent("acme_inc") if meets(row)), Decimal())
    assert answer["summary"]["usage"]["requests"] == requests
    total = sum(each["billed_cost"] for each in answer["summary"]["totals"])
    assert total == pytest.approx(float(cost), abs=1e-6)


@pytest.mark.parametrize("org", demo.ORGS)
async def test_runs_of_a_week_are_counted_exactly_and_failed_ones_show_their_retry(ask: Call, org: str) -> None:
    first, last = DEMO_TODAY - timedelta(days=20), DEMO_TODAY - timedelta(days=5)
    answer = await ask(org, "pipeline_runs", status="failed", start_date=first, end_date=last, limit=50)
    runs = [
        run
        for run in shared_rows(org)["org_meta_pipeline_runs"]
        if first <= run["start_time"].date() <= last and run["status"] == "FAILED"
    ]
    assert runs
    assert answer["summary"]["total"] == len(runs)
    assert answer["summary"]["by_status"] == {
        "pending": 0, "running": 0, "completed": 0, "failed": len(runs), "cancelled": 0,
    }  # fmt: skip
    assert answer["summary"]["by_pipeline"] == dict(Counter(run["pipeline_id"] for run in runs))
    assert answer["summary"]["not_recovered"] == 0
    for row in answer["rows"]:
        assert row["next_run_id"] == row["run_id"].removesuffix("-failed")
        assert row["next_status"] == "COMPLETED"


async def test_subscriptions_have_their_seats_and_when_they_renew(ask: Call) -> None:
    answer = await ask("acme_inc", "subscriptions")
    made = {item.row["ServiceName"]: item for item in subscriptions.subscriptions(DEMO["acme_inc"])}
    software = {row["service"]: row for row in answer["rows"] if row["kind"] == "software"}
    assert software.keys() == made.keys()
    for name, row in software.items():
        assert row["seats"] == made[name].seats
    (platform,) = (row for row in answer["rows"] if row["kind"] == "platform")
    assert platform["plan"] == "ENTERPRISE"
    assert platform["seats"] == operations.LIMITS["ENTERPRISE"][2]
    assert answer["parameters"]["org_slug"] == "acme_inc"
