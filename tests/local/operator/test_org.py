"""``python -m local org``: organisations made, shown, suspended and served again."""

import json

import pytest
from google.cloud import bigquery

from common.warehouse import schema
from tests.local.operator.conftest import Terminal

MADE = ("--name", "First Inc", "--email", "finops@first.example")


def rows(client: bigquery.Client, sql: str) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in client.query_and_wait(sql)]


def test_an_organisation_is_made_whole_and_once(terminal: Terminal, warehouse: bigquery.Client) -> None:
    given = ("org", "create", "--org", "made_once", *MADE, "--currency", "EUR", "--timezone", "Europe/Berlin")
    assert terminal.run(*given) == 0, terminal.errors
    assert terminal.out == "made_once is made: First Inc.\n"
    assert terminal.run(*given) == 0
    assert "there already" in terminal.out
    (profile,) = warehouse.query_and_wait("SELECT * FROM organizations.org_profiles WHERE org_slug = 'made_once'")
    assert (profile.status, profile.default_currency, profile.org_dataset_id) == ("ACTIVE", "EUR", "made_once_prod")
    made = {table.table_id for table in warehouse.list_tables("made_once_prod")}
    assert made == set(schema.tables("tenant"))
    costs = warehouse.get_table("made_once_prod.cost_data_standard_1_3")
    assert costs.time_partitioning is not None
    assert costs.clustering_fields


def test_an_organisation_that_is_there_with_other_data_stays_as_it_is(terminal: Terminal) -> None:
    assert terminal.run("org", "create", "--org", "stays_so", *MADE) == 0
    other = ("--name", "Another Inc", "--email", "finops@first.example")
    assert terminal.run("org", "create", "--org", "stays_so", *other, "--currency", "EUR") == 1
    assert "another company_name, default_currency" in terminal.errors
    assert terminal.json("org", "show", "--org", "stays_so")["company_name"] == "First Inc"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--org", "No Slug", *MADE), "--org: a slug has 3 to 50"),
        (("--org", "ab", *MADE), "--org: a slug has 3 to 50"),
        (("--org", "fine", "--name", "", "--email", "a@b.example"), "company_name"),
        (("--org", "fine", "--name", "A\x1b[31m", "--email", "a@b.example"), "printable"),
        (("--org", "fine", "--name", "A", "--email", "nobody"), "e-mail address"),
        (("--org", "fine", *MADE, "--currency", "euro"), "default_currency"),
        (("--org", "fine", *MADE, "--timezone", "Mars/Base"), "IANA time zone"),
        (("--org", "fine", *MADE, "--fiscal-month", "13"), "fiscal_year_start_month"),
        (("--org", "fine", *MADE, "--fiscal-month", "may"), "--fiscal-month"),
        (("--org", "fine", *MADE, "--country", "Germany"), "default_country"),
        (("--org", "fine", *MADE, "--language", "!"), "default_language"),
        (("--org", "fine"), "--name"),
    ],
)
def test_what_makes_no_organisation_is_named(
    terminal: Terminal, warehouse: bigquery.Client, arguments: tuple[str, ...], said: str
) -> None:
    assert terminal.run("org", "create", *arguments) == 2
    assert said in terminal.errors
    assert terminal.out == ""
    assert "fine_prod" not in {each.dataset_id for each in warehouse.list_datasets()}


def test_a_dataset_is_made_for_its_readers_and_only_where_it_is_wanted(
    terminal: Terminal, warehouse: bigquery.Client
) -> None:
    readers = "chat-send@p.iam.gserviceaccount.com, group:analysts@first.example"
    given = ("org", "create", "--org", "read_by", *MADE, "--readers", readers)
    for _ in range(2):
        assert terminal.run(*given) == 0, terminal.errors
        entries = warehouse.get_dataset("read_by_prod").access_entries
        assert [(each.role, each.entity_type, each.entity_id) for each in entries] == [
            ("READER", "userByEmail", "chat-send@p.iam.gserviceaccount.com"),
            ("READER", "groupByEmail", "analysts@first.example"),
        ]
    assert terminal.run("org", "create", "--org", "read_elsewhere", *MADE, "--no-dataset") == 0
    assert "read_elsewhere_prod" not in {each.dataset_id for each in warehouse.list_datasets()}
    assert terminal.json("org", "show", "--org", "read_elsewhere")["tables"] is None


def test_an_organisation_whose_making_was_cut_short_is_made_by_the_same_command(
    terminal: Terminal, warehouse: bigquery.Client
) -> None:
    warehouse.create_dataset("cut_short_prod")
    assert terminal.run("org", "show", "--org", "cut_short") == 1
    assert terminal.run("org", "create", "--org", "cut_short", *MADE) == 0
    assert set(terminal.json("org", "show", "--org", "cut_short")["tables"]) == set(schema.tables("tenant"))


def test_organisations_are_listed_page_by_page(terminal: Terminal) -> None:
    slugs = ["zz_list_a", "zz_list_b", "zz_list_c"]
    for slug in slugs:
        assert terminal.run("org", "create", "--org", slug, *MADE, "--no-dataset") == 0
    assert terminal.run("org", "list", "--after", "zz_list", "--limit", "2") == 0
    assert [line.split("\t")[:3] for line in terminal.out.splitlines()] == [
        [slug, "First Inc", "ACTIVE"] for slug in slugs[:2]
    ]
    assert "--after zz_list_b" in terminal.errors
    assert terminal.run("org", "list", "--after", "zz_list_b", "--json") == 0
    assert [json.loads(line)["org_slug"] for line in terminal.out.splitlines()] == slugs[2:]
    assert terminal.run("org", "list", "--limit", "0") == 2


def test_a_suspended_organisation_is_served_again_once_it_is_resumed(terminal: Terminal) -> None:
    assert terminal.run("org", "create", "--org", "paused_inc", *MADE, "--no-dataset") == 0
    for command, status in (("suspend", "SUSPENDED"), ("resume", "ACTIVE")):
        for already in ("", " already"):
            assert terminal.run("org", command, "--org", "paused_inc") == 0
            assert f"{already}:" in terminal.out
        assert terminal.json("org", "show", "--org", "paused_inc")["status"] == status


@pytest.mark.parametrize("command", ["show", "suspend", "resume"])
def test_an_organisation_that_is_not_there_is_named(terminal: Terminal, command: str) -> None:
    assert terminal.run("org", command, "--org", "nobody_inc") == 1
    assert "no " in terminal.errors
    assert terminal.out == ""


def test_a_real_project_is_never_mixed_up_with_emulators(terminal: Terminal) -> None:
    terminal.patch.setenv("ENVIRONMENT", "production")
    assert terminal.run("org", "list", "--project", "a-real-project") == 2
    assert "must not be set in staging or production" in terminal.errors


def test_readers_are_let_into_a_dataset_that_a_pipeline_made_and_refused_again(
    terminal: Terminal, warehouse: bigquery.Client
) -> None:
    warehouse.create_dataset("piped_prod")
    assert terminal.run("org", "create", "--org", "piped", *MADE, "--no-dataset", "--readers", "first@p.example") == 0
    for _ in range(2):
        assert (
            terminal.run("org", "grant", "--org", "piped", "--readers", "chat-send@p.example, group:all@p.example") == 0
        )
        assert terminal.out == "piped_prod is read by chat-send@p.example, group:all@p.example.\n"
        entries = warehouse.get_dataset("piped_prod").access_entries
        assert [each.entity_id for each in entries] == ["first@p.example", "chat-send@p.example", "all@p.example"]
    # Nothing was made in it.
    assert list(warehouse.list_tables("piped_prod")) == []
    leaving = ("org", "offboard", "--org", "piped", "--yes", "--readers", "chat-send@p.example,group:all@p.example")
    for _ in range(2):
        assert terminal.run(*leaving) == 0, terminal.errors
        entries = warehouse.get_dataset("piped_prod").access_entries
        assert [each.entity_id for each in entries] == ["first@p.example"]
    # Whoever has left is let in no more.
    assert terminal.run("org", "grant", "--org", "piped", "--readers", "chat-send@p.example") == 1


@pytest.mark.parametrize(
    ("org", "readers", "code", "said"),
    [
        ("granted", " , ", 2, "name an account"),
        ("granted", "a@p.example", 1, "There is no dataset granted_prod"),
        ("nobody_granted", "a@p.example", 1, "There is no organisation nobody_granted"),
        ("No Slug", "a@p.example", 2, "a slug has"),
    ],
)
def test_a_grant_that_cannot_be_is_refused(terminal: Terminal, org: str, readers: str, code: int, said: str) -> None:
    assert terminal.run("org", "create", "--org", "granted", *MADE, "--no-dataset") == 0
    assert terminal.run("org", "grant", "--org", org, "--readers", readers) == code
    assert said in terminal.errors
