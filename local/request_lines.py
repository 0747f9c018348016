"""The records of a running product, for a person: one short line a request, and the JSON records in a file."""

import io
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from common.app import Services
from common.telemetry.log import Log

FILE = "log.jsonl"
# Nobody asks for these: the scheduler and probes do, all the time.
_UNASKED = ("sync", "alerts", "health")
_LOUD = ("WARNING", "ERROR")


class RequestLines(io.StringIO):
    """A stream for the log: what is written goes to a file, and what a person wants to see of it to the console."""

    def __init__(self, console: Console, file: Path) -> None:
        super().__init__()
        self._console = console
        file.parent.mkdir(parents=True, exist_ok=True)
        # The records of the last run, or else the file would grow for ever.
        self._file = file.open("w", encoding="utf-8")

    def write(self, text: str) -> int:
        """Keep a record, and show its line; a disk that is full stops no request."""
        try:
            self._file.write(text)
            self._file.flush()
        except OSError:
            pass
        line = line_of(json.loads(text))
        if line:
            self._console.print(Text(line, style="red" if "ERROR" in line else ""), soft_wrap=True)
        return len(text)

    def close(self) -> None:
        self._file.close()
        super().close()


def line_of(record: Mapping[str, Any]) -> str:
    """A record in one line; empty for one that nobody at a terminal needs."""
    at = f"{datetime.fromisoformat(record['time']).astimezone():%H:%M:%S}"
    if record["message"] == "request.finished" and record["severity"] not in _LOUD:
        return "" if record.get("function") in _UNASKED and record["status"] < 400 else f"{at}  {_request(record)}"
    if record["severity"] in _LOUD:
        why = " ".join(str(record[name]) for name in ("code", "error_class", "dependency", "stage") if record.get(name))
        about = f", request {record['request_id']}" if record.get("request_id") else ""
        return f"{at}  {record['severity']} {record['message']} {why}".rstrip() + about
    return ""


def _request(record: Mapping[str, Any]) -> str:
    name = "/".join(dict.fromkeys(str(record[each]) for each in ("function", "route") if record.get(each)))
    left = "" if record.get("finish") == "ok" else f"  {record.get('finish')}"
    took = f"{record['duration_ms'] / 1000:.2f} s"
    return f"{record['method']:<6} {name:<24} {record['status']}  {took:>8}  {record.get('org', '')}{left}".rstrip()


def show_requests(services: Services, console: Console, state: Path) -> None:
    """Let a product show a line a request from now on, and say where its records are."""
    file = state / FILE
    settings = services.settings
    # Where a cached property keeps what it has made.
    services.__dict__["log"] = Log(settings.log_level, RequestLines(console, file), settings.gcp_project_id)
    console.print(f"Each request is a line here; its records are in {file}.", markup=False, highlight=False)
