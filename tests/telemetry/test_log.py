"""Log records: one JSON line, one write, allow-listed fields, and the names that Cloud Logging reads."""

import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from common.telemetry import log as log_module
from common.telemetry.log import HttpRequest, Log
from common.telemetry.request import CurrentRequest, belongs_to, current
from common.telemetry.trace_context import TraceContext

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


class Lines(io.StringIO):
    """Counts writes."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0

    def write(self, text: str) -> int:
        self.writes += 1
        return super().write(text)

    def only(self) -> dict[str, Any]:
        record: dict[str, Any] = json.loads(self.getvalue())
        return record


@contextmanager
def answering(request: CurrentRequest) -> Iterator[None]:
    token = current.set(request)
    try:
        yield
    finally:
        current.reset(token)


def test_a_record_is_one_write_of_one_json_line_with_the_request_it_belongs_to() -> None:
    stream = Lines()
    with answering(CurrentRequest("r1", "send")):
        belongs_to("acme_inc")
        Log("INFO", stream).info("turn.finished", latency_ms=3)
    assert stream.writes == 1
    record = stream.only()
    moment = datetime.fromisoformat(record.pop("time"))
    assert abs(datetime.now(UTC) - moment) < timedelta(minutes=1)
    assert record == {
        "severity": "INFO",
        "message": "turn.finished",
        "request_id": "r1",
        "function": "send",
        "org": "acme_inc",
        "latency_ms": 3,
        "logging.googleapis.com/labels": {"org": "acme_inc", "function": "send"},
    }


def test_a_record_outside_of_any_request_has_no_labels_and_no_trace() -> None:
    stream = Lines()
    Log("INFO", stream, "a-project").info("tracing.failed")
    assert stream.only().keys() == {"severity", "message", "time"}


def test_a_record_says_its_place_in_the_trace_as_cloud_logging_reads_it() -> None:
    stream = Lines()
    with answering(CurrentRequest("r1", "send", TraceContext(TRACE, SPAN, sampled=True))):
        Log("INFO", stream, "a-project").info("turn.finished")
    record = stream.only()
    assert record["logging.googleapis.com/trace"] == f"projects/a-project/traces/{TRACE}"
    assert record["logging.googleapis.com/spanId"] == SPAN
    assert record["logging.googleapis.com/trace_sampled"] is True


def test_a_trace_without_a_span_is_named_alone() -> None:
    stream = Lines()
    with answering(CurrentRequest("r1", "send", TraceContext(TRACE, None, sampled=False))):
        Log("INFO", stream, "a-project").info("turn.finished")
    record = stream.only()
    assert "logging.googleapis.com/spanId" not in record
    assert record["logging.googleapis.com/trace_sampled"] is False


def test_a_request_is_shown_by_the_names_of_a_log_entry() -> None:
    stream = Lines()
    Log("INFO", stream).info("request.finished", HttpRequest("POST", "/{org_slug}/send", 200, 1.23456, 42), status=200)
    assert stream.only()["httpRequest"] == {
        "requestMethod": "POST",
        "requestUrl": "/{org_slug}/send",
        "status": 200,
        "latency": "1.235s",
        "responseSize": "42",
    }


def test_a_field_that_is_not_allowed_is_refused_and_nothing_is_written() -> None:
    stream = Lines()
    with pytest.raises(ValueError, match="api_key"):
        Log("INFO", stream).info("turn.finished", api_key="sk-secret")
    assert stream.getvalue() == ""


def test_a_record_below_the_level_is_not_written() -> None:
    stream = Lines()
    log = Log("ERROR", stream)
    log.info("a")
    log.warning("b")
    log.error("c")
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["c"]


def test_a_value_is_cut_at_its_greatest_length() -> None:
    for length, kept in (
        (log_module.LOG_VALUE_CHARS, log_module.LOG_VALUE_CHARS),
        (log_module.LOG_VALUE_CHARS + 1, -1),
    ):
        stream = Lines()
        Log("INFO", stream).info("a", model_id="m" * length)
        assert len(stream.only()["model_id"]) == (kept if kept > 0 else log_module.LOG_VALUE_CHARS)


@pytest.mark.parametrize("hostile", ['"}\n{"severity": "ERROR"}', "\u2028\u2029\x85\x00\x1b[31m", "half \ud800 a pair"])
def test_a_hostile_value_stays_within_its_line_and_can_be_written_as_bytes(hostile: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="utf-8", newline="")
    Log("INFO", stream).info("a", model_id=hostile)
    (line,) = raw.getvalue().splitlines()
    assert json.loads(line)["model_id"] == hostile


def test_records_of_many_threads_are_never_merged() -> None:
    stream = Lines()
    log = Log("INFO", stream)

    def write(number: int) -> None:
        for _ in range(50):
            log.info("a", latency_ms=number)

    with ThreadPoolExecutor(32) as threads:
        list(threads.map(write, range(32)))
    lines = stream.getvalue().splitlines()
    assert stream.writes == len(lines) == 32 * 50
    assert sorted(json.loads(line)["latency_ms"] for line in lines) == sorted(list(range(32)) * 50)
