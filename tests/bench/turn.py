"""What a turn costs beside its model: time and requests to each service, over a model that answers at once."""

import io
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx
from rich.console import Console

from common import app
from common.app import Services
from common.settings import load_settings
from common.telemetry.log import Log
from local.emulators.rpc import SeamsClient
from local.gateway import function_app
from tests.bench.results import Results, Table, shown
from tests.bench.stage import Stage
from tests.fakes.scripted_model import ScriptedModel, call_tool, say, transfer

HEADERS = {"X-Org-Slug": "acme_inc", "X-API-Key": "demo-acme-key", "X-User-Id": "bench"}
TURNS = 40


@dataclass(frozen=True, slots=True)
class Measured:
    """Medians per turn, in milliseconds, and requests per turn."""

    wall_ms: float
    cpu_ms: float
    requests: dict[str, float]


async def run(console: Console, stage: Stage, results: Results) -> None:
    """Measure the kinds of turn side by side and print one table."""
    model = ScriptedModel([say("hello")])
    services = Services(load_settings(), model=model)
    services.__dict__["log"] = Log("ERROR", io.StringIO())
    app.use(services)
    seams = [
        SeamsClient(str(services.settings.firestore_emulator_host)),
        SeamsClient(str(services.settings.kms_emulator_host)),
    ]
    transport = httpx.ASGITransport(function_app("send"))
    async with httpx.AsyncClient(transport=transport, base_url="http://function", timeout=60) as client:

        async def refused() -> None:
            await client.post("/send", json={"message": ""}, headers=HEADERS)

        async def new() -> None:
            model.steps = [say("hello")]
            model.calls.clear()
            (await client.post("/send", json={"message": "hi"}, headers=HEADERS)).raise_for_status()

        opened = await client.post("/send", json={"message": "hi"}, headers=HEADERS)
        known_id = opened.json()["conversation_id"]

        async def known() -> None:
            model.calls.clear()
            body = {"message": "hi", "conversation_id": known_id}
            (await client.post("/send", json=body, headers=HEADERS)).raise_for_status()

        async def with_tool() -> None:
            model.steps = [transfer("UsageAnalyst"), call_tool("top_consumers", dimension="provider"), say("hello")]
            model.calls.clear()
            (await client.post("/send", json={"message": "hi"}, headers=HEADERS)).raise_for_status()

        kinds: dict[str, Callable[[], Awaitable[None]]] = {
            "refused body (the endpoint alone)": refused,
            "new conversation": new,
            "known conversation": known,
            "new conversation, routed, one tool": with_tool,
        }
        turns = 10 if stage.quick else TURNS
        measured = {name: await _measure(kind, services, seams, turns) for name, kind in kinds.items()}
    app.use(None)
    await services.documents.close()
    await services.provider_keys.close()
    services.warehouse.close()
    table = _table(measured, turns)
    table.show(console)
    results.add("turn", table)


def _queries(services: Services) -> Counter[str]:
    """The queries that BigQuery was asked for so far, by kind."""
    counts = httpx.get(f"{services.settings.bigquery_emulator_host}/emulator/state").json()["counts"]
    return Counter({f"BigQuery {kind}": counts.get(kind, 0) for kind in ("query", "dry_run")})


async def _measure(
    kind: Callable[[], Awaitable[None]], services: Services, seams: list[SeamsClient], turns: int
) -> Measured:
    await kind()
    queries = _queries(services)
    for seam in seams:
        seam.reset()
    walls, cpus = [], []
    for _ in range(turns):
        wall, cpu = time.perf_counter(), time.process_time()
        await kind()
        walls.append((time.perf_counter() - wall) * 1000)
        cpus.append((time.process_time() - cpu) * 1000)
    calls = _queries(services) - queries
    for seam in seams:
        calls += seam.calls()
    return Measured(
        statistics.median(walls), statistics.median(cpus), {name: count / turns for name, count in calls.items()}
    )


def _table(measured: dict[str, Measured], turns: int) -> Table:
    base = next(iter(measured.values())).wall_ms
    rows = []
    for name, row in measured.items():
        requests = ", ".join(f"{count:g} {method}" for method, count in sorted(row.requests.items()))
        rows.append((name, shown(row.wall_ms), shown(row.wall_ms / base), shown(row.cpu_ms), requests or "none"))
    columns = ("kind", "wall ms", "x", "CPU ms", "requests per turn")
    return Table(f"A turn without its model, median of {turns}", columns, tuple(rows))
