"""The three searches: their order equals a ranking in Python, their bad arguments are named, their texts are SQL."""

import random
import re
from decimal import Decimal
from typing import Any

import pytest

from common.skills.planner import sql
from common.tenant import OrgSlug, Tenant
from common.warehouse.query import Parameter, fixed
from local.data.rows import Row
from tests import googlesql
from tests.skills.conftest import PROJECT, Call, CountingWarehouse
from tests.skills.planner import ranking

Catalog = dict[str, list[Row]]
QUERIES = {name: (text, types) for name, text, types in sql.every_query()}
FILTERS = 200


@pytest.mark.parametrize("name", QUERIES)
def test_googlesql_accepts_every_text(name: str) -> None:
    text, types = QUERIES[name]
    tenant = Tenant(OrgSlug("acme_inc"), PROJECT, "organizations")
    bound = fixed(tenant, text, {each: Parameter("STRING", None) for each in types})
    assert googlesql.analyze(bound.sql, {**types, "org_slug": "STRING"})
    assert ("org_slug" in bound.sql) is (name == "bill of a plan")
    assert "{" not in bound.sql
    own = {"bill of a plan": {"acme_inc_prod", "organizations"}, "costs of a plan": {"acme_inc_prod"}}
    assert {table.split(".")[1] for table in bound.tables} == own.get(name, {"catalog"})


async def test_instances_come_in_the_documented_order(plan: Call, catalog: Catalog) -> None:
    rows, dice = catalog["instances"], random.Random(24)
    for _ in range(FILTERS):
        like = dice.choice(rows)
        offered = {
            "gpu_needed": like["gpu_count"] > 0,
            "gpu_name": like["gpu_name"],
            "min_vram_gb": float(like["gpu_memory_total_gib"]) or None,
            "min_gpu_memory_gb": float(like["gpu_memory_gib"]) or None,
            "bfloat16": bool(like["bfloat16"]),
            "max_price_monthly": float(ranking.monthly(like)),
            "provider": like["provider"],
            "min_vcpu": float(like["vcpus"]),
            "min_ram_gb": float(like["memory_gib"]),
        }
        asked: dict[str, Any] = {name: value for name, value in offered.items() if value is not None}
        asked = {name: asked[name] for name in asked if dice.random() < 0.4}
        if dice.random() < 0.3:
            asked |= {"provider": like["provider"], "region": like["region"]}
        asked["top_k"] = dice.choice((1, 5, 10, 50))
        if dice.random() < 0.3:
            asked["cheapest_region"] = True
        answer = await plan("search_instances", **asked)
        exact = {name: Decimal(str(value)) if isinstance(value, float) else value for name, value in asked.items()}
        found = [(row["provider"], row["instance_type"], row["region"]) for row in answer["rows"]]
        assert found == ranking.instances(rows, exact), asked
        assert ("more" in answer["summary"]) is (len(found) == asked["top_k"])
        prices = {(row["provider"], row["instance_type"], row["region"]): float(ranking.monthly(row)) for row in rows}
        assert all(row["price_monthly"] == prices[key] for key, row in zip(found, answer["rows"], strict=True))


async def test_charts_come_in_the_documented_order(plan: Call, catalog: Catalog) -> None:
    rows, dice = catalog["helm_charts"], random.Random(25)
    words = sorted({word for row in rows for word in f"{row['description'] or ''} {row['keywords'] or ''}".split("|")})
    for _ in range(FILTERS):
        name = dice.choice(rows)["name"]
        query = dice.choice((name, name[: dice.randint(1, len(name))], name[-4:], dice.choice(words), "% _ ' \" \\"))
        query = query.strip()[:200] or name
        query = dice.choice((query, query.upper(), f"  {query} ", f"{query} {name}"))
        top_k = dice.choice((1, 15, 50))
        answer = await plan("search_charts", query=query, top_k=top_k)
        found = [(row["name"], row["repository"]) for row in answer["rows"]]
        assert found == ranking.charts(rows, query, top_k), query


async def test_models_come_in_the_order_of_their_scores(plan: Call, catalog: Catalog) -> None:
    rows, dice = catalog["models"], random.Random(26)
    tags = sorted({row["pipeline_tag"] for row in rows if row["pipeline_tag"]})
    licenses = sorted({row["license"] for row in rows if row["license"]})
    for _ in range(FILTERS):
        names = [word for row in dice.sample(rows, 2) for word in re.findall(r"[a-z0-9.]+", row["model_id"].lower())]
        # Words that stand for others are left to a test of their own.
        words = [word for word in dict.fromkeys(dice.sample(names, min(3, len(names)))) if word.strip(".") == word]
        words = [word for word in words if word not in {"asr", "stt", "tts", "embedding", "embeddings", "sdxl"}] or [
            "8b"
        ]
        words = [
            word for word in words if word not in {"a", "an", "and", "for", "in", "of", "on", "or", "the", "to"}
        ] or ["8b"]
        words = [word for word in words if word not in {"with", "model", "models"}] or ["8b"]
        asked: dict[str, Any] = {"query": " ".join(words), "top_k": dice.choice((1, 5, 50))}
        if dice.random() < 0.4:
            asked["pipeline_tag"] = dice.choice(tags)
        if dice.random() < 0.4:
            asked["license_filter"] = dice.sample(licenses, 3)
        answer = await plan("search_models", **asked)
        found = [(row["model_id"], row["score"]) for row in answer["rows"]]
        wanted = ranking.models(rows, words, asked.get("pipeline_tag"), asked.get("license_filter", ()), asked["top_k"])
        assert found == wanted, asked


@pytest.mark.parametrize(
    ("query", "more", "first"),
    [
        ("qwen3 8b", {}, "Qwen/Qwen3-8B"),
        ("speech to text", {}, "openai/whisper-large-v3"),
        ("speech to text", {"pipeline_tag": "automatic-speech-recognition"}, "openai/whisper-large-v3"),
        ("llama 70b instruct", {"license_filter": ["llama3.3", "llama3.1"]}, "meta-llama/Llama-3.3-70B-Instruct"),
        (
            "stable diffusion image generation",
            {"pipeline_tag": "text-to-image"},
            "stabilityai/stable-diffusion-xl-base-1.0",
        ),
        ("SDXL", {"pipeline_tag": "text-to-image"}, "stabilityai/stable-diffusion-xl-base-1.0"),
    ],
)
async def test_a_model_that_people_mean_is_the_first(plan: Call, query: str, more: dict[str, Any], first: str) -> None:
    answer = await plan("search_models", query=query, **more)
    assert answer["rows"][0]["model_id"] == first


async def test_licences_and_tasks_are_held_to_before_the_ranking(plan: Call) -> None:
    answer = await plan("search_models", query="phi", license_filter=["MIT"], top_k=50)
    assert {row["license"].lower() for row in answer["rows"]} == {"mit"}
    answer = await plan("search_models", query="speech to text", pipeline_tag="automatic-speech-recognition")
    assert answer["row_count"] == 5


async def test_the_documents_example_has_its_answer(plan: Call) -> None:
    asked = {"gpu_needed": True, "min_vram_gb": 40, "max_price_monthly": 5000, "provider": "aws", "region": "us-east-1"}
    answer = await plan("search_instances", **asked, min_vcpu=16, min_ram_gb=64, top_k=10)
    assert (answer["rows"][0]["instance_type"], answer["rows"][0]["price_monthly"]) == ("g6e.4xlarge", 2193.10)
    # The order is the document's: what cannot compute in bfloat16 is second, until that is asked for.
    assert answer["rows"][1]["gpu_name"] == "T4"
    answer = await plan("search_instances", **asked, bfloat16=True, min_gpu_memory_gb=40)
    assert {row["gpu_name"] for row in answer["rows"]} == {"L40S", "RTX-PRO-6000"}


@pytest.mark.parametrize(
    ("name", "arguments", "field"),
    [
        ("search_instances", {"top_k": 0}, "top_k"),
        ("search_instances", {"top_k": 51}, "top_k"),
        ("search_instances", {"top_k": "x"}, "top_k"),
        ("search_instances", {"max_price_monthly": -1}, "max_price_monthly"),
        ("search_instances", {"max_price_monthly": 0}, "max_price_monthly"),
        ("search_instances", {"max_price_monthly": float("nan")}, "max_price_monthly"),
        ("search_instances", {"min_vram_gb": float("inf")}, "min_vram_gb"),
        ("search_instances", {"min_vram_gb": 1e300}, "min_vram_gb"),
        ("search_instances", {"min_vcpu": -5}, "min_vcpu"),
        ("search_instances", {"min_ram_gb": "many"}, "min_ram_gb"),
        ("search_instances", {"gpu_needed": "perhaps"}, "gpu_needed"),
        ("search_instances", {"provider": ""}, "provider"),
        ("search_instances", {"provider": "'; DROP TABLE instances; --"}, "provider"),
        ("search_instances", {"provider": "hetzner"}, "provider"),
        ("search_instances", {"provider": "aws", "region": "moon-1"}, "region"),
        ("search_instances", {"region": "x" * 101}, "region"),
        ("search_instances", {"dataset": "globex_inc_prod"}, "dataset"),
        ("search_charts", {}, "query"),
        ("search_charts", {"query": ""}, "query"),
        ("search_charts", {"query": " \n\t "}, "query"),
        ("search_charts", {"query": "x" * 10_000}, "query"),
        ("search_charts", {"query": "mlflow", "top_k": 1.5}, "top_k"),
        ("search_models", {"query": "  "}, "query"),
        ("search_models", {"query": 7}, "query"),
        ("search_models", {"query": "llama", "pipeline_tag": "text-to-murder"}, "pipeline_tag"),
        ("search_models", {"query": "llama", "license_filter": ["mit"] * 21}, "license_filter"),
        ("search_models", {"query": "llama", "license_filter": [""]}, "license_filter"),
    ],
)
async def test_a_bad_argument_is_named(plan: Call, name: str, arguments: dict[str, Any], field: str) -> None:
    answer = await plan(name, **arguments)
    assert field in answer["error"]["message"]


@pytest.mark.parametrize(
    "query", ["%", "_", "' OR 1=1 --", '"', "\\", "`catalog`", "{own.x}", "@top_k", "${x}", "日本", "\x00"]
)
async def test_a_hostile_text_is_a_text(plan: Call, query: str) -> None:
    for name in ("search_charts", "search_models"):
        answer = await plan(name, query=query)
        assert answer.get("rows") == [] or answer["row_count"] <= 15


async def test_every_organisation_finds_the_same(plan: Call) -> None:
    for name, arguments in (
        ("search_instances", {"gpu_needed": True}),
        ("search_charts", {"query": "prometheus"}),
        ("search_models", {"query": "qwen3"}),
    ):
        one, other = [await plan(name, **arguments, _org=org) for org in ("acme_inc", "globex_inc")]
        assert one["rows"] == other["rows"]
        assert one["sql"] == other["sql"]


async def test_a_catalogue_that_is_not_there_is_said_with_the_command(plan: Call) -> None:
    for name, arguments in (
        ("search_instances", {}),
        ("search_charts", {"query": "mlflow"}),
        ("search_models", {"query": "qwen3"}),
    ):
        answer = await plan(name, **arguments, _catalog="nowhere")
        assert answer["error"]["code"] == "catalog_empty"
        assert "python -m local catalog load" in answer["error"]["message"]


async def test_prices_that_are_old_are_said_to_be(plan: Call) -> None:
    from datetime import date

    answer = await plan("search_instances", provider="aws", _today=date(2026, 11, 28))
    assert answer["summary"]["catalog_age_days"] == (date(2026, 11, 28) - date(2026, 6, 18)).days
    assert "163 days old" in answer["summary"]["note"]
    answer = await plan("search_instances", provider="aws", _today=date(2026, 8, 1))
    assert "note" not in answer["summary"]


async def test_a_search_is_one_query_that_no_organisation_is_in(plan: Call, counting: CountingWarehouse) -> None:
    counting.ran.clear()
    await plan("search_charts", query="grafana loki")
    (ran,) = counting.ran
    assert ran.reads_catalog
    assert not ran.reads_shared
    assert "org_slug" not in ran.parameters
