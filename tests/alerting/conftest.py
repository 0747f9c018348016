"""The emulators of BigQuery and Firestore by themselves, so that no other organisation has a rule."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from common.documents import Delete
from common.services import Services
from common.settings import Settings, load_settings
from common.warehouse import schema
from local.data import warehouse
from local.emulators.process import EmulatorProcess
from tests.conftest import PROJECT


@dataclass
class Place:
    """The services over emulators that nobody else uses, at a time that the test sets."""

    client: bigquery.Client
    settings: Settings
    now: datetime
    opened: list[Services] = field(default_factory=list)

    def services(self) -> Services:
        """Services as another instance has them."""
        self.opened.append(Services(self.settings, clock=lambda: self.now))
        return self.opened[-1]

    def load(self, dataset: str, table: str, rows: list[dict[str, Any]]) -> None:
        """Replace the rows of a table; a dataset is shared, or an organisation's own."""
        shared = dataset == warehouse.SHARED
        described = schema.load("organizations" if shared else "tenant", table)
        name = f"{PROJECT}.{dataset if shared else warehouse.tenant_dataset(dataset)}.{table}"
        warehouse.wait_for(warehouse.replace_rows(self.client, name, described, rows))

    def rows(self, table: str, columns: str = "*") -> list[dict[str, Any]]:
        found = self.client.query_and_wait(f"SELECT {columns} FROM `{PROJECT}.{warehouse.SHARED}.{table}`")
        return [dict(row.items()) for row in found]

    def organizations(self, *orgs: str) -> None:
        """Make organisations, with a profile each."""
        warehouse.create(self.client, orgs)
        fixed = {"admin_email": "a@example.com", "status": "ACTIVE", "created_at": datetime(2025, 1, 1).astimezone()}
        profiles = [{"org_slug": org, "company_name": org, "org_dataset_id": f"{org}_prod", **fixed} for org in orgs]
        self.load(warehouse.SHARED, "org_profiles", profiles)

    async def anew(self, org: str, rules: list[dict[str, Any]]) -> Services:
        """Take back all that was raised and remembered of an organisation, and give it these rules."""
        self.load(warehouse.SHARED, "org_alert_history", [])
        self.load(warehouse.SHARED, "org_notification_rules", rules)
        services = self.services()
        await services.documents.delete_below(f"orgs/{org}", 200)
        await services.documents.commit([Delete("alerting/cursor")])
        return services


@pytest.fixture(scope="module")
def emulated() -> Iterator[dict[str, str]]:
    with EmulatorProcess(PROJECT, services=["bigquery", "firestore"]) as emulators:
        yield emulators.environment


@pytest.fixture
async def place(emulated: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in {**emulated, "GCP_PROJECT_ID": PROJECT, "ENVIRONMENT": "test"}.items():
        monkeypatch.setenv(name, value)
    options = {"api_endpoint": emulated["BIGQUERY_EMULATOR_HOST"]}
    client = bigquery.Client(project=PROJECT, credentials=AnonymousCredentials(), client_options=options)
    made = Place(client, load_settings(), datetime(2026, 1, 1).astimezone())
    yield made
    for services in made.opened:
        await services.close()
    client.close()
