"""``python -m local org offboard``: an organisation leaves, whole, whatever stops the command, and nobody else does."""

import asyncio
from collections.abc import Callable

import pytest
from google.cloud import bigquery

from common.app import Services
from common.documents import Where
from common.transcript.paths import OUTBOX
from common.warehouse.schema import record_tables
from tests.local.operator.conftest import Tenant, Terminal

QUESTION = "Top 3 services by cost in September 2024"
STEPS = (
    "Refusing its keys",
    "Ending its chat settings",
    "Deleting its documents",
    "Emptying its outbox",
    "Deleting its rows of the record",
)


async def left(services: Services, client: bigquery.Client, slug: str) -> tuple[int, int, int]:
    """The documents, outbox entries and rows of the record that an organisation has."""
    documents = await services.documents.below(f"orgs/{slug}", 1_000)
    waiting = await services.documents.count(OUTBOX, (Where("org_slug", "==", slug),))
    rows = 0
    for table in record_tables():
        (found,) = client.query_and_wait(f"SELECT COUNT(*) AS n FROM organizations.{table} WHERE org_slug = '{slug}'")
        rows += found.n
    return len(documents), waiting, rows


async def talk(services: Services, tenant: Tenant) -> None:
    """One conversation that the record has, and one that still waits in the outbox."""
    await asyncio.to_thread(tenant.said, QUESTION)
    assert (await services.sync.run())["status"] == "ok"
    await asyncio.to_thread(tenant.said, QUESTION)


async def test_an_organisation_leaves_whole_and_its_neighbour_stays(
    terminal: Terminal, warehouse: bigquery.Client, services: Services, founded: Callable[[str], Tenant]
) -> None:
    leaving, staying = await asyncio.to_thread(founded, "leaving_inc"), await asyncio.to_thread(founded, "staying_inc")
    for tenant in (staying, leaving):
        await talk(services, tenant)
    before = await left(services, warehouse, staying.slug)
    assert min(await left(services, warehouse, leaving.slug)) > 0
    given = ("org", "offboard", "--org", leaving.slug)
    assert await asyncio.to_thread(terminal.run, *given, typed="leaving\n") == 1
    assert "not the slug" in terminal.errors
    assert (await asyncio.to_thread(leaving.ask, "hello")).status_code == 200
    assert await asyncio.to_thread(terminal.run, *given, typed=f"{leaving.slug}\n") == 0, terminal.errors
    assert "is offboarded: 1 keys revoked" in terminal.out
    assert await left(services, warehouse, leaving.slug) == (0, 0, 0)
    assert (await asyncio.to_thread(leaving.ask, QUESTION)).status_code == 401
    assert await left(services, warehouse, leaving.slug) == (0, 0, 0)
    assert await left(services, warehouse, staying.slug) >= before
    assert (await asyncio.to_thread(staying.ask, QUESTION)).status_code == 200
    shown = await asyncio.to_thread(terminal.json, "org", "show", "--org", leaving.slug)
    assert (shown["status"], shown["active_keys"], shown["chat"]["configured"]) == ("DELETED", 0, False)
    assert shown["tables"]["cost_data_standard_1_3"] == 3
    for name in ("settings", "key", "org"):
        told = {
            "settings": ("set", "--provider", "demo", "--model", "analyst-1", "--key-stdin"),
            "key": ("create", "--name", "again"),
            "org": ("resume",),
        }[name]
        assert await asyncio.to_thread(terminal.run, name, *told, "--org", leaving.slug, typed="sk-0123456789\n") == 1
    assert await asyncio.to_thread(terminal.run, *given, "--yes") == 0
    assert "offboarded already: 0 keys revoked, 0 documents and 0 rows deleted" in terminal.out


async def test_with_its_data_an_organisation_leaves_no_costs_and_no_provider_key(
    terminal: Terminal, warehouse: bigquery.Client, founded: Callable[[str], Tenant]
) -> None:
    leaving = await asyncio.to_thread(founded, "data_inc")
    given = ("org", "offboard", "--org", leaving.slug, "--data", "--yes")
    for _ in range(2):
        assert await asyncio.to_thread(terminal.run, *given) == 0, terminal.errors
    assert "data_inc_prod" not in {each.dataset_id for each in warehouse.list_datasets()}
    for table in ("org_integration_credentials", "org_chat_settings", "org_meta_pipeline_runs"):
        found = warehouse.query_and_wait(f"SELECT 1 FROM organizations.{table} WHERE org_slug = 'data_inc'")
        assert list(found) == []
    again = ("org", "create", "--org", "data_inc", "--name", "Data Inc", "--email", "finops@data.example")
    assert await asyncio.to_thread(terminal.run, *again) == 1
    assert "was offboarded" in terminal.errors
    assert "data_inc_prod" not in {each.dataset_id for each in warehouse.list_datasets()}


@pytest.mark.parametrize("step", STEPS)
async def test_a_command_that_was_killed_at_any_step_is_finished_by_the_next(
    terminal: Terminal,
    warehouse: bigquery.Client,
    services: Services,
    founded: Callable[[str], Tenant],
    step: str,
) -> None:
    leaving = await asyncio.to_thread(founded, f"killed_at_{STEPS.index(step)}")
    await talk(services, leaving)
    given = ("org", "offboard", "--org", leaving.slug, "--yes")
    with terminal.start(*given) as process:
        assert process.stderr is not None
        while not (line := await asyncio.to_thread(process.stderr.readline)).startswith(step):
            assert line, "it ended before that step"
        process.kill()
    assert await asyncio.to_thread(terminal.run, *given) == 0, terminal.errors
    assert await left(services, warehouse, leaving.slug) == (0, 0, 0)
    shown = await asyncio.to_thread(terminal.json, "org", "show", "--org", leaving.slug)
    assert (shown["status"], shown["active_keys"]) == ("DELETED", 0)


@pytest.mark.parametrize(("org", "code"), [("nobody_inc", 1), ("No Slug", 2)])
def test_an_organisation_that_is_not_there_does_not_leave(terminal: Terminal, org: str, code: int) -> None:
    assert terminal.run("org", "offboard", "--org", org, "--yes") == code
    assert terminal.out == ""
