"""Structured logs for Cloud Logging: one JSON object a line, one write each, allow-listed fields only."""

import json
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

from common.errors import ServiceError
from common.telemetry.request import CurrentRequest, current

LOG_VALUE_CHARS = 300

Severity = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
Value = str | int | float | bool | None

FIELDS = frozenset(
    [
        "agent",
        "alerts_ended",
        "alerts_fired",
        "answer_ms",
        "bytes_billed",
        "bytes_processed",
        "cached_tokens",
        "changed",
        "code",
        "conversation_id",
        "credential_id",
        "deliveries_dead",
        "deliveries_late",
        "delivery_id",
        "dependency",
        "destination_id",
        "directory_bytes_billed",
        "duration_ms",
        "environment",
        "error_class",
        "fallback_from",
        "estimated_cost_usd",
        "finish",
        "first_token_ms",
        "function",
        "input_tokens",
        "key_ms",
        "latency_ms",
        "message_id",
        "method",
        "model_calls",
        "model_id",
        "model_ms",
        "org",
        "outbox_age_seconds",
        "outbox_rejected",
        "output_tokens",
        "path",
        "provider",
        "question_ms",
        "queue_ms",
        "read_ms",
        "record_bytes_billed",
        "request_id",
        "route",
        "setting_id",
        "stage",
        "status",
        "tool",
        "tool_calls",
        "tools_ms",
        "unverified_figures",
        "user_id",
        "version",
    ]
)
_RANK = {"DEBUG": 0, "INFO": 1, "WARNING": 2, "ERROR": 3}
# The fields that Cloud Logging shows as labels, and those it reads a record's place in a trace from.
_LABELS = ("org", "function")
_SPECIAL = "logging.googleapis.com/"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """The fields of a request that Cloud Logging
    shows. ``path`` is a route's template: a real path holds what a client wrote."""

    method: str
    path: str
    status: int
    seconds: float
    size: int

    def entry(self) -> dict[str, Value]:
        """The request by the names of Cloud Logging's LogEntry."""
        return {
            "requestMethod": self.method,
            "requestUrl": self.path,
            "status": self.status,
            "latency": f"{self.seconds:.3f}s",
            "responseSize": str(self.size),
        }


class Log:
    """Writes events by name. A field that is not in FIELDS is refused, so that nothing leaks by accident."""

    def __init__(self, level: Severity = "INFO", stream: TextIO | None = None, project_id: str = "") -> None:
        self._stream = stream
        self._least = _RANK[level]
        self._project_id = project_id
        self._lock = threading.Lock()

    def info(self, event: str, http: HttpRequest | None = None, /, **fields: Value) -> None:
        self._write("INFO", event, fields, http)

    def warning(self, event: str, /, **fields: Value) -> None:
        self._write("WARNING", event, fields)

    def error(self, event: str, /, **fields: Value) -> None:
        self._write("ERROR", event, fields)

    def failure(self, event: str, error: ServiceError, /, **fields: Value) -> None:
        """Write an error by its stable code and the class of its cause; the cause's text may hold anything."""
        cause = type(error.__cause__).__name__ if error.__cause__ else None
        self.error(event, code=error.code, error_class=cause, **fields)

    def _write(
        self, severity: Severity, event: str, fields: Mapping[str, Value], http: HttpRequest | None = None
    ) -> None:
        if _RANK[severity] < self._least:
            return
        request = current.get()
        shown = {**_of(request), **fields}
        unknown = shown.keys() - FIELDS
        if unknown:
            raise ValueError(f"not an allowed log field: {sorted(unknown)}")
        record: dict[str, Any] = {"severity": severity, "message": event, "time": datetime.now(UTC).isoformat()}
        record |= {name: _bounded(value) for name, value in shown.items()}
        if http is not None:
            record["httpRequest"] = http.entry()
        labels = {name: record[name] for name in _LABELS if record.get(name)}
        if labels:
            record[f"{_SPECIAL}labels"] = labels
        # ASCII only: half a surrogate pair, which a client may send, is no text that could be written.
        line = json.dumps(record | self._place(request)) + "\n"
        stream = self._stream or sys.stdout
        with self._lock:
            stream.write(line)
            stream.flush()

    def _place(self, request: CurrentRequest | None) -> dict[str, Value]:
        """The fields that attach a record to a trace."""
        if request is None or request.trace is None or not self._project_id:
            return {}
        trace = request.trace
        place: dict[str, Value] = {
            f"{_SPECIAL}trace": f"projects/{self._project_id}/traces/{trace.trace_id}",
            f"{_SPECIAL}trace_sampled": trace.sampled,
        }
        if trace.span_id is not None:
            place[f"{_SPECIAL}spanId"] = trace.span_id
        return place


def _of(request: CurrentRequest | None) -> dict[str, Value]:
    if request is None:
        return {}
    named: dict[str, Value] = {"request_id": request.request_id, "function": request.function}
    return named | {"org": request.org} if request.org else named


def _bounded(value: Value) -> Value:
    return value[:LOG_VALUE_CHARS] if isinstance(value, str) else value


def place_of(error: BaseException) -> str:
    """The function and line that raised, without any value."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}" if trace else "unknown"
