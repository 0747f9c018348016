"""A deadline for work that somebody waits for; its requests each take a part of what is left."""

import time

from common import limits


class Cancellation:
    """A deadline, which the task that waits for a thread can bring forward to now."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds
        self._dropped = False

    @property
    def remaining(self) -> float:
        return self._ends - time.monotonic()

    def call_seconds(self) -> float:
        """The seconds that one request may take. Raises TimeoutError if none are left or the task has cancelled."""
        if self._dropped or self.remaining <= 0:
            raise TimeoutError
        return min(self.remaining, limits.WAREHOUSE_CALL_SECONDS)

    def drop(self) -> None:
        """Cancel: no further request is sent."""
        self._dropped = True
