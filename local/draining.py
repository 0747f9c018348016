"""The scheduler of the laptop cloud: sync and ingest after changes and each minute, alerts each quarter of an hour."""

import threading
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
_AFTER_CHANGES = ("/sync", "/ingest/due", "/deliver/due")
_ITS_OWN = (*_AFTER_CHANGES, "/deliver")


class Draining:
    """An application as it was, and a thread beside it for each address that is scheduled, while the context lasts."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        base = f"http://127.0.0.1:{port}"
        self._after_changes = [_Scheduled(f"{base}{path}", LONGEST_PAUSE_SECONDS) for path in _AFTER_CHANGES]
        self._scheduled = [*self._after_changes, _Scheduled(f"{base}/alerts", ALERTS_EVERY_SECONDS)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        finally:
            if scope["type"] == "http" and scope["method"] not in _READING and scope["path"] not in _ITS_OWN:
                for each in self._after_changes:
                    each.changed.set()

    def __enter__(self) -> Self:
        # What an earlier run left to do is done at once.
        for each in self._after_changes:
            each.changed.set()
        for each in self._scheduled:
            each.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in self._scheduled:
            each.stopped.set()
            each.changed.set()
        for each in self._scheduled:
            each.thread.join(5)


class _Scheduled:
    """Posts to one address soon after a change, and again after a while; none waits for another's answer."""

    def __init__(self, url: str, every_seconds: float) -> None:
        self._url = url
        self._every = every_seconds
        self.changed = threading.Event()
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, name=f"scheduled {url}", daemon=True)

    def _run(self) -> None:
        while not self.stopped.is_set():
            self.changed.wait(self._every)
            self.changed.clear()
            if self.stopped.wait(PAUSE_SECONDS):
                return
            with suppress(httpx.TransportError):
                httpx.post(self._url, timeout=LONGEST_PAUSE_SECONDS)
