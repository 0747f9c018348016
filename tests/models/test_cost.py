"""What tokens cost, as the catalogue knows the prices."""

from decimal import Decimal

import pytest

from common.models import catalog


def test_a_cost_is_exact_in_dollars() -> None:
    model = catalog.resolve("openai", "gpt-4o-mini", deployed=True)
    assert model.cost(1_000_000, 0) == Decimal("0.15")
    assert model.cost(7, 3) == Decimal("0.00000285")
    assert model.cost(0, 0) == 0


def test_a_model_without_prices_has_no_cost_rather_than_none_at_all() -> None:
    assert catalog.resolve("openai", "a-model-of-tomorrow", deployed=True).cost(10, 10) is None
    assert catalog.resolve("openai", "o1-mini", deployed=True).cost(10, 10) is None


@pytest.mark.parametrize(("tokens", "rate"), [(272_000, (4, 20)), (272_001, (8, 30))])
def test_a_long_prompt_has_its_own_prices_from_the_first_token_on(tokens: int, rate: tuple[int, int]) -> None:
    model = catalog.resolve("openai", "gpt-5.6", deployed=True)
    assert model.cost(tokens, 1_000) == Decimal(rate[0] * tokens + rate[1] * 1_000) / 1_000_000


def test_cached_and_written_input_have_their_own_prices() -> None:
    model = catalog.resolve("anthropic", "claude-opus-4-8", deployed=True)
    # 100 of the 1,000 were read from the cache and 300 written to it; the other 600 are plain.
    expected = Decimal("5") * 600 + Decimal("0.5") * 100 + Decimal("6.25") * 300 + Decimal("25") * 10
    assert model.cost(1_000, 10, 100, 300) == expected / 1_000_000


def test_a_cache_without_a_price_of_its_own_costs_what_input_costs() -> None:
    model = catalog.resolve("openai", "gpt-4-turbo", deployed=True)
    assert model.cost(1_000, 0, 400, 400) == model.cost(1_000, 0)


def test_more_cached_tokens_than_input_cost_no_less_than_nothing() -> None:
    model = catalog.resolve("openai", "gpt-4o", deployed=True)
    assert model.cost(10, 0, 1_000_000, 1_000_000) == Decimal("1.25") * 10 / 1_000_000
