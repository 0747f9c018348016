"""Readiness: every dependency is probed, in parallel, each within its own time."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from typing_extensions import TypedDict

from common import limits
from common.errors import ServiceError
from common.settings import Settings
from common.telemetry.log import Log

READINESS_CACHE_SECONDS = 5.0

Probe = Callable[[], Awaitable[None]]
# What is worth knowing although questions can be asked without it: a status, and numbers.
Measure = Callable[[], Awaitable[dict[str, Any]]]


class Health(TypedDict):
    """An instance, and the state of what it depends on where that was asked."""

    status: str
    service: str
    version: str
    environment: str
    checks: dict[str, dict[str, Any]]


def liveness(settings: Settings) -> Health:
    """Describe this instance, without asking any dependency."""
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
        self, settings: Settings, log: Log, probes: Mapping[str, Probe], measures: Mapping[str, Measure] | None = None
    ) -> None:
        self._settings = settings
        self._log = log
        self._probes = probes
        self._measures = measures or {}
        self._lock = asyncio.Lock()
        self._report: Health | None = None
        self._until = 0.0

    async def report(self) -> Health:
        """The state of each dependency, with its latency; ``status`` is ``ok`` only when all of them are.

        What is only measured is shown beside them, and does not change the status.
        """
        # Whoever asks while a measurement is under way waits for that one.
        async with self._lock:
            if self._report is None or time.monotonic() >= self._until:
                self._report = await self._measure()
                self._until = time.monotonic() + READINESS_CACHE_SECONDS
            return self._report

    async def _measure(self) -> Health:
        asked = {**{name: _passed(probe) for name, probe in self._probes.items()}, **self._measures}
        found = await asyncio.gather(*(self._checked(name, measure) for name, measure in asked.items()))
        checks = dict(zip(asked, found, strict=True))
        healthy = all(checks[name]["status"] == "ok" for name in self._probes)
        status = "ok" if healthy else "unavailable"
        outbox = checks.get("outbox", {})
        self._log.info(
            "readiness.measured",
            status=status,
            outbox_age_seconds=outbox.get("oldest_seconds"),
            outbox_rejected=outbox.get("rejected"),
            deliveries_dead=checks.get("deliveries", {}).get("dead"),
            deliveries_late=checks.get("deliveries", {}).get("late"),
        )
        return {**liveness(self._settings), "status": status, "checks": checks}

    async def _checked(self, name: str, measure: Measure) -> dict[str, Any]:
        """Probe one dependency within its own time, and log a failure."""
        started = time.perf_counter()
        cause: BaseException | None = None
        try:
            async with asyncio.timeout(limits.READINESS_SECONDS):
                return {**await measure(), "latency_ms": _milliseconds_since(started)}
        except TimeoutError:
            code = "timeout"
        except ServiceError as error:
            code, cause = error.code, error.__cause__
        except Exception as error:
            # Credentials that are not there, for one: whatever it is, this instance cannot serve.
            code, cause = "failed", error
        took = _milliseconds_since(started)
        error_class = type(cause).__name__ if cause else None
        self._log.error("readiness.failed", dependency=name, code=code, duration_ms=took, error_class=error_class)
        return {"status": code, "latency_ms": took}


def _milliseconds_since(started: float) -> int:
    return round((time.perf_counter() - started) * 1000)


def _passed(probe: Probe) -> Measure:
    async def measure() -> dict[str, Any]:
        await probe()
        return {"status": "ok"}

    return measure
