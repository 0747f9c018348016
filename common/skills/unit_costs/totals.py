"""Unit costs over all groups of an answer: per unit and currency, or per currency of a driver."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

_DIGITS = 12


def unit_totals(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Quantity and cost per unit and currency, added over all groups."""
    pairs = list(dict.fromkeys((row["unit"], row["currency"]) for row in rows))
    return [{"unit": unit, **_total([row for row in rows if row["unit"] == unit], each)} for unit, each in pairs]


def driver_totals(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Count and cost per currency over the groups that have a count; none where averages cannot be added."""
    counted = [row for row in rows if row["quantity"]]
    groups = {_group(row): row["quantity"] for row in counted}
    if len(groups) > 1 and any(row["is_average"] for row in counted):
        return []
    count = sum(groups.values(), Decimal())
    return [_total(counted, each, count) for each in sorted({row["currency"] for row in counted})]


def cost_of_one(cost: Decimal | None, quantity: Decimal | int | None) -> Decimal | None:
    """The cost of one, to twelve decimals, and of less to twelve digits. Returns None where nothing can be divided."""
    if cost is None or not quantity:
        return None
    with localcontext(prec=80):
        exact = cost / quantity
        decimals = max(_DIGITS, _DIGITS - 1 - exact.adjusted()) if exact else _DIGITS
        return exact.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)


def _group(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(value for name, value in sorted(row.items()) if name[:1] == "g" and name[1:].isdigit())


def _total(rows: Sequence[Mapping[str, Any]], currency: str, count: Decimal | None = None) -> dict[str, Any]:
    own = [row for row in rows if row["currency"] == currency]
    cost = sum((row["effective_cost"] for row in own), Decimal())
    quantity = sum((row["quantity"] for row in own), Decimal()) if count is None else count
    return {
        "quantity": quantity,
        "effective_cost": cost,
        "unit_cost": cost_of_one(cost, quantity),
        "currency": currency,
    }
