"""Parts that are made to add up to their whole."""

from collections.abc import Sequence
from decimal import Decimal, localcontext

_FARTHEST = Decimal("0.5")


def reconcile(parts: Sequence[Decimal], whole: Decimal) -> list[Decimal]:
    """Scale the parts so that they add up to exactly the whole; the largest part takes what rounding leaves.

    Parts whose sum is far from the whole, or of the other sign, keep their sizes: the largest takes the difference.
    """
    if not parts:
        return []
    total = sum(parts, Decimal())
    with localcontext(prec=60):
        near = total != 0 and _FARTHEST <= whole / total <= 1 / _FARTHEST
        scaled = [_quantize(part * whole / total, part) if near else part for part in parts]
    largest = max(range(len(parts)), key=lambda index: abs(scaled[index]))
    scaled[largest] += whole - sum(scaled, Decimal())
    return scaled


def _quantize(value: Decimal, like: Decimal) -> Decimal:
    return value.quantize(Decimal(1).scaleb(like.as_tuple().exponent))  # type: ignore[arg-type]
