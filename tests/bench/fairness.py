"""One organisation asks far more than an instance can answer: what another one notices of it."""

import asyncio
import time

from rich.console import Console

from tests.bench.load import Caller, Turn, ask, quantile
from tests.bench.results import Results, Table, Verdict, shown
from tests.bench.served import function, served
from tests.bench.stage import AT_ONCE, PACED, Stage, replayed

QUEUED = 500
PERSONS = 4


async def run(console: Console, stage: Stage, results: Results) -> None:
    """Four people of one organisation, alone, then beside five hundred turns of another."""
    greedy, other = stage.callers[0], stage.callers[1]
    with served(function("send"), "send", replayed(stage)) as send:
        send.ready()
        stage.pace(AT_ONCE)
        for caller in (greedy, other):
            await ask(send.url, caller)
        stage.pace(PACED)
        each = 3 if stage.quick else 6
        alone = await _people(send.url, other, each)
        crowd = [asyncio.create_task(ask(send.url, _person(greedy, n))) for n in range(QUEUED)]
        began = time.perf_counter()
        beside = await _people(send.url, other, each)
        lasted = time.perf_counter() - began
        answered = sum(task.done() and task.result().failure is None for task in crowd)
        refused = sum(task.done() and (task.result().failure or "").startswith("429") for task in crowd)
        for task in crowd:
            task.cancel()
        await asyncio.wait(crowd)
    rows = tuple(
        (name, shown(quantile(first, 0.5)), shown(quantile(first, 0.95)), shown(quantile(total, 0.5)),
         shown(quantile(total, 0.95)), str(failed))
        for name, first, total, failed in (_row("alone", alone), _row(f"beside {QUEUED} of another", beside))
    )  # fmt: skip
    note = (
        f"In these {shown(lasted)} s the other organisation had {answered} turns answered and {refused} refused (429)."
    )
    columns = ("organisation", "first token s", "p95", "turn s", "p95 ", "failed")
    table = Table(f"{PERSONS} people of one organisation, {len(alone)} turns", columns, rows, note)
    table.show(console)
    growth = _late(beside) / _late(alone)
    results.add(
        "fairness",
        table,
        verdicts=[Verdict(f"p95 of a tenant beside {QUEUED} turns of another, against alone", growth, 1.3)],
    )


async def _people(url: str, caller: Caller, each: int) -> list[Turn]:
    async def person(number: int) -> list[Turn]:
        return [await ask(url, _person(caller, number)) for _ in range(each)]

    return [turn for turns in await asyncio.gather(*(person(n) for n in range(PERSONS))) for turn in turns]


def _person(caller: Caller, number: int) -> Caller:
    return Caller(caller.org_slug, caller.api_key, f"person-{number}")


def _row(name: str, turns: list[Turn]) -> tuple[str, list[float], list[float], int]:
    well = [turn for turn in turns if turn.failure is None]
    return name, [turn.first for turn in well], [turn.total for turn in well], len(turns) - len(well)


def _late(turns: list[Turn]) -> float:
    return quantile([turn.total for turn in turns if turn.failure is None], 0.95)
