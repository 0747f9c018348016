"""Bursts of requests: who sends many in one moment does not hold up the request of somebody else."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from common import limits
from common.identity.authenticate import Credentials
from common.telemetry.timing import Timing


@dataclass(slots=True)
class _Way:
    """The way in of one caller, and how many requests are on it or wait for it."""

    places: asyncio.Semaphore
    requests: int = 0


class Bursts:
    """Lets so many requests of one caller be opened at a time; the others of a burst follow one by one.

    A request is signed in and its conversation read before it can wait for a slot, which is work for the one event loop
    of all. A caller is known by what it sent, proven or not: nobody can stand in the way of a key that it has not.
    """

    def __init__(self, of_one: int = limits.OPENINGS_OF_ONE) -> None:
        self._of_one = of_one
        self._ways: dict[Hashable, _Way] = {}

    @asynccontextmanager
    async def spread(self, credentials: Credentials, timed: Timing) -> AsyncIterator[None]:
        """A context to open a request in, entered when it is its turn. Its waiting counts as that for a slot does."""
        # No secret is kept: two that fall together share a way.
        sent = credentials.token.digest if credentials.token else credentials.api_key
        caller = credentials.org_slug, hash(sent)
        way = self._ways.setdefault(caller, _Way(asyncio.Semaphore(self._of_one)))
        way.requests += 1
        try:
            has_place = await _place(way.places, timed)
            try:
                yield
            finally:
                if has_place:
                    way.places.release()
        finally:
            way.requests -= 1
            if not way.requests:
                del self._ways[caller]

    @property
    def callers(self) -> int:
        """The number of callers whose requests are being opened or wait for it."""
        return len(self._ways)


async def _place(places: asyncio.Semaphore, timed: Timing) -> bool:
    """Wait for a place; False where it took too long: what the requests before it wait for may be silent."""
    if not places.locked():
        return await places.acquire()
    with timed.stage("queue"):
        try:
            async with asyncio.timeout(limits.BURST_SECONDS):
                return await places.acquire()
        except TimeoutError:
            return False
