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


async def test_what_an_application_does_not_use_is_not_in_its_spec(plan: Call) -> None:
    told = (await plan("plan_deployment", task_type="application", min_vcpu=2))["summary"]["plan"]
    assert told["spec"].keys() == {
        "task_type", "gpu_needed", "min_vcpu", "arch", "replicas", "hours_per_month", "kubernetes",
        "kubernetes_needs", "confidence",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("provider", "like", "told"),
    [("aws", "t3", True), ("azure", "Standard_B", True), ("gcp", "e2-", False)],
)
async def test_cpus_that_are_only_lent_are_said_to_be(plan: Call, provider: str, like: str, told: bool) -> None:
    answer = await plan("plan_deployment", task_type="application", min_vcpu=4, min_ram_gb=16, provider=provider)
    assert answer["rows"][0]["instance_type"].startswith(like)
    said = [each for each in answer["summary"]["plan"]["tradeoffs"] if "CPUs are lent" in each]
    assert bool(said) is told
    assert all(answer["rows"][0]["instance_type"] in each for each in said)


@pytest.mark.parametrize(
    ("precision", "never"), [("fp8", {"A10", "A10G", "A100", "T4", "T4G", "V100"}), ("bf16", {"T4", "T4G", "V100"})]
)
async def test_no_gpu_is_proposed_that_does_not_compute_in_what_was_asked_for(
    plan: Call, precision: str, never: set[str]
) -> None:
    for model in ("Mistral 7B", "Qwen3 32B", "Llama 70B"):
        spec = {"task_type": "inference", "domain": "language", "gpu_needed": True, "model": model}
        for provider in ("aws", "azure", "gcp"):
            answer = await plan("plan_deployment", **spec, precision=precision, provider=provider)
            assert answer["rows"]
            assert not {row["gpu_name"] for row in answer["rows"]} & never
        answer = await plan("plan_deployment", **spec, precision="fp16", budget_monthly=60)
        offered = [each for each in answer["summary"]["plan"]["budget_note"]["would_fit"] if each.startswith("In fp8")]
        assert not any(name in each for each in offered for name in ("g4dn", "T4", "A100", "A10"))


async def test_models_of_one_size_need_as_much_whether_or_not_their_layers_are_known(plan: Call) -> None:
    spec = {"task_type": "inference", "domain": "language", "gpu_needed": True, "model": "Llama 3.3 70B"}
    told = (await plan("plan_deployment", **spec, concurrent_requests=20))["summary"]["plan"]
    same = [each["need_gib"] for each in told["models"] if each["parameters"] == told["models"][0]["parameters"]]
    assert len(same) > 1
    assert set(same) == {same[0]}
    assert same[0] > told["sizing"]["weights_gib"] + told["sizing"]["cache_gib"]


async def test_an_application_may_have_gpus(plan: Call) -> None:
    answer = await plan("plan_deployment", task_type="application", gpu_needed=True, gpu_memory_gb=20, provider="aws")
    assert answer["rows"][0]["gpu_memory_total_gib"] >= 20
    assert "on GPUs" in answer["summary"]["plan"]["understanding"]
