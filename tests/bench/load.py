"""Turns asked for over HTTP by many people at once, and how long each took to begin and to end."""

import asyncio
import json
import math
import re
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import cast
from urllib.parse import urlsplit

import aiohttp

from tests.bench.http_server import STREAM_END
from tests.bench.served import Served

# The starts of those who ask at once are spread over so many seconds: people do not press return together.
_SPREAD = 2.0
_SAMPLE_SECONDS = 0.25
# Nobody begins another turn later than this, however slow the turns are.
_MOST_SECONDS = 30.0
_CONVERSATION = re.compile(rb'"conversation_id": "([^"]+)"')
_TOKEN, _DONE = b"event: token\n", b"event: done\n"
_WELL = b"HTTP/1.1 200 "
_TAIL_BYTES = 4000
_TURN_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Caller:
    """A person of an organisation, by the headers it sends."""

    org_slug: str
    api_key: str
    user_id: str

    @property
    def headers(self) -> dict[str, str]:
        return {"X-Org-Slug": self.org_slug, "X-API-Key": self.api_key, "X-User-Id": self.user_id}


@dataclass(frozen=True, slots=True)
class Turn:
    """When a turn began, its seconds to the first token and to its end, and what it ended with if not well."""

    began: float
    first: float
    total: float
    failure: str | None = None
    conversation_id: str | None = None


@dataclass(slots=True)
class Load:
    """What a number of people at once saw, and what it cost the process that answered them."""

    at_once: int
    turns: list[Turn] = field(default_factory=list)
    cpu_ms: float = 0.0
    memory: float = 0.0
    all_under_way: tuple[float, float] = (0.0, 0.0)

    @property
    def failed(self) -> int:
        return sum(turn.failure is not None for turn in self.turns)

    @property
    def per_second(self) -> float:
        """Turns a second with so many always under way: their number by how long one takes (Little's law)."""
        taken = [turn.total for turn in self.turns if not turn.failure]
        return self.at_once / statistics.fmean(taken) if taken else 0.0

    @property
    def counted(self) -> float:
        """Turns a second that ended while all were under way: after the last one had begun, before anyone was done."""
        since, until = self.all_under_way
        ended = sum(since <= turn.began + turn.total < until for turn in self.turns if not turn.failure)
        return ended / (until - since) if until > since else math.nan

    def first(self, share: float = 0.5) -> float:
        """Seconds to the first token, of this share of the turns."""
        return quantile([turn.first for turn in self.turns if not turn.failure], share)

    def total(self, share: float = 0.5) -> float:
        """Seconds to the end, of this share of the turns."""
        return quantile([turn.total for turn in self.turns if not turn.failure], share)


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which this share of them is; NaN of none."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return statistics.median(ordered) if share == 0.5 else ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def client() -> aiohttp.ClientSession:
    """Any number of connections, each for one request: one that was kept may be closed as it is used again."""
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=_TURN_SECONDS))


class _Reading(asyncio.Protocol):
    """Sends one request on a connection of its own and reads the answer to its end: next to nothing of CPU a piece."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self.head = self.tail = b""
        self.first = 0.0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.WriteTransport, transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        self.head = self.head or data
        self.tail = (self.tail + data)[-_TAIL_BYTES:]
        if not self.first and _TOKEN in self.tail:
            self.first = time.perf_counter()
        if data.endswith(STREAM_END):
            self._end()

    def connection_lost(self, _: Exception | None) -> None:
        self._end()

    def _end(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


async def ask(url: str, caller: Caller, conversation_id: str | None = None) -> Turn:
    """One turn as an event stream, read to its end."""
    body = {"message": "What did we spend per provider?", "conversation_id": conversation_id}
    if conversation_id is None:
        del body["conversation_id"]
    began = time.perf_counter()
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_TURN_SECONDS):
            request = _request(url, caller, json.dumps(body).encode())
            transport, reading = await loop.create_connection(partial(_Reading, request), *_address(url))
            try:
                await reading.ended
            finally:
                transport.close()
    except (OSError, TimeoutError) as error:
        return Turn(began, 0.0, 0.0, type(error).__name__)
    ended = time.perf_counter()
    if not reading.head.startswith(_WELL):
        return Turn(began, 0.0, 0.0, _refusal(reading.head))
    failure = None if _DONE in reading.tail else reading.tail.decode(errors="replace")
    named = _CONVERSATION.search(reading.tail)
    return Turn(began, max(0.0, reading.first - began), ended - began, failure, named[1].decode() if named else None)


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def _request(url: str, caller: Caller, body: bytes) -> bytes:
    headers = {
        "Host": urlsplit(url).netloc,
        "Connection": "close",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **caller.headers,
    }
    lines = ["POST /stream HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _refusal(answer: bytes) -> str:
    """The status and the beginning of the body of an answer that is no stream."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    return f"{b''.join(status).decode()} {body[:200].decode(errors='replace')}"


async def measure(
    served: Served, callers: Sequence[Caller], turns_each: int, at_once: int, *, known: bool = False
) -> Load:
    """``at_once`` people each ask so often, one turn after the other, all of them at the same time.

    ``known`` is whether each goes on with the conversation of the first turn.
    """
    load = Load(at_once)
    last_began, first_done = 0.0, math.inf
    spread = _SPREAD if at_once > 1 else 0.0

    async def person(number: int) -> None:
        nonlocal last_began, first_done
        await asyncio.sleep(spread * number / at_once)
        last_began = max(last_began, time.perf_counter())
        conversation_id = None
        for _ in range(turns_each):
            if time.perf_counter() > began + _MOST_SECONDS:
                break
            turn = await ask(served.url, callers[number % len(callers)], conversation_id)
            load.turns.append(turn)
            conversation_id = turn.conversation_id if known else None
        first_done = min(first_done, time.perf_counter())

    async def watch() -> None:
        while True:
            load.memory = max(load.memory, await asyncio.to_thread(served.memory))
            await asyncio.sleep(_SAMPLE_SECONDS)

    cpu, began = served.cpu(), time.perf_counter()
    watching = asyncio.create_task(watch())
    await asyncio.gather(*(person(number) for number in range(at_once)))
    watching.cancel()
    load.all_under_way = last_began, first_done
    load.cpu_ms = (served.cpu() - cpu) * 1000 / len(load.turns)
    return load
