"""The lease of a turn: renewed while the turn runs, and stored under as long as it may still hold."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from common import limits
from common.conversations.store import ConversationStore
from common.errors import DocumentsUnavailable
from common.tenant import Principal
from common.transcript.conversation import Conversation

T = TypeVar("T")
_PAUSE_SECONDS = 1.0


class HeldLease:
    """The lease of a turn under way. ``lost`` is called once, when another turn has taken it over."""

    def __init__(
        self,
        store: ConversationStore,
        principal: Principal,
        conversation: Conversation,
        since: float,
        lost: Callable[[], None],
    ) -> None:
        """``conversation`` is what the store began, ``since`` the monotonic time before it was asked to."""
        self.conversation = conversation
        self._store = store
        self._principal = principal
        self._renewed = since
        self._lost = lost
        self._renewing = asyncio.create_task(self._renew())

    async def end(self, last: Callable[[Conversation], Awaitable[T]]) -> T:
        """Give it back with the turn's last commit, which is tried until the lease would have run out by itself."""
        self._renewing.cancel()
        await asyncio.wait([self._renewing])
        return await patiently(lambda: last(self.conversation), self._renewed + limits.LEASE_SECONDS)

    async def _renew(self) -> None:
        pause = limits.LEASE_RENEW_SECONDS
        while True:
            await asyncio.sleep(pause)
            asked = time.monotonic()
            try:
                async with asyncio.timeout(limits.LEASE_CALL_SECONDS):
                    renewed = await self._store.renew(self._principal, self.conversation)
            except (TimeoutError, DocumentsUnavailable):
                pause = _PAUSE_SECONDS
                continue
            if renewed is None:
                self._lost()
                return
            self.conversation, self._renewed, pause = renewed, asked, limits.LEASE_RENEW_SECONDS


async def patiently(work: Callable[[], Awaitable[T]], until: float) -> T:
    """Do the work again while Firestore does not answer. Raises DocumentsUnavailable at ``until``, monotonic."""
    while True:
        try:
            return await work()
        except DocumentsUnavailable:
            if time.monotonic() + _PAUSE_SECONDS >= until:
                raise
            await asyncio.sleep(_PAUSE_SECONDS)
