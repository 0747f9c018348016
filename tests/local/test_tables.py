"""The tables are held to what this version reads, and get the columns that they lack, by the operator's command."""

import argparse
from collections.abc import Iterator

import pytest
from google.cloud import bigquery

from common.warehouse import schema
from local import tables
from local.data.__main__ import emulated_bigquery
from local.data.warehouse import bigquery_fields
from tests.conftest import Cloud

DATASET = "older_organizations"


@pytest.fixture
def client(cloud: Cloud) -> Iterator[bigquery.Client]:
    """A warehouse with a shared dataset as an earlier version has made it."""
    warehouse = emulated_bigquery(cloud.environment)
    warehouse.create_dataset(DATASET)
    for name in schema.tables("organizations"):
        fields = bigquery_fields(schema.load("organizations", name))
        warehouse.create_table(bigquery.Table(f"{warehouse.project}.{DATASET}.{name}", schema=fields))
    yield warehouse
    warehouse.delete_dataset(DATASET, delete_contents=True)


def command(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    tables.add_arguments(parser)
    return tables.run(parser.parse_args(["--organizations-dataset", DATASET, *arguments]))


def make(client: bigquery.Client, name: str, columns: dict[str, str]) -> None:
    client.delete_table(f"{DATASET}.{name}")
    fields = [bigquery.SchemaField(column, kind) for column, kind in columns.items()]
    client.create_table(bigquery.Table(f"{client.project}.{DATASET}.{name}", schema=fields))


def columns(client: bigquery.Client, name: str) -> list[str]:
    return [field.name for field in client.get_table(f"{DATASET}.{name}").schema]


def test_tables_of_this_version_are_as_it_reads_them(
    client: bigquery.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--org", "acme_inc") == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.endswith("tables; 0 in the way of this version.")


def test_a_column_that_is_missing_is_named_then_added_and_another_ones_stays(
    client: bigquery.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    make(client, "org_profiles", {"org_slug": "STRING", "made_by_a_pipeline": "STRING"})
    client.query_and_wait(f"INSERT INTO {DATASET}.org_profiles (org_slug) VALUES ('acme_inc')")
    assert command() == 1
    assert f"{DATASET}.org_profiles lacks " in capsys.readouterr().out
    assert columns(client, "org_profiles") == ["org_slug", "made_by_a_pipeline"]
    assert command("--add") == 0
    assert f"{DATASET}.org_profiles has got " in capsys.readouterr().out
    assert {"made_by_a_pipeline", "status", "team_tag"} <= set(columns(client, "org_profiles"))
    assert [row.org_slug for row in client.query_and_wait(f"SELECT * FROM {DATASET}.org_profiles")] == ["acme_inc"]
    assert command("--add") == 0
    assert "has got" not in capsys.readouterr().out


def test_a_column_of_another_type_and_a_table_that_is_missing_are_named(
    client: bigquery.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    make(client, "org_profiles", {"org_slug": "INT64"})
    client.delete_table(f"{DATASET}.org_budgets")
    assert command() == 1
    said = capsys.readouterr().out
    assert f"{DATASET}.org_profiles: org_slug is INT64, and must be STRING." in said
    assert f"{DATASET}.org_budgets is not there: terraform apply makes it." in said


def test_before_the_first_apply_nothing_is_in_the_way(
    client: bigquery.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--add", "--org", "never_made") == 0
    assert "never_made_prod.cost_data_standard_1_3 is not there" in capsys.readouterr().out


@pytest.mark.parametrize("org", ["Acme", "acme-inc", "../x", ""])
def test_an_organisation_that_cannot_be_is_refused(org: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("--org", org) == 1
    assert capsys.readouterr().err
