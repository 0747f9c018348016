"""Providers that mean harm: what an instance and another organisation notice of them."""

import asyncio
import json
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import aiohttp
from rich.console import Console

from common import limits
from tests.bench.load import Caller, Turn, ask, client
from tests.bench.results import Results, Table, Verdict, ratio, shown
from tests.bench.served import Served, function, served
from tests.bench.stage import PACED, Stage, replayed
from tests.fakes.hostile_provider import MODES, process
from tests.fakes.wire_stub import BASES

AT_ONCE = 4
SAMPLE_SECONDS = 0.05
# A person may ask so often: the stage's own limit is none.
_PAUSE_SECONDS = 60 / limits.MESSAGES_PER_MINUTE
QUICK = ("text", "small_text", "arguments", "calls", "line", "garbage", "pings", "bomb")


@dataclass(slots=True)
class Noticed:
    """What was noticed while a number of hostile streams ran."""

    growth: float = 0.0
    health_ms: list[float] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)

    @property
    def first(self) -> float:
        return statistics.median(turn.first for turn in self.turns if turn.failure is None)


async def run(console: Console, stage: Stage, results: Results) -> None:
    """Another organisation's turns, alone, then beside each mode of a hostile provider, on each wire."""
    modes = QUICK if stage.quick else tuple(MODES)
    with process() as address, _serving(stage, address) as send:
        send.ready()
        stage.pace(PACED)
        async with client() as session:
            for caller in (stage.callers[0], *stage.hostile.values()):
                await ask(send.url, caller)
            alone = await _notice(stage, session, send, None)
            found = {}
            for provider, caller in stage.hostile.items():
                for mode in modes:
                    await session.post(f"{address}/mode/{mode}")
                    found[f"{provider}, {mode}"] = await _notice(stage, session, send, caller)
    rows = tuple(
        (name, shown(each.growth), shown(statistics.median(each.health_ms)), shown(max(each.health_ms)),
         shown(each.first), shown(ratio(each.first, alone.first)))
        for name, each in {"alone": alone, **found}.items()
    )  # fmt: skip
    columns = ("hostile provider, mode", "MiB more", "health ms p50", "most", "first token s", "x")
    note = f"{AT_ONCE} hostile streams at a time; what answers without any work stands for health."
    table = Table(f"One organisation beside {AT_ONCE} streams of a hostile provider", columns, rows, note)
    table.show(console)
    worst = list(found.values())
    results.add(
        "hostile",
        table,
        verdicts=[
            Verdict("Memory beside a hostile provider", max(each.growth for each in worst), 100.0, "MiB"),
            Verdict("Health beside a hostile provider", max(max(each.health_ms) for each in worst), 200.0, "ms"),
            Verdict(
                "First token beside another's hostile provider, against alone",
                max(ratio(each.first, alone.first) for each in worst),
                1.5,
            ),
        ],
    )


@contextmanager
def _serving(stage: Stage, address: str) -> Iterator[Served]:
    environment = replayed(stage)
    bases = json.loads(environment["MODEL_API_BASES"]) | {name: address + BASES[name] for name in stage.hostile}
    with served(function("send"), "send", {**environment, "MODEL_API_BASES": json.dumps(bases)}) as send:
        yield send


async def _notice(stage: Stage, session: aiohttp.ClientSession, send: Served, hostile: Caller | None) -> Noticed:
    """Ask as one organisation for as long as the turns take, beside the hostile streams of another."""
    noticed, before = Noticed(), send.memory()

    async def watch() -> None:
        while True:
            began = time.perf_counter()
            async with session.options(send.url):
                noticed.health_ms.append((time.perf_counter() - began) * 1000)
            noticed.growth = max(noticed.growth, await asyncio.to_thread(send.memory) - before)
            await asyncio.sleep(SAMPLE_SECONDS)

    async def harm(caller: Caller) -> None:
        while True:
            again = asyncio.create_task(asyncio.sleep(_PAUSE_SECONDS))
            await ask(send.url, caller)
            await again

    tasks = [asyncio.create_task(watch())]
    if hostile is not None:
        tasks += [asyncio.create_task(harm(hostile)) for _ in range(AT_ONCE)]
    for _ in range(3 if stage.quick else 6):
        noticed.turns.append(await ask(send.url, stage.callers[0]))
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    return noticed
