"""A turn as its readers see it: events, then an end."""

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import ExitStack, aclosing
from typing import Literal

from common import limits
from common.agents.events import Event, Heartbeat, TextDelta, TurnFailed, TurnFinished
from common.errors import Restarting, ServiceError
from common.patience import Patience
from common.stopping import hold, told_to_stop

# Why a turn is stopped: its client left, another request of its person cancelled it, its process ends, or another
# instance has taken it over.
Reason = Literal["left", "cancelled", "restart", "lost"]

# An event counts for so much beside its text.
_EVENT_CHARS = 100


class Turn:
    """A turn under way. It runs by itself; whoever reads ``batches`` and stops reading cancels it."""

    def __init__(self) -> None:
        self._waiting: list[Event] = []
        self._comes = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._over = False
        self._waiting_chars = 0
        self._taken = asyncio.Event()
        self.stopped: Reason | None = None

    async def batches(self, heartbeat_seconds: float | None = None) -> AsyncGenerator[list[Event], None]:
        """Yield what happens until TurnFinished or TurnFailed, and together what is there together, in order.

        A Heartbeat is yielded whenever nothing happened for so long.
        """
        patience, now = Patience(), asyncio.get_running_loop().time
        try:
            while True:
                try:
                    with patience.until(math.inf if heartbeat_seconds is None else now() + heartbeat_seconds):
                        await self._comes.wait()
                except TimeoutError:
                    yield [Heartbeat()]
                    continue
                batch, self._waiting, self._waiting_chars = self._waiting, [], 0
                self._comes.clear()
                self._taken.set()
                yield batch
                if isinstance(batch[-1], TurnFinished | TurnFailed):
                    return
        finally:
            patience.close()
            self.leave()

    def leave(self) -> None:
        """Stop the turn if it is still under way: nobody reads it any more."""
        self.stop("left")

    def stop(self, reason: Reason) -> None:
        """Stop the turn if it is still under way; ``stopped`` then says why."""
        # Once only: a second time would cut short the storing of what was said.
        if self._task is not None and self.stopped is None and not self._over:
            self.stopped = reason
            self._task.cancel()

    def go_on(self) -> None:
        """Run on in the same task after a stop, which can then be stopped again."""
        if self._task is not None and self.stopped is not None:
            self.stopped = None
            self._task.uncancel()

    @property
    def is_over(self) -> bool:
        """Return true if its end was sent."""
        return self._over

    async def finished(self) -> TurnFinished:
        """Wait for the end of the turn. Raises the ServiceError that it failed with."""
        match await self._last_event():
            case TurnFinished() as end:
                return end
            case TurnFailed(error=error):
                try:
                    raise error
                finally:
                    # The error holds this frame now: if that held the error, both would stay, with all of the turn.
                    del error
        raise ServiceError

    async def _last_event(self) -> Event | None:
        last = None
        async with aclosing(self.batches()) as batches:
            async for batch in batches:
                last = batch[-1]
        return last

    async def ended(self) -> None:
        """Wait until everything of the turn is over, storing what was said of a cancelled one too."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def emit(self, event: Event) -> None:
        """Put an event before the reader."""
        self._over = self._over or isinstance(event, TurnFinished | TurnFailed)
        self._waiting_chars += _EVENT_CHARS + (len(event.text) if isinstance(event, TextDelta) else 0)
        self._waiting.append(event)
        self._comes.set()

    async def keep_pace(self) -> None:
        """Wait while too much waits for the reader; a reader that takes nothing for long has left."""
        while self._waiting_chars > limits.WAITING_CHARS:
            self._taken.clear()
            try:
                async with asyncio.timeout(limits.READER_SECONDS):
                    await self._taken.wait()
            except TimeoutError:
                self.leave()
                # The stop arrives here.
                await asyncio.sleep(0)

    def start(self, work: Coroutine[None, None, None], then: Callable[[], None] = lambda: None) -> None:
        """Begin the work that emits, in a task of its own: a reader that leaves cannot cut its ending short.

        ``then`` is called when the work is over, however it ends.
        """
        ending = ExitStack()
        ending.enter_context(told_to_stop(lambda: self.stop("restart")))
        ending.callback(self._end)
        ending.callback(then)
        self._task = hold(work)
        self._task.add_done_callback(lambda _: ending.close())

    def _end(self) -> None:
        """Say an end if the work has said none: its readers wait for one."""
        if not self._over:
            self.emit(TurnFailed(Restarting() if self.stopped == "restart" else ServiceError()))
