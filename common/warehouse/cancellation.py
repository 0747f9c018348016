"""A deadline for work in a thread, which the task that waits for it can cancel."""

import threading
import time
from collections.abc import Callable

from common import limits

Stop = Callable[[], None]


class Cancellation:
    """A deadline shared by a worker thread and the task that waits for it; the task can cancel it."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._dropped = False
        self._stop: Stop | None = None

    @property
    def remaining(self) -> float:
        return self._ends - time.monotonic()

    def call_seconds(self) -> float:
        """The seconds that one HTTP call may take. Raises TimeoutError if none are left or the task has cancelled."""
        if self._dropped or self.remaining <= 0:
            raise TimeoutError
        return min(self.remaining, limits.WAREHOUSE_CALL_SECONDS)

    def begun(self, stop: Stop) -> None:
        """Note how to stop the work that has begun. Raises TimeoutError if the task has cancelled."""
        with self._lock:
            if self._dropped:
                raise TimeoutError
            self._stop = stop

    def ended(self) -> None:
        """Note that the work is over and needs no stopping."""
        with self._lock:
            self._stop = None

    def drop(self) -> Stop | None:
        """Cancel, and return the way to stop the work that is still running, if there is one."""
        with self._lock:
            self._dropped = True
            return self._stop
