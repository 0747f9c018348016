"""Structured logs for Cloud Logging: one JSON object a line, one write each, allow-listed fields only."""

import json
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Literal, TextIO

Severity = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
Value = str | int | float | bool | None

FIELDS = frozenset(
    [
        "agent",
        "bytes_processed",
        "changed",
        "code",
        "conversation_id",
        "credential_id",
        "dependency",
        "duration_ms",
        "environment",
        "error_class",
        "finish",
        "function",
        "input_tokens",
        "latency_ms",
        "message_id",
        "method",
        "model_calls",
        "model_id",
        "org",
        "output_tokens",
        "path",
        "provider",
        "request_id",
        "route",
        "setting_id",
        "status",
        "stage",
        "tool",
        "tool_calls",
        "user_id",
        "version",
    ]
)
_RANK = {"DEBUG": 0, "INFO": 1, "WARNING": 2, "ERROR": 3}

request_context: ContextVar[Mapping[str, Value]] = ContextVar("request_context", default={})  # noqa: B039  never mutated


class Log:
    """Writes events by name. A field that is not in FIELDS is refused, so that nothing leaks by accident."""

    def __init__(self, level: Severity = "INFO", stream: TextIO | None = None) -> None:
        self._stream = stream
        self._least = _RANK[level]

    def info(self, event: str, **fields: Value) -> None:
        self._write("INFO", event, fields)

    def warning(self, event: str, **fields: Value) -> None:
        self._write("WARNING", event, fields)

    def error(self, event: str, **fields: Value) -> None:
        self._write("ERROR", event, fields)

    def _write(self, severity: Severity, event: str, fields: Mapping[str, Value]) -> None:
        if _RANK[severity] < self._least:
            return
        record = {**request_context.get(), **fields}
        unknown = record.keys() - FIELDS
        if unknown:
            raise ValueError(f"not an allowed log field: {sorted(unknown)}")
        line = json.dumps({"severity": severity, "message": event, **record}, ensure_ascii=False) + "\n"
        stream = self._stream or sys.stdout
        stream.write(line)
        stream.flush()
