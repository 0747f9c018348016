"""The cost of a plan: its total, beside a budget and beside the price that is paid now, and what is not in it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from common.skills.planner.bill import Bill, cents
from common.skills.planner.fitting import MachinePrices, Row
from common.skills.planner.sizing import Sizing
from common.skills.planner.spec import Precision, WorkloadSpec

_NOT_PRICED = (
    "Disks, traffic, the control plane, managed services, licences, support, taxes, free quotas, spot prices and "
    "commitments of one or three years."
)
_NOT_IN_BOTH = "What is paid now may have more in it, such as disks and traffic."
_SMALLER: tuple[Precision, ...] = ("fp8", "int4")

# A workload's sizing, and the machines that hold it.
Machines = Callable[[WorkloadSpec], tuple[Sizing, Sequence[Row]]]


def unpriced(spec: WorkloadSpec) -> list[str]:
    """A sentence that names what was asked for and has no price in the catalogue; none where nothing was."""
    if not spec.other_needs:
        return []
    return [f"Asked for, and not in any figure of this plan: {'; '.join(spec.other_needs)}."]


def cost_of(spec: WorkloadSpec, bill: Bill, priced: MachinePrices, chosen: Sequence[Row]) -> dict[str, Any] | None:
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
        "not_priced": " ".join([_NOT_PRICED, *unpriced(spec)]),
        "added_to_last_month_percent": _added(bill, own),
    }
    if spec.budget_monthly is not None:
        cost["budget"] = _budget(spec, priced, own)
    if spec.pays_now_monthly is not None:
        cost["now"] = _beside_now(spec, priced, own)
    if "budget_currency" in spec.stated and spec.budget_currency != "USD":
        cost["converted"] = _converted(spec, priced, listed, own)
    return cost


def _budget(spec: WorkloadSpec, priced: MachinePrices, own: Decimal) -> dict[str, Any]:
    assert spec.budget_monthly is not None
    told: dict[str, Any] = {"amount": spec.budget_monthly, "currency": spec.budget_currency}
    if priced.usd_rate is None:
        return {**told, "fits": None, "note": _no_rate(spec)}
    cost = cents(own * priced.usd_rate)
    told |= {"own_total": cost, "left": spec.budget_monthly - cost, "fits": cost <= spec.budget_monthly}
    return told if spec.budget_currency == "USD" else {**told, "usd_rate": priced.usd_rate}


def _beside_now(spec: WorkloadSpec, priced: MachinePrices, own: Decimal) -> dict[str, Any]:
    """The price that is paid now, and what the plan saves of it; less than nothing where it costs more."""
    now = spec.pays_now_monthly
    assert now is not None
    told: dict[str, Any] = {"amount": now, "currency": spec.budget_currency}
    if priced.usd_rate is None:
        return {**told, "saved": None, "saved_percent": None, "note": _no_rate(spec)}
    saved = cents(now) - cents(own * priced.usd_rate)
    note = f"Only the machines are in the plan. {_NOT_IN_BOTH}"
    return {**told, "saved": saved, "saved_percent": cents(saved / now * 100), "note": note}


def _converted(spec: WorkloadSpec, priced: MachinePrices, listed: Decimal, own: Decimal) -> dict[str, Any]:
    """The totals in the currency that was asked for, at the organisation's own rate; a note where it has none."""
    told: dict[str, Any] = {"currency": spec.budget_currency, "usd_rate": priced.usd_rate}
    if priced.usd_rate is None:
        return {**told, "note": f"Your rows hold no rate from USD to {spec.budget_currency}: the total stays in USD."}
    return {**told, "list_total": cents(listed * priced.usd_rate), "own_total": cents(own * priced.usd_rate)}


def _no_rate(spec: WorkloadSpec) -> str:
    return f"Your rows hold no rate from USD to {spec.budget_currency}, so the plan in USD is not compared with it."


def _added(bill: Bill, own: Decimal) -> Decimal | None:
    """The plan in percent of last month's bill; None where that is in several currencies, or has no rate."""
    paid = bill.paid_last_month()
    if len(paid) != 1:
        return None
    ((currency, amount),) = paid.items()
    rate = bill.usd_rate(currency)
    return None if rate is None or amount <= 0 else cents(own * rate / amount * 100)


def over_budget(
    spec: WorkloadSpec, priced: MachinePrices, fitting: Sequence[Row], machines: Machines
) -> dict[str, Any]:
    """Say that the budget is below the cheapest, and what would fit it: hours, or a smaller form of the model."""
    budget = priced.budget_usd
    assert budget is not None
    cheapest = fitting[0]
    hours = (budget / (cheapest["own_hourly"] * spec.replicas)).quantize(Decimal(1), ROUND_FLOOR)
    would_fit = []
    if hours >= 1:
        would_fit.append(f"{hours} hours a month of {cheapest['instance_type']} instead of {spec.hours_per_month}.")
    for other, said in _alternatives(spec):
        sizing, rows = machines(other)
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
