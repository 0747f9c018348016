"""An amount divided over targets so that the parts add up to it exactly."""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

_UNIT = Decimal("0.000000001")  # as small as NUMERIC is


def divide_exactly(amount: Decimal, weights: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Divide an amount in proportion to weights, rounded by the largest remainder; the parts add up to the amount.

    Raises ValueError where no weight is above zero, or one is below.
    """
    total = sum((Fraction(weight) for weight in weights.values()), Fraction())
    if total <= 0 or any(weight < 0 for weight in weights.values()):
        raise ValueError("weights are zero or more, and one is above zero")
    units = int((amount / _UNIT).to_integral_value())
    exact = {name: units * Fraction(weight) / total for name, weight in weights.items()}
    whole = {name: share.numerator // share.denominator for name, share in exact.items()}
    by_remainder = sorted(exact, key=lambda name: (whole[name] - exact[name], name))
    for name in by_remainder[: units - sum(whole.values())]:
        whole[name] += 1
    return {name: Decimal(count) * _UNIT for name, count in whole.items()}
