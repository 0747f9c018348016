"""PUT settings names further models, each with a credential of its own that was checked."""

from typing import Any

import pytest

from common.errors import KeyInvalid, ProviderUnavailable
from common.settings import LocalModel
from tests.fakes.scripted_model import ScriptedModel, say
from tests.organizations.conftest import Serving
from tests.organizations.organizations import Made
from tests.organizations.serving import Product

KEY = "sk-main-0123456789"
FIRST = {"provider": "openai", "model": "gpt-4o", "key": KEY}
CLAUDE = {"provider": "anthropic", "model": "claude-sonnet-4-5", "key": "sk-claude-0123456789"}
DEEPSEEK = {"provider": "deepseek", "model": "deepseek-chat", "key": "sk-deepseek-0123456789"}
MINI = {"provider": "openai", "model": "gpt-4o-mini"}
HOME = LocalModel(base_url="http://127.0.0.1:9/v1", model_id="m", context_window=8192, max_output=512)


def named(body: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["provider"], each["model_id"]) for each in body["settings"]["fallback"]]


async def set_up(product: Product, made: Made, *fallback: dict[str, str], **more: Any) -> dict[str, Any]:
    response = await product.put(made, **FIRST, fallback=list(fallback), **more)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


async def test_each_further_key_is_checked_with_its_model_and_stored_as_a_credential(
    product: Product, made: Made
) -> None:
    body = await set_up(product, made, CLAUDE, DEEPSEEK)
    assert named(body) == [("anthropic", "claude-sonnet-4-5"), ("deepseek", "deepseek-chat")]
    assert product.model.keys == [KEY, CLAUDE["key"], DEEPSEEK["key"]]
    assert [call.model.provider for call in product.model.calls] == ["openai", "anthropic", "deepseek"]
    credentials = made.credentials()
    assert {row["provider"] for row in credentials} == {"openai", "anthropic", "deepseek"}
    (settings,) = made.settings()
    ids = {row["provider"]: row["credential_id"] for row in credentials}
    assert settings["fallback"] == [
        {"provider": provider, "model_id": model_id, "credential_id": ids[provider], "calls_tools": None}
        for provider, model_id in named(body)
    ]
    everything = body | {"rows": product.rows.everything(made.slug), "log": product.logs.getvalue()}
    assert not [key for key in product.model.keys if key in str(everything)]


async def test_what_is_left_out_stays_and_an_empty_list_ends_it(product: Product, made: Made) -> None:
    await set_up(product, made, CLAUDE)
    body = (await product.put(made, temperature=0.1)).json()
    assert named(body) == [("anthropic", "claude-sonnet-4-5")]
    body = (await product.put(made, fallback=[])).json()
    assert named(body) == []
    # Its key stays for when it is wanted again, as that of a former provider does.
    body = (await product.put(made, fallback=[{"provider": "anthropic", "model": "claude-sonnet-4-5"}])).json()
    assert named(body) == [("anthropic", "claude-sonnet-4-5")]
    assert len(product.model.calls) == 2


async def test_another_model_of_the_same_provider_is_paid_for_by_the_same_key_and_follows_its_rotation(
    product: Product, made: Made
) -> None:
    await set_up(product, made, MINI)
    (credential,) = made.credentials()
    (settings,) = made.settings()
    assert settings["fallback"][0]["credential_id"] == credential["credential_id"]
    assert (await product.put(made, key="sk-rotated-0123456789")).status_code == 200
    (rotated,) = made.credentials()
    assert rotated["credential_id"] != credential["credential_id"]
    (settings,) = made.settings()
    assert settings["credential_id"] == settings["fallback"][0]["credential_id"] == rotated["credential_id"]


async def test_a_key_that_a_fallback_names_is_not_retired_and_one_that_it_no_longer_names_is(
    product: Product, made: Made
) -> None:
    await set_up(product, made, MINI | {"key": "sk-second-account-01"})
    assert len(made.credentials()) == 2
    await product.put(made, temperature=0.1)
    assert len(made.credentials()) == 2
    await product.put(made, fallback=[MINI | {"key": "sk-third-account-012"}])
    (settings,) = made.settings()
    assert {row["credential_id"] for row in made.credentials()} == {
        settings["credential_id"], settings["fallback"][0]["credential_id"],
    }  # fmt: skip
    assert (await product.settings.delete("/settings", headers=made.admin)).status_code == 200
    assert made.credentials() == []


@pytest.mark.parametrize(
    ("fallback", "sentence"),
    [
        ([CLAUDE, DEEPSEEK, MINI], "fallback"),
        ([{"provider": "anthropic"}], "model"),
        ([{"provider": "acme", "model": "x"}], "fallback.0.provider"),
        ([CLAUDE, {"provider": "local", "model": "x"}], "fallback.1.provider"),
        ([{"provider": "openai", "model": "gpt-4o"}], "named twice"),
        ([CLAUDE, CLAUDE], "named twice"),
        ([{"provider": "openai", "model": "a-model-of-tomorrow"}], "fallback.0.model"),
        ([CLAUDE | {"key": "short"}], "key"),
        ([MINI | {"credential_name": "x"}], "credential_name"),
        ([CLAUDE | {"base_url": "https://evil.example"}], "base_url"),
        (None, "Fallback cannot be null"),
        ("openai", "fallback"),
    ],
)
async def test_what_is_not_right_is_refused_before_any_provider_is_asked(
    product: Product, made: Made, fallback: Any, sentence: str
) -> None:
    await set_up(product, made)
    asked = len(product.model.calls)
    response = await product.put(made, fallback=fallback)
    assert response.status_code == 422, response.text
    assert sentence in response.text
    assert len(product.model.calls) == asked
    assert "0123456789" not in response.text


async def test_a_provider_without_a_key_is_refused_by_its_place(product: Product, made: Made) -> None:
    await set_up(product, made)
    response = await product.put(made, fallback=[{"provider": "anthropic", "model": "claude-sonnet-4-5"}])
    assert (response.status_code, response.json()["code"]) == (422, "setup_required")
    assert "fallback.0" in response.text


@pytest.mark.parametrize(("error", "status"), [(KeyInvalid(), 422), (ProviderUnavailable(retry_after=7), 503)])
async def test_a_further_key_that_does_not_work_changes_nothing(
    serving: Serving, made: Made, error: Exception, status: int
) -> None:
    product: Product = await serving(ScriptedModel([say("OK"), error]))
    response = await product.put(made, **FIRST, fallback=[CLAUDE])
    assert response.status_code == status
    assert "fallback.0" in response.text
    assert made.settings() == made.credentials() == []


async def test_questions_leave_the_operators_server_only_where_that_is_allowed(serving: Serving, made: Made) -> None:
    product: Product = await serving(local_models={"home": HOME, "spare": HOME})
    refused = await product.put(made, provider="local", model="home", fallback=[CLAUDE])
    assert refused.status_code == 422
    assert "allow_external_fallback" in refused.text
    assert product.model.calls == []
    body = (
        await product.put(made, provider="local", model="home", fallback=[{"provider": "local", "model": "spare"}])
    ).json()
    assert (named(body), body["credential_name"]) == ([("local", "spare")], None)
    allowed = await product.put(made, fallback=[CLAUDE], allow_external_fallback=True)
    assert allowed.json()["settings"]["allow_external_fallback"] is True
    withdrawn = await product.put(made, allow_external_fallback=False)
    assert (withdrawn.status_code, withdrawn.json()["code"]) == (422, "invalid_body")


async def test_going_home_with_a_fallback_elsewhere_is_refused_too(serving: Serving, made: Made) -> None:
    product: Product = await serving(local_models={"home": HOME})
    await set_up(product, made, CLAUDE)
    assert (await product.put(made, provider="local", model="home")).status_code == 422
    assert (await product.put(made, provider="local", model="home", fallback=[])).status_code == 200


async def test_a_model_that_cannot_call_tools_does_not_stand_in_for_one_that_can(serving: Serving, made: Made) -> None:
    toolless = HOME.model_copy(update={"calls_tools": False})
    product: Product = await serving(local_models={"home": HOME, "toolless": toolless, "other": toolless})
    await set_up(product, made)
    refused = await product.put(made, fallback=[{"provider": "local", "model": "toolless"}])
    assert (refused.status_code, refused.json()["code"]) == (422, "model_cannot_use_tools")
    assert "fallback.0" in refused.text
    # For one that cannot either it may.
    spare = [{"provider": "local", "model": "other"}]
    accepted = await product.put(made, provider="local", model="toolless", fallback=spare)
    assert accepted.status_code == 200, accepted.text
    (settings,) = made.settings()
    assert settings["fallback"][0]["calls_tools"] is False


async def test_an_unlisted_model_that_called_no_tool_in_its_check_does_not_stand_in(
    product: Product, made: Made
) -> None:
    await set_up(product, made)
    unlisted = {"provider": "openai", "model": "a-model-of-tomorrow", "key": "sk-tomorrow-0123456789"}
    refused = await product.put(made, fallback=[unlisted])
    assert (refused.status_code, refused.json()["code"]) == (422, "model_cannot_use_tools")
    assert len(made.credentials()) == 1
