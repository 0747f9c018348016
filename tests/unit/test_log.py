"""Log records: one JSON line, one write, allow-listed fields."""

import io
import json

import pytest

from common.telemetry.log import Log, request_context


class Lines(io.StringIO):
    """Counts writes."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0

    def write(self, text: str) -> int:
        self.writes += 1
        return super().write(text)


def test_a_record_is_one_write_of_one_json_line_with_the_request_it_belongs_to() -> None:
    stream = Lines()
    token = request_context.set({"request_id": "r1"})
    try:
        Log("INFO", stream).info("turn.finished", org="acme_inc", latency_ms=3)
    finally:
        request_context.reset(token)
    assert stream.writes == 1
    assert json.loads(stream.getvalue()) == {
        "severity": "INFO", "message": "turn.finished", "request_id": "r1", "org": "acme_inc", "latency_ms": 3,
    }  # fmt: skip


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
