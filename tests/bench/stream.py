"""How long a token takes from the provider to the client, over a socket; the provider sends one every 50 ms."""

import asyncio
import io
import json
import socket
import statistics
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import uvicorn
from rich.console import Console

from common import app
from common.app import Services
from common.models.completion import ModelCall, Reply, Usage
from common.settings import load_settings
from common.telemetry.log import Log
from local.gateway import Gateway
from tests.bench.results import Results, Table, shown
from tests.bench.stage import Stage

HEADERS = {"X-Org-Slug": "acme_inc", "X-API-Key": "demo-acme-key", "X-User-Id": "bench"}
TOKENS = 60
SECONDS = 0.05


class TickingModel:
    """Says the moment at which it says it, every 50 ms."""

    async def stream(self, _: ModelCall) -> AsyncGenerator[str | Reply, None]:
        for _each in range(TOKENS):
            await asyncio.sleep(SECONDS)
            yield f"{time.perf_counter():.6f} "
        yield Reply("", usage=Usage(1, TOKENS))


async def run(console: Console, _: Stage, results: Results) -> None:
    """Measure both encodings of the stream side by side and print one table."""
    services = Services(load_settings(), model=TickingModel())
    services.__dict__["log"] = Log("ERROR", io.StringIO())
    app.use(services)
    bodies: dict[str, dict[str, Any]] = {
        "stream": {"message": "hi"},
        "copilotkit": {"threadId": "bench", "runId": "1", "messages": [{"id": "1", "role": "user", "content": "hi"}]},
    }
    async with _listening() as url, httpx.AsyncClient(base_url=url, headers=HEADERS, timeout=60) as client:
        gaps = {name: await _gaps(client, name, body) for name, body in bodies.items()}
    app.use(None)
    await services.documents.close()
    await services.provider_keys.close()
    services.warehouse.close()
    rows = []
    for name, found in gaps.items():
        ordered = sorted(found)
        late = ordered[int(len(ordered) * 0.95)]
        rows.append((name, shown(statistics.median(ordered)), shown(late), shown(ordered[-1])))
    title = f"From the provider to the client, {TOKENS} tokens, one every 50 ms"
    table = Table(title, ("stream", "median ms", "95 % ms", "most ms"), tuple(rows))
    table.show(console)
    results.add("stream", table)


async def _gaps(client: httpx.AsyncClient, name: str, body: dict[str, Any]) -> list[float]:
    """The milliseconds between a token's being said and its being read, token by token."""
    gaps = []
    async with client.stream("POST", f"/api/v1/chat/acme_inc/{name}", json=body) as response:
        response.raise_for_status()
        async for line in response.aiter_lines():
            if not line.startswith("data: "):
                continue
            data = json.loads(line.removeprefix("data: "))
            said = data.get("text") or data.get("delta")
            if isinstance(said, str):
                gaps.append((time.perf_counter() - float(said)) * 1000)
    assert len(gaps) == TOKENS
    return gaps


@asynccontextmanager
async def _listening() -> AsyncIterator[str]:
    server = uvicorn.Server(uvicorn.Config(Gateway(), log_level="warning", lifespan="off"))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        serving = asyncio.create_task(server.serve([listener]))
        while not server.started:  # noqa: ASYNC110  uvicorn offers no event for it
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await serving
