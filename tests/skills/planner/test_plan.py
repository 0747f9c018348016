"""A plan: reproducible, every price in the files, discounts as the rows say, memory that fits, costs to the cent."""

import json
import random
from collections import defaultdict
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from google.cloud import bigquery

from common.skills.planner import sql
from common.skills.planner.spec import billions_in
from common.tenant import OrgSlug, Tenant
from common.warehouse import schema
from common.warehouse.query import Parameter, fixed
from local.data import warehouse
from local.data.rows import Row
from tests import googlesql
from tests.skills.conftest import DEMO_TODAY, PROJECT, Call, CountingWarehouse, rows_of

Catalog = dict[str, list[Row]]
SPECS = 200
# The last three full months before DEMO_TODAY, and the last of them.
FIRST, LAST, MONTH = date(2025, 12, 1), date(2026, 2, 28), date(2026, 2, 1)
NAMES = {"AWS": "aws", "Microsoft Azure": "azure", "Google Cloud": "gcp"}
BYTES = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0, "fp8": 1.0, "int8": 1.0, "int4": 0.5}
LLAMA = {"task_type": "inference", "domain": "language", "gpu_needed": True, "model": "Llama 70B"}
MODELS = (
    ("Llama 70B", 70), ("Llama 3.1 8B", 8), ("Qwen3 4B", 4), ("Mistral 7B", 7), ("Qwen3 32B", 32), ("gpt2 0.1B", 0.1),
    ("Mixtral 8x7B", 56), ("a model of 500 million", 0.5), ("Qwen2.5 72B", 72),
)  # fmt: skip
WITH_BITNAMI = ("storage", "queue", "cache")


def cents(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.01"), ROUND_HALF_UP)


def near(value: float, wanted: Decimal) -> bool:
    return Decimal(str(value)) == wanted


def discounts(org: str) -> dict[str, Decimal]:
    """The negotiated discount of each provider, summed from the rows: of the currency with most line items."""
    sums: dict[tuple[str, str], list[Decimal]] = defaultdict(lambda: [Decimal(), Decimal(), Decimal()])
    for row in rows_of(org):
        if not FIRST <= row["ChargePeriodStart"].date() <= LAST or row["ServiceCategory"] != "Compute":
            continue
        if row["ChargeCategory"] != "Usage" or row.get("CommitmentDiscountStatus") == "Unused":
            continue
        if row["ServiceProviderName"] in NAMES:
            each = sums[NAMES[row["ServiceProviderName"]], row["BillingCurrency"]]
            each[0] += 1
            each[1] += row["ListCost"]
            each[2] += row["ContractedCost"]
    best: dict[str, tuple[Decimal, Decimal]] = {}
    for (provider, _), (count, listed, contracted) in sums.items():
        if count >= 30 and count > best.get(provider, (Decimal(), Decimal()))[0]:
            rate = (1 - contracted / listed).quantize(Decimal("0.000001"), ROUND_HALF_UP)
            best[provider] = (count, max(rate, Decimal()))
    return {provider: rate for provider, (_, rate) in best.items()}


def least_memory(spec: dict[str, Any], billions: float) -> float:
    """What a model needs at least in GiB, by arithmetic of its own: the weights, or what training keeps of each."""
    weights = billions * 1e9 * BYTES[spec.get("precision", "bf16")] / 2**30
    if spec["task_type"] in ("inference", "batch_inference"):
        return weights * 1.1
    full = spec.get("method", "full" if spec["task_type"] == "training" else "lora") == "full"
    return billions * 1e9 * 16 / 2**30 * 1.1 if full else weights * 1.2


def made(dice: random.Random) -> dict[str, Any]:
    """A spec that is clear."""
    name, billions = dice.choice(MODELS)
    spec: dict[str, Any] = {
        "task_type": dice.choice(("inference", "batch_inference", "fine_tuning", "training")),
        "domain": "language",
        "gpu_needed": billions > 1 or dice.random() < 0.5,
        "model": name,
    }
    if billions < 1:
        spec["model"] = name
    offered: dict[str, Any] = {
        "precision": dice.choice(tuple(BYTES)),
        "method": dice.choice(("lora", "full")),
        "context_tokens": dice.choice((1024, 32_768, 131_072)),
        "concurrent_requests": dice.choice((1, 4, 64)),
        "replicas": dice.choice((2, 3, 10)),
        "hours_per_month": dice.choice((1, 160, 744, 99.5)),
        "budget_monthly": dice.choice((50, 900, 5_000, 250_000.55)),
        "provider": dice.choice(("aws", "azure", "gcp", "Google Cloud", "nebius")),
        "licenses": dice.choice((["apache-2.0"], ["llama3.3", "llama3.1"], ["wtfpl"])),
        "kubernetes_needs": dice.sample(
            ["gpu", "serving", "tracking", "vectors", "monitoring", *WITH_BITNAMI, "notebooks"], 4
        ),
        "min_vcpu": dice.choice((4, 16)),
        "min_ram_gb": dice.choice((16, 128)),
    }
    return spec | {key: value for key, value in offered.items() if dice.random() < 0.3}


async def test_two_hundred_plans_hold_up(plan: Call, catalog: Catalog) -> None:
    dice = random.Random(7)
    prices = {(row["provider"], row["instance_type"], row["region"]): row for row in catalog["instances"]}
    charts = {(row["repository"], row["name"]): row for row in catalog["helm_charts"]}
    known = {row["model_id"]: row for row in catalog["models"]}
    rates = {org: discounts(org) for org in ("acme_inc", "globex_inc", "empty_inc")}
    assert rates["acme_inc"]
    seen = 0
    for number in range(SPECS):
        org, spec = ("acme_inc", "globex_inc", "empty_inc")[number % 3], made(dice)
        answer = await plan("plan_deployment", _org=org, **spec)
        assert "error" not in answer, (spec, answer)
        told = answer["summary"]["plan"]
        assert len(json.dumps(answer["rows"])) + len(json.dumps(told)) <= 16_384
        seen += len(answer["rows"])
        check_machines(spec, answer["rows"], prices, rates[org])
        check_models(spec, told["models"], answer["rows"], known)
        check_stack(told, charts)
        check_cost(spec, told, answer["rows"], org)
    assert seen > SPECS


def check_machines(spec: dict[str, Any], rows: list[Row], prices: Any, rates: dict[str, Decimal]) -> None:
    hours = Decimal(str(spec.get("hours_per_month", 730))) * spec.get("replicas", 1)
    billions = float(billions_in(spec["model"]) or 0)
    order = []
    for row in rows:
        listed = prices[row["provider"], row["instance_type"], row["region"]]
        assert near(row["list_hourly"], listed["price_hourly"])
        assert row["price_date"] == listed["price_date"].isoformat()
        rate = rates.get(row["provider"], Decimal())
        own = (listed["price_hourly"] * (1 - rate)).quantize(Decimal("0.000001"), ROUND_HALF_UP)
        assert near(row["own_hourly"], own), (row, rate)
        assert near(row["own_monthly"], cents(own * hours))
        assert near(row["list_monthly"], cents(listed["price_hourly"] * hours))
        memory = listed["gpu_memory_total_gib"] if spec["gpu_needed"] else listed["memory_gib"]
        assert float(memory) >= least_memory(spec, billions) - 0.05
        assert not spec["gpu_needed"] or float(listed["gpu_memory_gib"]) * 8 >= least_memory(spec, billions) - 0.05
        assert listed["bfloat16"] or not spec["gpu_needed"] or spec.get("precision", "bf16") != "bf16"
        assert listed["vcpus"] >= spec.get("min_vcpu", 0)
        assert listed["memory_gib"] >= spec.get("min_ram_gb", 0)
        order.append(own)
    assert order == sorted(order)
    assert len(rows) <= 3


def check_models(spec: dict[str, Any], models: list[Row], rows: list[Row], known: dict[str, Row]) -> None:
    assert len(models) <= 5
    assert not models or rows
    for each in models:
        row = known[each["model_id"]]
        assert not spec.get("licenses") or (row["license"] or "").lower() in spec["licenses"]
        assert each["parameters"] == row["parameters"]
        needed = least_memory(spec, row["parameters"] / 1e9)
        fits = [float(row["gpu_memory_total_gib"] if spec["gpu_needed"] else row["memory_gib"]) for row in rows]
        assert min(fits) >= needed - 0.05


def check_stack(told: dict[str, Any], charts: Any) -> None:
    commands = [step for step in told["steps"] if step.startswith("helm ")]
    assert len(commands) == len(told["kubernetes"])
    for chart, command in zip(told["kubernetes"], commands, strict=True):
        row = charts[chart["repository"], chart["chart"]]
        assert not row["deprecated"]
        version = row["version"] if row["released"] else None
        assert chart["version"] == version
        assert (f"--version {version} " in command) if version else ("--version" not in command)
        assert row["repository_url"] in command
        if row["images_restricted"]:
            assert "left the free registry" in chart["warning"]
            assert any(warning.startswith(f"{chart['chart']} of {chart['repository']}") for warning in told["warnings"])


def check_cost(spec: dict[str, Any], told: dict[str, Any], rows: list[Row], org: str) -> None:
    cost = told["cost"]
    if not rows:
        assert cost is None
        assert "No single machine" in told["warnings"][0]
        return
    assert near(cost["own_total"], sum((Decimal(str(row["own_cost"])) for row in cost["rows"]), Decimal()))
    assert (cost["list_total"], cost["own_total"]) == (rows[0]["list_monthly"], rows[0]["own_monthly"])
    if "budget_monthly" in spec:
        fits = rows[0]["own_monthly"] <= spec["budget_monthly"]
        assert cost["budget"]["fits"] is fits
        assert (told["budget_note"] is None) is fits
        assert near(cost["budget"]["left"], Decimal(str(spec["budget_monthly"])) - Decimal(str(rows[0]["own_monthly"])))
    # No sum is made of two currencies.
    assert (cost["added_to_last_month_percent"] is not None) is (org == "acme_inc")


async def test_the_same_spec_makes_the_same_bytes(plan: Call) -> None:
    answers = [await plan("plan_deployment", **LLAMA, budget_monthly=900) for _ in range(10)]
    bare = {json.dumps({"rows": each["rows"], "summary": each["summary"]}) for each in answers}
    assert len(bare) == 1


async def test_a_plan_is_four_queries_at_once(plan: Call, counting: CountingWarehouse) -> None:
    counting.ran.clear()
    await plan("plan_deployment", **LLAMA)
    assert len(counting.ran) == 4
    assert sorted(each.reads_catalog for each in counting.ran) == [False, True, True, True]
    # The organisation's own side, its bill and its budgets, is one of them.
    assert [each.reads_shared for each in counting.ran] == [not each.reads_catalog for each in counting.ran]


async def test_llama_70b_is_sized_as_its_arithmetic_says(plan: Call) -> None:
    told = (await plan("plan_deployment", **LLAMA))["summary"]["plan"]
    weights, cache = 70e9 * 2 / 2**30, 2 * 80 * 8 * 128 * 2 * 8192 * 8 / 2**30
    assert told["sizing"] == {
        "need_gib": round((weights + cache) * 1.1, 1), "weights_gib": round(weights, 1), "cache_gib": round(cache, 1)
    }  # fmt: skip
    assert told["sizing"]["need_gib"] == 165.4


@pytest.mark.parametrize(
    ("spec", "count", "word"),
    [
        ({}, 3, "GPUs"),
        ({"task_type": "inference"}, 2, "about"),
        ({"task_type": "inference", "domain": "language", "gpu_needed": True}, 1, "parameters"),
        ({**LLAMA, "gpu_needed": False}, 1, "May it use GPUs"),
        ({**LLAMA, "gpu_needed": None}, 1, "Should it run on GPUs"),
        ({**LLAMA, "confidence": "low"}, 1, "Is it right"),
        ({"task_type": "inference", "domain": "image_generation", "gpu_needed": False, "model": "SDXL"}, 1, "GPUs"),
        ({"task_type": "training", "domain": "vision", "gpu_needed": False, "gpu_memory_gb": 24}, 1, "GPU memory"),
    ],
)
async def test_what_is_missing_is_asked_for(plan: Call, spec: dict[str, Any], count: int, word: str) -> None:
    error = (await plan("plan_deployment", **spec))["error"]
    assert error["code"] == "needs_clarification"
    assert error["message"].count(") ") >= count
    assert f"{count + 1}) " not in error["message"]
    assert word in error["message"]
    assert all(f"{name}={value}" in error["message"] for name, value in spec.items() if value is not None)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"concurrent_requests": -5}, "concurrent_requests"),
        ({"context_tokens": 10_000_000}, "context_tokens"),
        ({"budget_monthly": 0}, "budget_monthly"),
        ({"budget_monthly": float("nan")}, "budget_monthly"),
        ({"budget_monthly": 1e300}, "budget_monthly"),
        ({"budget_currency": "dollars"}, "budget_currency"),
        ({"parameters_billion": -1}, "parameters_billion"),
        ({"parameters_billion": float("inf")}, "parameters_billion"),
        ({"replicas": 0}, "replicas"),
        ({"replicas": 2.5}, "replicas"),
        ({"hours_per_month": 745}, "hours_per_month"),
        ({"gpu_memory_gb": "much"}, "gpu_memory_gb"),
        ({"task_type": "world domination"}, "task_type"),
        ({"precision": "bf17"}, "precision"),
        ({"kubernetes_needs": ["everything"]}, "kubernetes_needs"),
        ({"model": "x" * 101}, "model"),
        ({"model": ""}, "model"),
        ({"provider": "'; DELETE FROM catalog.instances"}, "provider"),
        ({"provider": "aws", "region": "` OR 1=1"}, "region"),
        ({"org_slug": "globex_inc"}, "org_slug"),
    ],
)
async def test_an_absurd_or_hostile_argument_is_named(plan: Call, wrong: dict[str, Any], field: str) -> None:
    error = (await plan("plan_deployment", **{**LLAMA, **wrong}))["error"]
    assert error["code"] != "needs_clarification"
    assert field in error["message"]


@pytest.mark.parametrize(
    "name", ["'; DROP TABLE models; -- 7B", '"} 7B', "{own.x} 7B", "@top_k 7B", "日本語 7B", "% 7B"]
)
async def test_a_hostile_name_of_a_model_is_a_name(plan: Call, name: str) -> None:
    answer = await plan("plan_deployment", **{**LLAMA, "model": name})
    assert answer["summary"]["plan"]["spec"]["model"] == name
    assert answer["row_count"] == 3


async def test_a_budget_below_the_cheapest_names_it_and_what_would_fit(plan: Call) -> None:
    asked = {"task_type": "inference", "domain": "language", "gpu_needed": True, "model": "Qwen3 32B"}
    free = await plan("plan_deployment", **asked)
    answer = await plan("plan_deployment", **asked, budget_monthly=1500)
    note, cheapest = answer["summary"]["plan"]["budget_note"], free["rows"][0]
    assert note["cheapest_monthly"] == cheapest["own_monthly"] > 1500
    assert cheapest["instance_type"] in note["cheapest"]
    hours = int(Decimal(1500) / Decimal(str(cheapest["own_hourly"])))
    assert note["would_fit"][0].startswith(f"{hours} hours a month")
    smaller = next(each for each in note["would_fit"] if each.startswith("In int4"))
    offered = await plan("plan_deployment", **asked, precision="int4", budget_monthly=1500)
    assert f"{offered['rows'][0]['instance_type']} in" in smaller
    assert offered["rows"][0]["own_monthly"] <= 1500
    nothing = await plan("plan_deployment", **LLAMA, budget_monthly=0.5)
    assert "raise the budget" in nothing["summary"]["plan"]["budget_note"]["would_fit"][0]


async def test_what_fits_nowhere_is_said_and_has_no_price(plan: Call) -> None:
    asked = {**LLAMA, "model": "a 9000B model", "task_type": "training"}
    answer = await plan("plan_deployment", **asked)
    told = answer["summary"]["plan"]
    assert (answer["rows"], told["cost"], told["models"]) == ([], None, [])
    assert "No single machine" in told["warnings"][0]


async def test_licences_that_nobody_has_leave_no_model_with_the_reason(plan: Call) -> None:
    told = (await plan("plan_deployment", **LLAMA, licenses=["WTFPL"]))["summary"]["plan"]
    assert told["models"] == []
    assert "wtfpl" in told["models_note"]


async def test_a_model_without_a_size_in_its_name_has_that_of_the_catalogue(plan: Call) -> None:
    asked = {"task_type": "inference", "domain": "image_generation", "gpu_needed": True, "model": "SDXL"}
    told = (await plan("plan_deployment", **asked))["summary"]["plan"]
    assert told["models"][0]["model_id"] == "stabilityai/stable-diffusion-xl-base-1.0"
    assert any("3,468,837,945 parameters" in each for each in told["assumptions"])


async def test_unused_commitments_and_last_months_bill_are_those_of_the_rows(plan: Call) -> None:
    told = (await plan("plan_deployment", **LLAMA))["summary"]["plan"]["organization"]
    month = [row for row in rows_of("acme_inc") if MONTH <= row["ChargePeriodStart"].date() <= LAST]
    unused: dict[str, Decimal] = defaultdict(Decimal)
    for row in month:
        if row.get("CommitmentDiscountStatus") == "Unused":
            unused[NAMES[row["ServiceProviderName"]]] += row["EffectiveCost"]
    assert {each["provider"]: each["unused_cost"] for each in told["unused_commitments"]} == {
        provider: float(cents(cost)) for provider, cost in unused.items() if cents(cost) > 0
    }
    assert told["billed_last_month"] == {"USD": float(cents(sum((row["BilledCost"] for row in month), Decimal())))}


async def test_an_organisation_without_costs_gets_list_prices_and_a_sentence(plan: Call) -> None:
    for org in ("empty_inc", "nobody_inc"):
        answer = await plan("plan_deployment", **LLAMA, _org=org)
        assert all(row["own_monthly"] == row["list_monthly"] for row in answer["rows"])
        told = answer["summary"]["plan"]["organization"]
        assert all("has no computing of" in each["why"] for each in told["discounts"])
        assert told["unused_commitments"] == []


async def test_a_budget_in_a_currency_without_a_rate_is_not_compared(plan: Call) -> None:
    told = await plan("plan_deployment", **LLAMA, _org="globex_inc", budget_monthly=100, budget_currency="eur")
    budget = told["summary"]["plan"]["cost"]["budget"]
    assert (budget["fits"], budget["currency"]) == (None, "EUR")
    assert "no rate from USD to EUR" in budget["note"]


async def test_a_rate_of_ones_own_compares_a_budget_and_the_rows_of_others_change_nothing(
    plan: Call, catalogued: bigquery.Client
) -> None:
    before = await plan("plan_deployment", **LLAMA)
    like = next(row for row in rows_of("globex_inc") if row["ServiceCategory"] == "Compute")
    day = datetime(2026, 3, 20, tzinfo=UTC)
    converted = {
        "ChargePeriodStart": day,
        "BillingCurrency": "EUR",
        "x_original_currency": "USD",
        "x_exchange_rate_used": 0.8,
    }
    warehouse.create(catalogued, ["rated_inc"])
    described = schema.load("tenant", warehouse.COSTS)
    table = f"{PROJECT}.{warehouse.tenant_dataset('rated_inc')}.{warehouse.COSTS}"
    warehouse.wait_for(warehouse.replace_rows(catalogued, table, described, [{**like, **converted}]))
    answer = await plan("plan_deployment", **LLAMA, _org="rated_inc", budget_monthly=4800, budget_currency="EUR")
    budget = answer["summary"]["plan"]["cost"]["budget"]
    assert budget["usd_rate"] == 0.8
    assert near(budget["own_total"], cents(Decimal(str(answer["rows"][0]["own_monthly"])) * Decimal("0.8")))
    assert budget["fits"] is True
    after = await plan("plan_deployment", **LLAMA)
    assert (after["rows"], after["summary"]) == (before["rows"], before["summary"])


async def test_prices_older_than_ninety_days_are_said_in_words(plan: Call) -> None:
    told = (await plan("plan_deployment", **LLAMA, _today=date(2026, 11, 28)))["summary"]["plan"]
    assert told["catalog"]["catalog_age_days"] == 163
    assert any("163 days old" in warning for warning in told["warnings"])
    told = (await plan("plan_deployment", **LLAMA, _today=DEMO_TODAY))["summary"]["plan"]
    assert not any("days old" in warning for warning in told["warnings"])


def test_the_bill_is_of_one_organisation_alone() -> None:
    tenant = Tenant(OrgSlug("acme_inc"), PROJECT, "organizations")
    query = fixed(tenant, sql.BILL, {name: Parameter("STRING", None) for name in sql.BILL_TYPES})
    assert query.tables == {
        f"{PROJECT}.acme_inc_prod.cost_data_standard_1_3", f"{PROJECT}.organizations.org_budgets"
    }  # fmt: skip
    assert query.parameters["org_slug"].value == "acme_inc"
    types = {**sql.BILL_TYPES, "org_slug": "STRING"}
    columns = {column.name: column.type for column in googlesql.analyze(query.sql, types)}
    assert {columns[name] for name in ("list_cost", "contracted_cost", "effective_cost", "unused_cost")} == {"NUMERIC"}
