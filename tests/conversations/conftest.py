"""The functions of a user's sessions in this process, over a scripted model, and the record they end up in."""

import asyncio
import io
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from google.cloud import bigquery, firestore

from common import app
from common.app import Services
from common.settings import load_settings
from common.telemetry.log import Log
from local.data.__main__ import emulated_bigquery
from local.emulators.rpc import SeamsClient
from tests.conftest import PROJECT, Cloud
from tests.conversations.front import Front
from tests.conversations.processes import Nursery
from tests.fakes.clock import Clock
from tests.fakes.scripted_model import ScriptedModel, say

BASE = "/api/v1/chat/acme_inc"
Row = dict[str, Any]


@dataclass
class Product:
    """What is under test, what it stored, and the seams of what it stores in."""

    http: httpx.AsyncClient
    services: Services
    cloud: Cloud
    clock: Clock
    logs: io.StringIO
    documents: firestore.Client
    bigquery: bigquery.Client
    firestore: SeamsClient
    kms: SeamsClient
    user: str

    def headers(self, user: str | None = None) -> dict[str, str]:
        return {"X-Org-Slug": "acme_inc", "X-API-Key": "demo-acme-key", "X-User-Id": user or self.user}

    async def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Call a path below the organisation's, as this test's user."""
        headers = self.headers() | options.pop("headers", {})
        return await self.http.request(method, f"{BASE}{path}", headers=headers, **options)

    async def get(self, path: str, **parameters: Any) -> Any:
        """What a GET answers, which must succeed."""
        response = await self.call("GET", path, params=parameters)
        assert response.status_code == 200, response.text
        return response.json()

    async def send(self, message: str = "What did we spend?", **body: Any) -> Row:
        response = await self.call("POST", "/send", json={"message": message, **body})
        assert response.status_code == 200, response.text
        answer: Row = response.json()
        return answer

    async def sync(self) -> Row:
        response = await self.http.post("/sync")
        assert response.status_code == 200, response.text
        report: Row = response.json()
        return report

    async def synced(self) -> None:
        """Bring everything to the record."""
        report = await self.sync()
        while report["remaining"] and report["written"]:
            report = await self.sync()
        assert report["status"] == "ok", report

    def record(self, table: str, conversation_id: str | None = None, user: str | None = None) -> list[Row]:
        """The rows of the record, of one conversation or of all of a user's."""
        user_column = "conversation_id" if conversation_id else "user_id"
        sql = f"SELECT * FROM organizations.{table} WHERE {user_column} = @value ORDER BY created_at"
        value = bigquery.ScalarQueryParameter("value", "STRING", conversation_id or user or self.user)
        rows = self.bigquery.query_and_wait(sql, job_config=bigquery.QueryJobConfig(query_parameters=[value]))
        return [dict(row.items()) for row in rows]

    def reference(self, conversation_id: str) -> Any:
        return self.documents.document(f"orgs/acme_inc/conversations/{conversation_id}")

    def stored(self, conversation_id: str) -> list[Row]:
        messages = self.reference(conversation_id).collection("messages").order_by("sequence").stream()
        return [message.to_dict() or {} for message in messages]

    def outbox(self, conversation_id: str) -> dict[str, Row]:
        entries = self.documents.collection("outbox").stream()
        return {entry.id: entry.to_dict() or {} for entry in entries if conversation_id in entry.id}

    def forget(self, conversation_id: str) -> None:
        """Empty Firestore of a conversation, as its expiry does."""
        for message in self.reference(conversation_id).collection("messages").list_documents():
            message.delete()
        self.reference(conversation_id).delete()

    def forget_list(self) -> None:
        for noted in self.documents.collection("orgs/acme_inc/listed").list_documents():
            noted.delete()


@pytest.fixture(scope="session")
def nursery(cloud: Cloud) -> Iterator[Nursery]:
    """Where processes that may be killed come from."""
    nursery = Nursery(cloud.environment)
    yield nursery
    nursery.close()


Serving = Callable[..., Awaitable[Product]]


@pytest.fixture
async def serving(cloud: Cloud) -> AsyncIterator[Serving]:
    """Serve with a model, and settings other than the environment's: ``product = await serving(model)``."""
    async with AsyncExitStack() as stack:

        async def serve(model: ScriptedModel | None = None, **settings: Any) -> Product:
            return await stack.enter_async_context(served(cloud, model or ScriptedModel([say("ok")]), settings))

        yield serve


@pytest.fixture
async def product(serving: Serving) -> Product:
    """The functions over a model that says ok."""
    return await serving()


@asynccontextmanager
async def served(cloud: Cloud, model: ScriptedModel, settings: Row) -> AsyncIterator[Product]:
    clock = Clock()
    logs = io.StringIO()
    # A copy of the organisation lasts longer than the slowest test: what a test counts holds no renewal.
    lasting: Row = {"cache_ttl_seconds": 86_400} | settings
    services = Services(load_settings().model_copy(update=lasting), clock, model)
    services.__dict__["log"] = Log("DEBUG", logs)
    app.use(services)
    store, keys = (SeamsClient(cloud.environment[name]) for name in ("FIRESTORE_EMULATOR_HOST", "KMS_EMULATOR_HOST"))
    documents = firestore.Client(project=PROJECT)
    warehouse = emulated_bigquery(cloud.environment)
    transport = httpx.ASGITransport(Front())
    user = f"user-{uuid.uuid4().hex[:12]}"
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://function", timeout=60) as client:
            yield Product(client, services, cloud, clock, logs, documents, warehouse, store, keys, user)
    finally:
        for seam in (store, keys):
            seam.reset()
            seam.close()
        delays(cloud, query=0)
        # What a crash in a test left held must not hold up the next one.
        documents.document("sync/lease").delete()
        app.use(None)
        clock.come_back(documents)
        await services.documents.close()
        await services.provider_keys.close()
        services.warehouse.close()
        documents.close()
        warehouse.close()


def delays(cloud: Cloud, **seconds: float) -> Row:
    """Make BigQuery's operations late, and say how often each was asked for."""
    url = f"{cloud.environment['BIGQUERY_EMULATOR_HOST']}/emulator/delays"
    state: Row = httpx.post(url, json=seconds, timeout=120).json()
    return state


async def until(holds: Callable[[], bool], seconds: float = 120) -> None:
    """Wait for a state of another process."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110  another process's state
            await asyncio.sleep(0.01)
