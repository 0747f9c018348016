"""The whole product over HTTP: the functions, each under the functions-framework, in a process of their own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.data.organizations import API_KEYS
from tests.conftest import Cloud
from tests.days import lasting_day

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Product:
    """Where the product is served, what it logs, the client that speaks to it, and the day of its demo data."""

    url: str
    log: Path
    cloud: Cloud
    http: httpx.Client
    loaded: date

    def headers(self, org: str = "acme_inc", user: str = "analyst") -> dict[str, str]:
        return {"X-Org-Slug": org, "X-API-Key": API_KEYS[org], "X-User-Id": user}

    def send(self, message: str, org: str = "acme_inc", **body: Any) -> dict[str, Any]:
        """Ask, and return the answer's body."""
        path = f"/api/v1/chat/{org}/send"
        response = self.http.post(path, json={"message": message, **body}, headers=self.headers(org))
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer


@pytest.fixture(scope="module")
def product(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """``make run`` over the session's emulators.

    Its scheduler reads and empties their outbox each minute, which other files' tests count: so it ends with its file.
    """
    log = tmp_path_factory.mktemp("product") / "log"
    # It loads the data of the day on which it starts.
    port, loaded = free_port(), lasting_day()
    environment = os.environ | cloud.environment | {"ENVIRONMENT": "local", "LOG_LEVEL": "DEBUG"}
    with log.open("w") as output:
        command = [sys.executable, "-m", "local", "run", "--port", str(port), "--json-logs"]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
        url = f"http://127.0.0.1:{port}"
        try:
            wait_until_ready(url, process, log)
            with httpx.Client(base_url=url, timeout=120) as http:
                yield Product(url, log, cloud, http, loaded)
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=120) == 0


def wait_until_ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/health/ready", timeout=60).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail(f"the product did not become ready:\n{log.read_text()}")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
