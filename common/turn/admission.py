"""The admission of turns on this instance: so many of one organisation, so many of all; the others wait."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from common import limits
from common.errors import Restarting, TooManyTurns
from common.fair_queue import FairQueue
from common.stopping import told_to_stop
from common.tenant import OrgSlug

QUEUE_RETRY_SECONDS = 5

Disconnect = Callable[[], Awaitable[None]]


class Slot:
    """The right to run one turn, or one call of a tool, until ``leave``."""

    def __init__(self, admission: "Admission", org: OrgSlug) -> None:
        self._admission: Admission | None = admission
        self._org = org
        self._lent = False

    def __enter__(self) -> "Slot":
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def lend(self) -> None:
        """Let another organisation's turn run meanwhile, while this one only waits for its provider."""
        if self._admission is not None and not self._lent:
            self._lent = self._admission._lend()

    def take_back(self) -> None:
        """Count again. Whoever came meanwhile stays: for a moment there may be more turns than places."""
        if self._admission is not None and self._lent:
            self._lent = False
            self._admission._took_back()

    def leave(self) -> None:
        """Give the slot to the next turn. A second call does nothing."""
        self.take_back()
        admission, self._admission = self._admission, None
        if admission is not None:
            admission._left(self._org)


class Admission:
    """Slots for turns. Whoever waits costs nothing but its connection; organisations that wait take turns.

    A lent slot counts for its own organisation, and not for all: at most as many are lent as there are.
    """

    def __init__(self, of_one: int, of_all: int) -> None:
        self._queue: FairQueue[asyncio.Future[Slot]] = FairQueue(of_one, of_all)

    @property
    def waiting(self) -> int:
        """The number of turns that wait for a slot."""
        return self._queue.waiting

    def enter(self, org: OrgSlug) -> Slot | None:
        """Return a free slot at once, or None if there is none or the organisation has waiting turns."""
        return Slot(self, org) if self._queue.enter(org) else None

    async def wait(self, org: OrgSlug, disconnect: Disconnect | None = None) -> Slot:
        """A slot, when there is one. Raises TooManyTurns after limits.QUEUE_SECONDS, Restarting when the process ends.

        ``disconnect`` watches the client, and raises when it is no longer there; that is raised here too.
        """
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Slot] = loop.create_future()
        stopping: asyncio.Future[None] = loop.create_future()
        self._queue.put(org, waiter)
        watch = asyncio.ensure_future(disconnect()) if disconnect is not None else None
        try:
            self._hand_out()
            watched: list[asyncio.Future[Any]] = [waiter, stopping, *([watch] if watch is not None else [])]
            with told_to_stop(partial(_settle, stopping)):
                await asyncio.wait(watched, timeout=limits.QUEUE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if watch is not None and watch.done():
                watch.result()
            if stopping.done():
                raise Restarting
            if not waiter.done():
                raise TooManyTurns(retry_after=QUEUE_RETRY_SECONDS)
            return waiter.result()
        except BaseException:
            self._give_up(org, waiter)
            raise
        finally:
            if watch is not None:
                watch.cancel()

    def _lend(self) -> bool:
        if not self._queue.lend():
            return False
        self._hand_out()
        return True

    def _took_back(self) -> None:
        self._queue.take_back()

    def _left(self, org: OrgSlug) -> None:
        self._queue.leave(org)
        self._hand_out()

    def _hand_out(self) -> None:
        """Give the free places away: one to the organisation whose turn it is, then to the next one."""
        while (next_one := self._queue.take()) is not None:
            org, waiter = next_one
            waiter.set_result(Slot(self, org))

    def _give_up(self, org: OrgSlug, waiter: "asyncio.Future[Slot]") -> None:
        if waiter.done():
            waiter.result().leave()
        else:
            self._queue.remove(org, waiter)


def _settle(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
