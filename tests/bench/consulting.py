"""Two parts of one question at the same time, against each of them alone, answered by the demo model."""

import io
import os
import statistics
import time
from collections.abc import Awaitable, Callable

import httpx
from rich.console import Console

from common import app
from common.app import Services
from common.settings import load_settings
from common.telemetry.log import Log
from local.gateway import function_app
from tests.bench.results import Results, Table, Verdict, shown
from tests.bench.stage import Stage
from tests.bench.turn import HEADERS

PARTS = ("Compare AWS in August and September", "List my active alerts")
BOTH = "Compare AWS in August and September, and list my active alerts"
TURNS = 15
MOST = 1.3


async def run(console: Console, stage: Stage, results: Results) -> None:
    """Measure both parts alone and together, and print one table."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    # litellm reads it as it is imported.
    from local.demo_model.provider import register

    register()
    turns = 5 if stage.quick else TURNS
    services = Services(load_settings())
    services.__dict__["log"] = Log("ERROR", io.StringIO())
    app.use(services)
    transport = httpx.ASGITransport(function_app("send"))
    async with httpx.AsyncClient(transport=transport, base_url="http://function", timeout=120) as client:

        def asking(question: str) -> Callable[[], Awaitable[None]]:
            async def ask() -> None:
                (await client.post("/send", json={"message": question}, headers=HEADERS)).raise_for_status()

            return ask

        measured = {question: await _median(asking(question), turns) for question in (*PARTS, BOTH)}
    app.use(None)
    await services.documents.close()
    await services.provider_keys.close()
    services.warehouse.close()
    slower = max(measured[part] for part in PARTS)
    rows = tuple((question, shown(wall), shown(wall / slower)) for question, wall in measured.items())
    table = Table(
        f"Several intents in one question, the demo model, median of {turns}", ("question", "wall ms", "x"), rows
    )
    table.show(console)
    verdict = Verdict("Two parts in one question, against the slower one alone", measured[BOTH] / slower, MOST)
    results.add("consulting", table, verdicts=[verdict])


async def _median(ask: Callable[[], Awaitable[None]], turns: int) -> float:
    await ask()
    walls = []
    for _ in range(turns):
        began = time.perf_counter()
        await ask()
        walls.append((time.perf_counter() - began) * 1000)
    return statistics.median(walls)
