"""The scheduler of the laptop cloud: sync soon after a change and every minute, alerts every quarter of an hour."""

import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
# As the cloud's scheduler does, by terraform/scheduler.tf.
ALERTS_EVERY_SECONDS = 900.0
_READING = ("GET", "HEAD", "OPTIONS")
_ITS_OWN = ("/sync", "/alerts")


class Draining:
    """An application as it was, and a thread beside it that posts to its /sync and /alerts while the context lasts."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._url = f"http://127.0.0.1:{port}"
        self._changed = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="draining", daemon=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        finally:
            if scope["type"] == "http" and scope["method"] not in _READING and scope["path"] not in _ITS_OWN:
                self._changed.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._changed.set()
        self._thread.join(5)

    def _run(self) -> None:
        # What an earlier run left in the outbox is drained at once; rules are looked at once the data is there.
        self._changed.set()
        evaluate_at = time.monotonic() + LONGEST_PAUSE_SECONDS
        while not self._stopped.is_set():
            self._changed.wait(LONGEST_PAUSE_SECONDS)
            self._changed.clear()
            if self._stopped.wait(PAUSE_SECONDS):
                return
            if time.monotonic() >= evaluate_at:
                self._post("/alerts")
                evaluate_at = time.monotonic() + ALERTS_EVERY_SECONDS
            self._post("/sync")

    def _post(self, path: str) -> None:
        with suppress(httpx.TransportError):
            httpx.post(f"{self._url}{path}", timeout=LONGEST_PAUSE_SECONDS)
