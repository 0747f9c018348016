"""``python -m local record``: rejected rows are listed with their reasons, and written once the reason is gone."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.cloud import bigquery

from common.app import Services
from common.documents import Patch, Put, Where
from common.transcript.paths import OUTBOX
from tests.local.operator.conftest import Tenant, Terminal

QUESTION = "Top 3 services by cost in September 2024"


async def reject(services: Services, tenant: Tenant, *, broken: bool = True) -> list[str]:
    """Have the record reject the messages of a new conversation, and return the ids of their entries.

    ``broken`` leaves them broken: no table takes a row of no time.
    """
    conversation_id = await asyncio.to_thread(tenant.said, QUESTION)
    mine = (Where("org_slug", "==", tenant.slug), Where("conversation_id", "==", conversation_id))
    entries = [
        entry
        for entry in await services.documents.query(OUTBOX, where=mine, limit=100)
        if entry.data["table"] == "org_chat_messages"
    ]
    for entry in entries:
        await services.documents.commit([Patch(entry.path, {"row": entry.data["row"] | {"created_at": "never"}})])
    assert (await services.sync.run()).get("rejected", 0) >= len(entries)
    if not broken:
        for entry in entries:
            await services.documents.commit([Patch(entry.path, {"row": entry.data["row"]})])
    return [entry.path.rsplit("/", 1)[1] for entry in entries]


async def listed(terminal: Terminal, *arguments: str) -> dict[str, dict[str, Any]]:
    assert await asyncio.to_thread(terminal.run, "record", "list", "--json", *arguments) == 0, terminal.errors
    return {each["entry_id"]: each for each in map(json.loads, terminal.out.splitlines())}


def written(client: bigquery.Client, slug: str) -> int:
    (found,) = client.query_and_wait(
        f"SELECT COUNT(*) AS n FROM organizations.org_chat_messages WHERE org_slug = '{slug}'"
    )
    count: int = found.n
    return count


async def test_rejected_rows_are_listed_and_written_once_their_reason_is_gone(
    terminal: Terminal, warehouse: bigquery.Client, services: Services, founded: Callable[[str], Tenant]
) -> None:
    tenant, other = [await asyncio.to_thread(founded, slug) for slug in ("letters_inc", "letters_too_inc")]
    entries, others = await reject(services, tenant, broken=False), await reject(services, other, broken=False)
    assert set(await listed(terminal)) >= {*entries, *others}
    found = await listed(terminal, "--org", tenant.slug)
    assert set(found) == set(entries)
    assert {(each["reason"], each["attempts"], each["table"]) for each in found.values()} == {
        ("query_failed", 1, "org_chat_messages")
    }
    assert "query_failed: the table does not take the row" in terminal.errors
    assert await asyncio.to_thread(terminal.run, "record", "list", "--org", tenant.slug, "--limit", "1") == 0
    (line,) = terminal.out.splitlines()
    assert line.split("\t")[0] in entries
    assert "There are more" in terminal.errors
    assert written(warehouse, tenant.slug) == 0
    assert await asyncio.to_thread(terminal.run, "record", "replay", "--all", "--org", tenant.slug) == 0
    assert terminal.out.startswith(f"{len(entries)} rows are tried at once")
    assert (await services.sync.run())["status"] == "ok"
    assert written(warehouse, tenant.slug) == len(entries)
    assert await listed(terminal, "--org", tenant.slug) == {}
    assert set(await listed(terminal, "--org", other.slug)) == set(others)
    assert await asyncio.to_thread(terminal.run, "record", "replay", "--all", "--org", tenant.slug) == 0
    assert terminal.out.startswith("0 rows")
    assert written(warehouse, tenant.slug) == len(entries)


async def test_one_row_is_tried_and_its_command_tells_the_end(
    terminal: Terminal, warehouse: bigquery.Client, services: Services, founded: Callable[[str], Tenant]
) -> None:
    tenant = await asyncio.to_thread(founded, "one_letter_inc")
    first, *rest = await reject(services, tenant)
    waiting = asyncio.create_task(
        asyncio.to_thread(terminal.run, "record", "replay", first, "--org", tenant.slug, "--wait", "240")
    )
    while (await services.dead_letters.read([first]))[first].attempts < 2:  # type: ignore[union-attr]
        await services.sync.run()
    assert await waiting == 1
    assert "0 written, 1 rejected again, 0 not tried yet" in terminal.out
    assert f"{first}: query_failed" in terminal.errors
    assert (await listed(terminal, "--org", tenant.slug))[first]["attempts"] == 2
    assert all(each["attempts"] == 1 for name, each in (await listed(terminal)).items() if name in rest)
    assert written(warehouse, tenant.slug) == 0


async def test_an_entry_of_another_organisation_is_not_there(
    terminal: Terminal, services: Services, founded: Callable[[str], Tenant]
) -> None:
    tenant = await asyncio.to_thread(founded, "letters_of_inc")
    (first, *_) = await reject(services, tenant)
    before = await services.dead_letters.read([first])
    assert await asyncio.to_thread(terminal.run, "record", "replay", first, "--org", "letters_inc") == 1
    assert "is not in the outbox of letters_inc" in terminal.errors
    assert await asyncio.to_thread(terminal.run, "record", "replay", "no:such:entry") == 1
    assert await services.dead_letters.read([first]) == before


async def test_what_cannot_be_read_is_listed_and_shown_without_being_obeyed(
    terminal: Terminal, services: Services
) -> None:
    path = f"{OUTBOX}/hostile\x1b[31m:entry"
    later = datetime.now(UTC) + timedelta(days=1)
    await services.documents.commit([Put(path, {"attempts": 3, "error_class": "unreadable", "next_try_at": later})])
    assert await asyncio.to_thread(terminal.run, "record", "list") == 0
    assert "\x1b" not in terminal.out
    assert "unreadable: the entry does not say" in terminal.errors
    assert (await listed(terminal))["hostile\x1b[31m:entry"]["org_slug"] is None


@pytest.mark.parametrize(
    "arguments",
    [
        ("replay",),
        ("replay", "--all", "an:entry"),
        ("replay", "../orgs/acme_inc"),
        ("replay", ""),
        ("replay", "--all", "--wait", "-1"),
        ("replay", "--all", "--org", "No Slug"),
        ("list", "--limit", "0"),
        ("list", "--org", "No Slug"),
    ],
)
def test_what_is_not_understood_changes_nothing(terminal: Terminal, arguments: tuple[str, ...]) -> None:
    assert terminal.run("record", *arguments) == 2
    assert terminal.out == ""
    assert terminal.errors
