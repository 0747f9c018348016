"""Parts that are made to add up to their whole: what is certain stays, what is not moves by its variance."""

import random
from decimal import Decimal

import pytest

from common.skills.forecast.reconcile import reconcile


def decimals(*values: str) -> list[Decimal]:
    return [Decimal(value) for value in values]


def test_a_part_that_does_not_vary_is_not_moved_and_the_others_move_by_their_variance() -> None:
    parts, widths = decimals("1020.00", "100.00", "100.00"), decimals("0", "1", "3")
    assert reconcile(parts, Decimal("1230.00"), widths) == decimals("1020.00", "101.00", "109.00")
    assert reconcile(parts, Decimal("1210.00"), widths) == decimals("1020.00", "99.00", "91.00")


def test_no_part_changes_its_sign_and_zero_stays_zero() -> None:
    parts, widths = decimals("5.00", "0.00", "100.00", "-3.00"), decimals("100", "100", "10", "0")
    made = reconcile(parts, Decimal("60.00"), widths)
    assert made == decimals("0.00", "0.00", "63.00", "-3.00")


@pytest.mark.parametrize(
    ("parts", "whole", "made"),
    [
        (("100.00", "300.00"), "404.00", ("101.00", "303.00")),
        (("100.00", "300.00"), "0.00", ("0.00", "0.00")),
        (("0.00", "0.00"), "7.00", ("7.00", "0.00")),
        (("1.00", "2.00"), "-6.00", ("-6.00", "0.00")),
    ],
)
def test_parts_that_are_all_certain_are_scaled(parts: tuple[str, ...], whole: str, made: tuple[str, ...]) -> None:
    assert reconcile(decimals(*parts), Decimal(whole), decimals("0", "0")) == decimals(*made)


def test_parts_always_add_up_to_the_whole() -> None:
    chance = random.Random(11)
    for _ in range(300):
        count = chance.randint(1, 12)
        parts = [Decimal(chance.randint(-500, 100_000)).scaleb(-2) for _ in range(count)]
        widths = [Decimal(chance.choice((0, chance.randint(0, 5000)))).scaleb(-2) for _ in range(count)]
        whole = Decimal(chance.randint(-1000, 600_000)).scaleb(-2)
        made = reconcile(parts, whole, widths)
        assert sum(made) == whole
        kept = [index for index in range(count) if not widths[index]]
        # What does not vary is moved only where what varies cannot take the difference.
        if sum(parts) <= whole and any(part > 0 for part, width in zip(parts, widths, strict=True) if width):
            assert all(made[index] == parts[index] for index in kept)
    assert reconcile([], Decimal(5), []) == []
