"""Installs llama.cpp's server and a small model once, and runs them as a process of their own."""

import asyncio
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.alone import alone

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "local-model"
_UV = Path(sys.executable).with_name("uv")
_HERE = Path(__file__).parent
_LISTENING = re.compile(rb"listening (http://127\.0\.0\.1:\d+)")
# Loading takes two seconds, on a machine that has nothing else to do.
_START_SECONDS = 180


class UnavailableError(Exception):
    """The server or its weights are neither installed nor to be had."""


def installed() -> Path:
    """The Python of an environment with the server and the weights, made once. Raises UnavailableError."""
    requirements = _HERE / "requirements.txt"
    environment = CACHE / hashlib.sha256(requirements.read_bytes()).hexdigest()[:16]
    python = environment / "bin" / "python"
    with alone("local-model"):
        if not environment.exists():
            CACHE.mkdir(parents=True, exist_ok=True)
            for old in CACHE.iterdir():
                shutil.rmtree(old, ignore_errors=True)
            with tempfile.TemporaryDirectory(dir=CACHE) as made:
                half = Path(made) / "environment"
                _uv("venv", "--quiet", "--relocatable", "--python", sys.executable, str(half))
                pip = (
                    "pip",
                    "install",
                    "--quiet",
                    "--no-deps",
                    "--require-hashes",
                    "--python",
                    str(half / "bin" / "python"),
                )
                _uv(*pip, "--requirement", str(requirements))
                # At once or not at all, so that a run that was interrupted leaves nothing half-installed.
                half.rename(environment)
    return python


def _uv(*arguments: str) -> None:
    done = subprocess.run([str(_UV), *arguments], capture_output=True, text=True, check=False, timeout=900)
    if done.returncode != 0:
        raise UnavailableError(done.stderr.strip()[-400:])


@asynccontextmanager
async def serving_weights() -> AsyncIterator[str]:
    """The base address of a running server. Raises UnavailableError where it cannot be installed."""
    python = await asyncio.to_thread(installed)
    process = await asyncio.create_subprocess_exec(
        str(python), str(_HERE / "serve_weights.py"), stdin=PIPE, stdout=PIPE, stderr=DEVNULL,
        env={"PATH": os.environ.get("PATH", "/usr/bin:/bin")},
    )  # fmt: skip
    try:
        async with asyncio.timeout(_START_SECONDS):
            address = await _address(process)
        yield f"{address}/v1"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async for line in process.stdout:
        if told := _LISTENING.search(line):
            return told[1].decode()
    raise AssertionError("llama.cpp's server did not start")
