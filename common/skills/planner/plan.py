"""A deployment plan: computed from a spec, the catalogue and the bill. The same three make the same bytes."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any

from common.skills.planner.assumed import assumptions
from common.skills.planner.bill import Bill, Discount
from common.skills.planner.budgeted import beside_budgets, passed
from common.skills.planner.costing import cost_of, over_budget, unpriced
from common.skills.planner.fitting import CPU_ROOM, MachinePrices, Row, computes, fits, machine_order
from common.skills.planner.sizing import BILLION, MOST_CARDS, Sizing, size
from common.skills.planner.spec import Precision, WorkloadSpec, described
from common.skills.planner.stack import choose, steps, values_yaml
from common.warehouse.catalog import STALE_DAYS, age_days
from common.warehouse.json_values import json_safe

MOST_INSTANCES, MOST_MODELS = 3, 5
_BASIS = "list, on demand, USD"
_NUMBERS: Mapping[Precision | None, str] = {"bf16": "bfloat16", "fp8": "eight-bit floating point"}
# Machine types whose CPUs are only lent for a while.
_BURSTABLE = re.compile(r"t[234][a-z]*\.|Standard_B\d|e2-(micro|small|medium)$")


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts that a plan is made of: rows of the catalogue, the bill, and today."""

    instances: Sequence[Row]
    models: Sequence[Row]
    charts: Sequence[Row]
    bill: Bill
    oldest_price: date
    today: date


def make_plan(spec: WorkloadSpec, facts: Facts) -> dict[str, Any]:
    """Compute the plan of a spec that is clear, as values that JSON holds."""
    spec, sized_by = _sized(_in_own_currency(spec, facts.bill), facts.models)
    layout = _layout(spec, facts.models)
    priced = MachinePrices(spec, facts.bill)
    sizing, fitting = _machines(spec, facts, priced)
    affordable = [each for each in fitting if priced.within_budget(each)]
    chosen = (affordable or fitting)[:MOST_INSTANCES]
    models, models_note = _models(spec, facts.models, chosen, layout)
    stack, warnings = choose(spec, facts.charts)
    organization = _organization(spec, facts, chosen)
    plan_id = _identify(spec, chosen, models, stack)
    days = age_days(facts.oldest_price, facts.today)
    cheaper = partial(_machines, facts=facts, priced=priced)
    plan = {
        "plan_id": plan_id,
        "understanding": described(spec)[0].upper() + described(spec)[1:],
        "spec": spec.told(),
        # What nobody said comes first.
        "assumptions": [*assumptions(spec), *sized_by, *sizing.rules],
        "sizing": {name: value for name, value in asdict(sizing).items() if name != "rules" and value is not None},
        "instances": chosen,
        "models": models,
        "models_note": models_note,
        "kubernetes": stack,
        "steps": steps(spec, chosen[0] if chosen else None, stack, plan_id),
        "cost": cost_of(spec, facts.bill, priced, chosen),
        "budget_note": over_budget(spec, priced, fitting, cheaper) if fitting and not affordable else None,
        "tradeoffs": _tradeoffs(spec, sizing, facts, priced, chosen),
        "organization": organization,
        "catalog": {"oldest_price": facts.oldest_price, "catalog_age_days": days, "price_basis": _BASIS},
        "warnings": [
            *_none_fits(spec, sizing, fitting),
            *unpriced(spec),
            *passed(organization["budgets"], spec.paid_by),
            *warnings,
            *_amd(chosen),
            *_stale(days),
        ],
    }
    safe: dict[str, Any] = json_safe(plan)
    return {**safe, "values_yaml": values_yaml(safe)}


def _machines(spec: WorkloadSpec, facts: Facts, priced: MachinePrices) -> tuple[Sizing, list[dict[str, Any]]]:
    """The memory that a workload needs, and the machines that hold it, cheapest first."""
    sizing = size(spec, _layout(spec, facts.models))
    return sizing, sorted((priced.entry(row) for row in facts.instances if fits(spec, sizing, row)), key=machine_order)


def _in_own_currency(spec: WorkloadSpec, bill: Bill) -> WorkloadSpec:
    """The spec with its amounts in the bill's currency, where none was named and the bill is in one that has a rate."""
    paid = list(bill.paid_last_month())
    if "budget_currency" in spec.stated or len(paid) != 1 or bill.usd_rate(paid[0]) is None:
        return spec
    return replace(spec, budget_currency=paid[0])


def _organization(spec: WorkloadSpec, facts: Facts, chosen: Sequence[Row]) -> dict[str, Any]:
    """The organisation's own side of the plan: discounts, commitments, what it paid last month, and its budgets."""
    budgets, note = beside_budgets(facts.bill, spec.paid_by, chosen[0] if chosen else None, facts.today)
    return {
        "discounts": [_discount(facts.bill.discount(name)) for name in _providers(chosen)],
        "unused_commitments": facts.bill.unused(),
        "billed_last_month": facts.bill.paid_last_month(),
        "budgets": budgets,
        "budgets_note": note,
    }


def _identify(spec: WorkloadSpec, instances: Sequence[Row], models: Sequence[Row], stack: Sequence[Row]) -> str:
    """The plan's id: a digest of what was asked for and what is proposed."""
    identity = {"spec": spec.told(), "instances": instances, "models": models, "kubernetes": stack}
    return f"plan-{hashlib.sha256(json.dumps(json_safe(identity), sort_keys=True).encode()).hexdigest()[:12]}"


def _sized(spec: WorkloadSpec, models: Sequence[Row]) -> tuple[WorkloadSpec, list[str]]:
    """The spec with the size of the model that has all words of its name, where no size was said."""
    if spec.billions is not None or spec.gpu_memory_gb is not None or not spec.model or not models:
        return spec, []
    first = models[0]
    if first["relevance"] < 1:
        return spec, []
    billions = first["parameters"] / BILLION
    return replace(spec, parameters_billion=billions), [f"{first['model_id']} has {first['parameters']:,} parameters."]


def _layout(spec: WorkloadSpec, models: Sequence[Row]) -> Row | None:
    """The best match of the model's name that has about its size and known layers."""
    billions = spec.billions
    if billions is None or not spec.model:
        return None
    return next((row for row in models if _is_laid_out(row) and _is_about(row, billions * BILLION)), None)


def _is_laid_out(row: Row) -> bool:
    return bool(row["layers"] and row["kv_heads"] and row["head_dim"])


def _is_about(row: Row, parameters: Decimal | int) -> bool:
    return bool(abs(row["parameters"] - parameters) <= parameters / 10)


def _models(
    spec: WorkloadSpec, models: Sequence[Row], chosen: Sequence[Row], layout: Row | None
) -> tuple[list[dict[str, Any]], str | None]:
    """The models that fit each of the machines by their own size, and why there is none."""
    if not spec.runs_model:
        return [], None
    if not spec.model and spec.trains:
        return [], "No model was named to start from."
    if not models:
        asked = f" with the licences {', '.join(spec.licenses)}" if spec.licenses else ""
        return [], f"The catalogue has no such model{asked}."
    if not chosen:
        return [], "No machine fits, so no model is proposed for one."
    memory = min(each["gpu_memory_total_gib"] if spec.gpu_needed else each["memory_gib"] / CPU_ROOM for each in chosen)
    bare = replace(spec, gpu_memory_gb=None)
    kept: list[dict[str, Any]] = []
    for row in models:
        like = layout if layout and not _is_laid_out(row) and _is_about(row, layout["parameters"]) else row
        needed = size(bare, like, row["parameters"] / BILLION).need_gib
        if needed <= memory and len(kept) < MOST_MODELS:
            names = ("model_id", "pipeline_tag", "license", "parameters", "downloads", "likes", "score")
            kept.append({**{name: row[name] for name in names}, "need_gib": needed})
    note = None if kept else f"None of the models that were found fits {memory} GiB in {spec.precision}."
    if kept and any(each["license"] is None for each in kept):
        note = "A licence that is not known is not shown; look at the model's page before you use it."
    return kept, note


def _tradeoffs(
    spec: WorkloadSpec, sizing: Sizing, facts: Facts, priced: MachinePrices, chosen: Sequence[Row]
) -> list[str]:
    told = []
    if chosen:
        if (cheaper := _next_cheaper(spec, sizing, facts, priced, chosen[0])) is not None:
            told.append(cheaper)
        if len(chosen) > 1:
            more = chosen[1]["own_monthly"] - chosen[0]["own_monthly"]
            than = f"{more} USD a month more than" if more else "the same as"
            told.append(f"{chosen[1]['provider']} {chosen[1]['instance_type']} costs {than} the first.")
        if names := [each["instance_type"] for each in chosen if _BURSTABLE.match(each["instance_type"])]:
            told.append(
                f"{', '.join(names)}: the CPUs are lent for a while; under lasting load they slow down or cost more."
            )
        if (chosen[0]["gpu_count"] or 0) > 1:
            told.append("The work is split over several GPUs of one machine, which costs some speed.")
    if spec.hours_per_month < 730:
        told.append(f"The machine is off for the rest of the month: {spec.hours_per_month} hours are planned.")
    told.append("Spot prices are not in the catalogue: they are lower, and the machine can be taken away.")
    return told


def _next_cheaper(spec: WorkloadSpec, sizing: Sizing, facts: Facts, priced: MachinePrices, first: Row) -> str | None:
    """The machine with a GPU that is next below the first in price, and what it lacks."""
    if not spec.gpu_needed:
        return None
    below = [row for row in facts.instances if machine_order(priced.entry(row)) < machine_order(first)]
    row = max(below, key=lambda each: machine_order(priced.entry(each)), default=None)
    if row is None or not (lacks := _lacks(spec, sizing, row)):
        return None
    price = priced.entry(row)["own_monthly"]
    return f"The next cheaper, {row['provider']} {row['instance_type']} for {price} USD a month, {lacks}."


def _lacks(spec: WorkloadSpec, sizing: Sizing, row: Row) -> str:
    """Say why a machine is not proposed; empty where that is its place in the order alone."""
    if row["gpu_memory_total_gib"] < sizing.need_gib:
        return f"has {row['gpu_memory_total_gib']} GiB of GPU memory, where {sizing.need_gib} are needed"
    if not computes(spec, row):
        return f"has GPUs that do not compute in {_NUMBERS[spec.precision]}"
    if row["gpu_memory_gib"] * MOST_CARDS < sizing.need_gib:
        return f"would split the model over more than {MOST_CARDS} GPUs"
    return ""


def _none_fits(spec: WorkloadSpec, sizing: Sizing, fitting: Sequence[Row]) -> list[str]:
    """Say that no machine fits, with all that it would have to have, and what to ask for instead."""
    if fitting:
        return []
    named = f"No {spec.instance_type}" if spec.instance_type else "No single machine"
    place = f" of {spec.provider}" if spec.provider else ""
    place += f" in {spec.region}" if spec.region else ""
    memory = "holds {} GiB for a replica" if spec.runs_model or spec.gpu_needed else "has {} GiB of memory"
    needs = [memory.format(sizing.need_gib)] if sizing.need_gib else []
    needs += [f"has {spec.min_vcpu} vCPUs"] if spec.min_vcpu is not None else []
    needs += [f"has {spec.min_ram_gb} GiB of memory"] if spec.min_ram_gb is not None and spec.gpu_needed else []
    needs += [f"has {spec.min_gpus} GPUs"] if spec.min_gpus is not None else []
    needs += [f"has a GPU of the kind {spec.gpu_name}"] if spec.gpu_name else []
    needs += [f"computes in {_NUMBERS[kind]}"] if (kind := spec.computes_in) in _NUMBERS else []
    instead = (
        "take a smaller model, a smaller precision, fewer requests at once or a shorter context"
        if spec.runs_model
        else "take several smaller machines, or ask for less of each"
    )
    return [f"{named}{place} in the catalogue {' and '.join(needs) or 'fits'}: {instead}."]


def _amd(chosen: Sequence[Row]) -> list[str]:
    names = sorted({each["instance_type"] for each in chosen if str(each["gpu_name"]).startswith("MI")})
    return (
        [f"{', '.join(names)} has GPUs of AMD: take AMD's operator and images in place of NVIDIA's."] if names else []
    )


def _stale(days: int) -> list[str]:
    return [f"The oldest price is {days} days old: look prices up before you order."] if days > STALE_DAYS else []


def _discount(discount: Discount) -> dict[str, Any]:
    return {
        "provider": discount.provider,
        "negotiated_percent": discount.rate * 100,
        "line_items": discount.line_items,
        "days": discount.days,
        "why": discount.why,
    }


def _providers(chosen: Sequence[Row]) -> list[str]:
    return sorted({each["provider"] for each in chosen})
