"""A function in a process of its own, which a test kills."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

from tests.api.conftest import free_port

ROOT = Path(__file__).parents[1]
_SERVE = (
    "import sys, uvicorn; from local.gateway import function_app; "
    "uvicorn.run(function_app(sys.argv[1]), host='127.0.0.1', port=int(sys.argv[2]), lifespan='off', log_level='error')"
)


class Killable:
    """One function at one address, started anew after each kill."""

    def __init__(self, function: str, environment: Mapping[str, str]) -> None:
        self._function, self._environment = function, {**os.environ, **environment}
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it, and return when it answers."""
        command = [sys.executable, "-c", _SERVE, self._function, str(self._port)]
        self._process = subprocess.Popen(command, cwd=ROOT, env=self._environment, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            assert self._process.poll() is None, "it ended at start"
            try:
                httpx.options(self.url, timeout=30)
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError("it does not answer")

    def kill(self) -> None:
        """End it at once, as the operating system ends what takes too much memory."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None
