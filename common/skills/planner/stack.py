"""The Kubernetes stack: charts by what a workload needs, the commands that install them, and values to begin with."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from common.skills.planner.spec import Need, WorkloadSpec
from common.text import shorten

NAMESPACE = "workload"
RESTRICTED = "its container images left the free registry on 2025-08-28; a pull may fail without a subscription to them"
# The chart that serves a language model, and takes the values of the export.
_SERVED = "vllm-stack"
_VLLM = f"vllm-project/production-stack/{_SERVED}"
# The charts of a need in the order of preference; an upstream chart goes before a repackaged one.
_CHARTS: Mapping[Need, tuple[tuple[str, ...], ...]] = {
    "gpu": (("NVIDIA/gpu-operator/gpu-operator",),),
    "monitoring": (("prometheus-community/helm-charts/kube-prometheus-stack",),),
    "ingress": (("kubernetes/ingress-nginx/ingress-nginx",),),
    "autoscaling": (("kedacore/charts/keda",),),
    "logging": (("open-telemetry/opentelemetry-helm-charts/opentelemetry-collector",),),
    "storage": (("bitnami/charts/minio",),),
    "database": (("cloudnative-pg/charts/cloudnative-pg",),),
    "queue": (("bitnami/charts/rabbitmq",),),
    "cache": (("bitnami/charts/valkey",),),
    "batch": (("kubernetes-sigs/kueue/kueue",),),
    "workflows": (("argoproj/argo-helm/argo-workflows",),),
    "notebooks": (("jupyterhub/zero-to-jupyterhub-k8s/jupyterhub",),),
    "tracking": (("community-charts/helm-charts/mlflow",), ("bitnami/charts/mlflow",)),
    "vectors": (("qdrant/qdrant-helm/qdrant",),),
    "distributed": (("ray-project/kuberay-helm/kuberay-operator",),),
    "serving": (("kserve/kserve/kserve-crd", "kserve/kserve/kserve-resources"),),
}
_LANGUAGE_SERVING = ((_VLLM,), *_CHARTS["serving"])

Chart = Mapping[str, Any]


def wanted_charts(spec: WorkloadSpec) -> tuple[str, ...]:
    """Every chart that a spec's needs may be met with, as repository/name."""
    return tuple(sorted({chart for need in _in_order(spec) for group in _groups(spec, need) for chart in group}))


def choose(spec: WorkloadSpec, found: Iterable[Chart]) -> tuple[list[dict[str, Any]], list[str]]:
    """The charts of the stack in the order of their installation, and a warning for each that has something to know."""
    known = {f"{row['repository']}/{row['name']}": row for row in found if not row["deprecated"]}
    stack: list[dict[str, Any]] = []
    warnings: list[str] = []
    for need in _in_order(spec):
        group = next((group for group in _groups(spec, need) if all(each in known for each in group)), None)
        if group is None:
            warnings.append(f"The catalogue has no chart for {need}.")
            continue
        for each in group:
            entry = _entry(need, known[each])
            stack.append(entry)
            if entry["warning"]:
                warnings.append(f"{entry['chart']} of {entry['repository']}: {entry['warning']}.")
    return stack, warnings


def steps(spec: WorkloadSpec, instance: Mapping[str, Any] | None, stack: Sequence[Chart], plan_id: str) -> list[str]:
    """The steps of the deployment in their order, with the commands of exactly these charts."""
    told = []
    if instance is not None:
        machines = f"{spec.replicas} x {instance['instance_type']} in {instance['region']} ({instance['provider']})"
        pool = (
            f"Make a node pool of {machines}, and tag its machines" if spec.kubernetes else f"Make {machines}, tagged"
        )
        told.append(f"{pool} plan={plan_id}.")
    for chart in stack:
        if chart["chart"] == _SERVED:
            told.append("Save the values of the plan's export as values.yaml, and look through them.")
        told.append(install(chart))
    if spec.kubernetes:
        told.append(f"Check the pods: kubectl get pods --namespace {NAMESPACE}")
    return [*told, f"Compare after a week: the costs tagged plan={plan_id} with this plan."]


def install(chart: Chart) -> str:
    """The command that installs a chart; without a version where the catalogue knows no released one."""
    name, url = chart["chart"], chart["repository_url"]
    source = f"{url}/{name}" if url.startswith("oci://") else f"{name} --repo {url}"
    version = f" --version {chart['version']}" if chart["version"] else ""
    values = " --values values.yaml" if name == _SERVED else ""
    return f"helm upgrade --install {name} {source}{version} --namespace {NAMESPACE} --create-namespace{values}"


def values_yaml(plan: Mapping[str, Any]) -> str:
    """The values to begin with, for the chart that serves the model; for other charts a comment."""
    spec, sizing = plan["spec"], plan["sizing"]
    machine = next(iter(plan["instances"]), None)
    model = next(iter(plan["models"]), None)
    head = f"# Values of {plan['plan_id']}: helm upgrade --install NAME CHART --values values.yaml\n"
    charts = {chart["chart"] for chart in plan["kubernetes"]}
    if machine is None or _SERVED not in charts or model is None:
        why = "Each chart of it starts with its own values." if charts else "It has no charts."
        why = why if machine is not None else "No machine fits this plan."
        return f"{head}# {why}\n{{}}\n"
    cards = max(1, round(machine["gpu_count"]))
    engine = {
        "name": shorten(model["model_id"].rpartition("/")[2].lower().replace(".", "-").replace("_", "-"), 40),
        "repository": "vllm/vllm-openai",
        "modelURL": model["model_id"],
        "replicaCount": spec["replicas"],
        # A quarter of the machine is left to the node itself.
        "requestCPU": max(1, int(machine["vcpus"] * 3 // 4)),
        "requestMemory": f"{max(1, int(machine['memory_gib'] * 3 // 4))}Gi",
        "requestGPU": cards,
        "vllmConfig": {
            "dtype": {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}.get(spec["precision"], "auto"),
            **({"maxModelLen": spec["context_tokens"]} if "context_tokens" in spec else {}),
            "tensorParallelSize": cards,
        },
    }
    body = yaml.safe_dump({"servingEngineSpec": {"modelSpec": [engine]}}, sort_keys=False, allow_unicode=True)
    return f"{head}# vllm-stack, for {sizing['need_gib']} GiB of GPU memory a replica\n{body}"


def _entry(need: Need, row: Chart) -> dict[str, Any]:
    warnings = [RESTRICTED] if row["images_restricted"] else []
    if not row["released"]:
        warnings.append("the catalogue knows no released version of it; helm takes the newest")
    return {
        "need": need,
        "chart": row["name"],
        "repository": row["repository"],
        "repository_url": row["repository_url"],
        "version": row["version"] if row["released"] else None,
        "license": row["license"],
        "warning": "; ".join(warnings) or None,
    }


def _groups(spec: WorkloadSpec, need: Need) -> tuple[tuple[str, ...], ...]:
    return _LANGUAGE_SERVING if need == "serving" and spec.domain == "language" and spec.gpu_needed else _CHARTS[need]


def _in_order(spec: WorkloadSpec) -> list[Need]:
    return [need for need in _CHARTS if need in spec.kubernetes_needs]
