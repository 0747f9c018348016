"""A bound on the work of a running query: the slot time that BigQuery has spent on it so far.

A dry run tells the bytes that a query reads and nothing of the rows that its joins make, so a join of everything with
everything is seen only while it runs.
"""

import threading
from collections.abc import Callable
from typing import Self

# Of one query that a model wrote: half an hour of one slot, many times what 10 GiB take, and how often it is looked at.
QUERY_SLOT_SECONDS = 1_800.0
SLOT_CHECK_SECONDS = 2.0


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
        while not self._over.wait(SLOT_CHECK_SECONDS):
            if self._spent_ms() > QUERY_SLOT_SECONDS * 1000 and not self._over.is_set():
                self.exceeded = True
                self._stop()
                return
