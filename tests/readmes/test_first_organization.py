"""The way from an empty project to the first right answer, each command run as terraform/README.md has it."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.emulators.process import EmulatorProcess
from tests.api.conftest import free_port, wait_until_ready
from tests.api.test_command_line import FOCUS
from tests.conftest import PROJECT
from tests.readmes.blocks import ROOT, commands

PAGE = commands((ROOT / "terraform" / "README.md").read_text(encoding="utf-8").partition("## State\n")[0])
# What a command must print, in the order in which the page has them.
PRINTED = {
    "org create": r"first_inc is made: First Inc\.",
    "focus load": r"bill\.csv: 3 rows.*\n(.*\n)*  added: 3 rows",
    "settings set": r'"configured": true',
    "key create": r"it does not expire",
    "ask": r"EC2 +(USD )?10\.10",
}


@dataclass(frozen=True, slots=True)
class Project:
    """An empty project on this machine: a shell over its emulators, and the address that serves it."""

    folder: Path
    environment: dict[str, str]
    url: str

    def run(self, command: str) -> tuple[int, str]:
        """Run a command of the page with this machine's Python, project, model and address in place of the page's."""
        for written, here in (
            (".venv/bin/python", f"PYTHONPATH={ROOT} {sys.executable}"),
            ("--project my-project ", ""),
            ("--provider openai --model gpt-4o-mini", "--provider demo --model analyst-1"),
            ("https://chat.example.com", self.url),
        ):
            command = command.replace(written, here)
        done = subprocess.run(
            ["bash", "-c", command], cwd=self.folder, env=self.environment, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False, timeout=240,
        )  # fmt: skip
        return done.returncode, done.stdout


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    (tmp_path / "bill.csv").write_text(FOCUS, encoding="utf-8")
    (tmp_path / "provider.key").write_text("sk-of-nobody-0123456789\n", encoding="utf-8")
    claims = (
        base64.urlsafe_b64encode(json.dumps({"iss": "https://accounts.google.com", "exp": time.time() + 3600}).encode())
        .decode()
        .rstrip("=")
    )
    header = base64.urlsafe_b64encode(b'{"alg": "RS256", "kid": "1"}').decode().rstrip("=")
    gcloud = tmp_path / "bin" / "gcloud"
    gcloud.parent.mkdir()
    gcloud.write_text(f'#!/bin/sh\n[ "$*" = "auth print-identity-token" ] && echo {header}.{claims}.c2ln\n')
    gcloud.chmod(0o755)
    with EmulatorProcess(PROJECT, tmp_path / "emulators") as emulators:
        environment = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
        environment |= emulators.environment | {"GCP_PROJECT_ID": PROJECT, "ENVIRONMENT": "local"}
        environment["PATH"] = f"{gcloud.parent}:{os.environ['PATH']}"
        port, log = free_port(), tmp_path / "log"
        command = [sys.executable, "-m", "local", "run", "--empty", "--port", str(port), "--state", str(tmp_path)]
        with log.open("w") as output:
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
            try:
                wait_until_ready(f"http://127.0.0.1:{port}", process, log)
                yield Project(tmp_path, environment, f"http://127.0.0.1:{port}")
            finally:
                process.send_signal(signal.SIGTERM)
                assert process.wait(timeout=60) == 0


def test_the_page_leads_from_an_empty_project_to_the_first_right_answer(project: Project) -> None:
    assert [re.findall(r"-m local (org create|focus load|settings set|key create|ask)", line) for line in PAGE] == [
        [name] for name in PRINTED
    ]
    for command, expected in zip(PAGE, PRINTED.values(), strict=True):
        code, printed = project.run(command)
        assert code == 0, (command, printed)
        assert re.search(expected, printed), (command, printed)
