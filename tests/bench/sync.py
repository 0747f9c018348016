"""The outbox on its way to the record: rows a second, and how far behind it is with a thousand organisations."""

import asyncio
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
from rich.console import Console

from tests.bench.results import Results, Table, Verdict, shown
from tests.bench.seeding import backlog, seeded, tenant_of
from tests.bench.served import function, served
from tests.bench.simulated_sync import simulate
from tests.bench.stage import PROJECT, Stage

BACKLOGS = (1_000, 100_000)
QUICK_BACKLOGS = (500, 10_000)
TENANTS = 10
PEAK = 60
# Organisations, turns a second, and whether each organisation has statements of its own.
SIMULATED = ((1_000, 12, False), (1_000, PEAK, False), (1_000, 2 * PEAK, False), (30, 12, True), (1_000, 12, True))
TURNS_OF_HALF_A_DAY = 500_000
DOLLARS_PER_TIB = 6.25


async def run(console: Console, stage: Stage, results: Results) -> None:
    """One call of sync at each backlog; it ends by itself after its bounded time."""
    rows, rates = [], []
    for size in QUICK_BACKLOGS if stage.quick else BACKLOGS:
        tenants = [tenant_of(caller.org_slug, PROJECT) for caller in stage.callers[:TENANTS]]
        with ExitStack() as stack:
            host = stack.enter_context(seeded(PROJECT, Path(stage.folder) / f"sync-{size}", backlog(tenants, size)))
            environment = stage.environment | {"FIRESTORE_EMULATOR_HOST": host}
            running = stack.enter_context(served(function("sync"), "sync", environment))
            running.ready()
            began, cpu = time.perf_counter(), running.cpu()
            async with httpx.AsyncClient(timeout=300) as client:
                report = (await client.post(running.url)).raise_for_status().json()
            taken = time.perf_counter() - began
            used = (running.cpu() - cpu) * 1000
        written = size - report["remaining"]
        assert report["status"] == "ok", report
        assert written, report
        rates.append(written / taken)
        rows.append(
            (f"{size:,}", f"{written:,}", shown(taken), shown(written / taken), shown(used / written),
             shown(_minutes(size, written / taken)))
        )  # fmt: skip
    table = Table(
        f"Sync: one call, messages of {TENANTS} organisations",
        ("waiting", "written", "seconds", "rows/s", "CPU ms/row", "minutes for all"),
        tuple(rows),
        "A call ends after its bounded time; the next one goes on. BigQuery is the emulator here, on the same cores.",
    )
    table.show(console)
    verdict = Verdict(
        f"Sync: rows/s with {rows[-1][0]} waiting against {rows[0][0]}", rates[-1] / rates[0], 0.9, "x", True
    )
    results.add("sync", table, verdicts=[verdict])
    # It has an event loop of its own, whose time is not ours.
    await asyncio.to_thread(_simulated, console, stage, results)


def _simulated(console: Console, stage: Stage, results: Results) -> None:
    seconds = 300 if stage.quick else 900
    rows, worst = [], 0.0
    for organizations, turns_per_second, apart in SIMULATED:
        found = simulate(organizations, turns_per_second, seconds, TURNS_OF_HALF_A_DAY, apart=apart)
        minutes = seconds / 60
        # As if the whole day were so.
        a_day = found.billed / seconds * 86_400
        rows.append(
            (f"{organizations:,}", f"{turns_per_second:g}", "each organisation" if apart else "all",
             shown(found.lag(0.5)), shown(found.lag(0.99)), shown(found.lag(1)), shown(found.statements / minutes),
             shown(a_day / 1024**4 * DOLLARS_PER_TIB))
        )  # fmt: skip
        if not apart and turns_per_second <= PEAK:
            worst = max(worst, found.lag(1))
    table = Table(
        "Sync, simulated: statements of 3 s, two at a time per table, a call each minute",
        ("organisations", "turns/s", "one statement for", "lag s, half", "99 %", "all", "statements/min", "USD/day"),
        tuple(rows),
        "USD/day: all day at this rate, on tables that have the rows of half a million turns in the day's partition.",
    )
    table.show(console)
    verdict = Verdict("Sync, simulated: greatest lag at 60 turns a second, 1,000 organisations", worst, 120, "s")
    results.add("sync", table, verdicts=[verdict])


def _minutes(waiting: int, per_second: float) -> float:
    """Minutes until so many rows are written at this rate."""
    return waiting / per_second / 60
