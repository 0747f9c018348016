"""A project as an apply leaves it, on emulators of its own, and the operator's terminal over it."""

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.cloud import bigquery

from common.app import Services
from common.settings import load_settings
from local.__main__ import main
from local.data.__main__ import emulated_bigquery
from local.emulators.process import EmulatorProcess
from tests.api.conftest import free_port, wait_until_ready
from tests.api.test_command_line import FOCUS
from tests.conftest import PROJECT

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def emptied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """The environment of emulators that hold nothing."""
    with EmulatorProcess(PROJECT, tmp_path_factory.mktemp("emptied") / "emulators") as emulators:
        yield {**emulators.environment, "GCP_PROJECT_ID": PROJECT, "ENVIRONMENT": "local"}


@dataclass
class Terminal:
    """Runs commands as an operator would, in this process, and keeps what the last one wrote."""

    environment: Mapping[str, str]
    patch: pytest.MonkeyPatch
    out: str = ""
    errors: str = ""

    def run(self, *arguments: str, typed: str = "") -> int:
        """Run a command and return its exit code, argparse's own too."""
        out, errors = io.StringIO(), io.StringIO()
        self.patch.setattr(sys, "stdin", io.StringIO(typed))
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
            try:
                code = main(list(arguments))
            except SystemExit as ended:
                code = int(ended.code or 0)
        self.out, self.errors = out.getvalue(), errors.getvalue()
        return code

    def json(self, *arguments: str) -> dict[str, Any]:
        """Run a command that succeeds, and return the object that it prints."""
        assert self.run(*arguments) == 0, self.errors
        body: dict[str, Any] = json.loads(self.out)
        return body

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start a command in a process of its own, which a test may kill."""
        environment = os.environ | dict(self.environment)
        pipe = subprocess.PIPE
        command = [sys.executable, "-m", "local", *arguments]
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True)


@pytest.fixture
def terminal(emptied: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    for name, value in emptied.items():
        monkeypatch.setenv(name, value)
    return Terminal(emptied, monkeypatch)


@pytest.fixture
def warehouse(emptied: Mapping[str, str]) -> Iterator[bigquery.Client]:
    client = emulated_bigquery(emptied)
    yield client
    client.close()


@pytest.fixture(scope="session")
def served(emptied: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The product over the same emulators, at its address."""
    folder, port = tmp_path_factory.mktemp("served"), free_port()
    command = [sys.executable, "-m", "local", "run", "--empty", "--port", str(port), "--state", str(folder)]
    # Copies of keys and profiles serve for long: what takes effect at once does so by itself.
    environment = os.environ | dict(emptied) | {"CACHE_TTL_SECONDS": "3600"}
    log = folder / "log"
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            wait_until_ready(f"http://127.0.0.1:{port}", process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            assert process.wait(timeout=60) == 0


@dataclass(frozen=True, slots=True)
class Tenant:
    """An organisation that an operator has made, with a bill, a model and a key."""

    slug: str
    key: str
    url: str

    def ask(self, question: str, user: str = "analyst", **body: str) -> httpx.Response:
        """Ask over HTTP, as a frontend does."""
        headers = {"X-Org-Slug": self.slug, "X-API-Key": self.key, "X-User-Id": user}
        path = f"{self.url}/api/v1/chat/{self.slug}/send"
        return httpx.post(path, json={"message": question, **body}, headers=headers, timeout=120)

    def said(self, question: str, user: str = "analyst", **body: str) -> str:
        """Ask, and return the id of the conversation."""
        response = self.ask(question, user, **body)
        assert response.status_code == 200, response.text
        conversation_id: str = response.json()["conversation_id"]
        return conversation_id


@pytest.fixture
def founded(terminal: Terminal, served: str, tmp_path: Path) -> Callable[[str], Tenant]:
    """Make an organisation that can ask."""

    def make(slug: str) -> Tenant:
        bill = tmp_path / f"{slug}.csv"
        bill.write_text(FOCUS, encoding="utf-8")
        made = ("--name", slug, "--email", "finops@made.example")
        model = ("--provider", "demo", "--model", "analyst-1", "--key-stdin")
        assert terminal.run("org", "create", "--org", slug, *made) == 0, terminal.errors
        assert terminal.run("focus", "load", str(bill), "--org", slug) == 0, terminal.errors
        assert terminal.run("settings", "set", "--org", slug, *model, typed="sk-of-nobody-0123456789\n") == 0
        assert terminal.run("key", "create", "--org", slug, "--name", "web") == 0, terminal.errors
        return Tenant(slug, terminal.out.strip(), served)

    return make


@pytest.fixture
async def services(terminal: Terminal) -> AsyncIterator[Services]:
    """The product's own parts over the same emulators: what is stored, and a sync at any moment."""
    made = Services(load_settings())
    yield made
    await made.close()
