"""The functions of sessions in processes that a test may kill.

This process has imported everything and serves nothing. For each line ``PORT LATER LEASE PATIENCE`` on its standard
input it forks one that serves on the port, with a clock so many seconds ahead, leases of so many seconds and so much
patience with Firestore, and writes that one's process id: a start takes no time.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import uvicorn
from starlette.types import Receive, Scope, Send

from common import app, documents, limits
from common.app import Services
from common.models.completion import ModelCall, Reply, ToolCall, Usage
from common.record import sync_lease
from common.settings import load_settings
from tests.conversations.front import Front

SLOW_SECONDS = 1.5
# The calls of a question that takes some, and how long the model thinks before each.
STEPS, STEP_SECONDS = 5, 0.6
_FRONT = Front()


class Echo:
    """Answers ``echo: <question>`` word by word.

    A question that begins with ``hold`` is never answered whole, one that begins with ``slow`` takes a second or so,
    and one that begins with ``steps`` takes calls, one after the other.
    """

    def __init__(self) -> None:
        self.open_streams = 0

    async def stream(self, call: ModelCall) -> AsyncGenerator[str | Reply, None]:
        at = max(at for at, message in enumerate(call.messages) if message["role"] == "user")
        # Before a follow-up stands what the answer before it rests on.
        question = str(call.messages[at]["content"]).rsplit("</earlier_calls>\n\n", 1)[-1]
        results = len(call.messages[at + 1 :]) // 2
        self.open_streams += 1
        sys.stderr.write("model.asked\n")
        sys.stderr.flush()
        try:
            if question.startswith("steps") and results < STEPS:
                yield await _next_step(call, question, results)
                return
            yield "echo: "
            if question.startswith("hold"):
                await asyncio.Event().wait()
            if question.startswith("slow"):
                await asyncio.sleep(SLOW_SECONDS)
            yield question
            yield Reply(f"echo: {question}", usage=Usage(10, 5))
        finally:
            self.open_streams -= 1
            sys.stderr.write("model.closed\n")
            sys.stderr.flush()


async def _next_step(call: ModelCall, question: str, results: int) -> Reply:
    """The hand-over to who has the tool, or the next call of it; no two calls are the same."""
    arguments: dict[str, object]
    if "list_alerts" not in [tool["function"]["name"] for tool in call.tools]:
        name, arguments = "transfer_to_agent", {"agent_name": "AlertManager"}
    else:
        await asyncio.sleep(STEP_SECONDS)
        sys.stderr.write(f"call.asked {question} {results}\n")
        sys.stderr.flush()
        name, arguments = "list_alerts", {"limit": results + 1}
    return Reply("", (ToolCall(f"call_{results}", name, json.dumps(arguments)),), Usage(10, 5), "tool_calls")


async def _told(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer, and say when a request is over: from then on a frozen instance does nothing."""
    try:
        await _FRONT(scope, receive, send)
    finally:
        sys.stderr.write(f"request.over {scope.get('path')}\n")
        sys.stderr.flush()


def serve(port: int, later: float, lease: float, patience: float) -> None:
    """Serve until killed."""
    documents.DOCUMENTS_SECONDS = min(documents.DOCUMENTS_SECONDS, patience)
    if lease < limits.LEASE_SECONDS:
        limits.LEASE_SECONDS, limits.LEASE_RENEW_SECONDS = lease, lease / 5
        limits.SYNC_STATEMENT_SECONDS, sync_lease.SYNC_LEASE_SECONDS = lease, 2.5 * lease
    offset = timedelta(seconds=later)
    settings = load_settings().model_copy(update={"turns_per_org": 100})
    app.use(Services(settings, lambda: datetime.now(UTC) + offset, Echo()))
    config = uvicorn.Config(_told, host="127.0.0.1", port=port, log_level="warning", lifespan="off")
    uvicorn.Server(config).run()


def main() -> None:
    """Fork on demand until the standard input ends; then nothing that was forked stays."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    children = []
    for line in sys.stdin:
        port, *numbers = line.split()
        child = os.fork()
        if child == 0:
            os.close(0)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            serve(int(port), *map(float, numbers))
            os._exit(0)
        children.append(child)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
    for child in children:
        try:
            os.kill(child, signal.SIGKILL)
        except ProcessLookupError:
            continue


if __name__ == "__main__":
    main()
