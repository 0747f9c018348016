"""Keys, scopes and statuses that an operator changes count with the next request; a killed command is given again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
from google.cloud import bigquery

from common.warehouse import schema
from tests.local.operator.conftest import Tenant, Terminal

MADE = ("--name", "First Inc", "--email", "finops@first.example")
QUESTION = "Top 3 services by cost in September 2024"


def refusal(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


def test_what_an_operator_changes_counts_with_the_next_request(
    terminal: Terminal, founded: Callable[[str], Tenant]
) -> None:
    tenant = founded("signing_inc")
    assert "EC2" in tenant.ask(QUESTION).json()["response"]
    assert terminal.run("org", "suspend", "--org", tenant.slug) == 0
    assert refusal(tenant.ask(QUESTION)) == (403, "org_inactive")
    assert terminal.run("org", "resume", "--org", tenant.slug) == 0
    assert tenant.ask(QUESTION).status_code == 200
    assert terminal.run("key", "create", "--org", tenant.slug, "--name", "reader", "--scope", "chat:read") == 0
    reader = Tenant(tenant.slug, terminal.out.strip(), tenant.url)
    assert refusal(reader.ask(QUESTION)) == (403, "scope_missing")
    assert terminal.run("key", "list", "--org", tenant.slug) == 0
    (key_id,) = [line.split("\t")[0] for line in terminal.out.splitlines() if "\tweb\t" in line]
    assert terminal.run("key", "revoke", "--org", tenant.slug, "--id", key_id) == 0
    assert refusal(tenant.ask(QUESTION)) == (401, "invalid_api_key")
    assert refusal(reader.ask(QUESTION)) == (403, "scope_missing")


@contextmanager
def killed(terminal: Terminal, *arguments: str) -> Iterator[Callable[[Callable[[], bool]], None]]:
    """A command that is killed as soon as something is so."""
    with terminal.start(*arguments) as process:

        def once(is_so: Callable[[], bool]) -> None:
            # One that has ended before it was seen is as good as one that was killed at its last moment.
            while not is_so() and process.poll() is None:
                pass
            process.kill()

        yield once


def test_an_organisation_whose_making_was_killed_is_made_whole_by_the_same_command(
    terminal: Terminal, warehouse: bigquery.Client
) -> None:
    given = ("org", "create", "--org", "making_inc", *MADE)
    with killed(terminal, *given) as once:
        once(lambda: "making_inc_prod" in {each.dataset_id for each in warehouse.list_datasets()})
    assert terminal.run(*given) == 0, terminal.errors
    shown = terminal.json("org", "show", "--org", "making_inc")
    assert (shown["status"], set(shown["tables"])) == ("ACTIVE", set(schema.tables("tenant")))


def test_a_key_whose_making_was_killed_is_named_by_the_same_command(
    terminal: Terminal, warehouse: bigquery.Client
) -> None:
    assert terminal.run("org", "create", "--org", "minting_inc", *MADE, "--no-dataset") == 0, terminal.errors
    given = ("key", "create", "--org", "minting_inc", "--name", "web")
    sql = "SELECT org_api_key_id FROM organizations.org_api_keys WHERE org_slug = 'minting_inc'"
    with killed(terminal, *given) as once:
        once(lambda: bool(list(warehouse.query_and_wait(sql))))
    (made,) = warehouse.query_and_wait(sql)
    assert terminal.run(*given) == 1
    assert f"named web already: {made.org_api_key_id}. Revoke it first" in terminal.errors
    assert terminal.run("key", "revoke", "--org", "minting_inc", "--id", made.org_api_key_id) == 0
    assert terminal.run(*given) == 0
    assert terminal.out.startswith("cak_")
