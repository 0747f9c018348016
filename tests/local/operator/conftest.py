"""A project as an apply leaves it, on emulators of its own, and the operator's terminal over it."""

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from google.cloud import bigquery

from local.__main__ import main
from local.data.__main__ import emulated_bigquery
from local.emulators.process import EmulatorProcess
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
