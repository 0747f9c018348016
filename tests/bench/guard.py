"""The SQL guard: what a decision costs, and what hostile queries cost other requests and another organisation."""

import asyncio
import json
import statistics
import time
from pathlib import Path

import httpx
from rich.console import Console

from common import app
from common.app import Services
from common.settings import load_settings
from common.tenant import OrgSlug, Principal, Tenant, UserId
from common.warehouse import guard
from local.gateway import function_app
from tests.bench.load import quantile
from tests.bench.results import Results, Table, Verdict, shown
from tests.bench.stage import Stage

CORPUS = Path(__file__).parents[1] / "warehouse" / "guard" / "corpus.jsonl"
PRINCIPAL = Principal(Tenant(OrgSlug("acme"), "acme-project", "organizations"), UserId("u1"), "key")
GREEDY = Principal(Tenant(OrgSlug("globex"), "acme-project", "organizations"), UserId("u1"), "key")
# Near the end of a decision's CPU time, and past it.
HEAVY = tuple(
    "SELECT " + ", ".join("STRUCT(STRUCT(STRUCT(STRUCT(STRUCT(STRUCT(1))))))" for _ in range(count))
    for count in (40, 300)
)
AT_ONCE = 32
PAUSE_SECONDS = 0.1
BOMBS = {
    "nested STRUCT": f"SELECT {'STRUCT(' * 22}1{')' * 22}",
    "nested DATE": f"SELECT {'DATE(' * 22}1{')' * 22}",
    "deep parentheses": f"SELECT {'(' * 4000}1{')' * 4000}",
    "long OR": f"SELECT 1 FROM users WHERE {' OR '.join(['a = 1'] * 1700)}",
    "many columns": f"SELECT {','.join(f'a{i}' for i in range(2300))} FROM users",
}
REQUESTS = 50
ROUNDS = 100


async def run(console: Console, stage: Stage, results: Results) -> None:
    """Measure decisions, then 50 requests with and without hostile queries beside them, in this one run."""
    for table in (_decisions(), await _fairness(10 if stage.quick else ROUNDS)):
        table.show(console)
        results.add("guard", table)
    table, growth = await _between_tenants(20 if stage.quick else ROUNDS)
    table.show(console)
    promise = f"a query of one organisation beside {AT_ONCE} heavy ones of another, against alone"
    results.add("guard", table, verdicts=[Verdict(promise, growth, 1.5)])
    guard.close()


def _decisions() -> Table:
    cases = [json.loads(line) for line in CORPUS.read_text("utf-8").splitlines()]
    _cost(cases[0]["sql"])
    rows: list[tuple[str, ...]] = []
    for kind in ("allow", "deny"):
        chosen = [case["sql"] for case in cases if case["expect"].startswith(kind)]
        costs = sorted(_cost(sql) for sql in chosen)
        middle, high = statistics.median(costs), costs[int(len(costs) * 0.95)]
        rows.append((f"corpus, {kind}", str(len(costs)), shown(middle), shown(high), shown(costs[-1])))
    for name, sql in BOMBS.items():
        cost = _cost(sql)
        rows.append((f"bomb: {name}", "1", shown(cost), "", shown(cost)))
    return Table("A decision of the guard, CPU ms", ("queries", "n", "p50", "p95", "max"), tuple(rows))


def _cost(sql: str) -> float:
    started = time.process_time()
    try:
        guard.decide(sql, PRINCIPAL.tenant, PRINCIPAL.user_id)
    except guard.Denied:
        return (time.process_time() - started) * 1000
    return (time.process_time() - started) * 1000


async def _fairness(rounds: int) -> Table:
    app.use(Services(load_settings()))
    transport = httpx.ASGITransport(function_app("health"))
    async with httpx.AsyncClient(transport=transport, base_url="http://function") as client:
        await _quietly("SELECT 1")
        alone = await _burst(client, rounds)
        hostile = asyncio.create_task(_keep_deciding())
        beside = await _burst(client, rounds)
        hostile.cancel()
        await asyncio.wait([hostile])
    app.use(None)
    base = alone[int(len(alone) * 0.95)]
    rows = []
    for name, times in (("nothing", alone), ("hostile 16 kB queries", beside)):
        high = times[int(len(times) * 0.95)]
        rows.append((name, shown(statistics.median(times)), shown(high), shown(high / base)))
    return Table(f"{REQUESTS} requests at a time beside the guard, ms", ("beside", "p50", "p95", "x"), tuple(rows))


async def _between_tenants(rounds: int) -> tuple[Table, float]:
    """One organisation's queries, one after another: alone, then while another keeps heavy ones in the queue."""
    sql = next(json.loads(line)["sql"] for line in CORPUS.read_text("utf-8").splitlines())
    await _quietly(sql)
    alone = await _in_turn(sql, rounds)
    crowd = [asyncio.create_task(_keep_asking(HEAVY[n % len(HEAVY)])) for n in range(AT_ONCE)]
    await asyncio.sleep(0)
    beside = await _in_turn(sql, rounds)
    for task in crowd:
        task.cancel()
    await asyncio.wait(crowd)
    guard.close()
    rows = tuple(
        (name, *(shown(quantile(times, share)) for share in (0.5, 0.95)), shown(max(times)))
        for name, times in (("alone", alone), (f"beside {AT_ONCE} heavy ones of another", beside))
    )
    table = Table(f"{rounds} queries of one organisation, ms", ("query", "p50", "p95", "max"), rows)
    return table, quantile(beside, 0.5) / quantile(alone, 0.5)


async def _in_turn(sql: str, rounds: int) -> list[float]:
    times = []
    for _ in range(rounds):
        await asyncio.sleep(PAUSE_SECONDS)
        started = time.perf_counter()
        await guard.admit(sql, PRINCIPAL)
        times.append((time.perf_counter() - started) * 1000)
    return sorted(times)


async def _keep_asking(sql: str) -> None:
    while True:
        await _quietly(sql, GREEDY)
        await asyncio.sleep(0.01)  # refused at once where the queue is full


async def _burst(client: httpx.AsyncClient, rounds: int) -> list[float]:
    async def one() -> float:
        started = time.perf_counter()
        (await client.get("/")).raise_for_status()
        return (time.perf_counter() - started) * 1000

    times: list[float] = []
    for _ in range(rounds):
        times += await asyncio.gather(*(one() for _ in range(REQUESTS)))
    return sorted(times)


async def _keep_deciding() -> None:
    while True:
        await asyncio.gather(*(_quietly(sql) for sql in BOMBS.values()))


async def _quietly(sql: str, principal: Principal = PRINCIPAL) -> None:
    try:
        await guard.admit(sql, principal)
    except guard.Denied:
        return
