"""What tokens cost, as the catalogue knows the prices."""

from decimal import Decimal

from common.models import catalog


def test_a_cost_is_exact_in_dollars() -> None:
    model = catalog.resolve("openai", "gpt-4o-mini", deployed=True)
    assert model.cost(1_000_000, 0) == Decimal("0.15")
    assert model.cost(7, 3) == Decimal("0.00000285")
    assert model.cost(0, 0) == 0


def test_a_model_without_prices_has_no_cost_rather_than_none_at_all() -> None:
    assert catalog.resolve("openai", "a-model-of-tomorrow", deployed=True).cost(10, 10) is None
    assert catalog.resolve("openai", "o1-mini", deployed=True).cost(10, 10) is None
