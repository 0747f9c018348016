"""The worker process: it decides one query after another until the pipe closes."""

import resource
import signal
import sys
from typing import Any, BinaryIO

from common.tenant import Tenant, parse_org_slug
from common.warehouse.guard import pipe, selftest
from common.warehouse.guard.decision import decide
from common.warehouse.guard.verdict import Denied

_MEMORY_BYTES = 1024**3
_WARM = (
    "SELECT a.b, SUM(c) AS s FROM t AS a JOIN organizations.org_profiles AS p ON a.d = p.org_slug GROUP BY 1 LIMIT 5"
)


def serve() -> None:
    """Answer requests from standard input on standard output; return when the parent closes the pipe."""
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    # Nothing but frames may be written there, whatever a library prints.
    sys.stdout = sys.stderr
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    # The kernel's own ending, which no library code can be too busy to notice.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    _warm()
    pipe.write(answers, {"ready": selftest.problem() is None})
    _answer_all(requests, answers)


def _answer_all(requests: BinaryIO, answers: BinaryIO) -> None:
    while (request := pipe.read(requests)) is not None:
        signal.setitimer(signal.ITIMER_PROF, request["cpu_seconds"])
        answered = answer(request)
        signal.setitimer(signal.ITIMER_PROF, 0)
        pipe.write(answers, answered)


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Decide one request; the answer holds the admitted query or the denial."""
    tenant = Tenant(parse_org_slug(request["org"]), request["project"], request["organizations"])
    try:
        admitted = decide(request["sql"], tenant, request["user"])
    except Denied as denied:
        return {"code": denied.code, "message": denied.message}
    return {"sql": admitted.sql, "tables": sorted(admitted.tables)}


def _warm() -> None:
    """Pay for first-time work before the first request does."""
    answer({"sql": _WARM, "org": "warm", "project": "warm-up", "organizations": "organizations", "user": "warm"})
