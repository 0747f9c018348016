"""A turn as its readers see it: events, then an end."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing

from common.agents.events import Event, Heartbeat, TurnFailed, TurnFinished
from common.errors import ServiceError

# A running task must be held by somebody, or it may vanish half-way.
_running: set["asyncio.Task[None]"] = set()


class Turn:
    """A turn under way. It runs by itself; whoever reads ``batches`` and stops reading cancels it."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Event] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._left = False

    async def batches(self, heartbeat_seconds: float | None = None) -> AsyncGenerator[list[Event], None]:
        """Yield what happens until TurnFinished or TurnFailed, and together what is there together, in order.

        A Heartbeat is yielded whenever nothing happened for so long.
        """
        try:
            while True:
                try:
                    async with asyncio.timeout(heartbeat_seconds):
                        batch = [await self._queue.get()]
                except TimeoutError:
                    yield [Heartbeat()]
                    continue
                while not self._queue.empty():
                    batch.append(self._queue.get_nowait())
                yield batch
                if isinstance(batch[-1], TurnFinished | TurnFailed):
                    return
        finally:
            self.leave()

    def leave(self) -> None:
        """Stop the turn if it is still under way: nobody reads it any more."""
        # Once only: a second time would cut short the storing of what was said.
        if self._task is not None and not self._left:
            self._left = True
            self._task.cancel()

    async def finished(self) -> TurnFinished:
        """Wait for the end of the turn. Raises the ServiceError that it failed with."""
        async with aclosing(self.batches()) as batches:
            async for batch in batches:
                end = batch[-1]
                if isinstance(end, TurnFinished):
                    return end
                if isinstance(end, TurnFailed):
                    raise end.error
        raise ServiceError

    async def ended(self) -> None:
        """Wait until everything of the turn is over, storing what was said of a cancelled one too."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def emit(self, event: Event) -> None:
        """Put an event before the reader."""
        self._queue.put_nowait(event)

    def start(self, work: Coroutine[None, None, None], then: Callable[[], None] = lambda: None) -> None:
        """Begin the work that emits, in a task of its own: a reader that leaves cannot cut its ending short.

        ``then`` is called when the work is over, however it ends.
        """
        self._task = asyncio.create_task(work)
        _running.add(self._task)
        self._task.add_done_callback(_running.discard)
        self._task.add_done_callback(lambda _: then())
