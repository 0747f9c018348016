"""Whether questions can be asked: every dependency is probed, in parallel, each within its own time."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from common import limits
from common.errors import ServiceError
from common.settings import Settings

Probe = Callable[[], Awaitable[None]]
# What is worth knowing although questions can be asked without it: a status, and numbers.
Measure = Callable[[], Awaitable[dict[str, Any]]]


def liveness(settings: Settings) -> dict[str, Any]:
    """What this instance is; no dependency is asked."""
    return {
        "status": "ok",
        "service": "cloudcost-chat",
        "version": settings.service_version,
        "environment": settings.environment.value,
        "checks": {},
    }


class Readiness:
    """Probes the dependencies, and answers from the last report for some seconds, so that asking costs them nothing."""

    def __init__(
        self, settings: Settings, probes: Mapping[str, Probe], measures: Mapping[str, Measure] | None = None
    ) -> None:
        self._settings = settings
        self._probes = probes
        self._measures = measures or {}
        self._lock = asyncio.Lock()
        self._report: dict[str, Any] | None = None
        self._until = 0.0

    async def report(self) -> dict[str, Any]:
        """The state of each dependency, with its latency; ``status`` is ``ok`` only when all of them are.

        What is only measured is shown beside them, and does not change the status.
        """
        async with self._lock:
            if self._report is None or time.monotonic() >= self._until:
                checks, measured = await asyncio.gather(
                    asyncio.gather(*(self._check(probe) for probe in self._probes.values())),
                    asyncio.gather(*(self._measured(measure) for measure in self._measures.values())),
                )
                named = dict(zip(self._probes, checks, strict=True))
                healthy = all(check["status"] == "ok" for check in checks)
                self._report = {
                    **liveness(self._settings),
                    "status": "ok" if healthy else "unavailable",
                    "checks": named | dict(zip(self._measures, measured, strict=True)),
                }
                self._until = time.monotonic() + limits.READINESS_CACHE_SECONDS
            return self._report

    async def _measured(self, measure: Measure) -> dict[str, Any]:
        try:
            async with asyncio.timeout(limits.READINESS_SECONDS):
                return await measure()
        except TimeoutError:
            return {"status": "timeout"}

    async def _check(self, probe: Probe) -> dict[str, Any]:
        started = time.perf_counter()
        status = "ok"
        try:
            async with asyncio.timeout(limits.READINESS_SECONDS):
                await probe()
        except TimeoutError:
            status = "timeout"
        except ServiceError as error:
            status = error.code
        return {"status": status, "latency_ms": round((time.perf_counter() - started) * 1000)}
