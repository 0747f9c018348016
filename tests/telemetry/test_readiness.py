"""Readiness over HTTP while a dependency goes away and comes back: real emulators, killed and started again."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from common import app
from common.app import Services
from common.settings import load_settings
from common.telemetry import readiness
from common.telemetry.log import Log
from local.emulators.process import EmulatorProcess
from local.gateway import function_app

HOSTS = {
    "bigquery": "BIGQUERY_EMULATOR_HOST",
    "firestore": "FIRESTORE_EMULATOR_HOST",
    "kms": "KMS_EMULATOR_HOST",
}


class Dependency:
    """One emulator that can be killed, and started again at the same address over the same data."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self._directory = directory
        self._port = 0
        self._process: EmulatorProcess | None = None

    def start(self) -> str:
        ports = {self.name: self._port} if self._port else None
        self._process = EmulatorProcess(directory=self._directory, services=(self.name,), ports=ports)
        host = self._process.start().environment[HOSTS[self.name]]
        self._port = int(urlsplit(host if "//" in host else f"//{host}").port or 0)
        return host

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()


@pytest.fixture(scope="module")
def dependencies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Dependency]]:
    """Emulators of their own: the session's are everybody's."""
    directory = tmp_path_factory.mktemp("dependencies")
    started = {name: Dependency(name, directory) for name in HOSTS}
    with pytest.MonkeyPatch.context() as patch:
        try:
            for name, each in started.items():
                patch.setenv(HOSTS[name], each.start())
            patch.setenv("ENVIRONMENT", "test")
            patch.setenv("GCP_PROJECT_ID", "local-dev-project")
            patch.setattr(readiness, "READINESS_CACHE_SECONDS", 0.0)
            yield started
        finally:
            for each in started.values():
                each.kill()


@asynccontextmanager
async def health(logs: io.StringIO) -> AsyncIterator[httpx.AsyncClient]:
    services = Services(load_settings())
    services.__dict__["log"] = Log("DEBUG", logs)
    app.use(services)
    try:
        transport = httpx.ASGITransport(function_app("health"))
        async with httpx.AsyncClient(transport=transport, base_url="http://health", timeout=120) as client:
            yield client
    finally:
        app.use(None)
        await services.documents.close()
        await services.provider_keys.close()
        services.warehouse.close()


async def answered(client: httpx.AsyncClient, status: int) -> dict[str, Any]:
    """Ask until this is the answer."""
    async with asyncio.timeout(60):
        while True:
            response = await client.get("/health/ready")
            if response.status_code == status:
                body: dict[str, Any] = response.json()
                return body
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("name", sorted(HOSTS))
async def test_readiness_is_503_while_a_dependency_is_away_and_200_when_it_is_back(
    dependencies: dict[str, Dependency], name: str
) -> None:
    logs = io.StringIO()
    async with health(logs) as client:
        whole = await answered(client, 200)
        assert whole["checks"].keys() == {
            "bigquery",
            "catalog",
            "deliveries",
            "firestore",
            "kms",
            "knowledge",
            "outbox",
        }
        # These emulators hold nothing, which keeps no question from being asked.
        assert whole["checks"]["catalog"]["status"] == "empty"
        assert all(check["latency_ms"] >= 0 for check in whole["checks"].values())
        dependencies[name].kill()
        logs.truncate(0)
        broken = await answered(client, 503)
        failing = {each for each, check in broken["checks"].items() if check["status"] != "ok"} - {"catalog"}
        # The outbox, the notes on documents and the deliveries are in Firestore.
        assert failing == ({name, "outbox", "knowledge", "deliveries"} if name == "firestore" else {name})
        failed = [json.loads(line) for line in logs.getvalue().lstrip("\0").splitlines() if "readiness.failed" in line]
        assert {(each["severity"], each["dependency"]) for each in failed} == {("ERROR", each) for each in failing}
        assert (await client.get("/health")).json()["status"] == "ok"
        await asyncio.to_thread(dependencies[name].start)
        assert (await answered(client, 200))["status"] == "ok"
