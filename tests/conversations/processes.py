"""The product as processes that can be killed, stopped and started again later."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import httpx

from tests.api.conftest import free_port

ROOT = Path(__file__).parents[2]
# Most tests of crashes need no lease of half a minute; what a lease costs is a test of its own.
SHORT_LEASE = 3.0


class Nursery:
    """Where processes come from: one that has everything imported already."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as the child
        self._parent = subprocess.Popen(
            [sys.executable, "-m", "tests.conversations.served"],
            cwd=ROOT,
            env={**os.environ, **environment, "LOG_LEVEL": "ERROR"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def fork(self, port: int, later: float, lease: float, patience: float) -> int:
        """Start a process and return its id."""
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write(f"{port} {later} {lease} {patience}\n")
        self._parent.stdin.flush()
        line = ""
        while not line.strip().isdigit():
            line = self._parent.stdout.readline()
            assert line, self.said()
        return int(line)

    def said(self) -> str:
        """What its processes wrote to their standard error so far."""
        return os.pread(self._log.fileno(), 1_000_000, 0).decode()

    def close(self) -> None:
        """End everything that came from here."""
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.close()
        self._parent.wait(120)
        self._parent.stdout.close()
        self._log.close()


class Process:
    """The functions in a process, with a clock ahead, leases of another length and less patience with Firestore.

    The product's own limits are upper bounds of the last two.
    """

    def __init__(
        self, nursery: Nursery, user: str, later: float = 0.0, lease: float = SHORT_LEASE, patience: float = 600.0
    ) -> None:
        self._nursery = nursery
        self._lease, self._patience = lease, patience
        self._child: int | None = None
        self._heard = len(nursery.said())
        self._later = later
        self.url = ""
        self.headers = {"X-Org-Slug": "acme_inc", "X-API-Key": "demo-acme-key", "X-User-Id": user}

    def start(self) -> Self:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._child = self._nursery.fork(port, self._later, self._lease, self._patience)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                httpx.get(f"{self.url}/health", timeout=5)
                return self
            except httpx.TransportError:
                time.sleep(0.02)
        raise AssertionError(f"the functions did not start:\n{self.said()}")

    def kill(self) -> None:
        """End it at once, as a crash does."""
        self._signal(signal.SIGKILL)
        self._child = None

    def terminate(self) -> None:
        """Tell it to end, as the platform does, and wait until it has."""
        child = self._child
        assert child is not None
        self._signal(signal.SIGTERM)
        self._child = None
        with suppress(ProcessLookupError):
            while True:
                os.kill(child, 0)
                time.sleep(0.02)

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def again(self) -> Self:
        self.kill()
        return self.start()

    def said(self) -> str:
        """What it wrote to its standard error so far."""
        return self._nursery.said()[self._heard :]

    def post(self, path: str, body: dict[str, Any] | None = None, timeout: float = 60) -> httpx.Response:
        base = "" if path == "/sync" else "/api/v1/chat/acme_inc"
        return httpx.post(f"{self.url}{base}{path}", json=body, headers=self.headers, timeout=timeout)

    def post_aside(self, path: str, body: dict[str, Any] | None = None) -> threading.Thread:
        """Send a request whose answer nobody may ever get."""

        def post() -> None:
            with suppress(httpx.TransportError):
                self.post(path, body)

        thread = threading.Thread(target=post, daemon=True)
        thread.start()
        return thread

    def close(self) -> None:
        if self._child is not None:
            self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        assert self._child is not None
        os.kill(self._child, number)


@contextmanager
def process(
    nursery: Nursery, user: str, later: float = 0.0, lease: float = SHORT_LEASE, patience: float = 600.0
) -> Iterator[Process]:
    """A running process, stopped at the end whatever happened to it."""
    running = Process(nursery, user, later, lease, patience)
    try:
        yield running.start()
    finally:
        running.close()
