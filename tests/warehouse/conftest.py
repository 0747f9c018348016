"""The warehouse client over the BigQuery emulator in this process, whose seams count and delay."""

from collections.abc import Callable, Iterator

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from common.settings import Settings
from common.tenant import OrgSlug, Tenant
from common.warehouse.client import Warehouse
from local.emulators.bigquery import BigQueryEmulator

PROJECT = "a-project"
ACME = Tenant(OrgSlug("acme_inc"), PROJECT, "organizations")
GLOBEX = Tenant(OrgSlug("globex_inc"), PROJECT, "organizations")
LABELS = {"org": "acme_inc", "tool": "a Tool"}
MEGABYTE = "x" * 1_000_000

Field = bigquery.SchemaField
COSTS = [Field("name", "STRING"), Field("cost", "NUMERIC")]
Opened = Callable[..., Warehouse]


@pytest.fixture(scope="module")
def emulator() -> Iterator[BigQueryEmulator]:
    with BigQueryEmulator(PROJECT) as running:
        client = sdk(running.url)
        for dataset in ("acme_inc_prod", "globex_inc_prod", "organizations"):
            client.create_dataset(dataset)
        for org in ("acme_inc", "globex_inc"):
            _fill(client, f"{org}_prod.costs", COSTS, [{"name": f"secret of {org}", "cost": "1.5"}])
        big = [Field("org_slug", "STRING"), Field("text", "STRING")]
        rows = [{"org_slug": "acme_inc", "text": MEGABYTE} for _ in range(12)]
        _fill(client, "acme_inc_prod.big", big, rows)
        _fill(client, "organizations.org_budgets", big, rows)
        _fill(client, "organizations.org_notification_rules", big, [{"org_slug": "acme_inc", "text": "a rule"}])
        client.close()
        yield running


def _fill(client: bigquery.Client, table: str, fields: list[bigquery.SchemaField], rows: list[dict[str, str]]) -> None:
    config = bigquery.LoadJobConfig(schema=fields)
    client.load_table_from_json(rows, table, job_config=config).result()


def sdk(url: str) -> bigquery.Client:
    """The SDK itself, to see what the warehouse did."""
    return bigquery.Client(project=PROJECT, credentials=AnonymousCredentials(), client_options={"api_endpoint": url})


@pytest.fixture(autouse=True)
def _fresh_seams(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "emulator" in request.fixturenames:
        request.getfixturevalue("emulator").seams.reset()


@pytest.fixture
def opened() -> Iterator[Opened]:
    """Open a warehouse on an address, with settings: ``opened(url, bq_max_bytes_gate=…)``."""
    warehouses: list[Warehouse] = []

    def opening(url: str, **settings: object) -> Warehouse:
        values = {"gcp_project_id": PROJECT, "bigquery_emulator_host": url, **settings}
        warehouses.append(Warehouse(Settings.model_validate(values)))
        return warehouses[-1]

    yield opening
    for warehouse in warehouses:
        warehouse.close()


@pytest.fixture
def warehouse(emulator: BigQueryEmulator, opened: Opened) -> Warehouse:
    emulator.seams.reset()
    return opened(emulator.url)
