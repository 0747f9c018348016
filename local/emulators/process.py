"""The emulators as a child process: a test, or the laptop cloud."""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from time import monotonic
from types import TracebackType
from typing import IO, Self

from local.emulators.cluster import SERVICES

ROOT = Path(__file__).resolve().parents[2]
# A second or two as a rule; on a machine with many times more to do than it has cores, a minute and more.
START_SECONDS = 300.0


class EmulatorStartError(RuntimeError):
    """The emulators did not come up; the text ends with what they wrote to stderr."""


class EmulatorProcess:
    """A context manager around `python -m local.emulators`; the child ends with its parent, even a killed one."""

    def __init__(
        self,
        project: str = "local-dev-project",
        directory: Path | None = None,
        services: Sequence[str] = SERVICES,
        ports: Mapping[str, int] | None = None,
        start_timeout: float = START_SECONDS,
    ) -> None:
        self._command = [sys.executable, "-m", "local.emulators", "--until-stdin-closes", "--project", project]
        self._command += ["--services", *services]
        if directory is not None:
            self._command += ["--directory", str(directory)]
        if ports:
            self._command += ["--ports", *(f"{service}={port}" for service, port in ports.items())]
        self._timeout = start_timeout
        self._child: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None
        self._ending = False
        self.environment: dict[str, str] = {}

    @property
    def pid(self) -> int:
        """The child's process id."""
        if self._child is None:
            raise RuntimeError("the emulators are not running")
        return self._child.pid

    def start(self) -> Self:
        """Spawn the child and return when every emulator listens; EmulatorStartError otherwise."""
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        self._child = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, cwd=ROOT
        )
        try:
            self.environment = json.loads(self._first_line())
        except BaseException:
            self.kill()
            raise
        return self

    def watch(self, died: Callable[[int, str], None]) -> None:
        """Call back, in a thread, with its exit code and what it wrote to stderr, if the child ends by itself."""
        child = self._child
        assert child is not None

        def wait() -> None:
            code = child.wait()
            if not self._ending:
                died(code, self._complaint().strip())

        threading.Thread(target=wait, name="emulators", daemon=True).start()

    def stop(self, timeout: float = 10.0) -> int:
        """End the child cleanly and return its exit code; safe to call twice."""
        if self._child is None:
            return 0
        self._ending = True
        self._child.terminate()
        try:
            code = self._child.wait(timeout)
        except subprocess.TimeoutExpired:
            self._child.kill()
            code = self._child.wait()
        self._release()
        return code

    def kill(self) -> None:
        """End the child at once, as a crash would."""
        self._ending = True
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._release()

    def close_stdin(self, timeout: float = 10.0) -> int:
        """Close the child's standard input, as the parent's death would, and return the child's exit code."""
        if self._child is None or self._child.stdin is None:
            raise RuntimeError("the emulators are not running")
        self._ending = True
        self._child.stdin.close()
        code = self._child.wait(timeout)
        self._release()
        return code

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _first_line(self) -> bytes:
        """The line that says the emulators listen."""
        assert self._child is not None
        assert self._child.stdout is not None
        deadline = monotonic() + self._timeout
        line = b""
        with DefaultSelector() as selector:
            selector.register(self._child.stdout, EVENT_READ)
            while not line.endswith(b"\n"):
                if not selector.select(max(0.0, deadline - monotonic())):
                    raise EmulatorStartError(f"the emulators did not start in {self._timeout:g} s.{self._complaint()}")
                chunk = os.read(self._child.stdout.fileno(), 65536)
                if not chunk:
                    code = self._child.wait()
                    raise EmulatorStartError(f"the emulators ended at start with code {code}.{self._complaint()}")
                line += chunk
        return line

    def _complaint(self) -> str:
        if self._errors is None:
            return ""
        self._errors.seek(0)
        text = self._errors.read().decode(errors="replace").strip()
        return f"\n{text}" if text else ""

    def _release(self) -> None:
        if self._child is not None:
            for stream in (self._child.stdin, self._child.stdout):
                if stream is not None:
                    stream.close()
        if self._errors is not None:
            self._errors.close()
        self._child = None
        self._errors = None
