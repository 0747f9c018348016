"""The settings and send functions as the functions-framework serves them, in this process, over a scripted model."""

import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from google.cloud import firestore
from google.cloud.firestore_v1.base_query import FieldFilter

from common import app
from common.app import Services
from common.settings import load_settings
from common.telemetry.log import Log
from local.emulators.rpc import SeamsClient
from local.gateway import function_app
from tests.conftest import PROJECT, Cloud
from tests.fakes.clock import Clock
from tests.fakes.scripted_model import ScriptedModel
from tests.organizations.organizations import Made, Rows


@dataclass
class Product:
    """The functions under test, and what they wrote."""

    settings: httpx.AsyncClient
    chat: httpx.AsyncClient
    services: Services
    cloud: Cloud
    clock: Clock
    logs: io.StringIO
    model: ScriptedModel
    rows: Rows
    documents: firestore.Client
    firestore: SeamsClient
    kms: SeamsClient

    async def status(self, headers: dict[str, str]) -> dict[str, Any]:
        response = await self.settings.get("/status", headers=headers)
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.json()
        return body

    async def put(self, made: Made, /, **change: Any) -> httpx.Response:
        return await self.settings.put("/settings", json=change, headers=made.admin)

    async def send(self, headers: dict[str, str], message: str = "hello", **body: Any) -> httpx.Response:
        return await self.chat.post("/send", json={"message": message, **body}, headers=headers)

    def copy(self, made: Made) -> dict[str, Any]:
        """The Firestore copy of an organisation."""
        return self.documents.document(f"orgs/{made.slug}").get().to_dict() or {}

    def everything(self, made: Made) -> str:
        """All documents of an organisation, as text."""
        found = [f"{entry.id} {entry.to_dict()}" for entry in self._of(made, "outbox") + self._of(made, "api_keys")]
        pending = [self.documents.document(f"orgs/{made.slug}")]
        while pending:
            reference = pending.pop()
            found.append(f"{reference.path} {reference.get().to_dict()}")
            pending += [child for collection in reference.collections() for child in collection.list_documents()]
        assert len(found) > 4
        return "\n".join(found)

    def _of(self, made: Made, collection: str) -> list[Any]:
        where = FieldFilter("org_slug", "==", made.slug)
        return list(self.documents.collection(collection).where(filter=where).stream())

    def logged(self, event: str) -> list[dict[str, Any]]:
        records = [json.loads(line) for line in self.logs.getvalue().splitlines()]
        return [record for record in records if record["message"] == event]

    def bigquery_calls(self) -> int:
        """How often the emulator was asked anything since it was last reset."""
        counts = httpx.get(f"{self._bigquery}/emulator/state", timeout=120).json()["counts"]
        return sum(counts.get(name, 0) for name in ("query", "dry_run"))

    def reset_counts(self) -> None:
        self.firestore.reset()
        self.kms.reset()
        httpx.post(f"{self._bigquery}/emulator/reset", json={}, timeout=120)

    @property
    def _bigquery(self) -> str:
        return self.cloud.environment["BIGQUERY_EMULATOR_HOST"]


@asynccontextmanager
async def served(cloud: Cloud, rows: Rows, model: ScriptedModel, **settings: Any) -> AsyncIterator[Product]:
    """Serve with a model, and settings other than the environment's."""
    clock, logs = Clock(), io.StringIO()
    services = Services(load_settings().model_copy(update=settings), clock, model)
    services.__dict__["log"] = Log("DEBUG", logs)
    app.use(services)
    seams = [SeamsClient(cloud.environment[name]) for name in ("FIRESTORE_EMULATOR_HOST", "KMS_EMULATOR_HOST")]
    documents = firestore.Client(project=PROJECT)
    apps = [httpx.ASGITransport(function_app(name)) for name in ("settings_status", "send")]
    try:
        async with (
            httpx.AsyncClient(transport=apps[0], base_url="http://settings", timeout=120) as settings_client,
            httpx.AsyncClient(transport=apps[1], base_url="http://send", timeout=120) as chat,
        ):
            yield Product(settings_client, chat, services, cloud, clock, logs, model, rows, documents, *seams)
    finally:
        for seam in seams:
            seam.reset()
            seam.close()
        app.use(None)
        clock.come_back(documents)
        await close(services)
        documents.close()


async def close(services: Services) -> None:
    """Close what the services opened."""
    await services.close()
