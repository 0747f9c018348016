"""The address of the product: the one that runs, or one that is started here and stopped at the end."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from local.running import Running, running

_ROOT = Path(__file__).parents[2]
_START_SECONDS = 600.0
_PAUSE_SECONDS = 0.2
_STOP_SECONDS = 20.0


class NotServedError(Exception):
    """The product could not be started; the text is what it said."""


@contextmanager
def served(
    port: int, say: Callable[[str], None], state: Path = _ROOT / ".local", elsewhere: str | None = None
) -> Iterator[str]:
    """The URL of the running product; where none runs, one is started and stopped after it. Raises NotServedError.

    One that is still starting is waited for, and one that is ``elsewhere`` is taken as it is.
    """
    if elsewhere is not None:
        yield elsewhere
        return
    url = f"http://127.0.0.1:{port}"
    if _answers(f"{url}/health"):
        yield url
        return
    other = running(state)
    if other is not None:
        yield _awaited(other, say, state)
        return
    say(f"Nothing is served on {url}; starting it for now (make run keeps it running).")
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile() as output, _ended_by_signals():
        command = [sys.executable, "-m", "local", "run", "--port", str(port), "--state", str(state)]
        # A process group of its own: Ctrl-C here cancels an answer, and leaves the product running.
        process = subprocess.Popen(command, cwd=_ROOT, stdout=output, stderr=output, env=os.environ, process_group=0)
        try:
            deadline = time.monotonic() + _START_SECONDS
            while not _answers(f"{url}/health/ready"):
                if process.poll() is not None or time.monotonic() > deadline:
                    output.seek(0)
                    raise NotServedError(output.read().decode(errors="replace"))
                time.sleep(_PAUSE_SECONDS)
            yield url
        finally:
            process.terminate()
            process.wait(timeout=_STOP_SECONDS)


def _awaited(other: Running, say: Callable[[str], None], state: Path) -> str:
    """Wait until the product that another process started is ready, and return its URL. Raises NotServedError."""
    url = f"http://127.0.0.1:{other.port}"
    if not _answers(f"{url}/health"):
        say(f"make run is still starting on {url}; waiting until it is ready.")
    while not _answers(f"{url}/health/ready"):
        # However long it loads: as long as it lives it is waited for.
        if running(state) != other:
            raise NotServedError(f"make run on port {other.port} ended before it was ready. Start it again: make run")
        time.sleep(_PAUSE_SECONDS)
    return url


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """A terminal that closes ends this process by its with statements, so that what was started does not stay."""

    def leave(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
