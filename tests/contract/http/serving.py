"""The functions over emulators of their own, a standing clock and a scripted model: sends the requests, one by one."""

import asyncio
import json
import os
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
from google.cloud import firestore

from common import app, errors
from common.app import Services
from common.settings import Settings, load_settings
from local.data.__main__ import emulated_bigquery
from local.emulators.process import EmulatorProcess
from local.gateway import Gateway, function_app
from tests.contract.http import bill
from tests.contract.http.normalise import Normaliser, in_order, written
from tests.contract.http.requests import REQUESTS, Ask
from tests.contract.http.wire import Wire, watching
from tests.fakes.clock import Clock
from tests.fakes.scripted_model import ScriptedModel

PROJECT = "local-dev-project"
ROOT = Path(__file__).parents[3]
NOW = datetime(2025, 5, 9, 9, 30, 15, tzinfo=UTC)
# Set by a server, or counted over what is normalised.
_NOT_CONTRACT = {"content-length", "date", "server"}
Entry = dict[str, Any]


async def play() -> AsyncGenerator[Entry, None]:
    """Send every request to a product that is set up for it, and yield each exchange as it is recorded."""
    with _cloud(), watching() as wire:
        async with _product() as (clock, model):
            player = _Player(clock, model, wire, Normaliser(datetime.now(UTC)))
            async with player.stack:
                for ask in REQUESTS:
                    yield await player.exchange(ask)


@contextmanager
def _cloud() -> Iterator[None]:
    """Emulators that hold the bill and nothing else; the environment names them."""
    with EmulatorProcess(PROJECT) as emulators:
        environment = {**emulators.environment, "GCP_PROJECT_ID": PROJECT, "ENVIRONMENT": "test"}
        client = emulated_bigquery(environment)
        bill.load(client)
        client.close()
        with patch.dict(os.environ):
            # Other tests of the same run may have settings of their own.
            for name in Settings.model_fields:
                os.environ.pop(name.upper(), None)
            os.environ.update(environment)
            yield


@asynccontextmanager
async def _product() -> AsyncIterator[tuple[Clock, ScriptedModel]]:
    clock, model = Clock(), ScriptedModel([])
    clock.now = NOW
    fixed = {
        "user_messages_per_minute": 2,
        "retention_days": 35,
        "cache_ttl_seconds": 86_400,
        "service_version": "recorded",
        "log_level": "ERROR",
    }
    services = Services(load_settings().model_copy(update=fixed), clock, model)
    app.use(services)
    try:
        yield clock, model
    finally:
        app.use(None)
        await services.documents.close()
        await services.provider_keys.close()
        services.warehouse.close()


@dataclass
class _Player:
    clock: Clock
    model: ScriptedModel
    wire: Wire
    normaliser: Normaliser
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    clients: dict[str | None, httpx.AsyncClient] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)

    async def exchange(self, ask: Ask) -> Entry:
        """Send one request, wait until all that it began has ended, and return what is recorded of it."""
        self.clock.forward(minutes=ask.minutes)
        if ask.expired:
            _forget(self.kept[ask.expired])
        self.model.steps = [_failure(step) if isinstance(step, str) else step for step in ask.model]
        self.model.calls.clear()
        resident = asyncio.all_tasks()
        response = await (self._beside(ask) if ask.beside else self._send(ask))
        await _ended(resident)
        for name, pattern in ask.keep.items():
            found = re.search(pattern, response.text)
            assert found, f"{ask.name}: the answer has no {name}: {response.text}"
            self.kept[name] = found[1]
        return self._entry(ask, response)

    async def _send(self, ask: Ask) -> httpx.Response:
        content = ask.content and self._filled(ask.content)
        headers = {"Content-Type": "application/json", **ask.headers} if content else dict(ask.headers)
        client = await self._client(ask.function)
        return await client.request(ask.method, self._filled(ask.path), content=content, headers=headers)

    async def _beside(self, ask: Ask) -> httpx.Response:
        """The answer to a request while the same one is stored, and the model still thinks about it."""
        self.model.gate = asyncio.Event()
        stored = self.wire.stored
        first = asyncio.create_task(self._send(ask))
        try:
            async with asyncio.timeout(100):
                while not (self.model.calls and self.wire.stored > stored):  # noqa: ASYNC110  there is no event for it
                    await asyncio.sleep(0.01)
            return await self._send(ask)
        finally:
            self.model.gate.set()
            await first
            self.model.gate = None

    async def _client(self, function: str | None) -> httpx.AsyncClient:
        if function not in self.clients:
            transport = httpx.ASGITransport(Gateway() if function is None else function_app(function))
            client = httpx.AsyncClient(transport=transport, base_url="http://recorded", timeout=60)
            self.clients[function] = await self.stack.enter_async_context(client)
        return self.clients[function]

    def _filled(self, text: str) -> str:
        return re.sub(r"<<(\w+)>>", lambda found: self.kept[found[1]], text)

    def _entry(self, ask: Ask, response: httpx.Response) -> Entry:
        queries, commits = self.wire.take()
        headers = sorted((name, value) for name, value in response.headers.items() if name not in _NOT_CONTRACT)
        return {
            "name": ask.name,
            "request": f"{ask.method} {ask.path}",
            "status": response.status_code,
            "headers": [self.normaliser.text(f"{name}: {value}") for name, value in headers],
            "body": self.normaliser.lines(in_order(response.text) if ask.any_order else response.text),
            "queries": self.normaliser.values(queries),
            "written": written(commits, self.normaliser),
        }


def _forget(conversation_id: str) -> None:
    """Take a conversation and its messages out of Firestore, as their expiry does."""
    documents = firestore.Client(project=PROJECT)
    conversation = documents.document(f"orgs/{bill.ORG}/conversations/{conversation_id}")
    for each in (*conversation.collection("messages").list_documents(), conversation):
        each.delete()
    documents.close()


async def _ended(resident: set["asyncio.Task[Any]"]) -> None:
    """Wait for what a request began and did not wait for."""
    async with asyncio.timeout(120):
        while begun := [task for task in asyncio.all_tasks() - resident if _is_ours(task)]:
            await asyncio.wait(begun)


def _is_ours(task: "asyncio.Task[Any]") -> bool:
    """Tell whether the product began the task; a library's own watcher lasts as long as the loop."""
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and Path(code.co_filename).is_relative_to(ROOT / "common")


def _failure(code: str) -> Exception:
    """The product's error of this code."""
    return next(each for each in vars(errors).values() if getattr(each, "code", None) == code)()  # type: ignore[no-any-return]


def as_text(entries: list[Entry]) -> str:
    """The recording as it is stored."""
    return json.dumps(entries, ensure_ascii=False, indent=1) + "\n"
