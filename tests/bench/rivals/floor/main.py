"""The floor: the three model calls of a turn over aiohttp and nothing else; for data it only waits."""

import asyncio
import json
import os
from collections.abc import AsyncGenerator
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
import functions_framework.aio
from starlette.requests import Request
from starlette.responses import StreamingResponse

_BASE = os.environ["BENCH_API_BASE"]
_WAITS = {name: float(seconds) for name, seconds in json.loads(os.environ["BENCH_WAITS"]).items()}
_ROUTE, _TOOL, _ANSWER = json.loads(Path(os.environ["BENCH_EXCHANGE"]).read_text())


@cache
def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))


async def _call(body: dict[str, Any]) -> AsyncGenerator[str, None]:
    headers = {"Authorization": "Bearer sk-bench"}
    async with _session().post(f"{_BASE}/chat/completions", json=body, headers=headers) as response:
        async for line in response.content:
            if line.startswith(b"data: {"):
                for choice in json.loads(line[6:])["choices"]:
                    if text := choice["delta"].get("content"):
                        yield text


async def _turn() -> AsyncGenerator[bytes, None]:
    await asyncio.sleep(_WAITS["kms"])
    for body in (_ROUTE, _TOOL):
        async for _ in _call(body):
            pass
    await asyncio.sleep(_WAITS["query"])
    async for text in _call(_ANSWER):
        yield f"event: token\ndata: {json.dumps({'text': text})}\n\n".encode()
    await asyncio.sleep(_WAITS["insert"])
    yield b"event: done\ndata: {}\n\n"


@functions_framework.aio.http
async def answer(request: Request) -> StreamingResponse:
    """One turn as an event stream."""
    await request.body()
    return StreamingResponse(_turn(), media_type="text/event-stream")
