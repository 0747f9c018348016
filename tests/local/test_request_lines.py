"""A newcomer's terminal: a line a request, everything else in a file."""

import io
import json
from pathlib import Path

from rich.console import Console

from common.telemetry.log import HttpRequest, Log
from local.request_lines import RequestLines


def written(tmp_path: Path, *, function: str = "send", status: int = 200, finish: str = "ok") -> tuple[str, str]:
    """What the console and the file have of a request."""
    out = io.StringIO()
    lines = RequestLines(Console(file=out, width=80), tmp_path / "state" / "log.jsonl")
    Log("INFO", lines).info(
        "request.finished",
        HttpRequest("POST", "/api/v1/chat/{org_slug}/send", status, 0.45, 10),
        function=function,
        method="POST",
        route=function,
        status=status,
        finish=finish,
        duration_ms=450,
        org="acme_inc",
    )
    lines.close()
    return out.getvalue(), (tmp_path / "state" / "log.jsonl").read_text()


def test_a_request_is_one_short_line_and_a_record_in_the_file(tmp_path: Path) -> None:
    shown, kept = written(tmp_path)
    (line,) = shown.splitlines()
    assert len(line) <= 79
    assert line.split()[1:] == ["POST", "send", "200", "0.45", "s", "acme_inc"]
    record = json.loads(kept)
    assert (record["message"], record["duration_ms"]) == ("request.finished", 450)


def test_the_scheduler_and_probes_are_only_in_the_file(tmp_path: Path) -> None:
    for function in ("sync", "health"):
        shown, kept = written(tmp_path, function=function)
        assert shown == ""
        assert json.loads(kept)["function"] == function
    assert "503" in written(tmp_path, function="sync", status=503)[0]


def test_a_client_that_left_is_told(tmp_path: Path) -> None:
    assert written(tmp_path, finish="disconnected")[0].rstrip().endswith("disconnected")


def test_an_error_is_a_line_and_a_turn_is_none(tmp_path: Path) -> None:
    out = io.StringIO()
    log = Log("DEBUG", RequestLines(Console(file=out, width=80), tmp_path / "log.jsonl"))
    log.info("turn.finished", model_calls=2)
    assert out.getvalue() == ""
    log.error("turn.crashed", error_class="KeyError", request_id="abc")
    assert out.getvalue().rstrip().endswith("ERROR turn.crashed KeyError, request abc")
