"""A bound on the work of a running query: the slot time that BigQuery has spent on it so far.

A dry run tells the bytes that a query reads and nothing of the rows that its joins make, so a join of everything with
everything is seen only while it runs.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Self

# Of one query that a model wrote: half an hour of one slot, many times what 10 GiB take, and how often it is looked at.
QUERY_SLOT_SECONDS = 1_800.0
SLOT_CHECK_SECONDS = 2.0


class SlotWatch:
    """Looks at a job every few seconds while it is entered, and stops it where its slot time is over the bound."""

    def __init__(self, spent_ms: Callable[[], Awaitable[int]], stop: Callable[[], Awaitable[None]]) -> None:
        self._spent_ms = spent_ms
        self._stop = stop
        self._watching: asyncio.Task[None] | None = None
        self.exceeded = False

    async def __aenter__(self) -> Self:
        self._watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._watching is not None:
            self._watching.cancel()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(SLOT_CHECK_SECONDS)
            if await self._spent_ms() > QUERY_SLOT_SECONDS * 1000:
                self.exceeded = True
                await self._stop()
                return
