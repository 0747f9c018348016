"""Looking an organisation up: what a flood of unknown keys costs, and that an old copy never replaces a new one."""

import asyncio
from typing import Any

import pytest

from common.organizations import directory as directory_module
from common.organizations.directory import Directory, hash_api_key
from common.warehouse import client
from tests.organizations.conftest import Serving
from tests.organizations.organizations import Made
from tests.organizations.serving import Product

KEY = {"provider": "openai", "model": "gpt-4o", "key": "sk-directory-0123456789"}


async def attempt(product: Product, made: Made, api_key: str) -> tuple[int, str]:
    headers = {"X-Org-Slug": made.slug, "X-API-Key": api_key}
    response = await product.settings.get("/status", headers=headers)
    if response.status_code == 429:
        assert 1 <= int(response.headers["retry-after"]) <= 60
    return response.status_code, response.json().get("code", "")


async def test_a_flood_of_unknown_keys_asks_bigquery_no_more_than_a_bound(
    product: Product, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory_module, "UNKNOWN_KEY_LOOKUPS_PER_MINUTE", 5)
    await product.status(made.admin)
    product.reset_counts()
    outcomes = await asyncio.gather(*(attempt(product, made, f"{made.slug}-{number}") for number in range(40)))
    assert sorted(set(outcomes)) == [(401, "invalid_api_key"), (429, "rate_limited")]
    assert outcomes.count((401, "invalid_api_key")) == 5
    assert product.bigquery_calls() == 5
    # Whose key Firestore knows is served meanwhile; a key that only BigQuery knows waits.
    assert await attempt(product, made, made.admin["X-API-Key"]) == (200, "")
    assert await attempt(product, made, made.member["X-API-Key"]) == (429, "rate_limited")
    assert product.bigquery_calls() == 5


async def test_keys_that_exist_use_nothing_of_the_bound(
    product: Product, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory_module, "UNKNOWN_KEY_LOOKUPS_PER_MINUTE", 1)
    for organization in (made, product.rows.make(), product.rows.make()):
        await product.status(organization.admin)
        await product.status(organization.member)
    assert await attempt(product, made, f"unknown-{made.slug}") == (401, "invalid_api_key")
    assert await attempt(product, made, f"unknown-too-{made.slug}") == (429, "rate_limited")


async def test_keys_that_bigquery_could_not_be_asked_about_use_nothing_of_the_bound(
    serving: Serving, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory_module, "UNKNOWN_KEY_LOOKUPS_PER_MINUTE", 1)
    monkeypatch.setattr(client, "WAREHOUSE_RETRY_SECONDS", 0.1)
    product: Product = await serving(bigquery_emulator_host="http://127.0.0.1:9")
    for _ in range(3):
        assert await attempt(product, made, made.admin["X-API-Key"]) == (503, "warehouse_unavailable")


async def test_a_copy_that_grew_old_is_read_anew_however_many_unknown_keys_there_were(
    serving: Serving, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory_module, "UNKNOWN_KEY_LOOKUPS_PER_MINUTE", 2)
    product: Product = await serving(cache_ttl_seconds=0)
    await product.status(made.admin)
    for number in range(3):
        await attempt(product, made, f"{made.slug}-{number}")
    assert await attempt(product, made, made.member["X-API-Key"]) == (429, "rate_limited")
    assert await attempt(product, made, made.admin["X-API-Key"]) == (200, "")


async def test_a_reader_that_was_overtaken_by_a_change_does_not_put_the_old_settings_back(
    product: Product, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await product.put(made, **KEY, temperature=0.1)).status_code == 200
    product.documents.document(f"orgs/{made.slug}").delete()
    product.documents.document(f"api_keys/{hash_api_key(made.member['X-API-Key'])}").delete()
    reading, changed = asyncio.Event(), asyncio.Event()
    read = Directory._read_organization

    async def slow(directory: Directory, tenant: Any, *, wanted: bool) -> Any:
        found = await read(directory, tenant, wanted=wanted)
        if not reading.is_set():
            reading.set()
            await changed.wait()
        return found

    monkeypatch.setattr(Directory, "_read_organization", slow)
    overtaken = asyncio.create_task(product.status(made.member))
    await reading.wait()
    assert (await product.put(made, temperature=0.9)).status_code == 200
    changed.set()
    assert (await overtaken)["status"] == "ready"
    assert product.copy(made)["settings"]["temperature"] == 0.9


async def test_two_changes_that_overtake_each_other_leave_the_newest_copy(
    product: Product, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await product.put(made, **KEY, temperature=0.1)).status_code == 200
    tenant = product.services.directory.tenant(made.slug)  # type: ignore[arg-type]
    reading, changed = asyncio.Event(), asyncio.Event()
    read = Directory._read_organization

    async def slow(directory: Directory, tenant: Any, *, wanted: bool) -> Any:
        found = await read(directory, tenant, wanted=wanted)
        if not reading.is_set():
            reading.set()
            await changed.wait()
        return found

    monkeypatch.setattr(Directory, "_read_organization", slow)
    overtaken = asyncio.create_task(product.services.directory.renew(tenant))
    await reading.wait()
    assert (await product.put(made, temperature=0.9)).status_code == 200
    changed.set()
    renewed = await overtaken
    assert renewed is not None
    assert renewed.settings is not None
    assert renewed.settings.temperature == product.copy(made)["settings"]["temperature"] == 0.9
