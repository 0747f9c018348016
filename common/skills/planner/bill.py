"""The organisation's bill beside list prices: its negotiated discounts, what it has committed to, what it paid last."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from common import limits
from common.focus.providers import provider_aliases
from common.skills.budgets.tools import variance_parameters
from common.skills.planner import sql
from common.tenant import Principal
from common.tools.context import WarehouseContext
from common.tools.periods import last_days, last_month, month_of
from common.warehouse.query import Parameter, fixed
from common.warehouse.result import QueryRefused

# Fewer line items say nothing of a discount.
LEAST_ITEMS = 30
MONTHS_READ = 3
RATE_DAYS = 35
_SIX = Decimal("0.000001")
_CENT = Decimal("0.01")
_PROVIDERS = ("aws", "azure", "gcp", "nebius")


@dataclass(frozen=True, slots=True)
class Discount:
    """The part of list prices that a provider takes off, by the bill: 0 with the reason where that cannot be said."""

    provider: str
    rate: Decimal
    why: str
    line_items: int = 0
    days: int = 0
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Bill:
    """The bill beside list prices: one row for each provider and currency, and the months that were read.

    ``budgets`` are those of money in force, each with its spend by day.
    """

    rows: tuple[Mapping[str, Any], ...]
    first_day: date
    last_day: date
    last_month: date
    budgets: tuple[Mapping[str, Any], ...] = ()

    def discount(self, provider: str) -> Discount:
        """The negotiated discount on computing of a provider, over all its line items in the currency with most."""
        known = [row for row in self.rows if row["provider"] == provider and row["line_items"]]
        if not known:
            return Discount(provider, Decimal(), f"The bill of {self._read} has no computing of {provider}.")
        row = max(known, key=lambda each: (each["line_items"], each["currency"]))
        items, days, currency = row["line_items"], row["days_with_data"], row["currency"]
        if items < LEAST_ITEMS:
            why = f"{items} line items of {provider} in {self._read} are too few to tell a discount."
            return Discount(provider, Decimal(), why, items, days, currency)
        listed, contracted = row["list_cost"], row["contracted_cost"]
        if not listed or listed <= 0:
            why = f"The bill of {self._read} has no list costs of {provider}."
            return Discount(provider, Decimal(), why, items, days, currency)
        if contracted <= 0:
            why = f"The bill of {self._read} has list costs of {provider}, and no contracted ones to hold beside them."
            return Discount(provider, Decimal(), why, items, days, currency)
        rate = (1 - contracted / listed).quantize(_SIX, ROUND_HALF_UP)
        if rate < 0:
            why = f"Contracted costs of {provider} in {self._read} are above its list costs."
            return Discount(provider, Decimal(), why, items, days, currency)
        why = f"{items:,} line items of computing on {days} days of {self._read}, in {currency}"
        return Discount(provider, rate, why, items, days, currency)

    @property
    def _read(self) -> str:
        return f"{self.first_day} to {self.last_day}"

    def unused(self) -> list[dict[str, Any]]:
        """The part of commitments that was paid for and not used last month, by provider and currency."""
        return [
            {"provider": row["provider"], "currency": row["currency"], "unused_cost": cents(row["unused_cost"])}
            for row in self.rows
            if row["provider"] in _PROVIDERS and row["unused_cost"] and cents(row["unused_cost"]) > 0
        ]

    def paid_last_month(self) -> dict[str, Decimal]:
        """The billed cost of last month by currency, of all providers."""
        paid: dict[str, Decimal] = {}
        for row in self.rows:
            paid[row["currency"]] = paid.get(row["currency"], Decimal()) + (row["billed_last_month"] or 0)
        return {currency: cents(amount) for currency, amount in sorted(paid.items()) if amount}

    def usd_rate(self, currency: str) -> Decimal | None:
        """The organisation's own rate from USD to a currency, the newest one; 1 for USD, None where none is known."""
        if currency == "USD":
            return Decimal(1)
        known = [row for row in self.rows if row["currency"] == currency and row["usd_rate"]]
        newest = max(known, key=lambda row: (row["usd_rate_day"], row["usd_rate"]), default=None)
        return Decimal(str(newest["usd_rate"])) if newest else None


def cents(amount: Decimal) -> Decimal:
    """The amount to the cent, halves away from zero."""
    return amount.quantize(_CENT, ROUND_HALF_UP)


def own_hourly(listed: Decimal, discount: Discount) -> Decimal:
    """The list price of an hour less the negotiated discount."""
    return (listed * (1 - discount.rate)).quantize(_SIX, ROUND_HALF_UP)


async def read_bill(principal: Principal, context: WarehouseContext) -> Bill:
    """Read the organisation's own costs of the last three full months, and its budgets; none where it has no costs."""
    last = last_month(context.today)
    first = last
    for _ in range(MONTHS_READ - 1):
        first = last_month(first.start)
    now = month_of(context.today)
    names, keys = zip(*provider_aliases(), ("nebius", "nebius"), strict=True)
    parameters = {
        **variance_parameters(context.today, 0),
        "bill_start": Parameter("TIMESTAMP", first.start_instant),
        "bill_end": Parameter("TIMESTAMP", now.end_exclusive),
        "month_start": Parameter("TIMESTAMP", last.start_instant),
        "months_end": Parameter("TIMESTAMP", last.end_exclusive),
        "rate_start": Parameter("TIMESTAMP", last_days(RATE_DAYS, context.today).start_instant),
        "provider_names": Parameter("STRING", names),
        "provider_keys": Parameter("STRING", keys),
        "max_rows": Parameter("INT64", limits.MAX_RESULT_ROWS),
    }
    del parameters["start_day"], parameters["end_day_exclusive"]
    rows: Sequence[Mapping[str, Any]] = ()
    try:
        rows = (await context.run(fixed(principal.tenant, sql.BILL, parameters))).rows
    except QueryRefused as refused:
        if refused.code != "table_not_found":
            raise
    bill, budgets = (tuple(row for row in rows if row["part"] == part) for part in ("bill", "budget"))
    return Bill(bill, first.start, last.end, last.start, budgets)
