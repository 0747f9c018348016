"""The catalogue: what it lists, which names lead to it, and that it says what litellm says."""

import re
from decimal import Decimal
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from common.errors import SetupRequired
from common.knowledge.embedding.space import EmbeddingSpace
from common.knowledge.embedding.spaces import SPACES
from common.models import catalog
from common.models.catalog import Offer, canonical, models_of, parse, providers_of, resolve
from common.models.prices import Tier
from common.settings import Provider

WANTED = {
    "openai": ["gpt-4o", "gpt-4o-mini", "gpt-4-turbo", "o1", "o1-mini"],
    "anthropic": ["claude-opus-4", "claude-sonnet-4", "claude-3.5-sonnet", "claude-3.5-haiku"],
    "gemini": ["gemini-2.0-flash", "gemini-1.5-pro", "gemini-1.5-flash"],
    "deepseek": ["deepseek-chat", "deepseek-coder", "deepseek-reasoner"],
}
PRICED = (*WANTED, "mistral", "cohere", "groq", "bedrock")
OFFERS = [offer for provider in PRICED for offer in models_of(provider, deployed=True)]
# litellm no longer lists these, so nothing is said of their price.
UNPRICED = {
    "o1-mini", "claude-opus-4", "claude-sonnet-4", "claude-3.5-sonnet", "claude-3.5-haiku",
    "gemini-2.0-flash", "gemini-1.5-pro", "gemini-1.5-flash",
}  # fmt: skip


@pytest.mark.parametrize("provider", WANTED)
def test_the_models_that_organisations_ask_for_are_listed(provider: str) -> None:
    assert set(WANTED[provider]) <= {offer.model_id for offer in models_of(provider, deployed=True)}


@pytest.mark.parametrize(
    ("provider", "model_id", "litellm_name"),
    [
        ("openai", "gpt-4o", "openai/gpt-4o"),
        ("OPENAI", "gpt-4o", "openai/gpt-4o"),
        (" OpenAI ", "openai/gpt-4o", "openai/gpt-4o"),
        ("google", "gemini-2.0-flash", "gemini/gemini-2.0-flash"),
        ("claude", "claude-sonnet-4", "anthropic/claude-sonnet-4-20250514"),
        ("ANTHROPIC", "claude-opus-4", "anthropic/claude-opus-4-20250514"),
        ("anthropic", "claude-3.5-sonnet", "anthropic/claude-3-5-sonnet-20241022"),
        ("anthropic", "claude-3-5-haiku-latest", "anthropic/claude-3-5-haiku-20241022"),
        ("anthropic", "claude-3-5-haiku-20241022", "anthropic/claude-3-5-haiku-20241022"),
        ("deepseek", "deepseek-v3", "deepseek/deepseek-chat"),
        ("anthropic", "claude-of-tomorrow", "anthropic/claude-of-tomorrow"),
    ],
)
def test_every_name_of_a_model_leads_to_what_the_api_calls_it(provider: str, model_id: str, litellm_name: str) -> None:
    assert resolve(provider, model_id, deployed=True).litellm_name == litellm_name


@pytest.mark.parametrize("provider", WANTED)
def test_a_model_that_is_not_listed_gets_its_providers_careful_defaults(provider: str) -> None:
    model = resolve(provider, "a-model-of-tomorrow", deployed=True)
    assert model.context_window <= 1_000_000
    assert model.max_output <= 16_384
    assert (model.max_temperature is None) is (provider != "deepseek")
    assert model.api_base is not None


def test_a_reasoning_model_gets_no_temperature_and_its_own_output_limit() -> None:
    for model_id in ("o1", "o1-mini", "o3", "gpt-5"):
        model = resolve("openai", model_id, deployed=True)
        assert (model.max_temperature, model.output_limit, model.reasoning) == (None, "max_completion_tokens", True)
    plain = resolve("openai", "gpt-4o", deployed=True)
    assert (plain.max_temperature, plain.output_limit, plain.reasoning) == (2.0, "max_tokens", False)


@pytest.mark.parametrize(
    ("provider", "model_id", "effort", "thoughts", "tools"),
    [
        ("openai", "gpt-5.6", "none", None, True),
        ("openai", "gpt-5.6-2026-08-01", "none", None, True),
        ("openai", "gpt-6-sol-mini", "none", None, True),
        ("openai", "gpt-5.5", None, None, True),
        ("openai", "gpt-5.4-nano", None, None, True),
        ("openai", "o1-mini-2024-09-12", None, None, False),
        ("openai", "a-model-of-tomorrow", None, None, True),
        ("deepseek", "deepseek-v4-pro", None, "reasoning_content", True),
        ("deepseek", "deepseek-v4-pro-0901", None, "reasoning_content", True),
        ("deepseek", "deepseek-chat", None, None, True),
        ("deepseek", "deepseek-v5", None, "reasoning_content", True),
        ("anthropic", "claude-opus-5-5", None, "thinking_blocks", True),
        ("anthropic", "claude-opus-9", None, "thinking_blocks", True),
        ("gemini", "gemini-3.8-flash", None, "thought_signatures", True),
        ("gemini", "gemini-3.8-flash-0901", None, "thought_signatures", True),
        ("gemini", "gemini-2.0-flash-lite", None, None, True),
    ],
)
def test_what_an_api_demands_holds_for_the_snapshots_and_variants_of_a_model_too(
    provider: str, model_id: str, effort: str | None, thoughts: str | None, tools: bool
) -> None:
    model = resolve(provider, model_id, deployed=True)
    assert (model.effort_with_tools, model.thoughts, model.tools) == (effort, thoughts, tools)


@pytest.mark.parametrize("model_id", ["claude-sonnet-5", "claude-opus-5", "claude-haiku-5-5", "claude-opus-5-5"])
def test_claudes_that_think_by_default_may_take_minutes(model_id: str) -> None:
    assert resolve("anthropic", model_id, deployed=True).reasoning is True
    assert resolve("anthropic", "claude-sonnet-4-5", deployed=True).reasoning is False


@pytest.mark.parametrize("provider", ["", "mistral-2", "open ai", "demo-2"])
def test_an_unknown_provider_is_a_missing_setup(provider: str) -> None:
    assert canonical(provider) is None
    with pytest.raises(SetupRequired):
        resolve(provider, "gpt-4o", deployed=False)


@pytest.mark.parametrize(
    "model_id",
    [
        "",
        ".",
        "..",
        "../v1/files",
        "a/../b",
        "a//b",
        "/a",
        "a/",
        "a b",
        "a?key=x",
        "a#b",
        "a%2e%2e",
        "a\\b",
        "ä",
        "a\nb",
        "-a",
    ],
)
@pytest.mark.parametrize("provider", WANTED)
def test_an_id_that_would_change_the_address_is_no_models(provider: str, model_id: str) -> None:
    with pytest.raises(SetupRequired):
        resolve(provider, model_id, deployed=True)


def test_an_id_that_becomes_part_of_the_address_is_one_part_of_it() -> None:
    for model_id in ("tunedModels/x", "gemini-2.5-pro:countTokens", "gemini@1"):
        with pytest.raises(SetupRequired):
            resolve("gemini", model_id, deployed=True)
    assert resolve("gemini", "gemini/gemini-9.9_pro-exp", deployed=True).api_name == "gemini-9.9_pro-exp"
    assert resolve("openai", "ft:gpt-4o-mini:acme::7p4lURx", deployed=True).api_name == "ft:gpt-4o-mini:acme::7p4lURx"
    assert resolve("openai", "vendor/model@2", deployed=True).api_name == "vendor/model@2"


def test_the_demo_model_is_served_on_a_laptop_only() -> None:
    assert resolve("demo", "analyst-1", deployed=False).litellm_name == "demo/analyst-1"
    assert "demo" not in providers_of(deployed=True)
    for provider in ("demo", "DEMO"):
        with pytest.raises(SetupRequired):
            resolve(provider, "analyst-1", deployed=True)
        with pytest.raises(SetupRequired):
            models_of(provider, deployed=True)


def test_the_settings_know_the_same_providers() -> None:
    assert set(get_args(Provider)) == set(providers_of(deployed=True))


@pytest.fixture(scope="module")
async def litellm_table() -> dict[str, dict[str, Any]]:
    from common.models.completion import Providers

    llm = Providers()
    library = await llm.load()
    await llm.close()
    table: dict[str, dict[str, Any]] = library.litellm.model_cost
    return table


# Each of our prices, by what the table calls it.
TABLE = {
    "input_price": "input_cost_per_token",
    "output_price": "output_cost_per_token",
    "cached_input_price": "cache_read_input_token_cost",
    "cache_write_price": "cache_creation_input_token_cost",
}


def prices_of(tier: Tier) -> dict[str, Decimal | None]:
    return {name: getattr(tier, name) for name in TABLE}


def table_prices(entry: dict[str, Any], above: str) -> dict[str, Decimal | None]:
    """The prices in the table, for a million tokens; None where it has none."""
    found = {name: entry.get(f"{theirs}{above}") for name, theirs in TABLE.items()}
    return {name: None if cost is None else Decimal(str(cost)) * 1_000_000 for name, cost in found.items()}


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
def test_embeddings_have_the_prices_of_the_pinned_litellm(
    space: EmbeddingSpace, litellm_table: dict[str, dict[str, Any]]
) -> None:
    entry = litellm_table.get(f"{space.provider}/{space.model_id}") or litellm_table.get(space.model_id)
    if space.price is not None:
        assert entry is not None
        assert table_prices(entry, "")["input_price"] == space.price


@pytest.mark.parametrize("offer", OFFERS, ids=lambda offer: offer.model_id)
def test_windows_and_prices_are_those_of_the_pinned_litellm(
    offer: Offer, litellm_table: dict[str, dict[str, Any]]
) -> None:
    model = resolve(offer.provider, offer.model_id.replace("{region}", "us-east-1"), deployed=True)
    bare = model.litellm_name.removeprefix("bedrock/converse/") if offer.provider == "bedrock" else model.api_name
    keys = (
        (model.litellm_name,) if offer.provider in ("gemini", "deepseek", "groq", "mistral") else (bare, offer.model_id)
    )
    entry = next((litellm_table[key] for key in keys if key in litellm_table), None)
    assert (entry is None) is (offer.model_id in UNPRICED)
    if entry is None:
        assert (offer.input_price, offer.output_price) == (None, None)
        return
    assert (offer.context_window, offer.max_output) == (entry["max_input_tokens"], entry["max_output_tokens"])
    assert model.prices is not None
    assert (offer.input_price, offer.output_price) == (model.prices.plain.input_price, model.prices.plain.output_price)
    assert prices_of(model.prices.plain) == table_prices(entry, "")
    above = [match[0] for name in entry if (match := re.search(r"(?<=^input_cost_per_token)_above_\d+k_tokens$", name))]
    longer = model.prices.long_context
    assert (longer is None) is (above == [])
    if longer is not None:
        assert [f"_above_{longer.above // 1000}k_tokens"] == above
        assert prices_of(longer) == table_prices(entry, above[0])
    if entry.get("supports_sampling_params") is False:
        assert model.max_temperature is None


GOOD = """
providers:
  a:
    prefix: a
    api_base: https://a.example
    aliases: [b]
    max_temperature: 1
    defaults: {context_window: 1, max_output: 1, temperature: true, output_limit: max_tokens, reasoning: false}
    models:
      m: {context_window: 1, max_output: 1, temperature: true, output_limit: max_tokens, reasoning: false, aliases: [n]}
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("context_window: 1", "context_window: 0"),
        ("prefix: a", "prefix: a\n    colour: red"),
        ("https://a.example", "http://a.example"),
        ("aliases: [n]", "aliases: [m]"),
        ("aliases: [b]", "aliases: [a]"),
        ("max_tokens,", "tokens,"),
        ("temperature: true", "temperature: warm"),
    ],
)
def test_a_catalogue_that_is_not_sound_is_refused_at_load(old: str, new: str) -> None:
    assert catalog.parse(GOOD)
    assert old in GOOD
    with pytest.raises(ValidationError):
        parse(GOOD.replace(old, new))
