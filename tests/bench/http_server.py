"""The least HTTP/1.1 server that a benchmark can do with: whole requests in, bytes out, connections kept alive."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, read whole."""

    method: str
    path: str
    body: bytes


Answer = Callable[[Asked, asyncio.Transport], Awaitable[None]]


class Connection(asyncio.Protocol):
    """Reads requests one after the other and has each answered on its transport before the next is read."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._read = b""
        self._busy: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, _: Exception | None) -> None:
        if self._busy is not None:
            self._busy.cancel()

    def data_received(self, data: bytes) -> None:
        self._read += data
        self._next()

    def _next(self) -> None:
        end = self._read.find(b"\r\n\r\n")
        if end < 0 or self._busy is not None:
            return
        head = self._read[:end]
        found = _LENGTH.search(head)
        size = end + 4 + (int(found[1]) if found else 0)
        if len(self._read) < size:
            return
        method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
        asked = Asked(method, path, self._read[end + 4 : size])
        self._read = self._read[size:]
        self._busy = asyncio.ensure_future(self._answer(asked, self._transport))
        self._busy.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._busy = None
        if task.cancelled() or task.exception() is not None:
            self._transport.close()
        else:
            self._next()


def plain(body: Any, status: int = 200) -> bytes:
    """A whole answer; anything but bytes is written as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status} Answer\r\ncontent-type: application/json\r\ncontent-length: {len(raw)}\r\n\r\n"
    return head.encode() + raw


STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
STREAM_END = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """One chunk of a stream."""
    return b"%x\r\n%s\r\n" % (len(data), data)
