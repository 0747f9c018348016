"""The outbox on its way to the record: rows a second, with little and with much waiting."""

import time
from contextlib import ExitStack
from pathlib import Path

import httpx
from rich.console import Console

from tests.bench.results import Results, Table, Verdict, shown
from tests.bench.seeding import backlog, seeded, tenant_of
from tests.bench.served import function, served
from tests.bench.stage import PROJECT, Stage

BACKLOGS = (1_000, 100_000)
QUICK_BACKLOGS = (500, 10_000)
TENANTS = 10


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
        f"Sync: rows/s with {rows[-1][0]} waiting against {rows[0][0]}", rates[-1] / rates[0], 0.7, "x", True
    )
    results.add("sync", table, verdicts=[verdict])


def _minutes(waiting: int, per_second: float) -> float:
    """Minutes until so many rows are written at this rate."""
    return waiting / per_second / 60
