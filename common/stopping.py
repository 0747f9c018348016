"""SIGTERM: what is under way is told to end, and the server waits a bounded time; some work outlives its caller."""

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, TypeVar

STOP_SERVER_SECONDS = 8.0

_told: set[Callable[[], None]] = set()
_Handler = Callable[[int, FrameType | None], Any]


# A running task must be held by somebody, or it may vanish half-way.
_running: set["asyncio.Task[Any]"] = set()
T = TypeVar("T")


def hold(work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
    """Run work that goes on whatever becomes of whoever began it; what it raises is there for whoever waits."""
    task = asyncio.create_task(work)
    _running.add(task)
    task.add_done_callback(_let_go)
    return task


def _let_go(task: "asyncio.Task[Any]") -> None:
    _running.discard(task)
    if not task.cancelled():
        task.exception()  # Looked at: its failure is said, or no longer anybody's.


@contextmanager
def told_to_stop(callback: Callable[[], None]) -> Iterator[None]:
    """Call back, in the event loop, if the process is told to end while the context lasts, or was told before."""
    watch()
    _told.add(callback)
    handler = signal.getsignal(signal.SIGTERM)
    if isinstance(handler, _Stopper) and handler.has_told:
        asyncio.get_running_loop().call_soon(callback)
    try:
        yield
    finally:
        _told.discard(callback)


def watch() -> None:
    """Stand before the server's own handlers of SIGTERM and SIGINT; where there is no server, nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        server = signal.getsignal(number)
        if callable(server) and server is not signal.default_int_handler and not isinstance(server, _Stopper):
            signal.signal(number, _Stopper(server, asyncio.get_running_loop()))


class _Stopper:
    """The handler: tells whoever has to end, then the server, and later the server once more, which then ends."""

    def __init__(self, server: _Handler, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._loop = loop
        self.has_told = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        with suppress(RuntimeError):  # The loop has ended by itself.
            self._loop.call_soon_threadsafe(self._tell)
        self._server(number, frame)

    def _tell(self) -> None:
        self.has_told = True
        for callback in list(_told):
            callback()
        # A server that is asked twice no longer waits for its connections; the second time it listens to SIGINT.
        self._loop.call_later(STOP_SERVER_SECONDS, self._server, signal.SIGINT, None)
