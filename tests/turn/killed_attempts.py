"""Attempts at a message, each in a process of its own that may be killed: a line of JSON on standard input starts one.

It answers with the process id; every finished call and the end are appended to the attempt's log. The process that
reads the lines has imported everything and opened nothing, so that an attempt begins at once.
"""

import asyncio
import io
import json
import os
import random
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from common import limits
from common.agents.events import ToolFinished, TurnFailed, TurnFinished
from common.app import Services
from common.identity.authenticate import read_credentials
from common.models.completion import ModelCall, Reply
from common.settings import load_settings
from common.telemetry.log import Log
from common.turn import SendRequest, open_turn
from tests.agents.test_consulting import results
from tests.fakes.scripted_model import call_tool, say
from tests.turn.conftest import ACME
from tests.turn.test_consulting import BOTH, agent_of

STEPS = 3


class Model:
    """Reads in steps, asks two specialists that read in steps, reads on, and answers; each word takes a moment."""

    async def stream(self, call: ModelCall) -> AsyncGenerator[str | Reply, None]:
        await asyncio.sleep(random.uniform(0.0, 0.03))
        reply = _play(call)
        if reply.text:
            yield reply.text
        yield reply


def _play(call: ModelCall) -> Reply:
    agent, done = agent_of(call), len(results(call))
    if agent == "UsageAnalyst":
        asked = call_tool("top_consumers", f"u{done}", dimension="provider", limit=done + 1)
        return asked if done < STEPS else say("The usage is known.")
    if agent == "AlertManager":
        return call_tool("list_alerts", f"a{done}", limit=done + 1) if done < STEPS else say("The alerts are known.")
    own = [call_tool("query_costs", f"o{by}", group_by=[by]) for by in ("provider", "service")]
    return [own[0], BOTH, own[1], say("All of it.")][done]


async def _attempt(asked: dict[str, Any]) -> None:
    limits.LEASE_SECONDS, limits.LEASE_RENEW_SECONDS, limits.LEASE_CALL_SECONDS = 2.0, 0.5, 0.5
    services = Services(load_settings(), model=Model())
    services.__dict__["log"] = Log("ERROR", io.StringIO())
    credentials = read_credentials({name.lower(): value for name, value in ACME.items()}, None)
    turn = await open_turn(services.turns, credentials, SendRequest(**asked["request"]))
    async for batch in turn.batches():
        for event in batch:
            if isinstance(event, ToolFinished):
                _log(asked["log"], [event.agent_name, event.tool_name, event.arguments])
            elif isinstance(event, TurnFinished | TurnFailed):
                _log(asked["log"], type(event).__name__)
    await turn.ended()


def _log(path: str, entry: Any) -> None:
    with Path(path).open("a", encoding="utf-8") as log:
        log.write(json.dumps(entry) + "\n")


def main() -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                asyncio.run(_attempt(json.loads(line)))
            finally:
                os._exit(0)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        os.waitpid(child, 0)
        sys.stdout.write("over\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
