"""The timing of a turn: the time of every stage and the bytes of its queries, added up as it happens."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal, get_args

from common.telemetry.request import current

# read: what is stored, before anything is said · queue: for a place · key: KMS · question, answer: their commits ·
# model, tools: the loop's
Stage = Literal["read", "queue", "key", "question", "model", "tools", "answer"]
_STAGES: tuple[Stage, ...] = get_args(Stage)


@dataclass(slots=True)
class Timing:
    """The times of one turn, from the moment its request began."""

    began: float = field(default_factory=time.perf_counter)
    first_token: float | None = None
    bytes_processed: int = 0
    bytes_billed: int = 0
    _seconds: dict[Stage, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: Stage) -> Iterator[None]:
        """Add the time inside to a stage, also if it fails."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[name] = self._seconds.get(name, 0.0) + time.perf_counter() - started

    def said(self) -> None:
        """Note the first text of the answer. Later calls do nothing."""
        if self.first_token is None:
            self.first_token = time.perf_counter()

    def read(self, processed: int, billed: int) -> None:
        """Add the bytes of one query."""
        self.bytes_processed += processed
        self.bytes_billed += billed

    @property
    def latency_ms(self) -> int:
        return _milliseconds(time.perf_counter() - self.began)

    def milliseconds(self) -> dict[str, int | None]:
        """Every stage by the name of its log field; None for one that was not reached."""
        first = None if self.first_token is None else _milliseconds(self.first_token - self.began)
        spent = {f"{name}_ms": self._seconds.get(name) for name in _STAGES}
        return {"first_token_ms": first} | {
            name: None if seconds is None else _milliseconds(seconds) for name, seconds in spent.items()
        }


_timing: ContextVar[Timing | None] = ContextVar("timing", default=None)


def begin() -> Timing:
    """The timing of a turn that begins here, for everything that is done for it from now on."""
    request = current.get()
    timing = Timing() if request is None else Timing(request.began)
    _timing.set(timing)
    return timing


def of_this_turn() -> Timing:
    """The current turn's Timing, or a throw-away one outside a turn."""
    return _timing.get() or Timing()


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
