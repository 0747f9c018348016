"""What is asked before a plan: only what the workload needs; and an application that runs no model is planned too."""

from typing import Any

import pytest

from local.data.rows import Row
from tests.skills.conftest import Call, CountingWarehouse


@pytest.mark.parametrize(
    ("spec", "asked", "unasked"),
    [
        ({"task_type": "application"}, ["vCPUs"], ["GPUs", "about", "parameters"]),
        ({"task_type": "application", "domain": "other"}, ["vCPUs"], ["GPUs", "parameters"]),
        # A language model is no part of a web application, whatever the domain was said to be.
        ({"task_type": "application", "domain": "language"}, ["vCPUs"], ["GPUs", "parameters"]),
        ({"task_type": "inference", "domain": "speech"}, ["GPUs"], ["vCPUs", "parameters", "about"]),
        ({"task_type": "training", "gpu_memory_gb": 24}, ["about"], ["GPUs", "vCPUs"]),
        ({"gpu_needed": True}, ["serve a model", "about"], ["GPUs?"]),
    ],
)
async def test_only_what_the_workload_needs_is_asked_for(
    plan: Call, spec: dict[str, Any], asked: list[str], unasked: list[str]
) -> None:
    error = (await plan("plan_deployment", **spec))["error"]
    assert error["code"] == "needs_clarification"
    told = error["message"].partition(" So far:")[0]
    assert all(word in told for word in asked)
    assert not any(word in told for word in unasked)


@pytest.mark.parametrize(
    ("spec", "vcpus", "memory"),
    [
        ({"min_vcpu": 4, "min_ram_gb": 16}, 4, 16),
        ({"min_vcpu": 2}, 2, 4),
        ({"min_ram_gb": 7.5, "kubernetes_needs": ["database", "cache", "queue"]}, 0, 7.5),
        ({"min_vcpu": 8, "min_ram_gb": 32, "replicas": 3, "provider": "azure", "hours_per_month": 240}, 8, 32),
    ],
)
async def test_an_application_gets_the_cheapest_machine_of_its_size_and_no_model(
    plan: Call,
    catalog: dict[str, list[Row]],
    counting: CountingWarehouse,
    spec: dict[str, Any],
    vcpus: int,
    memory: float,
) -> None:
    counting.ran.clear()
    answer = await plan("plan_deployment", task_type="application", _org="empty_inc", **spec)
    told = answer["summary"]["plan"]
    fitting = [
        row
        for row in catalog["instances"]
        if row["gpu_count"] == 0
        and row["arch"] == "amd64"
        and row["vcpus"] >= vcpus
        and row["memory_gib"] >= memory
        and row["provider"] == spec.get("provider", row["provider"])
    ]
    assert answer["rows"][0]["list_hourly"] == float(min(row["price_hourly"] for row in fitting))
    assert (told["models"], told["models_note"]) == ([], None)
    assert "application" in told["understanding"]
    assert "GPU" not in " ".join(told["assumptions"])
    charts = [chart["chart"] for chart in told["kubernetes"]]
    assert {"ingress-nginx", "kube-prometheus-stack"} <= set(charts)
    assert not {"gpu-operator", "vllm-stack", "kserve-resources"} & set(charts)
    assert len(counting.ran) == 3


async def test_an_application_may_have_gpus(plan: Call) -> None:
    answer = await plan("plan_deployment", task_type="application", gpu_needed=True, gpu_memory_gb=20, provider="aws")
    assert answer["rows"][0]["gpu_memory_total_gib"] >= 20
    assert "on GPUs" in answer["summary"]["plan"]["understanding"]
