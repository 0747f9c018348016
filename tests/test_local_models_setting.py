"""LOCAL_MODELS: the operator's own servers, read whole and refused with a sentence that names what is wrong."""

import json
from decimal import Decimal
from typing import Any

import pytest

from common.organizations.offering import Offering
from common.settings import InvalidSettings, load_settings

pytestmark = pytest.mark.usefixtures("bare_environment")

WHOLE: dict[str, Any] = {
    "base_url": "https://llama.example/v1", "model_id": "org/qwen3", "context_window": 32_768, "max_output": 4_096,
}  # fmt: skip


def given(monkeypatch: pytest.MonkeyPatch, value: Any, environment: str = "test") -> None:
    monkeypatch.setenv("ENVIRONMENT", environment)
    monkeypatch.setenv("LOCAL_MODELS", value if isinstance(value, str) else json.dumps(value))


def test_there_are_none_unless_the_operator_names_them() -> None:
    assert load_settings().local_models == {}
    assert "local" not in Offering.of(load_settings()).providers()


def test_a_model_is_what_the_operator_says_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    more = {"calls_tools": False, "needs_key": True, "reasoning": True, "temperature": False, "input_price": "0.1"}
    given(monkeypatch, {"plain": WHOLE, "more": WHOLE | more})
    offering = Offering.of(load_settings())
    assert offering.providers()[-1] == "local"
    plain, other = (offering.resolve("local", name) for name in ("plain", "more"))
    assert (plain.provider, plain.model_id, plain.api_name, plain.wire) == ("local", "plain", "org/qwen3", "openai")
    assert (plain.api_base, plain.context_window, plain.max_output) == ("https://llama.example/v1", 32_768, 4_096)
    assert (plain.tools, plain.needs_key, plain.reasoning, plain.max_temperature) == (True, False, False, 2.0)
    assert (other.tools, other.needs_key, other.reasoning, other.max_temperature) == (False, True, True, None)
    assert (plain.cost(1_000_000, 1_000_000), other.cost(1_000_000, 0)) == (Decimal(0), Decimal("0.1"))
    assert [offer.model_id for offer in offering.models_of("LOCAL")] == ["plain", "more"]


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("qwen", "write JSON such as"),
        ('{"a": ', "write JSON such as"),
        ([WHOLE], "LOCAL_MODELS"),
        ({"a": "https://llama.example/v1"}, "LOCAL_MODELS.a"),
        ({"a": {**WHOLE, "base_url": "llama.example"}}, "LOCAL_MODELS.a.base_url"),
        ({"a": {**WHOLE, "base_url": "https://u:s3cret@llama.example/v1"}}, "LOCAL_MODELS.a.base_url"),
        ({"a": {**WHOLE, "base_url": "https://llama.example/v1?key=s3cret"}}, "LOCAL_MODELS.a.base_url"),
        ({"a": {**WHOLE, "base_url": "file:///etc/passwd"}}, "LOCAL_MODELS.a.base_url"),
        ({"a": {**WHOLE, "api_key": "s3cret"}}, "LOCAL_MODELS.a.api_key"),
        ({"a": {name: each for name, each in WHOLE.items() if name != "model_id"}}, "LOCAL_MODELS.a.model_id"),
        ({"a": {**WHOLE, "context_window": 2_047, "max_output": 10}}, "LOCAL_MODELS.a.context_window"),
        ({"a": {**WHOLE, "max_output": 0}}, "LOCAL_MODELS.a.max_output"),
        ({"a": {**WHOLE, "max_output": 32_768}}, "smaller than context_window"),
        ({"a": {**WHOLE, "input_price": -1}}, "LOCAL_MODELS.a.input_price"),
        ({"a b": WHOLE}, "LOCAL_MODELS.a b"),
        ({"": WHOLE}, "LOCAL_MODELS"),
        (f'{{"a": {json.dumps(WHOLE)}, "a": {json.dumps(WHOLE)}}}', "named more than once"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_secret_repeated(
    monkeypatch: pytest.MonkeyPatch, value: Any, sentence: str
) -> None:
    given(monkeypatch, value)
    with pytest.raises(InvalidSettings) as caught:
        load_settings()
    assert sentence in str(caught.value)
    assert "LOCAL_MODELS" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_each_problem_has_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, {"a": {**WHOLE, "max_output": 0}, "b": {**WHOLE, "base_url": "x"}})
    with pytest.raises(InvalidSettings) as caught:
        load_settings()
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == [
        "LOCAL_MODELS.a.max_output", "LOCAL_MODELS.b.base_url",
    ]  # fmt: skip


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_questions_travel_encrypted_where_organisations_are_served(
    monkeypatch: pytest.MonkeyPatch, environment: str
) -> None:
    given(monkeypatch, {"a": WHOLE}, environment)
    assert set(load_settings().local_models) == {"a"}
    given(monkeypatch, {"a": WHOLE | {"base_url": "http://llama.example/v1"}}, environment)
    with pytest.raises(InvalidSettings, match="LOCAL_MODELS must use https"):
        load_settings()
