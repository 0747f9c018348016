"""SIGTERM: what is under way is told to end, and the server waits for the rest no longer than the platform does."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

STOP_SERVER_SECONDS = 8.0

_told: set[Callable[[], None]] = set()
_Handler = Callable[[int, FrameType | None], Any]


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
