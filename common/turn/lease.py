"""The lease of a turn: renewed while the turn runs, and stored under as long as it may still hold."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from common import limits
from common.conversations.store import ConversationStore
from common.documents import Write
from common.errors import DocumentsUnavailable
from common.tenant import Principal
from common.transcript.conversation import Conversation
from common.turn.turn import Reason

T = TypeVar("T")
_PAUSE_SECONDS = 1.0


class HeldLease:
    """The lease of a turn under way. ``stop`` is called once: another turn has taken it over, or it was cancelled."""

    def __init__(
        self,
        store: ConversationStore,
        principal: Principal,
        conversation: Conversation,
        since: float,
        stop: Callable[[Reason], None],
    ) -> None:
        """``conversation`` is what the store began, ``since`` the monotonic time before it was asked to."""
        self.conversation = conversation
        self._store = store
        self._principal = principal
        self._renewed = since
        self._stop = stop
        self._is_over = False
        self._next: tuple[Write, Callable[[], None]] | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._renewing: asyncio.Task[None] | None = asyncio.create_task(self._renew())

    async def end(self, last: Callable[[Conversation], Awaitable[T]]) -> T:
        """Give it back with the turn's last commit, which is tried until the lease would have run out by itself."""
        self._is_over = True
        # What is kept of a turn under way must not come after its end.
        self._next = None
        # Let go of here: a cancelled task holds its frames, and through them this lease and all of its turn.
        renewing, keeping, self._renewing, self._keeping = self._renewing, self._keeping, None, None
        if renewing is not None:
            renewing.cancel()
        if under_way := [task for task in (renewing, keeping) if task is not None]:
            await asyncio.wait(under_way)
        return await patiently(lambda: last(self.conversation), self._renewed + limits.LEASE_SECONDS)

    def keep(self, write: Write, then: Callable[[], None]) -> None:
        """Write something of the turn under way, as long as it has the lease, in the background.

        What is not written yet gives way to what is newer; ``then`` is called once it is written.
        """
        self._next = write, then
        if self._keeping is None or self._keeping.done():
            self._keeping = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        while self._next is not None and not self._is_over:
            (write, then), self._next = self._next, None
            with suppress(TimeoutError, DocumentsUnavailable):
                if await self._say_alive([write]):
                    then()

    async def _renew(self) -> None:
        assert self.conversation.lease is not None
        with self._store.watching(self.conversation.lease) as told:
            await self._renew_until(told)

    async def _renew_until(self, told: asyncio.Event) -> None:
        pause = limits.LEASE_RENEW_SECONDS
        while not self._is_over:
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await told.wait()
            told.clear()
            try:
                await self._say_alive()
                pause = limits.LEASE_RENEW_SECONDS
            except (TimeoutError, DocumentsUnavailable):
                pause = _PAUSE_SECONDS

    async def _say_alive(self, also: Sequence[Write] = ()) -> bool:
        """Renew the lease; false once it is lost or cancelled. Raises TimeoutError or DocumentsUnavailable."""
        asked = time.monotonic()
        async with asyncio.timeout(limits.LEASE_CALL_SECONDS):
            renewed = await self._store.renew(self._principal, self.conversation, also)
        if renewed is not None:
            self.conversation = renewed
            if renewed.lease is not None and not renewed.lease.is_cancelled:
                self._renewed = asked
                return True
        if not self._is_over:
            self._is_over = True
            self._stop("lost" if renewed is None else "cancelled")
        return False


async def patiently(work: Callable[[], Awaitable[T]], until: float) -> T:
    """Do the work again while Firestore does not answer. Raises DocumentsUnavailable at ``until``, monotonic."""
    while True:
        try:
            return await work()
        except DocumentsUnavailable:
            if time.monotonic() + _PAUSE_SECONDS >= until:
                raise
            await asyncio.sleep(_PAUSE_SECONDS)
