"""The send function as the functions-framework serves it, in this process, over a scripted model."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from google.cloud import firestore

from common import app
from common.app import Services
from common.settings import load_settings
from common.telemetry.log import Log
from local.emulators.rpc import SeamsClient
from local.gateway import function_app
from tests.conftest import PROJECT, Cloud
from tests.fakes.clock import Clock
from tests.fakes.scripted_model import ScriptedModel

ACME = {"X-Org-Slug": "acme_inc", "X-API-Key": "demo-acme-key", "X-User-Id": "u1"}
GLOBEX = {"X-Org-Slug": "globex_inc", "X-API-Key": "demo-globex-key", "X-User-Id": "u1"}


@dataclass
class Product:
    """The function under test, and what it wrote."""

    client: httpx.AsyncClient
    services: Services
    cloud: Cloud
    clock: Clock
    logs: io.StringIO
    documents: firestore.Client
    firestore: SeamsClient
    kms: SeamsClient

    async def send(
        self, message: str = "What did we spend?", headers: dict[str, str] | None = None, **body: Any
    ) -> httpx.Response:
        return await self.client.post("/send", json={"message": message, **body}, headers=ACME | (headers or {}))

    def outbox(self) -> dict[str, dict[str, Any]]:
        return {entry.id: entry.to_dict() or {} for entry in self.documents.collection("outbox").stream()}

    def messages(self, conversation_id: str, org: str = "acme_inc") -> list[dict[str, Any]]:
        path = f"orgs/{org}/conversations/{conversation_id}/messages"
        return [entry.to_dict() or {} for entry in self.documents.collection(path).order_by("sequence").stream()]

    def conversation(self, conversation_id: str, org: str = "acme_inc") -> dict[str, Any]:
        return self.documents.document(f"orgs/{org}/conversations/{conversation_id}").get().to_dict() or {}

    async def leased(self, conversation_id: str) -> None:
        """Wait until a turn holds the conversation."""
        async with asyncio.timeout(120):
            while self.conversation(conversation_id)["lease"] is None:  # noqa: ASYNC110  another process's state
                await asyncio.sleep(0.01)


Serving = Callable[..., Any]


@pytest.fixture
async def serving(cloud: Cloud) -> AsyncIterator[Serving]:
    """Serve with a model, and settings other than the environment's: ``product = await serving(model)``."""
    async with AsyncExitStack() as stack:

        async def serve(model: ScriptedModel, **settings: Any) -> Product:
            return await stack.enter_async_context(_serving(cloud, model, settings))

        yield serve


@asynccontextmanager
async def _serving(cloud: Cloud, model: ScriptedModel, settings: dict[str, Any]) -> AsyncIterator[Product]:
    clock = Clock()
    logs = io.StringIO()
    services = Services(load_settings().model_copy(update=settings), clock, model)
    services.__dict__["log"] = Log("DEBUG", logs)
    app.use(services)
    seams = [SeamsClient(cloud.environment[name]) for name in ("FIRESTORE_EMULATOR_HOST", "KMS_EMULATOR_HOST")]
    documents = firestore.Client(project=PROJECT)
    transport = httpx.ASGITransport(function_app("send"))
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://function", timeout=120) as client:
            yield Product(client, services, cloud, clock, logs, documents, *seams)
    finally:
        for seam in seams:
            seam.reset()
            seam.close()
        app.use(None)
        clock.come_back(documents)
        await services.documents.close()
        await services.provider_keys.close()
        services.warehouse.close()
        documents.close()
