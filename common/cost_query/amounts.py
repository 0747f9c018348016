"""Shares and changes of amounts, in percent: exact until they are rounded, once, at the end."""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction

from common.focus.currencies import round_amount

_WHOLE = 10_000  # hundredths of a percent


def percentages(amounts: Sequence[Decimal]) -> list[Decimal | None]:
    """Each amount's share of their sum in percent, to two decimals, adding up to exactly 100.

    Rounded by the largest remainder, the earlier amount first where remainders are equal. Shares of a signed sum: a
    credit among charges has a negative share, and the charges more than 100 between them. A sum of zero has no shares:
    all None.
    """
    total = sum((Fraction(amount) for amount in amounts), Fraction())
    if total == 0:
        return [None] * len(amounts)
    exact = [Fraction(amount) / total * _WHOLE for amount in amounts]
    units = [share.numerator // share.denominator for share in exact]
    by_remainder = sorted(range(len(exact)), key=lambda index: units[index] - exact[index])
    for index in by_remainder[: _WHOLE - sum(units)]:
        units[index] += 1
    return [Decimal(unit).scaleb(-2) for unit in units]


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
