"""A child process that can be killed: it reads requests and answers them, one length-prefixed JSON frame each."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, Self

from common.warehouse.guard import pipe

# Many times what most decisions take; what takes longer is heavy.
FIRST_SECONDS = 0.05
# Below the process that answers requests from its first instruction: a start costs more than most decisions.
_NICENESS = 5
_BOOT = (
    f"import os, sys; os.nice({_NICENESS}); sys.path[:] = sys.argv[1:]; "
    "from common.warehouse.guard.worker import serve; serve()"
)


class WorkerGoneError(Exception):
    """The worker ended, or sent what is not a frame."""


class OutOfBudgetError(WorkerGoneError):
    """The worker ended because its CPU time was over."""


class Worker:
    """One worker process; ``ask`` is for one thread at a time."""

    def __init__(self) -> None:
        # A fresh interpreter: a fork of a process with threads and gRPC channels is not safe.
        paths = [path or os.getcwd() for path in sys.path]
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", _BOOT, *paths],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to, self._from = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._to, False)
        os.set_blocking(self._from, False)
        self._ready = False

    @property
    def pid(self) -> int:
        """The id of the worker process."""
        return self._process.pid

    def wait_until_ready(self, seconds: float) -> None:
        """Return once the worker has imported and tested what it needs; TimeoutError or WorkerGoneError otherwise."""
        if not self._ready:
            self._read(time.monotonic() + seconds)
            self._ready = True

    def ask(
        self, request: dict[str, Any], seconds: float, on_slow: Callable[[], None] = lambda: None
    ) -> dict[str, Any]:
        """Send a request and return the answer; ``on_slow`` is called once it is there, or takes its time.

        Raises TimeoutError when the time on the clock is over, OutOfBudgetError when the worker's CPU time is, and
        WorkerGoneError when it ended otherwise.
        """
        deadline = time.monotonic() + seconds
        try:
            self._write(pipe.encode(request), deadline)
            with contextlib.suppress(TimeoutError):
                _wait(self._from, select.POLLIN, time.monotonic() + FIRST_SECONDS)
            on_slow()
            return self._read(deadline)
        except WorkerGoneError as error:
            if self._ended_by(signal.SIGPROF, deadline):
                raise OutOfBudgetError from error
            raise

    def pause(self) -> None:
        """Let the process stand still; nothing happens where it has ended."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it run on."""
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """Kill the process and wait for its end."""
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        self._process.wait()

    def _ended_by(self, ending: signal.Signals, deadline: float) -> bool:
        try:
            return self._process.wait(max(0.0, deadline - time.monotonic())) == -ending
        except subprocess.TimeoutExpired:
            return False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, data: bytes, deadline: float) -> None:
        view = memoryview(data)
        while view:
            _wait(self._to, select.POLLOUT, deadline)
            try:
                view = view[os.write(self._to, view) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise WorkerGoneError from error

    def _read(self, deadline: float) -> dict[str, Any]:
        size = int.from_bytes(self._exactly(pipe.HEADER, deadline), "big")
        try:
            answer = json.loads(self._exactly(size, deadline))
        except ValueError as error:
            raise WorkerGoneError from error
        if not isinstance(answer, dict):
            raise WorkerGoneError
        return answer

    def _exactly(self, size: int, deadline: float) -> bytes:
        data = b""
        while len(data) < size:
            _wait(self._from, select.POLLIN, deadline)
            chunk = os.read(self._from, size - len(data))
            if not chunk:
                raise WorkerGoneError
            data += chunk
        return data


def _wait(descriptor: int, event: int, deadline: float) -> None:
    poll = select.poll()
    poll.register(descriptor, event)
    if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        raise TimeoutError
