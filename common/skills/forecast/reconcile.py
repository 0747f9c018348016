"""Parts that are made to add up to their whole: each moves as far as it is uncertain."""

from collections.abc import Sequence
from decimal import Decimal, localcontext


def reconcile(parts: Sequence[Decimal], whole: Decimal, widths: Sequence[Decimal]) -> list[Decimal]:
    """Spread the difference to the whole by the variance of the parts; a part that does not vary is not moved.

    ``widths`` are those of their intervals. No part changes its sign, and zero stays zero; what cannot be spread so is
    scaled, or else the largest part takes it.
    """
    if not parts:
        return []
    with localcontext(prec=60):
        made = _move(parts, whole - sum(parts, Decimal()), [width * width for width in widths])
        made = _move(made, whole - sum(made, Decimal()), [abs(part) for part in made])
    largest = max(range(len(made)), key=lambda index: (widths[index] > 0, abs(made[index])))
    made[largest] += whole - sum(made, Decimal())
    return made


def _move(parts: Sequence[Decimal], left: Decimal, weights: Sequence[Decimal]) -> list[Decimal]:
    """Move the parts by their weights; one that would change its sign becomes zero, and the others take its share."""
    made, free = list(parts), [index for index, weight in enumerate(weights) if weight and parts[index]]
    while left and free:
        total = sum(weights[index] for index in free)
        moved = {index: _quantize(left * weights[index] / total, parts[index]) for index in free}
        ended = [index for index in free if made[index] * (made[index] + moved[index]) < 0]
        for index in ended or free:
            step = -made[index] if ended else moved[index]
            made[index] += step
            left -= step
        free = [index for index in free if index not in ended] if ended else []
    return made


def _quantize(value: Decimal, like: Decimal) -> Decimal:
    return value.quantize(Decimal(1).scaleb(like.as_tuple().exponent))  # type: ignore[arg-type]
