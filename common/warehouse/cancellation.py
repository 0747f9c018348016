"""How long a piece of BigQuery work may take, and whether anybody still waits for it."""

import threading
import time
from collections.abc import Callable

from common import limits

Stop = Callable[[], None]


class Order:
    """One caller's wait, shared by the thread that works and the event loop that waits."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._dropped = False
        self._stop: Stop | None = None

    @property
    def remaining(self) -> float:
        return self._ends - time.monotonic()

    def call_seconds(self) -> float:
        """How long one HTTP call may take. Raises TimeoutError when there is no time left, or nobody waits."""
        if self._dropped or self.remaining <= 0:
            raise TimeoutError
        return min(self.remaining, limits.WAREHOUSE_CALL_SECONDS)

    def begun(self, stop: Stop) -> None:
        """Note how to stop what is now being waited for. Raises TimeoutError when nobody waits any more."""
        with self._lock:
            if self._dropped:
                raise TimeoutError
            self._stop = stop

    def ended(self) -> None:
        """Nothing is left to stop."""
        with self._lock:
            self._stop = None

    def drop(self) -> Stop | None:
        """Nobody waits from now on; returns how to stop what is still running."""
        with self._lock:
            self._dropped = True
            return self._stop
