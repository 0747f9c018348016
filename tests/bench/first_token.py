"""How soon the first token comes: on a warm instance, with nothing cached of the organisation, on a cold instance."""

import asyncio
import time
from contextlib import ExitStack

from rich.console import Console

from common.documents import Delete, Documents
from common.organizations.organization import hash_api_key
from tests.bench.load import Caller, Turn, ask, quantile
from tests.bench.results import Results, Table, shown
from tests.bench.served import function, rival, served
from tests.bench.stage import AT_ONCE, DATA_LATENCY, NO_DATA_LATENCY, PACED, PROJECT, Stage, replayed


async def run(console: Console, stage: Stage, results: Results) -> None:
    """Take the kinds of start in turns, without and with data latencies, and print one table."""
    rows = []
    for name, data in (("none", NO_DATA_LATENCY), ("as in the cloud", DATA_LATENCY)):
        found = await _measured(stage, data)
        floor = quantile([turn.first for turn in found["floor"]], 0.5)
        for kind, turns in found.items():
            failed = [turn.failure for turn in turns if turn.failure]
            assert not failed, failed
            first = [turn.first for turn in turns]
            rows.append(
                (
                    name,
                    kind,
                    shown(quantile(first, 0.5)),
                    shown(quantile(first, 0.95)),
                    shown(quantile(first, 0.5) / floor),
                )
            )
    table = Table(
        "First token, one user: 3 model calls of 300 ms before it",
        ("data latency", "instance", "s", "p95", "x"),
        tuple(rows),
        "x: against the floor. As in the cloud: BigQuery 400 ms, dry run 300 ms, insert 100 ms, KMS 60 ms. "
        "A cold instance is counted from its process's start.",
    )
    table.show(console)
    results.add("first_token", table)


async def _measured(stage: Stage, data: dict[str, float]) -> dict[str, list[Turn]]:
    caller, repeats = stage.callers[0], 3 if stage.quick else 6
    found: dict[str, list[Turn]] = {
        "floor": [], "litellm as usual": [], "warm": [], "follow-up": [],
        "organisation not cached": [], "cold instance": [],
    }  # fmt: skip
    stage.pace(AT_ONCE)
    with ExitStack() as stack:
        send = stack.enter_context(served(function("send"), "send", replayed(stage)))
        send.ready()
        await ask(send.url, caller)
        known = (await ask(send.url, caller)).conversation_id
        others = stage.rival_environment(data)
        floor = stack.enter_context(served(rival("floor"), "answer", others))
        plain = stack.enter_context(served(rival("plain"), "answer", others))
        for one in (floor, plain):
            one.ready()
            await ask(one.url, caller)
        documents = Documents(PROJECT)
        stage.pace(PACED, data)
        for _ in range(repeats):
            found["floor"].append(await ask(floor.url, caller))
            found["litellm as usual"].append(await ask(plain.url, caller))
            found["warm"].append(await ask(send.url, caller))
            found["follow-up"].append(await ask(send.url, caller, known))
            key = f"api_keys/{hash_api_key(caller.api_key)}"
            await documents.commit([Delete(key), Delete(f"orgs/{caller.org_slug}")])
            found["organisation not cached"].append(await ask(send.url, caller))
        await documents.close()
        for _ in range(1 if stage.quick else 3):
            found["cold instance"].append(await _cold(stage, caller))
    return found


async def _cold(stage: Stage, caller: Caller) -> Turn:
    with served(function("send"), "send", replayed(stage)) as running:
        await asyncio.to_thread(running.ready)
        waited = time.perf_counter() - running.started
        turn = await ask(running.url, caller)
        return Turn(running.started, waited + turn.first, waited + turn.total, turn.failure)
