"""The machines that hold a workload, priced for the organisation: list price less what its bill says it negotiated."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from common.skills.planner.bill import Bill, cents, own_hourly
from common.skills.planner.places import named
from common.skills.planner.sizing import MOST_CARDS, Sizing
from common.skills.planner.spec import WorkloadSpec

# Machines without a GPU get this much beside the model itself.
CPU_ROOM = Decimal("1.2")
# GPUs of before 2022 have no units for eight-bit floating point.
_WITH_FP8 = frozenset(["B200", "B300", "H100", "H200", "L4", "L40S", "MI300X", "RTX-PRO-4500", "RTX-PRO-6000"])

Row = Mapping[str, Any]


class MachinePrices:
    """Prices machines for this organisation: list price less what its own bill says it has negotiated."""

    def __init__(self, spec: WorkloadSpec, bill: Bill) -> None:
        self._spec = spec
        self._bill = bill
        self.usd_rate = bill.usd_rate(spec.budget_currency)

    def entry(self, row: Row) -> dict[str, Any]:
        """A machine as the plan shows it, with its price of a month for all replicas."""
        discount = self._bill.discount(row["provider"])
        own = own_hourly(row["price_hourly"], discount)
        names = (
            "provider", "instance_type", "region", "vcpus", "memory_gib", "gpu_name", "gpu_count", "gpu_memory_gib",
            "gpu_memory_total_gib", "bfloat16", "price_date", "source",
        )  # fmt: skip
        return {
            **{name: row[name] for name in names},
            "place": named(row["provider"], row["region"]),
            "currency": row["currency"],
            "list_hourly": row["price_hourly"],
            "list_monthly": self.monthly(row["price_hourly"]),
            "negotiated_percent": discount.rate * 100,
            "own_hourly": own,
            "own_monthly": self.monthly(own),
        }

    def monthly(self, hourly: Decimal) -> Decimal:
        """The price of the spec's hours and replicas, to the cent."""
        return cents(hourly * self._spec.hours_per_month * self._spec.replicas)

    def within_budget(self, entry: Row) -> bool:
        """Return true unless the month costs more than the budget, in a currency that can be compared."""
        budget = self.budget_usd
        return budget is None or entry["own_monthly"] <= budget

    @property
    def budget_usd(self) -> Decimal | None:
        """The budget in USD; None without one, and where the organisation has no rate for its currency."""
        budget = self._spec.budget_monthly
        return None if budget is None or self.usd_rate is None else budget / self.usd_rate


def machine_order(entry: Row) -> tuple[Any, ...]:
    """The order of the search, by the organisation's own price."""
    memory, cards = entry["gpu_memory_total_gib"], entry["gpu_count"]
    return entry["own_hourly"], -memory, -cards, entry["provider"], entry["instance_type"]


def fits(spec: WorkloadSpec, sizing: Sizing, row: Row) -> bool:
    """Return true if one machine holds a replica: in its memory, its cards' size and its kind of numbers."""
    if row["vcpus"] < (spec.min_vcpu or 0) or row["memory_gib"] < (spec.min_ram_gb or 0):
        return False
    if not spec.gpu_needed:
        room = CPU_ROOM if spec.runs_model else 1
        return bool(row["memory_gib"] >= sizing.need_gib * room)
    if not computes(spec, row):
        return False
    enough = row["gpu_memory_total_gib"] >= sizing.need_gib
    return bool(enough and row["gpu_memory_gib"] * MOST_CARDS >= sizing.need_gib)


def computes(spec: WorkloadSpec, row: Row) -> bool:
    """Return true if a machine's GPUs compute in the workload's kind of numbers."""
    match spec.computes_in:
        case "bf16":
            return bool(row["bfloat16"])
        case "fp8":
            return row["gpu_name"] in _WITH_FP8
        case _:
            return True
