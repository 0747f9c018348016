"""How many turns run on this instance at a time: so many of one organisation, so many of all; the others wait."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Awaitable, Callable
from typing import Any

from common import limits
from common.errors import TooManyTurns
from common.tenant import OrgSlug

Disconnect = Callable[[], Awaitable[None]]


class Slot:
    """The right to run one turn, until ``leave``."""

    def __init__(self, admission: "Admission", org: OrgSlug) -> None:
        self._admission: Admission | None = admission
        self._org = org
        self._lent = False

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
        """Give the slot to whoever is next; a second time does nothing."""
        self.take_back()
        admission, self._admission = self._admission, None
        if admission is not None:
            admission._left(self._org)


class Admission:
    """Slots for turns. Whoever waits costs nothing but its connection; organisations that wait take turns.

    A lent slot counts for its own organisation, and not for all: at most as many are lent as there are.
    """

    def __init__(self, of_one: int, of_all: int) -> None:
        self._of_one = of_one
        self._of_all = of_all
        self._running: Counter[OrgSlug] = Counter()
        self._lent = 0
        # In the order in which organisations get the next slot; none of them is here without a waiter.
        self._waiting: OrderedDict[OrgSlug, deque[asyncio.Future[Slot]]] = OrderedDict()

    @property
    def waiting(self) -> int:
        """How many turns wait for a slot."""
        return sum(len(waiters) for waiters in self._waiting.values())

    def enter(self, org: OrgSlug) -> Slot | None:
        """A slot at once, if there is one and nobody of the organisation waits for it."""
        return self._take(org) if org not in self._waiting and self._free(org) else None

    async def wait(self, org: OrgSlug, disconnect: Disconnect | None = None) -> Slot:
        """A slot, when there is one. Raises TooManyTurns after limits.QUEUE_SECONDS.

        ``disconnect`` watches the client, and raises when it is no longer there; that is raised here too.
        """
        waiter: asyncio.Future[Slot] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(org, deque()).append(waiter)
        watch = asyncio.ensure_future(disconnect()) if disconnect is not None else None
        try:
            self._hand_out()
            watched: list[asyncio.Future[Any]] = [waiter] if watch is None else [waiter, watch]
            await asyncio.wait(watched, timeout=limits.QUEUE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if watch is not None and watch.done():
                watch.result()
            if not waiter.done():
                raise TooManyTurns(retry_after=limits.QUEUE_RETRY_SECONDS)
            return waiter.result()
        except BaseException:
            self._give_up(org, waiter)
            raise
        finally:
            if watch is not None:
                watch.cancel()

    def _free(self, org: OrgSlug) -> bool:
        return self._running.total() - self._lent < self._of_all and self._running[org] < self._of_one

    def _lend(self) -> bool:
        if self._lent >= self._of_all:
            return False
        self._lent += 1
        self._hand_out()
        return True

    def _took_back(self) -> None:
        self._lent -= 1

    def _take(self, org: OrgSlug) -> Slot:
        self._running[org] += 1
        return Slot(self, org)

    def _left(self, org: OrgSlug) -> None:
        self._running[org] -= 1
        if not self._running[org]:
            del self._running[org]
        self._hand_out()

    def _hand_out(self) -> None:
        """Give the free places away: one to the organisation whose turn it is, then to the next one."""
        while (org := next((org for org in self._waiting if self._free(org)), None)) is not None:
            self._waiting[org].popleft().set_result(self._take(org))
            self._waiting.move_to_end(org)
            if not self._waiting[org]:
                del self._waiting[org]

    def _give_up(self, org: OrgSlug, waiter: "asyncio.Future[Slot]") -> None:
        if waiter.done():
            waiter.result().leave()
            return
        waiting = self._waiting[org]
        waiting.remove(waiter)
        if not waiting:
            del self._waiting[org]
