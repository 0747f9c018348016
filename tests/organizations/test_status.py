"""GET settings/status and settings/models: what is told in every state, at what cost, and of a key nothing."""

import base64
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from common.settings import Environment
from tests.organizations.conftest import Serving
from tests.organizations.organizations import NOW, Made
from tests.organizations.serving import Product

ROOT = Path(__file__).parents[2]


async def test_an_organisation_that_is_set_up_is_ready(product: Product, made: Made) -> None:
    made.add_settings()
    made.add_credential()
    assert await product.status(made.member) == {
        "configured": True,
        "provider": "openai",
        "model_id": "gpt-4o",
        "credential_name": "The team's key",
        "last_validated_at": (NOW - timedelta(days=1)).isoformat(),
        "calls_tools": True,
        "fast_model_id": None,
        "status": "ready",
    }


@pytest.mark.parametrize(
    ("settings", "credential", "status"),
    [
        (None, None, "setup_required"),
        (None, {}, "setup_required"),
        ({}, None, "setup_required"),
        ({"is_active": False}, {}, "setup_required"),
        ({}, {"is_active": False}, "setup_required"),
        ({}, {"provider": "anthropic"}, "setup_required"),
        ({}, {"credential_id": "another"}, "setup_required"),
        ({}, {"validation_status": "INVALID"}, "key_invalid"),
        ({}, {"validation_status": "PENDING"}, "key_invalid"),
        ({}, {"validation_status": "EXPIRED"}, "key_expired"),
        ({}, {"expires_at": (NOW - timedelta(seconds=1)).isoformat()}, "key_expired"),
        ({"provider": "nobody"}, {"provider": "nobody"}, "provider_unavailable"),
    ],
)
async def test_an_organisation_that_cannot_be_served_is_told_why_and_so_is_a_turn(
    product: Product, made: Made, settings: dict[str, Any] | None, credential: dict[str, Any] | None, status: str
) -> None:
    if settings is not None:
        made.add_settings(**settings)
    if credential is not None:
        made.add_credential(**credential)
    body = await product.status(made.member)
    assert (body["configured"], body["status"]) == (False, status)
    assert body.keys() == {"configured", "status", "message"}
    assert body["message"].endswith(".")
    turn = await product.send(made.member)
    assert turn.status_code == 422
    assert turn.json()["status"] == ("setup_required" if status == "provider_unavailable" else status)
    assert product.model.calls == []


async def test_a_credential_that_has_not_yet_expired_serves(product: Product, made: Made) -> None:
    made.add_settings()
    made.add_credential(expires_at=(product.clock.now + timedelta(minutes=1)).isoformat())
    assert (await product.status(made.member))["status"] == "ready"
    product.clock.now += timedelta(minutes=1)
    assert (await product.status(made.member))["status"] == "key_expired"


async def test_names_that_older_writers_used_for_a_provider_are_understood(product: Product, made: Made) -> None:
    made.add_settings(provider="OpenAI")
    made.add_credential(provider="OPENAI")
    body = await product.status(made.member)
    assert (body["status"], body["provider"]) == ("ready", "openai")


async def test_the_demo_provider_is_unavailable_where_organisations_are_served(serving: Serving, made: Made) -> None:
    made.add_settings(provider="demo", model_id="analyst-1")
    made.add_credential(provider="demo")
    laptop: Product = await serving()
    assert (await laptop.status(made.member))["status"] == "ready"
    deployed: Product = await serving(environment=Environment.PRODUCTION)
    assert (await deployed.status(made.member))["status"] == "provider_unavailable"
    turn = await deployed.send(made.member)
    assert (turn.status_code, turn.json()["code"]) == (422, "setup_required")
    models = await deployed.settings.get("/models", headers=made.member)
    assert models.json()["code"] == "setup_required"


async def test_a_warm_status_is_one_read_and_a_cold_one_asks_bigquery_once(product: Product, made: Made) -> None:
    made.add_settings()
    made.add_credential()
    product.reset_counts()
    await product.status(made.member)
    assert product.firestore.calls() == {"BatchGetDocuments": 1, "Commit": 1}
    # The key, the profile, the settings, the credential, and who may call.
    assert product.bigquery_calls() == 5
    product.reset_counts()
    await product.status(made.member)
    assert product.firestore.calls() == {"BatchGetDocuments": 1}
    assert product.kms.calls() == {}
    assert product.bigquery_calls() == 0


async def test_nothing_of_a_key_is_told(product: Product, made: Made) -> None:
    ciphertext = b"\x0a\x24planted-ciphertext"
    made.add_settings()
    made.add_credential(ciphertext)
    for path in ("/status", "/models"):
        text = (await product.settings.get(path, headers=made.member)).text
        assert "planted" not in text
        assert base64.b64encode(ciphertext).decode()[:16] not in text
        assert "credential_id" not in text
        assert f"{made.slug}-credential" not in text


async def test_the_status_answers_at_its_original_path_and_at_the_functions_own(product: Product, made: Made) -> None:
    for path in ("/", "/status", f"/api/v1/chat/{made.slug}/settings/status"):
        assert (await product.settings.get(path, headers=made.member)).status_code == 200


@pytest.mark.parametrize("path", ["/status", "/models"])
async def test_nothing_is_told_without_a_key_or_with_that_of_another(product: Product, made: Made, path: str) -> None:
    nobody = {"X-Org-Slug": made.slug}
    assert (await product.settings.get(path, headers=nobody)).json()["code"] == "invalid_api_key"
    unknown = nobody | {"X-API-Key": f"unknown-{made.slug}"}
    assert (await product.settings.get(path, headers=unknown)).json()["code"] == "invalid_api_key"
    other = product.rows.make()
    theirs = other.admin | {"X-Org-Slug": made.slug}
    assert (await product.settings.get(path, headers=theirs)).json()["code"] == "org_forbidden"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("POST", "/status", "GET"), ("DELETE", "/status", "GET"), ("POST", "/models", "GET"), ("PATCH", "/settings", "")],
)
async def test_another_method_is_a_405_that_says_which_are_served(
    product: Product, made: Made, method: str, path: str, allowed: str
) -> None:
    response = await product.settings.request(method, path, headers=made.admin)
    assert response.status_code == 405
    assert response.headers["allow"] == (f"{allowed}, OPTIONS" if allowed else "DELETE, PUT, OPTIONS")


async def test_the_models_are_those_of_the_organisations_provider(product: Product, made: Made) -> None:
    made.add_settings(provider="Anthropic", model_id="claude-sonnet-4")
    body = (await product.settings.get("/models", headers=made.member)).json()
    assert body["provider"] == "anthropic"
    listed = {model["model_id"]: model for model in body["models"]}
    assert {"claude-sonnet-4", "claude-3.5-haiku"} <= listed.keys()
    assert listed["claude-sonnet-4"]["context_window"] >= 200_000
    assert "openai" in body["providers"]
    other = (await product.settings.get("/models?provider=openai", headers=made.member)).json()
    assert "gpt-4o" in {model["model_id"] for model in other["models"]}
    missing = await product.settings.get("/models?provider=nobody", headers=made.member)
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")


async def test_the_models_of_an_organisation_without_settings_need_a_provider(product: Product, made: Made) -> None:
    response = await product.settings.get("/models", headers=made.member)
    assert (response.status_code, response.json()["code"]) == (422, "setup_required")
    assert (await product.settings.get("/models?provider=gemini", headers=made.member)).status_code == 200


async def test_the_bypass_may_change_settings_on_a_laptop(serving: Serving, made: Made) -> None:
    product: Product = await serving(disable_auth=True)
    assert (await product.status({"X-Org-Slug": made.slug}))["status"] == "setup_required"
    body = {"provider": "openai", "model": "gpt-4o", "key": "sk-bypass-0123456789"}
    response = await product.settings.put("/settings", json=body, headers={"X-Org-Slug": made.slug})
    assert (response.status_code, response.json()["status"]) == (200, "ready")


def test_status_and_models_are_answered_without_litellm_and_kms(product: Product, made: Made) -> None:
    made.add_settings()
    made.add_credential()
    code = """
import asyncio, json, sys
import httpx
from functions_framework import aio
headers = json.loads(sys.argv[1])
app = aio.create_asgi_app(target="settings_status", source="functions/settings_status/main.py", signature_type="http")
async def main():
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://f", timeout=120) as client:
        for path in ("/status", "/models"):
            response = await client.get(path, headers=headers)
            assert response.status_code == 200, response.text
asyncio.run(main())
print([name for name in ("litellm", "google.cloud.kms_v1", "local", "duckdb") if name in sys.modules])
"""
    result = subprocess.run(
        [sys.executable, "-c", code, json.dumps(made.member)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert result.stdout.splitlines()[-1:] == ["[]"], result.stderr
