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

    @property
    def seconds(self) -> float:
        """The seconds since the request began."""
        return time.perf_counter() - self.began


current: ContextVar[CurrentRequest | None] = ContextVar("current_request", default=None)


def belongs_to(org_slug: str) -> None:
    """Say that the request's caller is of this organisation; every record from now on names it."""
    request = current.get()
    if request is not None:
        request.org = org_slug
