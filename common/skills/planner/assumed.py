"""The assumptions of a plan: sentences on all that nobody said, which come before the rest of it."""

from common.skills.planner.spec import WorkloadSpec


def assumptions(spec: WorkloadSpec) -> list[str]:
    """A sentence for each thing that the plan assumes, what was not said before what follows from it."""
    return [f"Assumed: {each}." for each in (*_of_machines(spec), *_of_model(spec))] + _left_out(spec)


def _of_machines(spec: WorkloadSpec) -> list[str]:
    told = []
    if "replicas" not in spec.stated:
        told.append("1 machine")
    if "hours_per_month" not in spec.stated:
        told.append("it runs all the time, 730 hours a month")
    if spec.region is None:
        told.append("it may run anywhere, so of each type the cheapest region is taken")
    if spec.kubernetes and "kubernetes" not in spec.stated and "kubernetes_needs" not in spec.stated:
        told.append("it runs on Kubernetes")
    if "arch" not in spec.stated and spec.instance_type is None:
        told.append("amd64 processors")
    if not spec.runs_model and spec.min_ram_gb is None and spec.instance_type is None and not spec.gpu_needed:
        told.append("4 GiB of memory are enough")
    amounts = spec.budget_monthly is not None or spec.pays_now_monthly is not None
    if amounts and "budget_currency" not in spec.stated:
        told.append(f"amounts are in {spec.budget_currency}")
    return [*told, "Linux"]


def _of_model(spec: WorkloadSpec) -> list[str]:
    if not spec.runs_model:
        return []
    told = []
    if "precision" not in spec.stated:
        told.append(f"weights in {spec.precision}")
    if spec.trains and "method" not in spec.stated:
        told.append("LoRA, not full training" if spec.method == "lora" else "full training, not LoRA")
    if spec.serves_language and "concurrent_requests" not in spec.stated:
        told.append(f"{spec.concurrent_requests} requests at once")
    if spec.serves_language and "context_tokens" not in spec.stated:
        told.append(f"{spec.context_tokens:,} tokens a request")
    return told


def _left_out(spec: WorkloadSpec) -> list[str]:
    told = []
    if spec.computes_in == "bf16":
        told.append("GPUs without bfloat16 (T4, V100) are left out.")
    if spec.computes_in == "fp8":
        told.append("GPUs without units for eight-bit floating point (A100 and older) are left out.")
    if spec.budget_monthly is None:
        told.append("No budget was given.")
    return told
