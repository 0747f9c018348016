"""Shares and changes in percent: exact sums, signed amounts, and zeros."""

import random
from decimal import Decimal

import pytest

from common.cost_query.amounts import percent_change, percentages


def decimals(*amounts: str) -> list[Decimal]:
    return [Decimal(amount) for amount in amounts]


@pytest.mark.parametrize(
    ("amounts", "shares"),
    [
        (["1", "1", "1"], ["33.34", "33.33", "33.33"]),
        (["2", "1"], ["66.67", "33.33"]),
        (["1", "2"], ["33.33", "66.67"]),
        (["0.000000001"], ["100.00"]),
        (["5", "0"], ["100.00", "0.00"]),
        (["1", "1", "1", "1", "1", "1", "1"], ["14.29", "14.29", "14.29", "14.29", "14.28", "14.28", "14.28"]),
        (["99999", "1"], ["100.00", "0.00"]),
        (["150", "-50"], ["150.00", "-50.00"]),
        (["-3", "-1"], ["75.00", "25.00"]),
        (["-4", "1"], ["133.33", "-33.33"]),
    ],
)
def test_shares_are_rounded_by_the_largest_remainder(amounts: list[str], shares: list[str]) -> None:
    assert percentages(decimals(*amounts)) == decimals(*shares)


def test_shares_add_up_to_exactly_one_hundred_and_are_never_a_hundredth_off() -> None:
    chance = random.Random(7)
    for _ in range(100):
        amounts = [Decimal(chance.randint(-(10**12), 10**13)).scaleb(-9) for _ in range(chance.randint(1, 500))]
        total = sum(amounts)
        shares = percentages(amounts)
        if total == 0:
            continue
        assert sum(share for share in shares if share is not None) == Decimal(100)
        for amount, share in zip(amounts, shares, strict=True):
            assert share is not None
            assert abs(share - amount * 100 / total) < Decimal("0.01")


@pytest.mark.parametrize("amounts", [[], ["0"], ["0", "0"], ["10", "-10"], ["0.000000001", "-0.000000001", "0"]])
def test_a_total_of_zero_has_no_shares(amounts: list[str]) -> None:
    assert percentages(decimals(*amounts)) == [None] * len(amounts)


@pytest.mark.parametrize(
    ("current", "previous", "change"),
    [
        ("150", "100", "50.00"),
        ("50", "100", "-50.00"),
        ("0", "100", "-100.00"),
        ("100", "100", "0.00"),
        ("-50", "-100", "50.00"),
        ("-150", "-100", "-50.00"),
        ("100", "-100", "200.00"),
        ("1.00005", "1", "0.01"),
        ("-1", "3", "-133.33"),
        ("99999999999999999999999999999", "0.000000001", "9999999999999999999999999999899999999900.00"),
    ],
)
def test_a_change_in_percent_has_the_sign_of_its_direction(current: str, previous: str, change: str) -> None:
    assert percent_change(Decimal(current), Decimal(previous)) == Decimal(change)


def test_a_change_from_nothing_has_no_percent() -> None:
    assert percent_change(Decimal(5), Decimal(0)) is None
