"""The laptop's scheduler: sync is called after a change, and not for being read."""

import asyncio
import threading

import httpx
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from local import draining
from local.draining import Draining
from tests.api.conftest import free_port


class Counting:
    """An application that counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.synced = threading.Semaphore(0)
        self.ingested = threading.Semaphore(0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.append((scope["method"], scope["path"]))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})
        if scope["path"] == "/sync":
            self.synced.release()
        elif scope["path"] == "/ingest/due":
            self.ingested.release()


async def test_what_is_scheduled_is_called_at_start_and_after_each_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draining, "PAUSE_SECONDS", 0.01)
    app, port = Counting(), free_port()
    server = uvicorn.Server(
        uvicorn.Config(Draining(app, port), host="127.0.0.1", port=port, log_level="warning", lifespan="off")
    )
    drained = server.config.app
    assert isinstance(drained, Draining)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
        await asyncio.sleep(0.01)
    with drained:
        for called in (app.synced, app.ingested):
            assert await asyncio.to_thread(called.acquire, timeout=120)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
            await client.get("/read")
            await client.post("/send")
        for called in (app.synced, app.ingested):
            assert await asyncio.to_thread(called.acquire, timeout=120)
    server.should_exit = True
    await serving
    others = [asked for asked in app.asked if asked[1] not in ("/ingest/due", "/deliver/due")]
    assert others == [("POST", "/sync"), ("GET", "/read"), ("POST", "/send"), ("POST", "/sync")]
    assert app.asked.count(("POST", "/ingest/due")) == 2
