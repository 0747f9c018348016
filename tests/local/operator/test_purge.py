"""``python -m local purge``: what is erased is nowhere, what is not named stays, whatever stops the command."""

import asyncio
from collections.abc import Callable

import httpx
import pytest
from google.cloud import bigquery

from common.app import Services
from common.documents import Where
from common.transcript.paths import OUTBOX, PURGES
from common.warehouse.schema import purged_tables
from tests.local.operator.conftest import Tenant, Terminal

QUESTION = "Top 3 services by cost in September 2024"


async def left(services: Services, client: bigquery.Client, slug: str, conversation_id: str) -> tuple[int, int, int]:
    """The documents, outbox entries and rows of the record that a conversation has."""
    path = f"orgs/{slug}/conversations/{conversation_id}"
    own = (await services.documents.get_all([path]))[path]
    below = await services.documents.below(path, 1_000)
    mine = (Where("org_slug", "==", slug), Where("conversation_id", "==", conversation_id))
    rows = 0
    for table in purged_tables():
        where = f"org_slug = '{slug}' AND conversation_id = '{conversation_id}'"
        sql = f"SELECT COUNT(*) AS n FROM organizations.{table} WHERE {where}"
        (found,) = client.query_and_wait(sql)
        rows += found.n
    return len(below) + (own is not None), await services.documents.count(OUTBOX, mine), rows


async def is_there(services: Services, client: bigquery.Client, slug: str, conversation_id: str) -> bool:
    documents, _, rows = await left(services, client, slug, conversation_id)
    return documents > 0 and rows > 0


async def talk(services: Services, tenant: Tenant, user: str) -> str:
    """A conversation of a person, a part in the record and a part in the outbox."""
    conversation_id = await asyncio.to_thread(tenant.said, QUESTION, user)
    assert (await services.sync.run())["status"] == "ok"
    return await asyncio.to_thread(tenant.said, "and in October 2024?", user, conversation_id=conversation_id)


def listed(tenant: Tenant, user: str) -> list[str]:
    headers = {"X-Org-Slug": tenant.slug, "X-API-Key": tenant.key, "X-User-Id": user}
    response = httpx.get(f"{tenant.url}/api/v1/chat/{tenant.slug}/conversations", headers=headers, timeout=60)
    return [each["conversation_id"] for each in response.json()["conversations"]]


async def test_a_conversation_is_erased_everywhere_and_the_others_stay(
    terminal: Terminal, warehouse: bigquery.Client, services: Services, founded: Callable[[str], Tenant]
) -> None:
    tenant = await asyncio.to_thread(founded, "erased_inc")
    stays, gone = await talk(services, tenant, "ann"), await talk(services, tenant, "ann")
    before = await left(services, warehouse, tenant.slug, stays)
    assert min(await left(services, warehouse, tenant.slug, gone)) > 0
    given = ("purge", "--org", tenant.slug, "--conversation", gone)
    assert await asyncio.to_thread(terminal.run, *given, typed="no\n") == 1
    assert min(await left(services, warehouse, tenant.slug, gone)) > 0
    assert await asyncio.to_thread(terminal.run, *given, typed=f"{tenant.slug}\n") == 0, terminal.errors
    assert terminal.out == "1 conversations of erased_inc are erased.\n"
    assert await left(services, warehouse, tenant.slug, gone) == (0, 0, 0)
    assert await left(services, warehouse, tenant.slug, stays) == before
    assert await asyncio.to_thread(listed, tenant, "ann") == [stays]
    answer = await asyncio.to_thread(tenant.ask, "and now?", "ann", conversation_id=gone)
    assert answer.status_code == 404
    assert (await services.sync.run())["status"] == "ok"
    assert await left(services, warehouse, tenant.slug, gone) == (0, 0, 0)
    assert await asyncio.to_thread(terminal.run, *given, "--yes") == 0
    assert f"Nothing is stored of conversation {gone}" in terminal.errors
    assert terminal.out == "0 conversations of erased_inc are erased.\n"


async def test_all_of_a_person_is_erased_in_one_organisation_only(
    terminal: Terminal, warehouse: bigquery.Client, services: Services, founded: Callable[[str], Tenant]
) -> None:
    tenant, other = [await asyncio.to_thread(founded, slug) for slug in ("people_inc", "people_too_inc")]
    gone = [await talk(services, tenant, "ann"), await asyncio.to_thread(tenant.said, QUESTION, "ann")]
    kept = await talk(services, tenant, "bob")
    elsewhere = await talk(services, other, "ann")
    assert await asyncio.to_thread(terminal.run, "purge", "--org", tenant.slug, "--user", "ann", "--yes") == 0
    assert terminal.out == "2 conversations of people_inc are erased.\n"
    for conversation_id in gone:
        assert await left(services, warehouse, tenant.slug, conversation_id) == (0, 0, 0)
    assert await asyncio.to_thread(listed, tenant, "ann") == []
    assert await is_there(services, warehouse, tenant.slug, kept)
    assert await is_there(services, warehouse, other.slug, elsewhere)
    assert await asyncio.to_thread(terminal.run, "purge", "--org", other.slug, "--conversation", kept, "--yes") == 0
    assert await is_there(services, warehouse, tenant.slug, kept)


async def test_a_purge_that_was_killed_is_finished_by_a_sync(
    terminal: Terminal, warehouse: bigquery.Client, services: Services, founded: Callable[[str], Tenant]
) -> None:
    tenant = await asyncio.to_thread(founded, "purge_killed_inc")
    gone = [await talk(services, tenant, "ann") for _ in range(2)]
    named = [part for each in gone for part in ("--conversation", each)]
    with terminal.start("purge", "--org", tenant.slug, *named, "--yes") as process:
        mine = (Where("org_slug", "==", tenant.slug),)
        # One that has ended before it was seen is as good as one that was killed at its last moment.
        while await services.documents.count(PURGES, mine) < len(gone) and process.poll() is None:
            pass
        process.kill()
    # A killed command's lease runs out by itself.
    while (await services.sync.run())["status"] == "busy":  # noqa: ASYNC110
        await asyncio.sleep(1)
    for conversation_id in gone:
        assert await left(services, warehouse, tenant.slug, conversation_id) == (0, 0, 0)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--conversation", "a/b"),
        ("--conversation", ".."),
        ("--conversation", "__a__"),
        ("--conversation", ""),
        ("--user", ""),
        ("--user", "x" * 129),
        ("--user", "ann", "--conversation", "c1"),
    ],
)
def test_what_names_nothing_to_erase_is_refused(terminal: Terminal, arguments: tuple[str, ...]) -> None:
    assert terminal.run("purge", "--org", "erased_inc", *arguments, "--yes") == 2
    assert terminal.out == ""
    assert terminal.errors
