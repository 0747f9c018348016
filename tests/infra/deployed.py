"""A function as Google's buildpack runs it: its archive in an empty folder, beside nothing but its requirements."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

_UV = Path(sys.executable).with_name("uv")
# All files of an image that a buildpack makes are of 1 January 1980.
_IMAGE_TIME = 315_532_801
_LISTENING = re.compile(r"Listening at: (http://127\.0\.0\.1:\d+)")


class NotInstalledError(Exception):
    """The requirements are neither installed nor to be had."""


def installed(requirements: Path, folder: Path) -> Path:
    """The bin folder of an environment that holds just these requirements, made once. Raises NotInstalledError."""
    environment = folder / hashlib.sha256(requirements.read_bytes()).hexdigest()[:16]
    done = environment / "installed"
    if not done.exists():
        for old in folder.glob("*"):
            shutil.rmtree(old)
        _uv("venv", "--quiet", "--clear", "--python", sys.executable, str(environment))
        python = str(environment / "bin" / "python")
        _uv("pip", "install", "--quiet", "--compile-bytecode", "--python", python, "--requirement", str(requirements))
        done.touch()
    return environment / "bin"


def _uv(*arguments: str) -> None:
    done = subprocess.run([str(_UV), *arguments], capture_output=True, text=True, check=False, timeout=600)
    if done.returncode != 0:
        raise NotInstalledError(done.stderr.strip()[-400:])


def unpack(archive: Path, folder: Path) -> None:
    """Unpack an archive into a folder that holds nothing yet."""
    folder.mkdir(parents=True)
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)


def build(folder: Path, environment: Mapping[str, str]) -> None:
    """Do to an unpacked archive what the buildpack does: compile it, in the build's environment, and lose its times."""
    command = [sys.executable, "-m", "compileall", "-f", "-q", "."]
    subprocess.run(command, cwd=folder, env={"PATH": "/usr/bin:/bin", **environment}, check=True, timeout=300)
    for file in folder.rglob("*"):
        os.utime(file, (_IMAGE_TIME, _IMAGE_TIME))


@contextmanager
def served(folder: Path, binaries: Path, target: str, settings: Mapping[str, str], log: Path) -> Iterator[str]:
    """Serve an unpacked archive on a port of its own; its address, as long as it runs."""
    environment = {
        "PATH": f"{binaries}:/usr/bin:/bin",
        "HOME": os.environ.get("HOME", "/"),
        "HOST": "127.0.0.1",
        "PORT": "0",
        # The only place that tells which port it became.
        "GUNICORN_LOG_LEVEL": "info",
        "FUNCTION_TARGET": target,
        "FUNCTION_SIGNATURE_TYPE": "http",
        **settings,
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [binaries / "functions-framework"], cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield _address(process, log)
    finally:
        process.terminate()
        process.wait(timeout=120)


def _address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        told = _LISTENING.search(log.read_text(encoding="utf-8"))
        if told and _answers(told[1]):
            return told[1]
        time.sleep(0.05)
    raise AssertionError(f"the function did not start:\n{log.read_text(encoding='utf-8')}")


def _answers(url: str) -> bool:
    try:
        httpx.options(url, timeout=5)
    except httpx.TransportError:
        return False
    return True
