"""The boundary below the guard: an account and views for each organisation, and queries that go by them."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import impersonated_credentials
from google.auth.credentials import AnonymousCredentials

from common.errors import WarehouseUnavailable
from common.settings import InvalidSettings, Settings, load_settings
from common.tenant import OrgSlug, Tenant
from common.warehouse import schema
from common.warehouse import sdk as sdk_module
from common.warehouse.bigquery_api import BigQueryApi
from common.warehouse.client import Warehouse
from common.warehouse.guard import decide
from common.warehouse.isolation import authorized_views
from common.warehouse.isolation.authorized_views import boundary, redirected, view_sql
from common.warehouse.isolation.impersonation import account_of, credentials_for
from common.warehouse.query import admitted, fixed
from common.warehouse.readable_tables import shared_tables
from local import boundary as command
from local.data.warehouse import create
from local.emulators.bigquery import BigQueryEmulator
from tests import googlesql
from tests.warehouse.conftest import ACME, GLOBEX, PROJECT, sdk

PATTERN = "chat-{org_slug}@a-project.iam.gserviceaccount.com"
ACME_ACCOUNT = "chat-acme-inc@a-project.iam.gserviceaccount.com"


def test_each_organisation_has_an_account_of_its_own() -> None:
    assert account_of(PATTERN, ACME) == ACME_ACCOUNT
    assert account_of(PATTERN, GLOBEX) == "chat-globex-inc@a-project.iam.gserviceaccount.com"
    hashed = {account_of("c-{org_hash}@p.iam.gserviceaccount.com", tenant) for tenant in (ACME, GLOBEX)}
    assert len(hashed) == 2
    assert all(len(account.partition("@")[0]) == 14 for account in hashed)


@pytest.mark.parametrize("slug", ["a" * 26, "acme_", "___"])
def test_an_organisation_without_a_possible_account_reads_as_nobody(slug: str) -> None:
    with pytest.raises(WarehouseUnavailable):
        account_of(PATTERN, Tenant(OrgSlug(slug), PROJECT, "organizations"))


def test_the_longest_possible_account_is_possible() -> None:
    assert account_of(PATTERN, Tenant(OrgSlug("a" * 25), PROJECT, "organizations")).startswith("chat-aaa")


def test_the_credentials_ask_for_the_account_and_for_bigquery_alone() -> None:
    made = credentials_for(ACME_ACCOUNT, AnonymousCredentials())
    assert isinstance(made, impersonated_credentials.Credentials)
    assert made.service_account_email == ACME_ACCOUNT
    assert made._target_scopes == ["https://www.googleapis.com/auth/bigquery"]


@pytest.mark.parametrize("text", ["chat@p.iam.gserviceaccount.com", "{org_slug}@example.com", "chat-{org}@p.x"])
def test_a_pattern_that_is_not_one_account_for_each_organisation_is_refused(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("WAREHOUSE_IMPERSONATION", text)
    with pytest.raises(InvalidSettings, match="WAREHOUSE_IMPERSONATION"):
        load_settings()


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up service account: what the function itself runs as."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path_factory.mktemp("credentials") / "function.json"
    account = {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": "1",
        "private_key": key.decode(),
        "client_email": "function@a-project.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": "http://127.0.0.1:1/token",
    }
    path.write_text(json.dumps(account))
    return path


@pytest.fixture
def impersonating(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Warehouse]:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key_file))
    for name in ("BIGQUERY_EMULATOR_HOST",):
        monkeypatch.delenv(name, raising=False)
    settings = Settings(gcp_project_id=PROJECT, warehouse_impersonation=PATTERN, bigquery_emulator_host=None)
    warehouse = Warehouse(settings)
    yield warehouse
    warehouse.close()


def who(api: BigQueryApi) -> str:
    email: str = api.client._credentials.service_account_email
    return email


def test_a_models_query_runs_as_the_organisations_account_and_over_its_views(impersonating: Warehouse) -> None:
    path = f"{PROJECT}.organizations.org_budgets"
    api, sent = impersonating._sdk.of(admitted(ACME, f"SELECT * FROM `{path}`", frozenset({path})))
    assert who(api) == ACME_ACCOUNT
    assert sent.sql == f"SELECT * FROM `{PROJECT}.acme_inc_shared.org_budgets`"
    api, _ = impersonating._sdk.of(fixed(GLOBEX, "SELECT 1 FROM {own.costs}"))
    assert who(api) == "chat-globex-inc@a-project.iam.gserviceaccount.com"


def test_the_products_own_text_on_shared_tables_runs_as_the_function(impersonating: Warehouse) -> None:
    query = fixed(ACME, "SELECT 1 FROM {shared.org_budgets} WHERE org_slug = @org_slug")
    api, sent = impersonating._sdk.of(query)
    assert who(api) == "function@a-project.iam.gserviceaccount.com"
    assert sent is query


def test_an_accounts_client_is_kept_and_the_number_of_them_is_bounded(
    impersonating: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sdk_module, "IMPERSONATED_CLIENTS", 2)
    clients = impersonating._sdk
    first = clients.tenants(ACME)
    assert clients.tenants(ACME) is first
    for slug in ("globex_inc", "initech_inc"):
        clients.tenants(Tenant(OrgSlug(slug), PROJECT, "organizations"))
    assert len(clients._by_account) == 2
    assert clients.tenants(ACME) is not first


async def test_an_account_that_cannot_be_had_is_no_answer(impersonating: Warehouse) -> None:
    # The token endpoint of the made-up account is a closed port.
    with pytest.raises(WarehouseUnavailable):
        await impersonating.run(fixed(ACME, "SELECT 1 FROM {own.costs}"), labels={}, seconds=0.5)


def test_only_names_are_redirected() -> None:
    path = f"{PROJECT}.organizations.org_budgets"
    text = f"""SELECT '`{path}`', "`{path}`", 'it\\'s `{path}`' FROM `{path}` AS `org_budgets`, `{PROJECT}.x.y`"""
    query = redirected(admitted(ACME, text, frozenset({path})))
    view = f"{PROJECT}.acme_inc_shared.org_budgets"
    assert query.sql == (
        f"""SELECT '`{path}`', "`{path}`", 'it\\'s `{path}`' FROM `{view}` AS `org_budgets`, `{PROJECT}.x.y`"""
    )
    assert query.tables == {path, view}


def test_every_readable_table_has_a_view_of_its_readable_columns_and_its_filters() -> None:
    views = boundary(ACME, PATTERN)["views"]
    assert set(views) == set(shared_tables())
    for name, table in shared_tables().items():
        selected = {column.name for column in googlesql.analyze(views[name]["query"])}
        assert selected == {*table.columns, *table.filters}
        assert views[name]["query"].endswith("WHERE `org_slug` = 'acme_inc'")
    never = {field.name for field in schema.load("organizations", "org_integration_credentials").fields}
    assert "encrypted_credential" in never
    assert "encrypted_credential" not in views["org_integration_credentials"]["query"]


def test_what_the_guard_makes_of_a_shared_table_is_valid_over_its_view() -> None:
    for name, table in shared_tables().items():
        allowed = decide(f"SELECT * FROM organizations.{name}", ACME, "u1")
        query = redirected(admitted(ACME, allowed.sql, allowed.tables))
        fields = {field.name: field for field in schema.load("organizations", name).fields}
        view = [
            {"name": column, "type": fields[column].type, "mode": fields[column].mode}
            for column in {*table.columns, *table.filters}
        ]
        columns = googlesql.analyze(query.sql, tables={f"acme_inc_shared.{name}": view})
        assert [column.name for column in columns] == list(table.columns)


def test_a_view_shows_its_organisations_rows_alone() -> None:
    with BigQueryEmulator(PROJECT) as emulator:
        client = sdk(emulator.url)
        create(client, [])
        table = schema.load("organizations", "org_integration_credentials")
        made = {"TIMESTAMP": "2026-01-01T00:00:00Z", "BOOLEAN": True, "BYTES": "AAAA", "INTEGER": 1}
        row = {field.name: made.get(field.type, "x") for field in table.fields if field.mode == "REQUIRED"}
        rows = [{**row, "credential_id": f"c-{org}", "org_slug": org} for org in ("acme_inc", "globex_inc")]
        assert not client.insert_rows_json("organizations.org_integration_credentials", rows)
        sql = view_sql(ACME, shared_tables()["org_integration_credentials"])
        seen = [dict(found.items()) for found in client.query_and_wait(sql)]
        client.close()
    assert [found["credential_id"] for found in seen] == ["c-acme_inc"]
    assert "encrypted_credential" not in seen[0]


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args(arguments))


def test_the_command_prints_what_terraform_takes(capsys: pytest.CaptureFixture[str]) -> None:
    readers = ("--readers", "chat-send@p.iam.gserviceaccount.com, chat-mcp@p.iam.gserviceaccount.com")
    assert run("--org", "acme_inc", "--project", PROJECT, "--service-account", PATTERN, *readers) == 0
    printed = json.loads(capsys.readouterr().out)
    accounts = [f"chat-{name}@p.iam.gserviceaccount.com" for name in ("send", "mcp")]
    assert printed == boundary(ACME, PATTERN, accounts)
    assert printed["readers"] == accounts
    assert printed["service_account"] == ACME_ACCOUNT
    assert printed["data_viewer_on"] == ["acme_inc_prod", "acme_inc_shared"]


def test_the_command_prints_statements_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--org", "acme_inc", "--project", PROJECT, "--format", "sql") == 0
    printed = capsys.readouterr().out
    assert printed.count("CREATE OR REPLACE VIEW `a-project.acme_inc_shared.") == len(shared_tables())
    assert printed == authorized_views.boundary_sql(ACME)


@pytest.mark.parametrize(
    "arguments", [("--org", "no such org"), ("--org", "a" * 40, "--service-account", PATTERN)], ids=["slug", "account"]
)
def test_the_command_says_what_cannot_be(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    assert run(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err
