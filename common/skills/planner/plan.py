"""A deployment plan: computed from a spec, the catalogue and the bill. The same three make the same bytes."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from common.skills.planner.bill import Bill, Discount, cents
from common.skills.planner.budgeted import beside_budgets, passed
from common.skills.planner.fitting import CPU_ROOM, MachinePrices, computes, fits, machine_order
from common.skills.planner.sizing import BILLION, MOST_CARDS, Sizing, size
from common.skills.planner.spec import Precision, WorkloadSpec, described
from common.skills.planner.stack import choose, steps, values_yaml
from common.warehouse.catalog import STALE_DAYS, age_days
from common.warehouse.json_values import json_safe

MOST_INSTANCES, MOST_MODELS = 3, 5
_BASIS = "list, on demand, USD"
_SMALLER: tuple[Precision, ...] = ("fp8", "int4")

_NUMBERS: Mapping[Precision, str] = {"bf16": "bfloat16", "fp8": "eight-bit floating point"}
# Machine types whose CPUs are only lent for a while.
_BURSTABLE = re.compile(r"t[234][a-z]*\.|Standard_B\d|e2-(micro|small|medium)$")

Row = Mapping[str, Any]


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
    spec, sized_by = _sized(spec, facts.models)
    layout = _layout(spec, facts.models)
    sizing = size(spec, layout)
    priced = MachinePrices(spec, facts.bill)
    fitting = sorted((priced.entry(row) for row in facts.instances if fits(spec, sizing, row)), key=machine_order)
    affordable = [each for each in fitting if priced.within_budget(each)]
    chosen = (affordable or fitting)[:MOST_INSTANCES]
    models, models_note = _models(spec, facts.models, chosen, layout)
    stack, warnings = choose(spec, facts.charts)
    organization = _organization(spec, facts, chosen)
    plan_id = _identify(spec, chosen, models, stack)
    days = age_days(facts.oldest_price, facts.today)
    plan = {
        "plan_id": plan_id,
        "understanding": described(spec)[0].upper() + described(spec)[1:],
        "spec": spec.told(),
        "assumptions": [*sized_by, *sizing.rules, *_assumptions(spec)],
        "sizing": {name: value for name, value in asdict(sizing).items() if name != "rules" and value is not None},
        "instances": chosen,
        "models": models,
        "models_note": models_note,
        "kubernetes": stack,
        "steps": steps(spec, chosen[0] if chosen else None, stack, plan_id),
        "cost": _cost(spec, facts, priced, chosen),
        "budget_note": _over_budget(spec, facts, priced, fitting) if fitting and not affordable else None,
        "tradeoffs": _tradeoffs(spec, sizing, facts, priced, chosen),
        "organization": organization,
        "catalog": {"oldest_price": facts.oldest_price, "catalog_age_days": days, "price_basis": _BASIS},
        "warnings": [
            *_none_fits(spec, sizing, fitting),
            *passed(organization["budgets"], spec.paid_by),
            *warnings,
            *_amd(chosen),
            *_stale(days),
        ],
    }
    safe: dict[str, Any] = json_safe(plan)
    return {**safe, "values_yaml": values_yaml(safe)}


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
    identity = {"spec": asdict(spec), "instances": instances, "models": models, "kubernetes": stack}
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


def _cost(spec: WorkloadSpec, facts: Facts, priced: MachinePrices, chosen: Sequence[Row]) -> dict[str, Any] | None:
    """The first machine's cost: its rows, list and own totals, the budget, and what it adds to last month's bill."""
    if not chosen:
        return None
    first = chosen[0]
    line = {
        "item": f"{first['provider']} {first['instance_type']} in {first['region']}",
        "quantity": spec.replicas,
        "hours": spec.hours_per_month,
        "list_hourly": first["list_hourly"],
        "own_hourly": first["own_hourly"],
        "list_cost": first["list_monthly"],
        "own_cost": first["own_monthly"],
    }
    listed, own = first["list_monthly"], first["own_monthly"]
    cost: dict[str, Any] = {
        "currency": "USD",
        "rows": [line],
        "list_total": listed,
        "own_total": own,
        "saved_by_negotiation": listed - own,
        "not_priced": "Disks, traffic, the control plane, taxes and spot prices.",
        "added_to_last_month_percent": _added(facts.bill, own),
    }
    return cost | ({"budget": _budget(spec, priced, own)} if spec.budget_monthly is not None else {})


def _budget(spec: WorkloadSpec, priced: MachinePrices, own: Decimal) -> dict[str, Any]:
    assert spec.budget_monthly is not None
    told: dict[str, Any] = {"amount": spec.budget_monthly, "currency": spec.budget_currency}
    if priced.usd_rate is None:
        note = f"Your rows hold no rate from USD to {spec.budget_currency}, so the plan in USD is not compared with it."
        return {**told, "fits": None, "note": note}
    cost = cents(own * priced.usd_rate)
    told |= {"own_total": cost, "left": spec.budget_monthly - cost, "fits": cost <= spec.budget_monthly}
    return told if spec.budget_currency == "USD" else {**told, "usd_rate": priced.usd_rate}


def _added(bill: Bill, own: Decimal) -> Decimal | None:
    """The plan in percent of last month's bill; None where that is in several currencies, or has no rate."""
    paid = bill.paid_last_month()
    if len(paid) != 1:
        return None
    ((currency, amount),) = paid.items()
    rate = bill.usd_rate(currency)
    return None if rate is None or amount <= 0 else cents(own * rate / amount * 100)


def _over_budget(spec: WorkloadSpec, facts: Facts, priced: MachinePrices, fitting: Sequence[Row]) -> dict[str, Any]:
    """Say that the budget is below the cheapest, and what would fit it: hours, or a smaller form of the model."""
    budget = priced.budget_usd
    assert budget is not None
    cheapest = fitting[0]
    hours = (budget / (cheapest["own_hourly"] * spec.replicas)).quantize(Decimal(1), ROUND_FLOOR)
    would_fit = []
    if hours >= 1:
        would_fit.append(f"{hours} hours a month of {cheapest['instance_type']} instead of {spec.hours_per_month}.")
    for other, said in _alternatives(spec):
        sizing = size(other, _layout(other, facts.models))
        rows = sorted((priced.entry(row) for row in facts.instances if fits(other, sizing, row)), key=machine_order)
        found = next((each for each in rows if priced.within_budget(each)), None)
        if found is not None:
            would_fit.append(
                f"{said}: {sizing.need_gib} GiB on {found['provider']} {found['instance_type']} in {found['region']} "
                f"for {found['own_monthly']} USD a month."
            )
    short = cheapest["own_monthly"] - cents(budget)
    return {
        "said": f"The budget is {short} USD a month below the cheapest machine that fits.",
        "cheapest": f"{cheapest['provider']} {cheapest['instance_type']} in {cheapest['region']}",
        "cheapest_monthly": cheapest["own_monthly"],
        "would_fit": would_fit or ["Nothing in the catalogue: raise the budget, or take a smaller model."],
    }


def _alternatives(spec: WorkloadSpec) -> list[tuple[WorkloadSpec, str]]:
    if spec.gpu_memory_gb is not None or spec.billions is None:
        return []
    if spec.method == "full":
        return [(replace(spec, method="lora"), "With LoRA instead of full training")]
    order: tuple[Precision, ...] = ("fp32", "bf16", "fp16", "fp8", "int8", "int4")
    below = [each for each in _SMALLER if order.index(each) > order.index(spec.precision)]
    return [(replace(spec, precision=each), f"In {each} instead of {spec.precision}") for each in below]


def _tradeoffs(
    spec: WorkloadSpec, sizing: Sizing, facts: Facts, priced: MachinePrices, chosen: Sequence[Row]
) -> list[str]:
    told = []
    if chosen:
        if (cheaper := _next_cheaper(spec, sizing, facts, priced, chosen[0])) is not None:
            told.append(cheaper)
        if len(chosen) > 1:
            more = chosen[1]["own_monthly"] - chosen[0]["own_monthly"]
            told.append(
                f"{chosen[1]['provider']} {chosen[1]['instance_type']} costs {more} USD a month more than the first."
            )
        if names := [each["instance_type"] for each in chosen if _BURSTABLE.match(each["instance_type"])]:
            told.append(
                f"{', '.join(names)} lends its CPUs for a while: under lasting load it slows down or costs more."
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


def _assumptions(spec: WorkloadSpec) -> list[str]:
    told = [
        f"{spec.replicas} machine{'s' if spec.replicas > 1 else ''} for {spec.hours_per_month} hours a month.",
        "Machines are amd64, and of each type the cheapest region is taken."
        if not spec.region
        else "Machines are amd64.",
    ]
    if spec.task_type == "inference" and spec.domain == "language":
        told.append(f"{spec.concurrent_requests:,} requests at once with {spec.context_tokens:,} tokens each.")
    if spec.computes_in == "bf16":
        told.append("GPUs without bfloat16 (T4, V100) are left out.")
    if spec.computes_in == "fp8":
        told.append("GPUs without units for eight-bit floating point (A100 and older) are left out.")
    if spec.budget_monthly is None:
        told.append("No budget was given.")
    return told


def _none_fits(spec: WorkloadSpec, sizing: Sizing, fitting: Sequence[Row]) -> list[str]:
    if fitting:
        return []
    place = f" of {spec.provider}" if spec.provider else ""
    return [
        f"No single machine{place} in the catalogue holds {sizing.need_gib} GiB for a replica: "
        "take a smaller model, a smaller precision, fewer requests at once or a shorter context."
    ]


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
