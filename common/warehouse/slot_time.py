"""A bound on the work of a running query: the slot time that BigQuery has spent on it so far.

A dry run tells the bytes that a query reads and nothing of the rows that its joins make, so a join of everything with
everything is seen only while it runs.
"""

import threading
from collections.abc import Callable
from typing import Self

from common import limits


class SlotWatch:
    """Looks at a job every few seconds while it is entered, and stops it where its slot time is over the bound."""

    def __init__(self, spent_ms: Callable[[], int], stop: Callable[[], None]) -> None:
        self._spent_ms = spent_ms
        self._stop = stop
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="slot time", daemon=True)
        self.exceeded = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(limits.SLOT_CHECK_SECONDS):
            if self._spent_ms() > limits.QUERY_SLOT_SECONDS * 1000 and not self._over.is_set():
                self.exceeded = True
                self._stop()
                return
