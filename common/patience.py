"""One timer for the many waits of a task: a wait that ends in time costs no timer of its own."""

import asyncio
import math
from types import TracebackType


class Patience:
    """Lets one wait after the other take until a time of the event loop, as ``asyncio.timeout_at`` does each by itself.

    The timer stays where it is when a wait ends, and when it fires, looks whether the wait of that moment is due.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self._at = 0.0
        self._expired = False

    def until(self, at: float) -> "Patience":
        """The context of one wait, which ends with TimeoutError at that time; ``math.inf`` is never."""
        self._at = at
        return self

    def move(self, at: float) -> None:
        """Let the wait that is under way end at another time."""
        self._at = at
        if self._task is not None and not self._expired:
            self._arm()

    def close(self) -> None:
        """Take the timer away; nothing waits any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def __enter__(self) -> None:
        self._task = task = asyncio.current_task()
        self._cancelling = task.cancelling() if task is not None else 0
        self._arm()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        task, self._task = self._task, None
        if not self._expired:
            return
        self._expired = False
        # Where the task was cancelled by somebody else too, that stands.
        if task is not None and task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _arm(self) -> None:
        if self._at == math.inf:
            return
        if self._timer is not None:
            if self._timer.when() <= self._at:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(self._at, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._task is None:
            return
        if self._loop.time() < self._at:
            self._arm()
            return
        self._expired = True
        self._task.cancel()
