"""Metrics of FOCUS cost data: the four costs, the two quantities, and the number of line items."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from common.focus.dimensions import key_of

MetricName = Literal[
    "BilledCost", "EffectiveCost", "ListCost", "ContractedCost", "ConsumedQuantity", "PricingQuantity", "LineItems"
]
MetricKind = Literal["money", "quantity", "count"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure that is summed over rows: its FOCUS name, the field of an answer that holds it, and its kind.

    A quantity has a ``unit``: the column that says what its numbers count. Quantities of two units are never added. A
    cost has a ``meaning``, the reason to choose it.
    """

    name: MetricName
    field: str
    sql: str
    kind: MetricKind
    unit: str | None = None
    meaning: str = ""


def _money(name: MetricName, field: str, meaning: str) -> Metric:
    return Metric(name, field, f"SUM({name})", "money", meaning=meaning)


_ALL = (
    _money("BilledCost", "billed_cost", "what is invoiced: a commitment counts on the day it is bought"),
    _money("EffectiveCost", "effective_cost", "what usage cost: a commitment is spread over the usage it covers"),
    _money("ListCost", "list_cost", "at public prices, before any discount"),
    _money("ContractedCost", "contracted_cost", "at negotiated prices, before discounts of commitments"),
    Metric("ConsumedQuantity", "consumed_quantity", "SUM(ConsumedQuantity)", "quantity", "ConsumedUnit"),
    Metric("PricingQuantity", "pricing_quantity", "SUM(PricingQuantity)", "quantity", "PricingUnit"),
    Metric("LineItems", "line_items", "COUNT(*)", "count"),
)
METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _ALL}
_BY_KEY = {key_of(name): metric for metric in _ALL for name in (metric.name, metric.field)} | {
    "billed": METRICS["BilledCost"],
    "effective": METRICS["EffectiveCost"],
    "amortized": METRICS["EffectiveCost"],
    "amortizedcost": METRICS["EffectiveCost"],
    "list": METRICS["ListCost"],
    "contracted": METRICS["ContractedCost"],
    "usagequantity": METRICS["ConsumedQuantity"],
    "count": METRICS["LineItems"],
}


def describe_basis(metric: str) -> dict[str, str]:
    """Say by which metric an answer is measured and, if it is a cost, what that cost is for."""
    meaning = METRICS[metric].meaning
    return {"cost_basis": metric, **({"cost_basis_means": meaning} if meaning else {})}


def find_metric(name: str) -> Metric | None:
    """Return the metric of a name, in any spelling. Returns None if there is none."""
    return _BY_KEY.get(key_of(name))
