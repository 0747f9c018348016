"""Two parts of one question at the same time, against each of them alone: the demo model, at once and as a provider."""

import asyncio
import io
import statistics
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

import httpx
from rich.console import Console

from common import app
from common.app import Services
from common.models.completion import Completion, ModelCall, Reply
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
PROVIDER_SECONDS = 0.5


class Slow:
    """The demo model, which begins to answer after as long as a provider takes."""

    def __init__(self, completion: Completion, seconds: float) -> None:
        self._completion = completion
        self._seconds = seconds

    async def stream(self, call: ModelCall) -> AsyncGenerator[str | Reply, None]:
        await asyncio.sleep(self._seconds)
        async with aclosing(self._completion.stream(call)) as pieces:
            async for piece in pieces:
                yield piece


async def run(console: Console, stage: Stage, results: Results) -> None:
    """Measure both parts alone and together, and print a table for each speed of the model."""
    from local.demo_model.provider import register

    register()
    turns = 5 if stage.quick else TURNS
    for seconds in (0.0, PROVIDER_SECONDS):
        measured = await _measured(seconds, turns)
        slower = max(measured[part] for part in PARTS)
        rows = tuple((question, shown(wall), shown(wall / slower)) for question, wall in measured.items())
        title = f"Several intents in one question, each model call after {seconds} s, median of {turns}"
        note = "The results of tools come from memory." if not seconds else ""
        table = Table(title, ("question", "wall ms", "x"), rows, note)
        table.show(console)
        promise = "Two parts in one question, against the slower one alone, with a provider's times"
        verdicts = [Verdict(promise, measured[BOTH] / slower, MOST)] if seconds else []
        results.add("consulting", table, verdicts=verdicts)


async def _measured(seconds: float, turns: int) -> dict[str, float]:
    """The medians of the questions, in milliseconds."""
    services = Services(load_settings())
    services = Services(load_settings(), model=Slow(services.completion, seconds))
    services.__dict__["log"] = Log("ERROR", io.StringIO())
    app.use(services)
    transport = httpx.ASGITransport(function_app("send"))
    async with httpx.AsyncClient(transport=transport, base_url="http://function", timeout=120) as client:

        def asking(question: str) -> Callable[[], Awaitable[None]]:
            async def ask() -> None:
                (await client.post("/send", json={"message": question}, headers=HEADERS)).raise_for_status()

            return ask

        walls: dict[str, list[float]] = {question: [] for question in (*PARTS, BOTH)}
        # One after the other, so that whatever else the machine does slows all of them alike.
        for _ in range(turns + 1):
            for question, taken in walls.items():
                taken.append(await _timed(asking(question)))
    app.use(None)
    await services.documents.close()
    await services.provider_keys.close()
    services.warehouse.close()
    return {question: statistics.median(taken[1:]) for question, taken in walls.items()}


async def _timed(ask: Callable[[], Awaitable[None]]) -> float:
    began = time.perf_counter()
    await ask()
    return (time.perf_counter() - began) * 1000
