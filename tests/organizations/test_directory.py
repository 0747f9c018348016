"""Looking an organisation up: what a flood of unknown keys costs, and that an old copy never replaces a new one."""

import asyncio
import dataclasses
import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from common.documents import Document, Documents
from common.errors import RateLimited
from common.organizations import key_lookup
from common.organizations.directory import Directory
from common.organizations.organization import hash_api_key
from common.tenant import OrgSlug
from common.warehouse import sdk
from tests.organizations.conftest import Serving
from tests.organizations.organizations import NOW, Made, Rows
from tests.organizations.serving import Product

KEY = {"provider": "openai", "model": "gpt-4o", "key": "sk-directory-0123456789"}


async def attempt(product: Product, made: Made, api_key: str) -> tuple[int, str]:
    headers = {"X-Org-Slug": made.slug, "X-API-Key": api_key}
    response = await product.settings.get("/status", headers=headers)
    if response.status_code == 429:
        assert 1 <= int(response.headers["retry-after"]) <= 60
    return response.status_code, response.json().get("code", "")


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that are read together are read soon, and unknown ones stay so however slow the machine is."""
    monkeypatch.setattr(key_lookup, "TOGETHER_SECONDS", 0.5)
    monkeypatch.setattr(key_lookup, "UNKNOWN_KEY_SECONDS", 600.0)


async def guess(product: Product, made: Made, count: int) -> Counter[int]:
    attempts = (attempt(product, made, f"{made.slug}-{uuid.uuid4().hex}") for _ in range(count))
    return Counter(status for status, _ in await asyncio.gather(*attempts))


async def test_so_many_keys_may_fail_at_an_organisation_and_valid_ones_go_on_serving(
    serving: Serving, made: Made, rows: Rows
) -> None:
    product: Product = await serving(org_failed_keys_per_minute=5)
    await product.status(made.admin)
    for _ in range(5):
        assert await guess(product, made, 1) == {401: 1}
    product.reset_counts()
    assert await guess(product, made, 40) == {429: 40}
    # All of them together, and nothing is written for any of them.
    assert 1 <= product.bigquery_calls() < 40
    assert product.firestore.calls()["Commit"] == 0
    # A key that Firestore knows, and one that only BigQuery knows.
    for headers in (made.admin, made.member):
        assert await attempt(product, made, headers["X-API-Key"]) == (200, "")
    # Each organisation's own guesses count, and nobody else's.
    other = rows.make()
    assert await guess(product, other, 1) == {401: 1}


async def test_the_same_wrong_key_again_counts_too_and_asks_nobody(serving: Serving, made: Made) -> None:
    product: Product = await serving(org_failed_keys_per_minute=3)
    await product.status(made.admin)
    wrong = f"{made.slug}-wrong"
    outcomes = [(await attempt(product, made, wrong))[0] for _ in range(5)]
    assert outcomes == [401, 401, 401, 429, 429]
    product.reset_counts()
    assert (await attempt(product, made, wrong))[0] == 429
    assert (product.bigquery_calls(), product.firestore.calls()) == (0, {})


async def test_keys_that_expired_count_as_failed(serving: Serving, made: Made, rows: Rows) -> None:
    product: Product = await serving(org_failed_keys_per_minute=1)
    rows.add_key(made.slug, "old", [], expires_at=(NOW - timedelta(days=1)).isoformat())
    old = made.key("old")["X-API-Key"]
    assert [(await attempt(product, made, old))[0] for _ in range(2)] == [401, 429]


def all_at_once(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Let so many go on from Firestore's answer at the same moment."""
    barrier = asyncio.Barrier(count)
    read = Documents.get_all

    async def held(
        documents: Documents, paths: Sequence[str], fields: Sequence[str] | None = None
    ) -> dict[str, Document | None]:
        found = await read(documents, paths, fields)
        await barrier.wait()
        return found

    monkeypatch.setattr(Documents, "get_all", held)


async def test_a_flood_over_many_organisations_asks_bigquery_no_more_than_a_bound(
    product: Product, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_lookup, "UNKNOWN_KEY_LOOKUPS_PER_MINUTE", 5)
    await product.status(made.admin)
    slugs = [dataclasses.replace(made, slug=f"made_up_{uuid.uuid4().hex[:8]}") for _ in range(30)]
    product.reset_counts()
    with monkeypatch.context() as held:
        all_at_once(held, len(slugs))
        outcomes = await asyncio.gather(*(guess(product, slug, 1) for slug in slugs))
    assert outcomes == [{401: 1}] * 30
    # Five alone, each with the profile, settings, credentials and access of its organisation, and the others together.
    assert product.bigquery_calls() == 5 * 5 + 1
    assert await attempt(product, made, made.member["X-API-Key"]) == (200, "")


async def test_a_flood_of_organisations_that_there_are_not_asks_bigquery_no_more_than_a_bound(
    product: Product, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_lookup, "UNKNOWN_KEY_LOOKUPS_PER_MINUTE", 5)
    directory = product.services.directory
    product.reset_counts()

    async def look_up(slug: str) -> str:
        """Look an organisation up for a caller without a key, as one with a token is."""
        try:
            found = await directory.look_up(directory.tenant(OrgSlug(slug)), None)
        except RateLimited:
            return "limited"
        return "found" if found.organization else "none"

    with monkeypatch.context() as held:
        all_at_once(held, 30)
        slugs = [f"made_up_{uuid.uuid4().hex[:8]}" for _ in range(30)]
        assert Counter(await asyncio.gather(*map(look_up, slugs))) == {"none": 5, "limited": 25}
    assert product.bigquery_calls() == 5 * 4
    assert await look_up(made.slug) == "limited"


async def test_organisations_that_there_are_use_nothing_of_the_bound(
    product: Product, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_lookup, "UNKNOWN_KEY_LOOKUPS_PER_MINUTE", 1)
    directory = product.services.directory
    for organization in (made, product.rows.make(), product.rows.make()):
        found = await directory.look_up(directory.tenant(OrgSlug(organization.slug)), None)
        assert found.organization


async def test_more_keys_than_a_query_holds_are_refused_before_they_wait(
    product: Product, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_lookup, "UNKNOWN_KEY_LOOKUPS_PER_MINUTE", 0)
    monkeypatch.setattr(key_lookup, "MOST_TOGETHER", 10)
    await product.status(made.admin)
    assert await guess(product, made, 11) == {401: 10, 429: 1}


async def test_keys_that_exist_use_nothing_of_the_bound(
    product: Product, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_lookup, "UNKNOWN_KEY_LOOKUPS_PER_MINUTE", 1)
    for organization in (made, product.rows.make(), product.rows.make()):
        await product.status(organization.admin)
        await product.status(organization.member)
    assert not product.services.directory._keys.is_guessed(OrgSlug(made.slug))
    await guess(product, made, 1)
    assert product.services.directory._keys.is_guessed(OrgSlug(made.slug))


async def test_keys_that_bigquery_could_not_be_asked_about_use_nothing_of_the_bound(
    serving: Serving, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_lookup, "UNKNOWN_KEY_LOOKUPS_PER_MINUTE", 1)
    monkeypatch.setattr(sdk, "WAREHOUSE_RETRY_SECONDS", 0.1)
    product: Product = await serving(bigquery_emulator_host="http://127.0.0.1:9", org_failed_keys_per_minute=1)
    for _ in range(3):
        assert await attempt(product, made, made.admin["X-API-Key"]) == (503, "warehouse_unavailable")
    async with asyncio.timeout(120):
        while product.services.directory._keys.is_guessed(OrgSlug(made.slug)):  # noqa: ASYNC110  no event says so
            await asyncio.sleep(0.01)


async def test_keys_that_are_read_together_and_cannot_be_read_are_said_to_be_so(
    serving: Serving, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_lookup, "UNKNOWN_KEY_LOOKUPS_PER_MINUTE", 0)
    monkeypatch.setattr(sdk, "WAREHOUSE_RETRY_SECONDS", 0.1)
    product: Product = await serving(bigquery_emulator_host="http://127.0.0.1:9")
    assert await guess(product, made, 3) == {503: 3}


async def test_a_copy_that_grew_old_is_read_anew_however_many_unknown_keys_there_were(
    serving: Serving, made: Made
) -> None:
    product: Product = await serving(cache_ttl_seconds=0, org_failed_keys_per_minute=2)
    await product.status(made.admin)
    assert await guess(product, made, 3) == {401: 2, 429: 1}
    product.reset_counts()
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


async def test_a_reader_that_was_overtaken_by_a_revocation_does_not_put_the_key_back(
    product: Product, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await attempt(product, made, made.member["X-API-Key"]) == (200, "")
    copy = product.documents.document(f"api_keys/{hash_api_key(made.member['X-API-Key'])}")
    copy.update({"cached_at": datetime.now(UTC) - timedelta(days=1)})
    key_id = (copy.get().to_dict() or {})["org_api_key_id"]
    reading, revoked = asyncio.Event(), asyncio.Event()
    read = Directory._read_keys

    async def slow(directory: Directory, tenant: Any, hashes: tuple[str, ...]) -> Any:
        found = await read(directory, tenant, hashes)
        reading.set()
        await revoked.wait()
        return found

    monkeypatch.setattr(product.services.directory._keys, "_ask", partial(slow, product.services.directory))
    overtaken = asyncio.create_task(attempt(product, made, made.member["X-API-Key"]))
    await reading.wait()
    tenant = product.services.directory.tenant(OrgSlug(made.slug))
    assert await product.services.api_keys.revoke(tenant, key_id)
    revoked.set()
    await overtaken
    assert (await attempt(product, made, made.member["X-API-Key"]))[0] == 401


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
