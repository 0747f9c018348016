"""Months of a bill through the real BigQuery client: another one adds, the same one is replaced, all or nothing."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import bigquery

from common.warehouse import schema
from local.data import warehouse
from local.data.__main__ import PROJECT, emulated_bigquery
from local.data.focus.loading import Load, load, stored_team_tag
from local.data.focus.problems import FocusFileError
from local.data.focus.replacing import replace_months
from local.data.focus.summary import Loaded
from local.data.operations import hierarchy_rows, profile
from local.data.organizations import ACME
from local.emulators.process import EmulatorProcess
from tests.local.data.bill_reading import TODAY
from tests.local.data.focus_samples import FOCUS_1_0, FOCUS_1_3, as_csv

ORG = "acme_inc"
TABLE = f"{PROJECT}.{ORG}_prod.{warehouse.COSTS}"
SEPTEMBER = dict(FOCUS_1_0)
OCTOBER = SEPTEMBER | {
    "BillingPeriodStart": "2024-10-01", "BillingPeriodEnd": "2024-11-01",
    "ChargePeriodStart": "2024-10-02", "ChargePeriodEnd": "2024-10-03",
}  # fmt: skip


@pytest.fixture(scope="module")
def client() -> Iterator[bigquery.Client]:
    with EmulatorProcess(PROJECT, services=("bigquery",)) as emulator:
        client = emulated_bigquery(emulator.environment)
        warehouse.create(client, [ORG])
        yield client
        client.close()


@pytest.fixture(autouse=True)
def _empty(client: bigquery.Client) -> None:
    client.query_and_wait(f"DELETE FROM `{TABLE}` WHERE TRUE")
    warehouse.replace_demo_rows(client, ORG, "org_profiles", profile(ACME))


def bring(client: bigquery.Client, path: Path, *rows: Mapping[str, str], team_tag: str | None = None) -> Loaded:
    path.write_bytes(as_csv(rows))
    return load(client, ORG, [path], TODAY, team_tag)


def stored(client: bigquery.Client) -> list[tuple[Any, ...]]:
    found = client.query_and_wait(
        f"SELECT x_source_system, FORMAT_TIMESTAMP('%Y-%m', BillingPeriodStart), ServiceProviderName, COUNT(*), "
        f"SUM(BilledCost) FROM `{TABLE}` GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    )
    return [tuple(row.values()) for row in found]


def test_another_month_and_another_provider_add(client: bigquery.Client, tmp_path: Path) -> None:
    bring(client, tmp_path / "a.csv", SEPTEMBER | {"BilledCost": "1"})
    second = bring(client, tmp_path / "b.csv", OCTOBER | {"BilledCost": "2"})
    third = bring(client, tmp_path / "c.csv", OCTOBER | {"BilledCost": "3", "ProviderName": "Oracle"})
    assert stored(client) == [
        ("a.csv", "2024-09", "AWS", 1, Decimal(1)),
        ("b.csv", "2024-10", "AWS", 1, Decimal(2)),
        ("c.csv", "2024-10", "Oracle", 1, Decimal(3)),
    ]
    assert (second.replaced, third.replaced) == ((), ())
    assert "added: 1 rows (Oracle 2024-10 1)" in third.text
    assert "replaced" not in third.text


def test_the_same_month_of_the_same_provider_takes_the_place_of_the_old(
    client: bigquery.Client, tmp_path: Path
) -> None:
    other = OCTOBER | {"ProviderName": "Oracle", "BilledCost": "7"}
    bring(
        client, tmp_path / "a.csv", *[SEPTEMBER | {"BilledCost": "1"}] * 3, *[OCTOBER | {"BilledCost": "2"}] * 4, other
    )
    again = bring(client, tmp_path / "b.csv", *[OCTOBER | {"BilledCost": "5"}] * 2)
    assert stored(client) == [
        ("a.csv", "2024-09", "AWS", 3, Decimal(3)),
        ("a.csv", "2024-10", "Oracle", 1, Decimal(7)),
        ("b.csv", "2024-10", "AWS", 2, Decimal(10)),
    ]
    assert [(month.provider, month.rows) for month in again.replaced] == [("AWS", 4)]
    assert "added: 2 rows (AWS 2024-10 2)" in again.text
    assert "replaced: 4 rows (AWS 2024-10 4)" in again.text


def test_the_account_of_another_payer_stays(client: bigquery.Client, tmp_path: Path) -> None:
    bring(client, tmp_path / "a.csv", OCTOBER)
    bring(client, tmp_path / "b.csv", OCTOBER | {"BillingAccountId": "acct-2"})
    assert [row[0] for row in stored(client)] == ["a.csv", "b.csv"]


def test_parts_of_a_folder_replace_each_other_together(client: bigquery.Client, tmp_path: Path) -> None:
    bring(client, tmp_path / "a.csv", SEPTEMBER, OCTOBER)
    folder = tmp_path / "export"
    for month, row in (("2024-09", SEPTEMBER), ("2024-10", OCTOBER)):
        part = folder / f"BILLING_PERIOD={month}" / "part-0.csv"
        part.parent.mkdir(parents=True)
        part.write_bytes(as_csv([row] * 2))
    loaded = load(client, ORG, [folder], TODAY)
    assert [(row[0], row[3]) for row in stored(client)] == [
        ("export/BILLING_PERIOD=2024-09/part-0.csv", 2),
        ("export/BILLING_PERIOD=2024-10/part-0.csv", 2),
    ]
    assert sum(month.rows for month in loaded.replaced) == 2


def test_a_bad_part_leaves_everything_as_it_was(client: bigquery.Client, tmp_path: Path) -> None:
    bring(client, tmp_path / "a.csv", OCTOBER)
    before = stored(client)
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "1.csv").write_bytes(as_csv([OCTOBER]))
    (tmp_path / "export" / "2.csv").write_bytes(as_csv([OCTOBER | {"ListCost": "?"}]))
    with pytest.raises(FocusFileError, match=r"2\.csv, row 2, column ListCost"):
        load(client, ORG, [tmp_path / "export"], TODAY)
    assert stored(client) == before
    assert tables(client) == set(schema.tables("tenant"))


def test_a_load_that_breaks_off_leaves_everything_as_it_was(client: bigquery.Client, tmp_path: Path) -> None:
    loaded = bring(client, tmp_path / "a.csv", OCTOBER)
    before = stored(client)
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 this is no Parquet file PAR1")
    with pytest.raises(BadRequest):
        replace_months(client, TABLE, [broken], loaded.summary.months, lambda _step, _share: None)
    assert stored(client) == before
    assert tables(client) == set(schema.tables("tenant"))


def tables(client: bigquery.Client) -> set[str]:
    return {table.table_id for table in client.list_tables(f"{PROJECT}.{ORG}_prod")}


def test_files_whose_rows_are_all_there_are_known_again(client: bigquery.Client, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    bring(client, path, SEPTEMBER, OCTOBER)
    assert Load(client, ORG, [path], TODAY).is_done()
    assert not Load(client, ORG, [path], TODAY, "team").is_done()
    bring(client, tmp_path / "b.csv", OCTOBER)
    assert not Load(client, ORG, [path], TODAY).is_done()


def test_a_run_is_recorded_with_its_rows(client: bigquery.Client, tmp_path: Path) -> None:
    bring(client, tmp_path / "a.csv", SEPTEMBER, OCTOBER)
    (run,) = client.query_and_wait(
        f"SELECT status, JSON_VALUE(run_metadata, '$.rows') AS n FROM `{PROJECT}.organizations.org_meta_pipeline_runs` "
        f"WHERE JSON_VALUE(run_metadata, '$.run') IN (SELECT x_run_id FROM `{TABLE}`) ORDER BY start_time DESC LIMIT 1"
    )
    assert (run["status"], run["n"]) == ("COMPLETED", "2")


def test_the_organisations_tag_is_kept_and_read_by_the_next_bill(client: bigquery.Client, tmp_path: Path) -> None:
    warehouse.replace_demo_rows(client, ORG, "org_hierarchy", hierarchy_rows(ACME))
    teams = [FOCUS_1_3 | {"Tags": f'{{"owner": "{name}"}}'} for name in ("TEAM-AI", "somebody")]
    bring(client, tmp_path / "a.csv", *teams, team_tag="owner")
    assert stored_team_tag(client, ORG) == "owner"
    bring(client, tmp_path / "b.csv", *teams, *teams)
    found = client.query_and_wait(
        f"SELECT x_hierarchy_entity_name AS team, x_hierarchy_path AS path, COUNT(*) AS n FROM `{TABLE}` "
        "GROUP BY 1, 2 ORDER BY 1"
    )
    assert [tuple(row.values()) for row in found] == [
        ("AI Products", "/DEPT-PRODUCT/TEAM-AI", 2), ("somebody", "/somebody", 2)
    ]  # fmt: skip


def test_tables_of_an_earlier_version_get_the_columns_that_are_new(client: bigquery.Client, tmp_path: Path) -> None:
    client.delete_table(TABLE)
    described = schema.load("tenant", warehouse.COSTS)
    older = [field for field in warehouse.bigquery_fields(described) if field.name != "AvailabilityZone"]
    client.create_table(bigquery.Table(TABLE, schema=older))
    client.query_and_wait(f"SELECT * FROM `{TABLE}`")
    warehouse.create(client, [ORG])
    bring(client, tmp_path / "a.csv", OCTOBER)
    (row,) = client.query_and_wait(f"SELECT AvailabilityZone AS zone FROM `{TABLE}`")
    assert row["zone"] == OCTOBER["AvailabilityZone"]
    table = client.get_table(TABLE)
    table.schema = table.schema[1:]
    with pytest.raises(BadRequest):
        client.update_table(table, ["schema"])
