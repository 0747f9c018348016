"""A large FOCUS bill: how long each phase of its loading takes, the memory of all processes, and questions over it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

import duckdb
from google.cloud import bigquery
from rich.console import Console

from local.data import warehouse
from local.data.__main__ import emulated_bigquery
from local.data.focus.loading import load
from local.emulators.process import EmulatorProcess
from tests.bench.results import Results, Table, Verdict
from tests.bench.stage import PROJECT, Stage

ROWS = 2_000_000
QUICK_ROWS = 50_000
ORG = "bench_bill"
MOST_MEMORY = 1024.0
_TABLE = f"{PROJECT}.{ORG}_prod.{warehouse.COSTS}"
_QUESTIONS = {
    "cost per team": "SELECT x_hierarchy_entity_name AS a, SUM(EffectiveCost) AS c FROM `{table}` GROUP BY a",
    "cost per service and day": "SELECT ServiceName AS a, DATE(ChargePeriodStart) AS d, SUM(BilledCost) AS c "
    "FROM `{table}` GROUP BY a, d ORDER BY c DESC LIMIT 100",
    "dearest resources": "SELECT ResourceId AS a, SUM(BilledCost) AS c "
    "FROM `{table}` GROUP BY a ORDER BY c DESC LIMIT 10",
    "one tag": "SELECT JSON_VALUE(Tags, '$.app') AS a, SUM(BilledCost) AS c "
    "FROM `{table}` GROUP BY a ORDER BY c LIMIT 10",
}
# Rows as AWS exports them: about 480 bytes each, tags and resources that repeat as in a real month.
_BILL = """
SELECT printf('%.10f', (hash(i) % 1000000) / 7919.0) AS BilledCost, 'payer-' || (i % 3) AS BillingAccountId,
  'Northwind Holding' AS BillingAccountName, 'USD' AS BillingCurrency, '2026-10-01T00:00:00Z' AS BillingPeriodStart,
  '2026-11-01T00:00:00Z' AS BillingPeriodEnd, CASE WHEN i % 97 = 0 THEN 'Tax' ELSE 'Usage' END AS ChargeCategory,
  'Hours of machine type m' || (i % 211) || ' in an availability zone, on demand' AS ChargeDescription,
  'Usage-Based' AS ChargeFrequency,
  strftime(TIMESTAMP '2026-10-01' + INTERVAL (i % 744) HOUR, '%Y-%m-%dT%H:%M:%SZ') AS ChargePeriodStart,
  strftime(TIMESTAMP '2026-10-01' + INTERVAL (i % 744 + 1) HOUR, '%Y-%m-%dT%H:%M:%SZ') AS ChargePeriodEnd,
  printf('%.6f', (hash(i + 1) % 100000) / 331.0) AS ConsumedQuantity, 'Hours' AS ConsumedUnit,
  printf('%.10f', (hash(i) % 1000000) / 8888.0) AS EffectiveCost, 'AWS' AS InvoiceIssuerName,
  printf('%.10f', (hash(i) % 1000000) / 7000.0) AS ListCost, 'Amazon Web Services' AS ProviderName,
  'AWS' AS PublisherName, 'eu-west-' || (i % 3) AS RegionId,
  'arn:aws:ec2:eu-west-1:' || (100000000000 + i % 97) || ':instance/i-' || lower(to_hex(hash(i % 50000))) AS ResourceId,
  'Compute' AS ServiceCategory, 'Service ' || (i % 80) AS ServiceName,
  CAST(100000000000 + i % 97 AS VARCHAR) AS SubAccountId, 'account-' || (i % 97) AS SubAccountName,
  '{"team": "team-' || (i % 12) || '", "env": "prod", "app": "app-' || (i % 5000) || '"}' AS Tags
FROM range(?) AS numbers(i)
"""


@dataclass
class Watched:
    """Seconds of each step, in order, and the most memory of all processes together in MiB."""

    steps: dict[str, float] = field(default_factory=dict)
    peak: float = 0.0
    _now: tuple[str, float] = ("", 0.0)

    def step(self, name: str, _share: float | None) -> None:
        """Take note of a step that begins."""
        name = name.split(" ", 1)[0] if name.startswith(("Reading", "Checking")) else name
        if name != self._now[0]:
            self.finish()
            self._now = (name, time.monotonic())

    def finish(self) -> None:
        """Take note that the last step is over."""
        name, at = self._now
        if name:
            self.steps[name] = self.steps.get(name, 0.0) + time.monotonic() - at
        self._now = ("", 0.0)


async def run(console: Console, stage: Stage, found: Results) -> None:
    """Load a bill of two million rows (or fewer in a quick run), and ask over it."""
    count = QUICK_ROWS if stage.quick else ROWS
    with TemporaryDirectory(prefix="bench-bill-") as name, EmulatorProcess(PROJECT, Path(name) / "state") as emulators:
        folder = Path(name)
        size = _write(folder / "bill.csv", count)
        client = emulated_bigquery(emulators.environment)
        warehouse.create(client, [ORG])
        watched = Watched()
        with _memory_watched(watched, emulators.pid):
            began = time.monotonic()
            loaded = load(client, ORG, [folder / "bill.csv"], datetime.now(UTC).date(), "team", watched.step)
            watched.finish()
            seconds = time.monotonic() - began
            answers = {question: _seconds(_asking(client, sql)) for question, sql in _QUESTIONS.items()}
        assert loaded.summary.rows == count
        client.close()
    rows = [(step, f"{taken:.1f} s") for step, taken in watched.steps.items()]
    rows += [("all of it", f"{seconds:.1f} s"), ("most memory of both processes", f"{watched.peak:,.0f} MiB")]
    rows += [(f"then asked: {question}", f"{taken:.2f} s") for question, taken in answers.items()]
    title = f"A FOCUS bill of {count:,} rows ({size / 1e6:,.0f} MB of CSV)"
    table = Table(
        title, ("step", "measured"), tuple(rows), "Memory is the proportional set size of loader and emulators."
    )
    table.show(console)
    verdict = Verdict(f"a bill of {count:,} rows loads in bounded memory", watched.peak, MOST_MEMORY, "MiB")
    found.add("bills", table, verdicts=[verdict])


def _write(path: Path, count: int) -> int:
    with duckdb.connect() as connection:
        connection.execute("SET threads = 2")
        connection.execute("SET memory_limit = '400MB'")
        connection.execute(f"COPY ({_BILL}) TO '{path}' (HEADER, DELIMITER ',')".replace("range(?)", f"range({count})"))
    return path.stat().st_size


def _asking(client: bigquery.Client, sql: str) -> Callable[[], None]:
    def ask() -> None:
        rows = list(client.query_and_wait(sql.format(table=_TABLE)))
        assert rows

    return ask


def _seconds(ask: Callable[[], None]) -> float:
    began = time.monotonic()
    ask()
    return time.monotonic() - began


@contextmanager
def _memory_watched(watched: Watched, emulators: int) -> Iterator[None]:
    over = Event()

    def look() -> None:
        while not over.wait(0.1):
            watched.peak = max(watched.peak, _memory("self") + _memory(str(emulators)))

    thread = Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _memory(process: str) -> float:
    """The memory of a process in MiB, what it shares counted in part; 0 where the system does not tell."""
    file = Path("/proc") / process / "smaps_rollup"
    if not file.exists():
        return 0.0
    line = next(line for line in file.read_text().splitlines() if line.startswith("Pss:"))
    return int(line.split()[1]) / 1024
