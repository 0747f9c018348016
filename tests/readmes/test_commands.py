"""Every command of README.md, run as it stands there against the product that ``make run`` serves."""

import asyncio
import json
import os
import re
import shutil
import signal
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import httpx
import pytest

from local.emulators.process import EmulatorProcess
from tests.api.conftest import free_port
from tests.api.test_command_line import FOCUS
from tests.conftest import PROJECT, copy_loaded_cloud
from tests.fakes.wire_stub import wire_stub
from tests.readmes.blocks import ROOT, commands

COMMANDS = commands((ROOT / "README.md").read_text(encoding="utf-8"))
KEY = "sk-of-nobody-0123456789"
SERVES = re.compile(r"make run\b")
# These run everything, this test too, or need minutes: make only says what it would do.
REHEARSED = re.compile(r"make (test|check|lock|bench)\b")
# What a command reads from standard input, and what it must print.
TYPED = {"make chat": "What did we spend last month?\n/quit\n", "--key-prompt": f"{KEY}\n"}
PRINTED = {
    'make ask Q="What did we spend per provider': r"OpenAI",
    'make ask Q="What were the top cost drivers': r"EUR",
    "make chat": r"USD [\d,]+",
    'make ask Q="Top 3 services by cost in September 2024"': r"EC2 +(USD )?10\.10",
    "acme_inc/send": r'"response": ?"',
    "acme_inc/stream": r"event: token\n(.|\n)*event: done\n",
    "/health/ready": r'"status": ?"ok"',
    "settings show": r'"provider": "demo"',
    "settings set": r'"provider": "openai"',
    "settings rotate": r'"status": "ready"',
    "local guard": r'"admitted": false',
    "make test": r"-m pytest",
    "make check": r"ruff check(.|\n)*mypy",
    "make help": r"make run .*Serve",
}


@dataclass
class Laptop:
    """A shell in which README.md's commands run: its emulators, its port and the files that they name."""

    port: int
    environment: dict[str, str]
    files: dict[str, str]
    log: BinaryIO
    serving: str = ""
    server: Process | None = None

    async def run(self, command: str, typed: str = "") -> tuple[int, str]:
        """Run one command to its end, and return its exit code and what it printed."""
        process = await self._start(command, stdin=PIPE, stdout=PIPE)
        async with asyncio.timeout(240):
            printed, _ = await process.communicate(typed.encode())
        return process.returncode or 0, printed.decode()

    async def serve(self, command: str) -> None:
        """Have this ``make run`` serve, instead of another one; return when it is ready."""
        if self.serving == command:
            return
        await self.stop()
        self.server = await self._start(command, stdin=DEVNULL, stdout=self.log.fileno())
        async with asyncio.timeout(240), httpx.AsyncClient(timeout=120) as http:
            while not await self._ready(http):
                assert self.server.returncode is None, self.logged()
                await asyncio.sleep(0.1)
        self.serving = command

    async def stop(self) -> None:
        """Stop what serves, as Ctrl-C does."""
        if self.server is not None and self.server.returncode is None:
            os.killpg(self.server.pid, signal.SIGTERM)
            async with asyncio.timeout(60):
                await self.server.wait()
        self.server, self.serving = None, ""

    def logged(self) -> str:
        """What was served and complained of so far."""
        self.log.seek(0)
        return self.log.read().decode()[-4000:]

    async def _ready(self, http: httpx.AsyncClient) -> bool:
        try:
            return (await http.get(f"http://127.0.0.1:{self.port}/health/ready")).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    async def _start(self, command: str, stdin: int, stdout: int) -> Process:
        """Start a command with its port, its files and this test's Python in place of the README's."""
        for written, here in (("8002", str(self.port)), (".venv/bin/python", sys.executable), *self.files.items()):
            command = command.replace(written, here)
        rehearsed = "-n" if REHEARSED.match(command) else ""
        # As installed: a test changes nothing of the virtual environment that it runs in.
        options = f"{rehearsed} -o .venv/.installed BIN='{Path(sys.executable).parent}' PORT={self.port}"
        script = f'make() {{ command make {options} "$@"; }}\n{command}'
        return await asyncio.create_subprocess_exec(
            "bash", "-c", script, cwd=ROOT, env=self.environment, stdin=stdin, stdout=stdout, stderr=self.log.fileno(),
            start_new_session=True,
        )  # fmt: skip


@asynccontextmanager
async def laptop_of(directory: Path) -> AsyncIterator[Laptop]:
    """A laptop with a loaded cloud of its own, and with a stand-in for the provider that checks a new key."""
    copy_loaded_cloud(datetime.now(UTC).date(), directory / "emulators")
    files = write_files(directory)
    async with wire_stub() as provider:
        with EmulatorProcess(PROJECT, directory / "emulators") as emulators:
            environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
            environment |= emulators.environment | {"GCP_PROJECT_ID": PROJECT, "ENVIRONMENT": "local"}
            environment["MODEL_API_BASES"] = json.dumps({"openai": provider.bases["openai"]})
            with tempfile.TemporaryFile() as log:
                laptop = Laptop(free_port(), environment, files, log)
                try:
                    yield laptop
                finally:
                    await laptop.stop()


def write_files(directory: Path) -> dict[str, str]:
    """Write the files that README.md's commands name, and return where they are."""
    contents = {"path/to/focus.csv": FOCUS, "new-key.txt": f"{KEY}-rotated\n"}
    files = {name: directory / Path(name).name for name in contents}
    for name, text in contents.items():
        files[name].write_text(text, encoding="utf-8")
    return {name: str(path) for name, path in files.items()}


@pytest.fixture(scope="module")
async def laptop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Laptop]:
    if shutil.which("curl") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("curl is not on the PATH")
        pytest.skip("curl is not on the PATH")
    async with laptop_of(tmp_path_factory.mktemp("laptop")) as made:
        yield made


def one_of(table: dict[str, str], command: str) -> str | None:
    """The entry for a command."""
    return next((value for part, value in table.items() if part in command), None)


@pytest.mark.parametrize("number", range(len(COMMANDS)), ids=lambda number: COMMANDS[number].splitlines()[0])
async def test_a_command_does_what_the_readme_says(laptop: Laptop, number: int) -> None:
    command = COMMANDS[number]
    servers = [each for each in COMMANDS[: number + 1] if SERVES.match(each)]
    await laptop.serve(servers[-1])
    if SERVES.match(command):
        return
    expected = one_of(PRINTED, command)
    assert expected is not None, "say in PRINTED what this command must print"
    code, printed = await laptop.run(command, one_of(TYPED, command) or "")
    assert code == 0, (printed, laptop.logged())
    assert re.search(expected, printed), printed


def test_nothing_is_expected_of_a_command_that_is_not_there() -> None:
    stale = [part for part in (*PRINTED, *TYPED) if not any(part in command for command in COMMANDS)]
    assert stale == []
