"""Bodies of very many values: how long another request of the same instance waits while they come in."""

import asyncio
import json
import time
from collections.abc import Mapping

import aiohttp
from rich.console import Console

from common import limits
from tests.bench.load import Caller, client, quantile
from tests.bench.results import Results, Table, Verdict, shown
from tests.bench.served import function, served
from tests.bench.stage import Stage, replayed

ENTRIES = 270_000
SENDERS = 4
_PAUSE_SECONDS = 0.01
_MOST_SECONDS = 0.2


async def run(console: Console, stage: Stage, results: Results) -> None:
    """A request that needs nothing, alone, and beside senders of large runs with and without a valid key."""
    caller = stage.callers[0]
    nobody = {**caller.headers, "X-API-Key": "nonsense"}
    most = limits.MAX_BODY_VALUES // 3 - 10
    with served(function("copilotkit"), "copilotkit", replayed(stage)) as copilotkit:
        copilotkit.ready()
        async with client() as session:
            await _known(session, copilotkit.url, caller)
            senders: dict[str, tuple[Mapping[str, str], bytes] | None] = {
                "alone": None,
                f"beside {ENTRIES:,} entries, a nonsense key": (nobody, _run(ENTRIES)),
                f"beside {ENTRIES:,} entries, a valid key": (caller.headers, _run(ENTRIES)),
                f"beside {most:,} entries, a valid key": (caller.headers, _run(most)),
            }
            waits = {name: await _waits(session, copilotkit.url, sender, stage) for name, sender in senders.items()}
    rows = tuple(
        (name, shown(quantile(found, 0.5)), shown(quantile(found, 0.95)), shown(max(found)))
        for name, found in waits.items()
    )
    table = Table(f"A request beside {SENDERS} senders of large runs", ("request", "median s", "p95", "longest"), rows)
    table.show(console)
    nonsense = max(list(waits.values())[1])
    promise = f"Longest wait beside runs of {ENTRIES:,} entries with a nonsense key"
    results.add("bodies", table, verdicts=[Verdict(promise, nonsense, _MOST_SECONDS, "s")])


async def _known(session: aiohttp.ClientSession, url: str, caller: Caller) -> None:
    """Have the instance know the key, as a warm one does."""
    body = {"method": "info"}
    async with session.post(f"{url}/copilotkit", json=body, headers=caller.headers) as response:
        assert response.status == 200, await response.text()


async def _waits(
    session: aiohttp.ClientSession, url: str, sender: tuple[Mapping[str, str], bytes] | None, stage: Stage
) -> list[float]:
    """The seconds of each request that needs nothing, while the senders send."""
    ended = asyncio.Event()

    async def send() -> None:
        assert sender is not None
        headers, body = sender
        while not ended.is_set():
            try:
                async with session.post(f"{url}/copilotkit", data=body, headers=headers) as response:
                    await response.read()
            except aiohttp.ClientError:
                continue  # It was answered before it was sent.

    sending = [asyncio.create_task(send()) for _ in range(SENDERS if sender else 0)]
    found = []
    for _ in range(100 if stage.quick else 500):
        began = time.perf_counter()
        async with session.get(f"{url}/nothing") as response:
            await response.read()
        found.append(time.perf_counter() - began)
        await asyncio.sleep(_PAUSE_SECONDS)
    ended.set()
    await asyncio.gather(*sending)
    return found


def _run(entries: int) -> bytes:
    context = [{"description": "d", "value": "v"}] * entries
    message = {"id": "1", "role": "assistant", "content": "no question"}
    run = {"threadId": "t", "runId": "r", "messages": [message], "tools": [], "context": context, "state": {}}
    return json.dumps({**run, "forwardedProps": {}}, separators=(",", ":")).encode()
