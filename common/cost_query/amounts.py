"""Shares and changes of amounts, in percent: exact until they are rounded, once, at the end."""

from decimal import ROUND_HALF_UP, Decimal, localcontext

from common.focus.currencies import round_amount


def percent_of(part: Decimal | int, total: Decimal | int) -> Decimal | None:
    """The share of a total in percent, to two decimals. Returns None where the total is zero."""
    if total == 0:
        return None
    with localcontext(prec=80):
        return (Decimal(part) / total * 100).quantize(Decimal("0.01"), ROUND_HALF_UP)


def percent_change(current: Decimal, previous: Decimal) -> Decimal | None:
    """The change in percent of what it was, to two decimals; its sign is the direction. None where it was zero."""
    if previous == 0:
        return None
    with localcontext(prec=80):
        return ((current - previous) / abs(previous) * 100).quantize(Decimal("0.01"), ROUND_HALF_UP)


def show_amount(amount: Decimal, currency: str) -> str:
    """The amount as a sentence has it, with its currency."""
    return f"{currency} {round_amount(amount, currency):,f}"
