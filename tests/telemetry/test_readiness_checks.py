"""Readiness asks every dependency at the same time, each within its own time, and not once more than it must."""

import asyncio
import io
import json
from typing import Any

import pytest

from common import limits
from common.errors import KeyServiceUnavailable, WarehouseUnavailable
from common.settings import Settings
from common.telemetry import readiness as readiness_module
from common.telemetry.log import Log
from common.telemetry.readiness import Measure, Probe, Readiness


class Asked:
    """A dependency that answers when it is let, and counts."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.count = 0
        self.failure = failure
        self.gate = asyncio.Event()

    async def __call__(self) -> None:
        self.count += 1
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure


def ready(**dependencies: Probe | Measure) -> tuple[Readiness, io.StringIO]:
    logs = io.StringIO()
    measures: dict[str, Any] = {name: each for name, each in dependencies.items() if name == "outbox"}
    probes: dict[str, Any] = {name: each for name, each in dependencies.items() if name != "outbox"}
    return Readiness(Settings(), Log("DEBUG", logs), probes, measures), logs


def logged(logs: io.StringIO, event: str) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in logs.getvalue().splitlines()]
    return [record for record in records if record["message"] == event]


async def test_a_hundred_who_ask_at_once_are_one_question_to_each_dependency() -> None:
    firestore, kms = Asked(), Asked()
    readiness, logs = ready(firestore=firestore, kms=kms)
    asking = [asyncio.create_task(readiness.report()) for _ in range(100)]
    await asyncio.sleep(0)
    firestore.gate.set()
    kms.gate.set()
    reports = await asyncio.gather(*asking)
    assert {report["status"] for report in reports} == {"ok"}
    await readiness.report()
    assert (firestore.count, kms.count) == (1, 1)
    assert len(logged(logs, "readiness.measured")) == 1


async def test_dependencies_are_asked_at_the_same_time() -> None:
    firestore, kms = Asked(), Asked()
    readiness, _ = ready(firestore=firestore, kms=kms)
    asking = asyncio.create_task(readiness.report())
    async with asyncio.timeout(60):
        while not (firestore.count and kms.count):  # noqa: ASYNC110  neither of them answers yet
            await asyncio.sleep(0)
    firestore.gate.set()
    kms.gate.set()
    assert (await asking)["status"] == "ok"


async def test_a_failure_is_remembered_too_and_forgotten_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    kms = Asked(KeyServiceUnavailable())
    kms.gate.set()
    readiness, logs = ready(kms=kms)
    assert (await readiness.report())["status"] == "unavailable"
    kms.failure = None
    assert (await readiness.report())["status"] == "unavailable"
    assert kms.count == 1
    assert len(logged(logs, "readiness.failed")) == 1
    monkeypatch.setattr(readiness_module, "READINESS_CACHE_SECONDS", 0.0)
    readiness, _ = ready(kms=kms)
    await readiness.report()
    assert (await readiness.report())["status"] == "ok"
    assert kms.count == 3


async def test_one_that_does_not_answer_has_its_own_time_and_the_others_theirs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "READINESS_SECONDS", 0.05)
    silent, quick = Asked(), Asked()
    quick.gate.set()
    readiness, logs = ready(firestore=silent, kms=quick)
    report = await readiness.report()
    assert report["checks"]["firestore"]["status"] == "timeout"
    assert report["checks"]["firestore"]["latency_ms"] >= 49
    assert report["checks"]["kms"]["status"] == "ok"
    (failed,) = logged(logs, "readiness.failed")
    assert (failed["severity"], failed["dependency"], failed["code"]) == ("ERROR", "firestore", "timeout")


async def test_what_nobody_expected_is_a_dependency_that_fails_and_says_nothing_of_its_text() -> None:
    broken = Asked(RuntimeError("sk-planted"))
    broken.gate.set()
    readiness, logs = ready(bigquery=broken)
    report = await readiness.report()
    assert (report["status"], report["checks"]["bigquery"]["status"]) == ("unavailable", "failed")
    (failed,) = logged(logs, "readiness.failed")
    assert failed["error_class"] == "RuntimeError"
    assert "sk-planted" not in logs.getvalue() + json.dumps(report)


async def test_the_outbox_is_measured_and_does_not_say_whether_questions_can_be_asked() -> None:
    async def behind() -> dict[str, Any]:
        return {"status": "behind", "oldest_seconds": 1234, "rejected": 2}

    readiness, logs = ready(outbox=behind)
    report = await readiness.report()
    assert report["status"] == "ok"
    assert report["checks"]["outbox"].items() >= {"status": "behind", "oldest_seconds": 1234, "rejected": 2}.items()
    assert "latency_ms" in report["checks"]["outbox"]
    (measured,) = logged(logs, "readiness.measured")
    assert (measured["outbox_age_seconds"], measured["outbox_rejected"], measured["status"]) == (1234, 2, "ok")
    assert not logged(logs, "readiness.failed")


async def test_an_outbox_that_cannot_be_measured_is_an_error_and_no_number() -> None:
    async def unknown() -> dict[str, Any]:
        raise WarehouseUnavailable

    readiness, logs = ready(outbox=unknown)
    assert (await readiness.report())["status"] == "ok"
    (measured,) = logged(logs, "readiness.measured")
    assert (measured["outbox_age_seconds"], measured["outbox_rejected"]) == (None, None)
    assert [record["dependency"] for record in logged(logs, "readiness.failed")] == ["outbox"]
