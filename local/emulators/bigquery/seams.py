"""Test seams: how often each operation ran, and a delay to put before it."""

import threading
from collections import Counter

OPERATIONS = ("query", "dry_run", "load", "insert_all", "http")


class Seams:
    """Counters and delays, by operation; safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._delays: dict[str, float] = {}

    def count(self, operation: str) -> None:
        with self._lock:
            self._counts[operation] += 1

    def counts(self) -> dict[str, int]:
        """Operation or `METHOD route` -> how often, since start or reset."""
        with self._lock:
            return dict(self._counts)

    def delays(self) -> dict[str, float]:
        with self._lock:
            return dict(self._delays)

    def reset(self) -> None:
        with self._lock:
            self._counts.clear()
            self._delays.clear()

    def delay(self, operation: str, seconds: float) -> None:
        """From now on `operation` starts `seconds` late; 0 takes the delay away."""
        with self._lock:
            if seconds > 0:
                self._delays[operation] = seconds
            else:
                self._delays.pop(operation, None)

    def wait(self, operation: str, interrupted: threading.Event | None = None) -> None:
        """Sit out the operation's delay, or until it is interrupted."""
        with self._lock:
            seconds = self._delays.get(operation, 0.0)
        if seconds:
            (interrupted or threading.Event()).wait(seconds)
