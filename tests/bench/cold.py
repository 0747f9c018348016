"""A cold start, function by function: from the process's start to its first answer, and what memory it then holds."""

import asyncio
import json
import re
import statistics
import time
from dataclasses import dataclass, field

from rich.console import Console

from tests.bench.load import Caller, client
from tests.bench.results import Results, Table, Verdict, shown
from tests.bench.served import function, rival, served
from tests.bench.stage import AT_ONCE, Stage, replayed

# Seconds to the first answer: of a function that calls models, and of any other one; and to the end of a first turn.
CALLER_READY_SECONDS = 0.75
READER_READY_SECONDS = 0.7
FIRST_TURN_SECONDS = 1.2
READER_MIB = 90
# An error of a turn or of JSON-RPC; the schemas of tools name one, too.
_ERROR = re.compile(r'event: error|"error": ?\{"code"')
# A request of each function that it answers with 200, at the root of its own URL; those with a turn come below.
CALLS: dict[str, tuple[str, str, str | None]] = {
    "health": ("GET", "/", None),
    "settings_status": ("GET", "/", None),
    "access": ("GET", "/", None),
    "conversations": ("GET", "/", None),
    "messages": ("GET", "/search?q=spend", None),
    "sync": ("POST", "/", None),
    "alerts": ("POST", "/", None),
    "ingest": ("POST", "/due", None),
    "knowledge": ("GET", "/stats", None),
    "usage": ("GET", "/", None),
    "mcp": ("POST", "/", json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})),
}
TURNS: dict[str, tuple[str, str]] = {
    "send": ("/stream", json.dumps({"message": "What did we spend?"})),
    "copilotkit": (
        "/",
        json.dumps({"threadId": "cold", "runId": "1", "messages": [{"id": "1", "role": "user", "content": "Spend?"}]}),
    ),
    "a2a": (
        "/a2a",
        json.dumps(
            {
                "jsonrpc": "2.0",
                "id": 1,
                "method": "message/send",
                "params": {
                    "message": {
                        "kind": "message", "role": "user", "messageId": "m1",
                        "parts": [{"kind": "text", "text": "Spend?"}],
                    }
                },
            }
        ),
    ),
}  # fmt: skip


@dataclass(slots=True)
class Start:
    """Seconds from the process's start, and MiB, one of each per repetition."""

    ready: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    memory_ready: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)


async def run(console: Console, stage: Stage, results: Results) -> None:
    """Start every function some times, and print one table."""
    stage.pace(AT_ONCE)
    starts: dict[str, Start] = {}
    for _ in range(1 if stage.quick else 3):
        for name in (*TURNS, *CALLS):
            await _start(stage, name, starts.setdefault(name, Start()), stage.callers[0])
        for provider, callers in stage.further.items():
            await _start(stage, "send", starts.setdefault(f"send, {provider}", Start()), callers[0])
    await _plain(stage, starts.setdefault("litellm as usual", Start()))
    table = Table(
        f"Cold start, median of {len(starts['health'].ready)}",
        ("function", "first answer s", "first 200 or turn s", "MiB at first answer", "MiB then"),
        tuple(
            (name, *(shown(_median(each)) for each in (one.ready, one.answered, one.memory_ready, one.memory)))
            for name, one in starts.items()
        ),
        "First answer: OPTIONS; then send, copilotkit and a2a answer a turn over a model that answers at once.",
    )
    table.show(console)
    reading = max(_median(starts[name].memory) for name in ("settings_status", "conversations", "messages", "usage"))
    results.add(
        "cold",
        table,
        verdicts=[
            *(Verdict(f"Ready: {name}", _median(starts[name].ready), CALLER_READY_SECONDS, "s") for name in TURNS),
            *(Verdict(f"Ready: {name}", _median(starts[name].ready), READER_READY_SECONDS, "s") for name in CALLS),
            *(
                Verdict(f"First turn on a cold instance: {name}", _median(one.answered), FIRST_TURN_SECONDS, "s")
                for name, one in starts.items()
                if name.split(", ")[0] == "send"
            ),
            Verdict("Memory of a function that only reads", reading, READER_MIB, "MiB"),
        ],
    )


async def _start(stage: Stage, name: str, start: Start, caller: Caller) -> None:
    with served(function(name), name, replayed(stage) if name in TURNS else stage.environment) as running:
        start.ready.append(await asyncio.to_thread(running.ready))
        start.memory_ready.append(running.memory())
        method, path, body = ("POST", *TURNS[name]) if name in TURNS else CALLS[name]
        await _answered(running.url + path, method, body, caller)
        start.answered.append(time.perf_counter() - running.started)
        start.memory.append(running.memory())


async def _answered(url: str, method: str, body: str | None, caller: Caller) -> None:
    headers = caller.headers | {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    async with (
        client() as session,
        session.request(method, url, data=body, headers=headers) as response,
    ):
        text = await response.text()
        assert response.status == 200, text
        assert not _ERROR.search(text), text[:1000]


async def _plain(stage: Stage, start: Start) -> None:
    with served(rival("plain"), "answer", stage.rival_environment()) as running:
        start.ready.append(await asyncio.to_thread(running.ready))
        start.memory_ready.append(running.memory())
        await _answered(f"{running.url}/", "POST", "{}", stage.callers[0])
        start.answered.append(time.perf_counter() - running.started)
        start.memory.append(running.memory())


def _median(values: list[float]) -> float:
    return statistics.median(values) if values else float("nan")
