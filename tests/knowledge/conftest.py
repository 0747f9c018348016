"""The services and the functions of documents over the emulators, for an organisation of each test's own."""

import asyncio
import hashlib
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from common import app
from common.app import Services
from common.knowledge.services import KnowledgeServices
from common.settings import load_settings
from common.tenant import Tenant, parse_org_slug
from local.gateway import function_app
from tests.conftest import PROJECT, Cloud
from tests.listening import listening
from tests.organizations.organizations import Made, Rows

# On a machine that is many times slower than alone.
GENEROUS_SECONDS = 300.0


def a_tenant() -> Tenant:
    """An organisation that no other test knows."""
    return Tenant(parse_org_slug(f"docs_{uuid.uuid4().hex[:12]}"), PROJECT, "organizations")


@pytest.fixture
def tenant() -> Tenant:
    return a_tenant()


@pytest.fixture
async def knowledge(cloud: Cloud) -> AsyncIterator[KnowledgeServices]:
    services = Services(load_settings())
    yield services.knowledge
    await services.close()


@pytest.fixture(scope="module")
def rows(cloud: Cloud) -> Iterator[Rows]:
    rows = Rows(cloud)
    yield rows
    rows.close()


@pytest.fixture
def made(rows: Rows) -> Made:
    return rows.make()


@dataclass
class Knowing:
    """The functions `knowledge` and `ingest`, the second behind the storage emulator's deliveries."""

    http: httpx.AsyncClient
    ingest: httpx.AsyncClient
    services: Services

    async def announce(self, made: Made, name: str, data: bytes, **changes: Any) -> httpx.Response:
        body = {"name": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), **changes}
        return await self.http.post("/documents", json=body, headers=made.admin)

    async def upload(self, made: Made, name: str, data: bytes) -> dict[str, Any]:
        """Announce and send a document, and return its entry once nothing is done with it any more."""
        announced = await self.announce(made, name, data)
        assert announced.status_code in (200, 201), announced.text
        entry: dict[str, Any] = announced.json()
        if entry["upload_url"]:
            await self.put(entry, data)
        return await self.settled(made, entry["document_id"])

    async def put(self, entry: dict[str, Any], data: bytes) -> None:
        """Send the bytes to the signed address, as a page does."""
        async with httpx.AsyncClient(timeout=60) as page:
            sent = await page.put(entry["upload_url"], content=data, headers=entry["headers"])
        assert sent.status_code == 200, sent.text

    async def settled(self, made: Made, document_id: str) -> dict[str, Any]:
        return await self.until(made, document_id, lambda each: each["state"] in ("ready", "failed"))

    async def until(self, made: Made, document_id: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return a document's entry once it is as wanted."""
        deadline = time.monotonic() + GENEROUS_SECONDS
        while time.monotonic() < deadline:
            entry = await self.http.get(f"/documents/{document_id}", headers=made.admin)
            assert entry.status_code == 200, entry.text
            found: dict[str, Any] = entry.json()
            if holds(found) and not found["reindexing"]:
                return found
            await asyncio.sleep(0.1)
        raise AssertionError(f"the document stays {found}")

    async def search(self, made: Made, query: str, top_k: int = 5) -> list[dict[str, Any]]:
        answer = await self.http.post("/search", json={"query": query, "top_k": top_k}, headers=made.member)
        assert answer.status_code == 200, answer.text
        results: list[dict[str, Any]] = answer.json()["results"]
        return results


@pytest.fixture
async def knowing(cloud: Cloud) -> AsyncIterator[Knowing]:
    async with knowing_by(cloud, Services(load_settings())) as knowing:
        yield knowing


@asynccontextmanager
async def knowing_by(cloud: Cloud, services: Services) -> AsyncIterator[Knowing]:
    """The functions, with the storage emulator's events delivered to `ingest` over HTTP."""
    app.use(services)
    ingest_app = function_app("ingest")
    emulator = cloud.environment["STORAGE_EMULATOR_HOST"]
    transport = httpx.ASGITransport(function_app("knowledge"))
    async with (
        listening(ingest_app) as address,
        httpx.AsyncClient(transport=transport, base_url="http://knowledge", timeout=60) as http,
        httpx.AsyncClient(transport=httpx.ASGITransport(ingest_app), base_url="http://ingest", timeout=600) as ingest,
    ):
        await asyncio.to_thread(httpx.put, f"{emulator}/_subscriber", content=f"{address}/", timeout=120)
        yield Knowing(http, ingest, services)
        await asyncio.to_thread(httpx.put, f"{emulator}/_subscriber", content="http://127.0.0.1:9/", timeout=120)
    app.use(None)
    await services.close()
