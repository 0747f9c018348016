"""The request that is being answered, as all of its records and spans name it."""

import time
from contextvars import ContextVar
from dataclasses import dataclass, field

from common.telemetry.trace_context import TraceContext


@dataclass(slots=True)
class CurrentRequest:
    """One request. ``org`` is empty until the caller is known to belong to it; ``began`` is of ``perf_counter``."""

    request_id: str
    function: str
    trace: TraceContext | None = None
    org: str = ""
    began: float = field(default_factory=time.perf_counter)
    _billed: dict[str, int] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """The seconds since the request began."""
        return time.perf_counter() - self.began

    def bytes_billed(self, *purposes: str) -> int | None:
        """The bytes that BigQuery billed for the product's own statements of these purposes; None for none."""
        return sum(self._billed.get(purpose, 0) for purpose in purposes) or None

    def add_billed(self, purpose: str, count: int) -> None:
        """Add the bytes that were billed for one statement."""
        self._billed[purpose] = self._billed.get(purpose, 0) + count


current: ContextVar[CurrentRequest | None] = ContextVar("current_request", default=None)


def belongs_to(org_slug: str) -> None:
    """Say that the request's caller is of this organisation; every record from now on names it."""
    request = current.get()
    if request is not None:
        request.org = org_slug


def billed(purpose: str, count: int) -> None:
    """Add what a statement of the current request was billed."""
    request = current.get()
    if request is not None:
        request.add_billed(purpose, count)
