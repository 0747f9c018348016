"""The local cloud made ready through the real BigQuery and KMS clients, against the emulators."""

import csv
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.api_core.exceptions import BadRequest, InvalidArgument
from google.cloud import bigquery, kms
from google.cloud.kms_v1.services.key_management_service.transports import KeyManagementServiceGrpcTransport
from rich.console import Console

from common.warehouse import schema
from local.data import access, demo, warehouse
from local.data.__main__ import KEY, PROJECT, emulated_bigquery, emulated_kms
from local.data.access import Encrypt
from local.data.focus.problems import FocusFileError
from local.data.organizations import DEMO
from local.data.prepare import prepare
from local.emulators.process import EmulatorProcess
from tests.local.data.focus_samples import FOCUS_1_0, VERSIONS, as_csv

TODAY = date(2026, 11, 21)
SAMPLE = Path(__file__).parents[4] / "shared" / "data" / "focus_1_0_sample.csv"
FOCUS_TABLE = f"{PROJECT}.focus_inc_prod.cost_data_standard_1_3"


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    with EmulatorProcess(PROJECT, services=("bigquery", "kms")) as emulators:
        yield emulators.environment


@pytest.fixture(scope="module")
def client(environment: dict[str, str]) -> Iterator[bigquery.Client]:
    client = emulated_bigquery(environment)
    yield client
    client.close()


@pytest.fixture(scope="module")
def encrypt(environment: dict[str, str]) -> Encrypt:
    return emulated_kms(environment)


@pytest.fixture(scope="module")
def ready(client: bigquery.Client, encrypt: Encrypt) -> bigquery.Client:
    prepare(client, encrypt, TODAY, None, quiet())
    return client


def quiet() -> Console:
    return Console(file=StringIO())


def rows(client: bigquery.Client, sql: str) -> list[dict[str, Any]]:
    return [dict(row) for row in client.query_and_wait(sql)]


@pytest.fixture
def no_bill(ready: bigquery.Client) -> None:
    """What a test before loaded into focus_inc is gone."""
    warehouse.create(ready, ["focus_inc"])
    ready.query_and_wait(f"DELETE FROM `{FOCUS_TABLE}` WHERE TRUE")


def load_focus(client: bigquery.Client, encrypt: Encrypt, path: Path, content: bytes) -> str:
    path.write_bytes(content)
    console = quiet()
    prepare(client, encrypt, TODAY, path, console)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("org", demo.ORGS)
def test_loaded_costs_sum_to_the_last_digit_to_those_generated(ready: bigquery.Client, org: str) -> None:
    expected: defaultdict[tuple[Any, ...], list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 4)
    keys = ("ServiceProviderName", "BillingCurrency", "ChargeCategory", "x_hierarchy_entity_name", "x_genai_model")
    for row in demo.cost_rows(org, TODAY):
        key = (*(row[name] for name in keys), row["ChargePeriodStart"].date().replace(day=1))
        amounts = (Decimal(1), row["BilledCost"], row["EffectiveCost"], row["ConsumedQuantity"] or Decimal(0))
        expected[key] = [total + amount for total, amount in zip(expected[key], amounts, strict=True)]
    loaded = rows(
        ready,
        f"""
        SELECT {", ".join(keys)}, DATE_TRUNC(DATE(ChargePeriodStart), MONTH) AS month, COUNT(*) AS line_items,
          SUM(BilledCost) AS billed, SUM(EffectiveCost) AS effective, IFNULL(SUM(ConsumedQuantity), 0) AS consumed
        FROM `{PROJECT}.{org}_prod.cost_data_standard_1_3`
        GROUP BY ALL
        """,
    )
    sums = {
        (*(row[name] for name in keys), row["month"]): [
            Decimal(row["line_items"]), row["billed"], row["effective"], row["consumed"]
        ]
        for row in loaded
    }  # fmt: skip
    assert sums == expected


@pytest.mark.parametrize("org", demo.ORGS)
def test_loaded_tokens_are_those_generated(ready: bigquery.Client, org: str) -> None:
    (loaded,) = rows(
        ready,
        f"SELECT COUNT(*) AS n, SUM(total_tokens) AS tokens FROM `{PROJECT}.{org}_prod.genai_usage_daily_unified`",
    )
    generated = list(demo.usage_rows(org, TODAY))
    assert loaded == {"n": len(generated), "tokens": sum(row["total_tokens"] or 0 for row in generated)}


def test_json_and_repeated_columns_arrive_as_what_they_are(ready: bigquery.Client) -> None:
    (cost,) = rows(
        ready,
        f"SELECT JSON_VALUE(Tags, '$.team') AS team FROM `{PROJECT}.acme_inc_prod.cost_data_standard_1_3` "
        "WHERE ResourceName = 'acme-data-lake' AND DATE(ChargePeriodStart) = DATE '2026-02-28'",
    )
    assert cost["team"] == "Data & Analytics"
    (entity,) = rows(
        ready, f"SELECT path_names FROM `{PROJECT}.organizations.org_hierarchy` WHERE entity_id = 'TEAM-AI'"
    )
    assert entity["path_names"] == ["Product", "AI Products"]


def test_every_shared_table_but_those_of_chats_has_rows_of_both_orgs(ready: bigquery.Client) -> None:
    for table in schema.tables("organizations"):
        orgs = {row["org_slug"] for row in rows(ready, f"SELECT org_slug FROM `{PROJECT}.organizations.{table}`")}
        is_written_by_chats = table.startswith("org_chat_") and table != "org_chat_settings"
        assert orgs == (set() if is_written_by_chats else set(demo.ORGS)), table


def test_tables_have_the_columns_descriptions_and_layout_of_the_schema_files(ready: bigquery.Client) -> None:
    for dataset_id, dataset in (("organizations", "organizations"), ("acme_inc_prod", "tenant")):
        for name in schema.tables(dataset):
            described = schema.load(dataset, name)
            table = ready.get_table(f"{PROJECT}.{dataset_id}.{name}")
            assert [(f.name, f.field_type, f.mode, f.description) for f in table.schema] == [
                (f.name, f.type, f.mode, f.description) for f in described.fields
            ]
            assert table.description == described.description
            assert tuple(table.clustering_fields or ()) == described.clustering
            partitioning = described.time_partitioning
            assert (table.time_partitioning.field if table.time_partitioning else None) == (
                partitioning.field if partitioning else None
            )


def test_a_second_time_on_the_same_day_loads_nothing(ready: bigquery.Client, encrypt: Encrypt) -> None:
    tables = [f"{PROJECT}.{org}_prod.{name}" for org in demo.ORGS for name in schema.tables("tenant")]
    tables += [f"{PROJECT}.organizations.{name}" for name in schema.tables("organizations")]
    before = [ready.get_table(table).modified for table in tables]
    prepare(ready, encrypt, TODAY, None, quiet())
    assert [ready.get_table(table).modified for table in tables] == before


def test_loading_again_keeps_rows_of_users_and_of_other_orgs(ready: bigquery.Client) -> None:
    table_id = f"{PROJECT}.organizations.org_chat_settings"
    (own,) = access.chat_settings(DEMO["acme_inc"])
    others = [own | {"setting_id": "made-by-a-user"}, own | {"setting_id": "demo-other", "org_slug": "other_org"}]
    settings = schema.load("organizations", "org_chat_settings")
    job = ready.load_table_from_json(
        [{name: str(value) for name, value in row.items()} for row in others],
        table_id,
        job_config=bigquery.LoadJobConfig(schema=warehouse.bigquery_fields(settings), write_disposition="WRITE_APPEND"),
    )
    warehouse.wait_for(job)
    warehouse.replace_demo_rows(ready, "acme_inc", "org_chat_settings", [own])
    stored = rows(ready, f"SELECT org_slug, setting_id FROM `{table_id}` ORDER BY org_slug, setting_id")
    assert [(row["org_slug"], row["setting_id"]) for row in stored] == [
        ("acme_inc", own["setting_id"]),
        ("acme_inc", "made-by-a-user"),
        ("globex_inc", "demo-globex_inc-settings"),
        ("other_org", "demo-other"),
    ]
    ready.query_and_wait(f"DELETE FROM `{table_id}` WHERE setting_id IN ('made-by-a-user', 'demo-other')")


@pytest.mark.parametrize("org", demo.ORGS)
def test_the_stored_credential_opens_only_for_its_own_org(
    ready: bigquery.Client, environment: dict[str, str], org: str
) -> None:
    (stored,) = rows(
        ready, f"SELECT * FROM `{PROJECT}.organizations.org_integration_credentials` WHERE org_slug = '{org}'"
    )
    assert (stored["provider"], stored["validation_status"], stored["is_active"]) == ("demo", "VALID", True)
    with grpc.insecure_channel(environment["KMS_EMULATOR_HOST"]) as channel:
        opener = kms.KeyManagementServiceClient(transport=KeyManagementServiceGrpcTransport(channel=channel))

        def opened(slug: str) -> bytes:
            associated = f"{slug}:{stored['credential_id']}".encode()
            request = {"name": KEY.format(project=PROJECT), "ciphertext": stored["encrypted_credential"]}
            return bytes(opener.decrypt(request=request | {"additional_authenticated_data": associated}).plaintext)

        assert opened(org).decode() == access.provider_key(DEMO[org])
        with pytest.raises(InvalidArgument):
            opened("another_org")


def test_a_load_with_one_bad_row_loads_nothing(ready: bigquery.Client) -> None:
    table = schema.load("organizations", "org_budget_allocations")
    table_id = f"{PROJECT}.organizations.org_budget_allocations"
    before = rows(ready, f"SELECT * FROM `{table_id}` ORDER BY allocation_id")
    good = {
        "allocation_id": "a", "org_slug": "o", "parent_budget_id": "p", "child_budget_id": "c", "allocated_amount": 1.0,
        "created_at": "2026-01-01 00:00:00",
    }  # fmt: skip
    job = warehouse.replace_rows(ready, table_id, table, [good, good | {"allocated_amount": None}])
    with pytest.raises(BadRequest):
        warehouse.wait_for(job)
    assert rows(ready, f"SELECT * FROM `{table_id}` ORDER BY allocation_id") == before


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.usefixtures("no_bill")
def test_a_focus_file_of_every_version_is_loaded(
    ready: bigquery.Client, encrypt: Encrypt, tmp_path: Path, version: str
) -> None:
    said = load_focus(ready, encrypt, tmp_path / "costs.csv", as_csv([VERSIONS[version]] * 3))
    assert "costs.csv: 3 rows" in said
    (sums,) = rows(
        ready,
        f"SELECT COUNT(*) AS n, SUM(BilledCost) AS billed, MAX(x_cloud_provider) AS cloud, "
        f"MAX(JSON_VALUE(Tags, '$.team')) AS team FROM `{FOCUS_TABLE}`",
    )
    cloud = None if version == "1.3" else "aws"
    assert sums == {"n": 3, "billed": 3 * Decimal("12.345678901"), "cloud": cloud, "team": "data"}


def test_a_focus_file_makes_its_org_with_a_key_a_credential_and_settings(
    ready: bigquery.Client, encrypt: Encrypt, tmp_path: Path
) -> None:
    load_focus(ready, encrypt, tmp_path / "costs.csv", as_csv([FOCUS_1_0 | {"BillingCurrency": "JPY"}] * 2))
    for table in ("org_profiles", "org_api_keys", "org_integration_credentials", "org_chat_settings"):
        found = rows(ready, f"SELECT * FROM `{PROJECT}.organizations.{table}` WHERE org_slug = 'focus_inc'")
        assert len(found) == 1, table
    (profile,) = rows(ready, f"SELECT * FROM `{PROJECT}.organizations.org_profiles` WHERE org_slug = 'focus_inc'")
    assert (profile["default_currency"], profile["org_dataset_id"]) == ("JPY", "focus_inc_prod")


@pytest.mark.usefixtures("no_bill")
def test_a_focus_file_with_one_bad_row_leaves_what_was_loaded_before(
    ready: bigquery.Client, encrypt: Encrypt, tmp_path: Path
) -> None:
    load_focus(ready, encrypt, tmp_path / "good.csv", as_csv([FOCUS_1_0] * 5))
    with pytest.raises(FocusFileError, match="row 501, column EffectiveCost"):
        load_focus(
            ready, encrypt, tmp_path / "bad.csv", as_csv([FOCUS_1_0] * 499 + [FOCUS_1_0 | {"EffectiveCost": "?"}])
        )
    assert rows(ready, f"SELECT COUNT(*) AS n, MAX(x_source_system) AS file FROM `{FOCUS_TABLE}`") == [
        {"n": 5, "file": "good.csv"}
    ]


@pytest.mark.usefixtures("no_bill")
def test_the_same_focus_file_is_not_loaded_twice_and_a_changed_one_replaces_it(
    ready: bigquery.Client, encrypt: Encrypt, tmp_path: Path
) -> None:
    path = tmp_path / "costs.csv"
    load_focus(ready, encrypt, path, as_csv([FOCUS_1_0] * 7))
    before = ready.get_table(FOCUS_TABLE).modified
    assert "loaded already" in load_focus(ready, encrypt, path, as_csv([FOCUS_1_0] * 7))
    assert ready.get_table(FOCUS_TABLE).modified == before
    load_focus(ready, encrypt, path, as_csv([FOCUS_1_0] * 8))
    assert rows(ready, f"SELECT COUNT(*) AS n FROM `{FOCUS_TABLE}`") == [{"n": 8}]


@pytest.mark.usefixtures("no_bill")
def test_a_load_whose_rows_are_not_all_there_any_more_is_done_again(
    ready: bigquery.Client, encrypt: Encrypt, tmp_path: Path
) -> None:
    path = tmp_path / "costs.csv"
    load_focus(ready, encrypt, path, as_csv([FOCUS_1_0] * 4))
    ready.query_and_wait(f"DELETE FROM `{FOCUS_TABLE}` WHERE x_source_record_id = '3'")
    load_focus(ready, encrypt, path, as_csv([FOCUS_1_0] * 4))
    assert rows(ready, f"SELECT COUNT(*) AS n FROM `{FOCUS_TABLE}`") == [{"n": 4}]


@pytest.mark.skipif(not SAMPLE.exists(), reason="the sample FOCUS file is not beside this checkout")
@pytest.mark.usefixtures("no_bill")
def test_the_sample_export_sums_per_service_to_the_last_digit(ready: bigquery.Client, encrypt: Encrypt) -> None:
    prepare(ready, encrypt, TODAY, SAMPLE, quiet())
    expected: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    with SAMPLE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            billed = Decimal(row["BilledCost"]).quantize(Decimal("1e-9"), ROUND_HALF_UP)
            expected[row["ProviderName"], row["ServiceName"]] += billed
    loaded = rows(
        ready,
        f"SELECT ServiceProviderName AS p, ServiceName AS s, SUM(BilledCost) AS b FROM `{FOCUS_TABLE}` GROUP BY p, s",
    )
    assert {(row["p"], row["s"]): row["b"] for row in loaded} == expected
