"""A workload as it was described: its bounds, what has to be asked before it can be planned, and what is assumed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import Any, Literal

# "application" runs no model: a web application, an API, a database, a job.
Task = Literal["inference", "batch_inference", "fine_tuning", "training", "application"]
Domain = Literal["language", "image_generation", "video_generation", "vision", "speech", "embeddings", "other"]
Precision = Literal["fp32", "bf16", "fp16", "fp8", "int8", "int4"]
Method = Literal["lora", "full"]
Confidence = Literal["low", "medium", "high"]
Arch = Literal["amd64", "arm64"]
Need = Literal[
    "serving", "gpu", "tracking", "vectors", "monitoring", "autoscaling", "batch", "distributed", "notebooks",
    "ingress", "storage", "database", "queue", "cache", "workflows", "logging",
]  # fmt: skip

MOST_QUESTIONS = 3
# Above this, a model on CPUs answers too slowly for people.
CPU_BILLIONS = Decimal(8)
_SIZE = re.compile(
    r"(?<![\w.])(?:(\d{1,3})x)?(\d{1,4}(?:\.\d{1,3})?)\s?(b|bn|billion|m|million)(?![a-z0-9])", re.IGNORECASE
)
_TASKS = "Should it serve a model (inference), run batches, fine-tune a model, train one, or run an application?"
_DOMAINS = "What is its model about: language, images, video, vision, speech, embeddings or something else?"
_GPUS = "Should it run on GPUs?"
_SIZES = "How many vCPUs and how many GiB of memory does one machine of it need? 2 and 4 carry a small web application."
_MODELS = "Which language model is it, and how many billion parameters does it have?"


@dataclass(frozen=True, slots=True)
class WorkloadSpec:
    """The workload that is to be deployed; None where it was not said. Money is per month, memory in GiB.

    ``stated`` names the fields that were said: what the others say is assumed.
    """

    task_type: Task | None = None
    domain: Domain | None = None
    gpu_needed: bool | None = None
    model: str | None = None
    parameters_billion: Decimal | None = None
    precision: Precision = "bf16"
    method: Method | None = None
    context_tokens: int = 8192
    concurrent_requests: int = 8
    gpu_memory_gb: Decimal | None = None
    min_vcpu: Decimal | None = None
    min_ram_gb: Decimal | None = None
    gpu_name: str | None = None
    min_gpus: Decimal | None = None
    instance_type: str | None = None
    arch: Arch = "amd64"
    replicas: int = 1
    hours_per_month: Decimal = Decimal(730)
    budget_monthly: Decimal | None = None
    budget_currency: str = "USD"
    pays_now_monthly: Decimal | None = None
    paid_by: str | None = None
    provider: str | None = None
    not_providers: tuple[str, ...] = ()
    region: str | None = None
    licenses: tuple[str, ...] = ()
    kubernetes: bool = True
    kubernetes_needs: tuple[Need, ...] = ()
    other_needs: tuple[str, ...] = ()
    confidence: Confidence = "medium"
    stated: frozenset[str] = frozenset()

    @property
    def trains(self) -> bool:
        return self.task_type in ("fine_tuning", "training")

    @property
    def runs_model(self) -> bool:
        return self.task_type != "application"

    @property
    def serves_language(self) -> bool:
        """Return true if it keeps the tokens of requests in memory."""
        return self.task_type in ("inference", "batch_inference") and self.domain == "language"

    @property
    def billions(self) -> Decimal | None:
        """The parameters in billions: as given, or as the model's name says them."""
        return self.parameters_billion or billions_in(self.model or "")

    @property
    def computes_in(self) -> Precision | None:
        """The kind of numbers that its GPUs have to compute in; None where any does."""
        return self.precision if self.gpu_needed and self.runs_model else None

    def told(self) -> dict[str, Any]:
        """The fields that say something of this workload."""
        unused = {"stated", *(() if self.runs_model else ("domain", "precision"))}
        if not self.serves_language:
            unused |= {"context_tokens", "concurrent_requests"}
        if self.budget_monthly is None and self.pays_now_monthly is None:
            unused.add("budget_currency")
        given = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in unused}
        return {name: value for name, value in given.items() if value not in (None, ())}

    @property
    def on_gpus(self) -> bool | None:
        """Return true if it runs on GPUs: as said, or as follows from the rest; None where that has to be asked."""
        if self.gpu_needed is not None:
            return self.gpu_needed
        if self.gpu_memory_gb is not None or self.gpu_name or self.min_gpus is not None:
            return True
        return None if self.runs_model else False

    def settled(self) -> "WorkloadSpec":
        """The spec with its defaults: full training, LoRA for fine-tuning, and what its task needs anyway."""
        spec = replace(self, gpu_needed=self.on_gpus, domain=self.domain or ("other" if not self.runs_model else None))
        method = self.method or (None if not self.trains else "full" if self.task_type == "training" else "lora")
        needs = tuple(dict.fromkeys((*_needs(spec), *self.kubernetes_needs))) if self.kubernetes else ()
        return replace(spec, method=method, kubernetes_needs=needs)


def said_spec(said: Mapping[str, Any], confidence: Confidence) -> WorkloadSpec:
    """The spec of what was said; None, or nothing of a list, is what was not."""
    given = {name: value for name, value in said.items() if value not in (None, ())}
    return WorkloadSpec(**given, confidence=confidence, stated=frozenset(given))


def billions_in(text: str) -> Decimal | None:
    """The size that a model's name says: 70B is 70, 8x7B is 56, 350M is 0.35. None where it says none."""
    found = _SIZE.search(text)
    if found is None:
        return None
    size = Decimal(found[2]) * int(found[1] or 1) / (1000 if found[3].lower().startswith("m") else 1)
    return size if 0 < size <= 10_000 else None


def questions(spec: WorkloadSpec) -> list[str]:
    """The one to three questions that have to be answered before a plan can be made; none where it is clear.

    Only what the workload needs is asked for: of an application neither its domain nor a model, nor GPUs.
    """
    asked = []
    if spec.task_type is None:
        asked.append(_TASKS)
    if spec.domain is None and spec.runs_model:
        asked.append(_DOMAINS)
    if spec.on_gpus is None:
        asked.append(_GPUS)
    if spec.runs_model and spec.domain == "language" and spec.billions is None and spec.gpu_memory_gb is None:
        asked.append(_MODELS)
    sized = spec.min_vcpu is not None or spec.min_ram_gb is not None or spec.instance_type is not None
    if not spec.runs_model and not sized and not spec.on_gpus:
        asked.append(_SIZES)
    if not asked and (contradiction := _contradiction(spec)):
        asked.append(contradiction)
    if not asked and spec.confidence == "low":
        asked.append(f"Is it right that you want {described(spec)}? If not, what is different?")
    return asked[:MOST_QUESTIONS]


def described(spec: WorkloadSpec) -> str:
    """The workload in a few words."""
    task = {
        "inference": "to serve", "batch_inference": "to run batches with", "fine_tuning": "to fine-tune",
        "training": "to train", "application": "to run", None: "to deploy",
    }[spec.task_type]  # fmt: skip
    where = "GPUs" if spec.on_gpus else "CPUs"
    if not spec.runs_model:
        return f"{task} an application on {where}"
    kind = (spec.domain or "other").replace("_", " ")
    model = f"{spec.model} ({kind})" if spec.model else f"a model ({kind})"
    return f"{task} {model} on {where}"


def said_so_far(spec: WorkloadSpec) -> str:
    """The fields that differ from their defaults, to be passed again with the answers."""
    given = {each.name: getattr(spec, each.name) for each in fields(spec)}
    return (
        ", ".join(
            f"{each.name}={given[each.name]}"
            for each in fields(spec)
            if each.name != "stated" and given[each.name] != each.default
        )
        or "nothing"
    )


def _contradiction(spec: WorkloadSpec) -> str | None:
    if not spec.kubernetes and spec.kubernetes_needs:
        return f"You asked for {', '.join(spec.kubernetes_needs)} and for no Kubernetes. Should it run on Kubernetes?"
    if spec.provider in spec.not_providers:
        return f"You asked for {spec.provider} and for anything but it. Which provider should it be?"
    if spec.on_gpus:
        return None
    size, memory = spec.billions, spec.gpu_memory_gb
    if memory is not None:
        return f"You asked for {memory} GB of GPU memory and for no GPU. Should it run on GPUs?"
    if spec.gpu_name or spec.min_gpus is not None:
        return f"You asked for {spec.gpu_name or 'GPUs'} and for no GPU. Should it run on GPUs?"
    if not spec.runs_model:
        return None
    if size is not None and (size > CPU_BILLIONS or (spec.trains and size > 1)):
        doing = "training" if spec.trains else "serving"
        said = f"{doing} a model of {size.normalize():f} billion parameters without GPUs is hardly usable"
        return f"{said[0].upper()}{said[1:]}. May it use GPUs?"
    if spec.domain in ("image_generation", "video_generation"):
        return f"{spec.domain.replace('_', ' ').capitalize()} without GPUs takes minutes an image. May it use GPUs?"
    return None


def _needs(spec: WorkloadSpec) -> tuple[Need, ...]:
    gpu: tuple[Need, ...] = ("gpu",) if spec.gpu_needed else ()
    if spec.task_type == "application":
        return (*gpu, "ingress", "monitoring")
    if spec.task_type == "inference":
        return (*gpu, "serving", "monitoring")
    if spec.task_type == "batch_inference":
        return (*gpu, "serving", "batch", "monitoring")
    return (*gpu, "distributed", "tracking", "monitoring")
