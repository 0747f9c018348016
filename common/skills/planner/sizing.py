"""The memory that a workload needs, by fixed rules; each rule that was used is named.

serving         weights + KV cache + 10 %; KV = 2 x layers x KV heads x head size x 2 B x context x requests
                (15 % of the weights where the layers are unknown)
LoRA            1.2 x weights + 0.5 GiB a billion parameters
full training   16 B a parameter (weights, gradients, optimiser) + 10 %
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from common.skills.planner.spec import Precision, WorkloadSpec

BYTES: Mapping[Precision, Decimal] = {
    "fp32": Decimal(4),
    "bf16": Decimal(2),
    "fp16": Decimal(2),
    "fp8": Decimal(1),
    "int8": Decimal(1),
    "int4": Decimal("0.5"),
}
GIB = Decimal(2**30)
BILLION = Decimal(10**9)
_TENTH = Decimal("0.1")
_LEAST_GIB = Decimal(4)
# Where neither a size nor a need is known: a card that mid-sized networks train and run on.
UNKNOWN_GIB = Decimal(16)
# A model over more cards than this talks more than it computes.
MOST_CARDS = 8


@dataclass(frozen=True, slots=True)
class Sizing:
    """The memory that one replica needs in GiB, its parts, and the rules in words."""

    need_gib: Decimal
    weights_gib: Decimal | None
    cache_gib: Decimal | None
    rules: tuple[str, ...]


def size(spec: WorkloadSpec, layout: Mapping[str, Any] | None = None, billions: Decimal | None = None) -> Sizing:
    """Size the workload for a model of so many billion parameters, of the spec's where None.

    ``layout`` is a row of the catalogue with the layers of the model.
    """
    if spec.gpu_memory_gb is not None:
        return Sizing(_up(spec.gpu_memory_gb), None, None, (f"You asked for {spec.gpu_memory_gb} GiB.",))
    if not spec.runs_model and spec.instance_type and spec.min_ram_gb is None:
        return Sizing(Decimal(), None, None, ())
    if not spec.runs_model and not spec.gpu_needed:
        least = spec.min_ram_gb or _LEAST_GIB
        return Sizing(_up(least), None, None, (f"One machine has {_up(least)} GiB of memory at least.",))
    count = billions if billions is not None else spec.billions
    if count is None:
        return Sizing(UNKNOWN_GIB, None, None, (f"No size is known: {UNKNOWN_GIB} GiB are assumed.",))
    weights = count * BILLION * BYTES[spec.precision] / GIB
    if spec.method == "full":
        need = count * BILLION * 16 / GIB * (1 + _TENTH)
        rule = "Full training takes 16 bytes a parameter for weights, gradients and optimiser, and 10 % more."
        return Sizing(_least(need), _up(weights), None, (rule,))
    if spec.method == "lora":
        need = weights * Decimal("1.2") + count / 2
        rule = f"LoRA takes 1.2 times the {spec.precision} weights, and 0.5 GiB a billion parameters."
        return Sizing(_least(need), _up(weights), None, (rule,))
    cache, rule = _cache(spec, layout, weights)
    need = (weights + cache) * (1 + _TENTH)
    rules = (
        f"Weights in {spec.precision} take {BYTES[spec.precision]} bytes a parameter.",
        rule,
        "10 % are kept free.",
    )
    return Sizing(_least(need), _up(weights), _up(cache), rules)


def _cache(spec: WorkloadSpec, layout: Mapping[str, Any] | None, weights: Decimal) -> tuple[Decimal, str]:
    """The memory of keys and values of all requests at once, and how it was reckoned."""
    parts = [layout.get(name) if layout else None for name in ("layers", "kv_heads", "head_dim")]
    if spec.domain != "language" or layout is None or None in parts:
        return weights * Decimal("0.15"), "Work memory is taken as 15 % of the weights: the model's layers are unknown."
    layers, heads, head = (Decimal(str(part)) for part in parts)
    cache = 2 * layers * heads * head * 2 * spec.context_tokens * spec.concurrent_requests / GIB
    said = (
        f"The cache holds {spec.concurrent_requests:,} requests of {spec.context_tokens:,} tokens, "
        f"for the layers of {layout['model_id']}."
    )
    return cache, said


def _least(need: Decimal) -> Decimal:
    return _up(max(need, _LEAST_GIB))


def _up(value: Decimal) -> Decimal:
    return value.quantize(_TENTH, ROUND_HALF_UP)
