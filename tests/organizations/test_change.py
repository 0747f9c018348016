"""PUT and DELETE settings: what may be said, and what is stored of it."""

import json
from typing import Any

import pytest

from common import limits
from common.errors import (
    ContentRefused,
    KeyInvalid,
    ModelNotFound,
    ProviderRateLimited,
    ProviderUnavailable,
    ServiceError,
)
from common.organizations import key_check
from tests.fakes.scripted_model import ScriptedModel, say
from tests.organizations.conftest import Serving
from tests.organizations.organizations import Made
from tests.organizations.serving import Product

KEY = "sk-planted-0123456789abcdef"
OTHER_KEY = "sk-rotated-fedcba9876543210"
FIRST = {"provider": "openai", "model": "gpt-4o", "key": KEY}


async def set_up(product: Product, made: Made, **more: Any) -> dict[str, Any]:
    response = await product.put(made, **FIRST, **more)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


async def test_the_first_settings_need_little_and_serve_at_once(product: Product, made: Made) -> None:
    assert (await product.status(made.member))["status"] == "setup_required"
    body = await set_up(product, made)
    assert (body["status"], body["credential_name"]) == ("ready", "openai key")
    assert body["settings"] == {
        "provider": "openai", "model_id": "gpt-4o", "temperature": 0.7, "max_tokens": 4096, "include_org_context": True,
        "enable_memory": True, "max_history_messages": 50, "system_prompt_extra": None,
        "fallback": [], "allow_external_fallback": False, "daily_token_limit": None, "monthly_cost_limit_usd": None,
        "user_daily_token_limit": None, "user_monthly_cost_limit_usd": None, "fast_model_id": None,
        "answer_cache_seconds": None,
    }  # fmt: skip
    assert (await product.status(made.member))["status"] == "ready"
    assert (await product.send(made.member)).json()["response"] == "OK "
    assert product.model.keys == [KEY, KEY]


async def test_the_rows_are_those_of_the_platforms_tables(product: Product, made: Made) -> None:
    await set_up(product, made, credential_name="Finance", temperature=0, system_prompt_extra="Be brief.")
    (settings,) = made.settings()
    (credential,) = made.credentials()
    assert settings["credential_id"] == credential["credential_id"]
    assert (settings["configured_by"], settings["temperature"]) == ("ada", 0.0)
    assert settings["system_prompt_extra"] == "Be brief."
    assert (credential["provider"], credential["credential_type"]) == ("openai", "API_KEY")
    assert (credential["validation_status"], credential["created_by_user_id"]) == ("VALID", "ada")
    assert credential["credential_name"] == "Finance"
    assert credential["last_validated_at"] == product.clock.now
    assert KEY.encode() not in credential["encrypted_credential"]


async def test_what_is_left_out_stays(product: Product, made: Made) -> None:
    await set_up(product, made, temperature=1.5, max_tokens=77, system_prompt_extra="Be brief.", enable_memory=False)
    (before,) = made.credentials()
    body = (await product.put(made, include_org_context=False)).json()
    assert body["settings"] == {
        "provider": "openai", "model_id": "gpt-4o", "temperature": 1.5, "max_tokens": 77, "include_org_context": False,
        "enable_memory": False, "max_history_messages": 50, "system_prompt_extra": "Be brief.",
        "fallback": [], "allow_external_fallback": False, "daily_token_limit": None, "monthly_cost_limit_usd": None,
        "user_daily_token_limit": None, "user_monthly_cost_limit_usd": None, "fast_model_id": None,
        "answer_cache_seconds": None,
    }  # fmt: skip
    assert made.credentials() == [before]
    assert len(product.model.calls) == 1
    body = (await product.put(made, system_prompt_extra=None, max_history_messages=0)).json()
    assert (body["settings"]["system_prompt_extra"], body["settings"]["max_history_messages"]) == (None, 0)
    assert len(made.settings()) == 1
    assert len(made.settings(active=False)) == 2


@pytest.mark.parametrize("path", ["/", "/settings", "/api/v1/chat/{slug}/settings"])
async def test_settings_change_at_their_original_path_and_at_the_functions_own(
    product: Product, made: Made, path: str
) -> None:
    url = path.format(slug=made.slug)
    changed = await product.settings.put(url, json=FIRST, headers=made.admin)
    assert changed.json()["status"] == "ready"
    assert (await product.settings.delete(url, headers=made.admin)).json() == {"status": "deleted"}


LONGEST = "x" * limits.SYSTEM_PROMPT_EXTRA_CHARS
WELL_WITHIN = [
    {"temperature": 0}, {"temperature": 2}, {"max_tokens": 1}, {"max_tokens": limits.MAX_ANSWER_TOKENS},
    {"max_history_messages": 0}, {"max_history_messages": limits.MAX_HISTORY_MESSAGES}, {"system_prompt_extra": ""},
    {"system_prompt_extra": LONGEST}, {"include_org_context": False}, {"enable_memory": True},
    {"key": "k" * limits.PROVIDER_KEY_MIN_CHARS}, {"key": "k" * limits.PROVIDER_KEY_MAX_CHARS},
    {"key": OTHER_KEY, "credential_name": "n" * limits.CREDENTIAL_NAME_CHARS},
    {"key": OTHER_KEY, "model": "m" * limits.MODEL_ID_CHARS}, {"model_id": "gpt-4o-mini"},
]  # fmt: skip
BEYOND = [
    {}, {"temperature": -0.01}, {"temperature": 2.01}, {"temperature": "1"}, {"temperature": True},
    {"temperature": None}, {"max_tokens": 0}, {"max_tokens": limits.MAX_ANSWER_TOKENS + 1}, {"max_tokens": 1.5},
    {"max_tokens": "9"}, {"max_history_messages": -1}, {"max_history_messages": limits.MAX_HISTORY_MESSAGES + 1},
    {"system_prompt_extra": LONGEST + "x"}, {"system_prompt_extra": 1}, {"include_org_context": "yes"},
    {"include_org_context": None}, {"enable_memory": 1}, {"key": "k" * (limits.PROVIDER_KEY_MIN_CHARS - 1)},
    {"key": "k" * (limits.PROVIDER_KEY_MAX_CHARS + 1)}, {"key": f"{KEY}\r\nX-Evil: 1"}, {"key": "sk-ünïcode-key"},
    {"key": "sk with spaces"}, {"key": None}, {"key": [KEY]}, {"credential_name": "no key with it"},
    {"key": OTHER_KEY, "credential_name": ""}, {"key": OTHER_KEY, "credential_name": "n" * 101}, {"model": ""},
    {"model": "m" * (limits.MODEL_ID_CHARS + 1)}, {"model": "a model\n"}, {"model": "../v1"}, {"model": "a/../b"},
    {"model": "a?b"}, {"model": "a//b"},
    {"provider": ""}, {"provider": "nobody"},
    {"provider": "anthropic"}, {"org_slug": "globex_inc"}, {"credential_id": "theirs"}, {"is_active": False},
]  # fmt: skip


@pytest.fixture(scope="module")
def given(rows: Any) -> Made:
    """One organisation for all the bounds."""
    made: Made = rows.make()
    return made


@pytest.mark.parametrize("change", WELL_WITHIN, ids=lambda change: json.dumps(change)[:40])
async def test_a_value_at_its_bound_is_accepted(product: Product, given: Made, change: dict[str, Any]) -> None:
    if not given.settings():
        await set_up(product, given)
    response = await product.put(given, **change)
    assert response.status_code == 200, response.text
    name, value = list(change.items())[-1]
    if name not in ("key", "credential_name"):
        assert response.json()["settings"]["model_id" if name == "model" else name] == value


@pytest.mark.parametrize("change", BEYOND, ids=lambda change: json.dumps(change)[:40])
async def test_a_value_past_its_bound_is_refused_and_not_repeated(
    product: Product, given: Made, change: dict[str, Any]
) -> None:
    if not given.settings():
        await set_up(product, given)
    before = product.copy(given)["settings"]
    response = await product.put(given, **change)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_body"), response.text
    assert KEY not in response.text
    assert product.copy(given)["settings"] == before
    assert len(given.settings()) == 1


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"x"', b'{"temperature": NaN}', b'{"temperature": 1e999}']
)
async def test_a_body_that_is_no_object_of_settings_is_refused(product: Product, given: Made, body: bytes) -> None:
    response = await product.settings.put("/settings", content=body, headers=given.admin)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_body")


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_only_a_key_with_the_scope_changes_settings(product: Product, made: Made, method: str) -> None:
    await set_up(product, made)
    calls = len(product.model.calls)

    async def attempt(headers: dict[str, str]) -> tuple[int, str]:
        response = await product.settings.request(method, "/settings", json={"temperature": 9}, headers=headers)
        return response.status_code, response.json()["code"]

    assert await attempt(made.member) == (403, "scope_missing")
    assert await attempt({"X-Org-Slug": made.slug}) == (401, "invalid_api_key")
    assert await attempt(product.rows.make().admin | {"X-Org-Slug": made.slug}) == (403, "org_forbidden")
    assert (await product.status(made.member))["status"] == "ready"
    assert len(product.model.calls) == calls


async def test_one_organisations_settings_are_not_anothers(product: Product, made: Made) -> None:
    other = product.rows.make()
    await set_up(product, made)
    await set_up(product, other, temperature=0.1)
    other_rows = (other.settings(), other.credentials())
    await product.put(made, key=OTHER_KEY)
    await product.settings.delete("/settings", headers=made.admin)
    assert (other.settings(), other.credentials()) == other_rows
    assert (await product.status(other.member))["status"] == "ready"
    assert (await product.send(other.member)).status_code == 200


@pytest.mark.parametrize(
    ("change", "code"),
    [({}, "invalid_body"), ({"provider": "openai"}, "invalid_body"), ({"model": "gpt-4o"}, "invalid_body"),
     ({"provider": "openai", "model": "gpt-4o"}, "setup_required"), ({"key": KEY}, "invalid_body")],
)  # fmt: skip
async def test_the_first_settings_say_what_they_need(
    product: Product, made: Made, change: dict[str, Any], code: str
) -> None:
    response = await product.put(made, **change)
    assert (response.status_code, response.json()["code"]) == (422, code)
    assert made.settings() == made.credentials() == []


@pytest.mark.parametrize("error", [KeyInvalid, ModelNotFound, ProviderRateLimited, ProviderUnavailable])
async def test_a_key_that_its_provider_does_not_answer_to_is_not_stored(
    serving: Serving, made: Made, error: type[ServiceError]
) -> None:
    product: Product = await serving(ScriptedModel([error(), say("OK"), error()]))
    response = await product.put(made, **FIRST)
    assert (response.status_code, response.json()["code"]) == (error.status, error.code)
    assert made.settings() == made.credentials() == []
    await set_up(product, made)
    rows = made.settings(), made.credentials()
    response = await product.put(made, key=OTHER_KEY)
    assert (response.status_code, response.json()["code"]) == (error.status, error.code)
    assert (made.settings(), made.credentials()) == rows
    assert product.logged("settings.changed")[1:] == []


@pytest.mark.parametrize(
    ("provider", "model", "form"),
    [
        ("azure", "gpt-4o", "{resource}/{model}"),
        ("azure_openai", "evil.example/gpt-4o", "{resource}/{model}"),
        ("bedrock", "us.amazon.nova-pro-v1:0", "{region}/{model}"),
        ("vertex_ai", "gemini-2.5-pro", "{project}/{location}/{model}"),
    ],
)
async def test_a_model_that_says_where_it_is_is_named_in_its_form(
    product: Product, made: Made, provider: str, model: str, form: str
) -> None:
    wrong = await product.put(made, provider=provider, model=model, key=KEY)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_body")
    assert form in wrong.json()["detail"]
    fallback = [{"provider": provider, "model": model, "key": KEY}]
    wrong = await product.put(made, **FIRST, fallback=fallback)
    assert (wrong.status_code, form in wrong.json()["detail"]) == (422, True)
    assert made.settings() == []


async def test_a_deployment_of_azures_is_chosen_by_its_resource_and_name(product: Product, made: Made) -> None:
    body = (await product.put(made, provider="azure_openai", model="acme-costs/gpt-prod", key=KEY)).json()
    assert (body["provider"], body["model_id"], body["status"]) == ("azure", "acme-costs/gpt-prod", "ready")
    (call,) = product.model.calls
    assert (call.model.litellm_name, call.model.api_base) == ("azure/gpt-prod", "https://acme-costs.openai.azure.com")


async def test_a_model_that_refuses_the_question_has_read_the_key(serving: Serving, made: Made) -> None:
    product: Product = await serving(ScriptedModel([ContentRefused()]))
    await set_up(product, made)


async def test_a_key_is_checked_with_the_chosen_model_for_a_few_tokens(product: Product, made: Made) -> None:
    await set_up(product, made)
    (call,) = product.model.calls
    assert (call.model.litellm_name, call.max_tokens) == ("openai/gpt-4o", key_check.KEY_CHECK_TOKENS)
    assert [tool["function"]["name"] for tool in call.tools] == ["ready"]
    assert sum(len(str(message["content"])) for message in call.messages) < 60
    assert product.model.open_streams == 0


async def test_a_listed_model_is_taken_without_opening_the_stored_key(product: Product, made: Made) -> None:
    await set_up(product, made)
    product.kms.reset()
    assert (await product.put(made, model="gpt-4o-mini")).json()["model_id"] == "gpt-4o-mini"
    assert product.kms.calls() == {}
    assert product.model.keys == [KEY]


async def test_a_model_that_is_not_listed_is_taken_only_with_a_key_that_it_answers_to(
    serving: Serving, made: Made
) -> None:
    product: Product = await serving(ScriptedModel([say("OK"), ModelNotFound(), say("OK")]))
    await set_up(product, made)
    alone = await product.put(made, model="gpt-5-imagined")
    assert (alone.status_code, alone.json()["code"]) == (422, "invalid_body")
    assert "Send the key" in alone.json()["detail"]
    assert (await product.put(made, model="gpt-5-imagined", key=KEY)).json()["code"] == "model_not_found"
    assert (await product.status(made.member))["model_id"] == "gpt-4o"
    assert (await product.put(made, model="gpt-5-imagined", key=KEY)).json()["model_id"] == "gpt-5-imagined"
    assert (await product.put(made, model="gpt-5-imagined", temperature=0.1)).status_code == 200


async def test_a_provider_may_change_with_a_key_of_its_own_and_back_without(product: Product, made: Made) -> None:
    await set_up(product, made)
    refused = await product.put(made, provider="anthropic", model="claude-sonnet-4")
    assert refused.json()["code"] == "setup_required"
    changed = await product.put(made, provider="anthropic", model="claude-sonnet-4", key=OTHER_KEY)
    assert changed.json()["provider"] == "anthropic"
    assert sorted(row["provider"] for row in made.credentials()) == ["anthropic", "openai"]
    back = await product.put(made, provider="OpenAI", model="gpt-4o")
    assert back.json()["provider"] == "openai"
    await product.send(made.member)
    assert product.model.keys[-1] == KEY
    assert len(made.settings()) == 1


async def test_rotation_replaces_the_key_and_keeps_conversations(product: Product, made: Made) -> None:
    await set_up(product, made, temperature=0.2)
    (old,) = made.credentials()
    conversation_id = (await product.send(made.member, "before")).json()["conversation_id"]
    body = (await product.put(made, key=OTHER_KEY, credential_name="New")).json()
    assert (body["credential_name"], body["settings"]["temperature"]) == ("New", 0.2)
    after = await product.send(made.member, "after", conversation_id=conversation_id)
    assert after.status_code == 200
    assert [message["content"] for message in product.model.calls[-1].messages][1:] == ["before", "OK ", "after"]
    assert product.model.keys[-1] == OTHER_KEY
    (new,) = made.credentials()
    (retired,) = made.credentials(active=False)
    assert new["credential_id"] != old["credential_id"] == retired["credential_id"]
    assert retired["updated_by_user_id"] == "ada"


async def test_deleting_ends_the_chat_and_may_be_repeated(product: Product, made: Made) -> None:
    await set_up(product, made)
    for _ in range(2):
        response = await product.settings.delete("/settings", headers=made.admin)
        assert (response.status_code, response.json()) == (200, {"status": "deleted"})
    assert made.settings() == made.credentials() == []
    assert (await product.status(made.member))["status"] == "setup_required"
    assert (await product.send(made.member)).json()["code"] == "setup_required"
    await set_up(product, made)
    assert (await product.status(made.member))["status"] == "ready"


async def test_keys_that_other_parts_of_the_platform_store_are_left_alone(product: Product, made: Made) -> None:
    made.add_credential(credential_id="pipelines", credential_type="API_KEY")
    made.add_credential(credential_id="cloud", provider="openai", credential_type="SERVICE_ACCOUNT")
    await set_up(product, made)
    await product.put(made, key=OTHER_KEY)
    await product.settings.delete("/settings", headers=made.admin)
    assert {row["credential_id"] for row in made.credentials()} == {"pipelines", "cloud"}


async def test_a_change_is_in_the_log_once_without_the_key(product: Product, made: Made) -> None:
    await set_up(product, made)
    await product.put(made, key=OTHER_KEY, temperature=1)
    await product.settings.delete("/settings", headers=made.admin)
    first, second = product.logged("settings.changed")
    (settings,) = [row for row in made.settings(active=False) if row["setting_id"] == second["setting_id"]]
    assert (first["changed"], second["changed"]) == ("key,model,provider", "key,temperature")
    assert (second["org"], second["user_id"], second["provider"]) == (made.slug, "ada", "openai")
    assert second["credential_id"] == settings["credential_id"]
    assert len(product.logged("settings.deleted")) == 1


async def test_a_key_is_found_in_no_answer_log_document_or_row(serving: Serving, made: Made) -> None:
    leak = RuntimeError(f"the provider says {KEY} is wrong")
    product: Product = await serving(ScriptedModel([leak, KeyInvalid(), say("OK")]))
    answers = [await product.put(made, **FIRST) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [500, 422, 200]
    answers.append(await product.put(made, **FIRST, temperature=9))
    answers.append(await product.put(made, provider="openai", model=KEY + "\n", key=KEY))
    answers.append(await product.send(made.member))
    answers += [await product.settings.get(path, headers=made.admin) for path in ("/status", "/models")]
    places = {
        "answers": "".join(f"{answer.text}{answer.headers}" for answer in answers),
        "log": product.logs.getvalue(),
        "documents": product.everything(made),
        "rows": product.rows.everything(made.slug),
    }
    for place, text in places.items():
        assert len(text) > 100, f"{place}: nothing was searched"
        assert "planted" not in text, place
        assert KEY[-12:] not in text, place
