"""The room that statements share: side by side as a rule, one alone where they do not fit together."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Room:
    """Lets statements run beside each other, or one alone.

    One that runs out of memory beside others may fit alone, as it would where each has its own slots.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._waiting = 0

    @contextmanager
    def beside_others(self) -> Iterator[None]:
        """Wait for those that want to be alone, then be one of several."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting and self._inside >= 0)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until nobody is inside, and let nobody in meanwhile."""
        with self._changed:
            self._waiting += 1
            self._changed.wait_for(lambda: self._inside == 0)
            self._waiting -= 1
            self._inside = -1
        try:
            yield
        finally:
            with self._changed:
                self._inside = 0
                self._changed.notify_all()
