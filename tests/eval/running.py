"""Episodes run through the real ``send`` function in this process, over emulators with the demo organisations."""

import io
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from pathlib import Path
from typing import Any

import httpx

from common import app
from common.app import Services
from common.models.completion import Completion
from common.settings import load_settings
from common.telemetry.log import Log
from local.data.documents import load_documents
from local.data.organizations import API_KEYS, DEMO
from local.gateway import function_app
from tests.conftest import LOADED, copy_loaded_cloud, running_cloud
from tests.eval.days import Days
from tests.eval.episodes import Episode, Turn
from tests.eval.ledger import Ledger
from tests.eval.metering import SPENT, Metered
from tests.eval.observed import Called, Observed, Spent

_TURN_SECONDS = 600
_KEPT = Path(__file__).parents[2] / ".cache" / "loaded-cloud-of-eval"


@dataclass
class Stage:
    """The function under test, the rows it answers from, and the model that is asked."""

    client: httpx.AsyncClient
    services: Services
    today: date
    model: Metered
    logs: io.StringIO
    ledgers: dict[str, Ledger] = field(default_factory=dict)

    def ledger(self, org: str) -> Ledger:
        if org not in self.ledgers:
            self.ledgers[org] = Ledger(org, self.today)
        return self.ledgers[org]

    def others(self, org: str) -> list[Ledger]:
        return [self.ledger(each) for each in DEMO if each != org]

    async def play(self, episode: Episode) -> list[Observed]:
        """Ask an episode's questions one after the other, until one is refused that should not be."""
        played: list[Observed] = []
        for turn in episode.turns:
            seen = await self._ask(episode, turn, played)
            played.append(seen)
            if (seen.status, seen.code) != (turn.status, turn.code) or (seen.finish and seen.finish != turn.finish):
                break
        return played

    async def _ask(self, episode: Episode, turn: Turn, played: Sequence[Observed]) -> Observed:
        before, spent, begun = self.logs.tell(), Spent(), time.perf_counter()
        token = SPENT.set(spent)
        try:
            response = await self.client.post(
                "/stream", json=self._body(episode, turn, played), headers=_headers(episode, turn)
            )
        finally:
            SPENT.reset(token)
        seen = _read(response)
        seen.spent, seen.seconds = spent, time.perf_counter() - begun
        self.logs.seek(before)
        seen.records = self.logs.read()
        seen.earlier = [call for each in played for call in (*each.calls, *each.earlier)]
        return seen

    def _body(self, episode: Episode, turn: Turn, played: Sequence[Observed]) -> dict[str, Any]:
        body: dict[str, Any] = {"message": Days(self.today, self.ledger(episode.org).days.fiscal).fill(turn.ask)}
        if played:
            body["conversation_id"] = played[-1].conversation_id
        if turn.approve is not None and played:
            del body["message"]
            body["approvals"] = [{"id": each["id"], "approved": turn.approve} for each in played[-1].approvals]
        return body | (turn.body or {})


def _headers(episode: Episode, turn: Turn) -> dict[str, str]:
    own = {"X-Org-Slug": episode.org, "X-API-Key": API_KEYS[episode.org], "X-User-Id": f"eval-{episode.id}"}
    return {name: value for name, value in (own | turn.headers).items() if value}


@asynccontextmanager
async def staged(today: date, model: Completion, **meter: Any) -> AsyncIterator[Stage]:
    """Serve ``send`` over the emulators that the environment names, with a model."""
    settings = load_settings()
    metered = Metered(model, **meter)
    noon = datetime.combine(today, time_of_day(12), UTC)
    now = datetime.now(UTC)
    # The day of the data stays the day of the run, also where midnight passes.
    moment = now if now.date() == today else noon
    services = Services(settings, lambda: moment, metered)
    logs = io.StringIO()
    services.__dict__["log"] = Log("INFO", logs)
    app.use(services)
    missing = await load_documents(services, DEMO)
    assert not missing, missing
    transport = httpx.ASGITransport(function_app("send"))
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://function", timeout=_TURN_SECONDS) as client:
            yield Stage(client, services, today, metered, logs)
    finally:
        app.use(None)
        await services.close()


@contextmanager
def emulated(today: date) -> Iterator[dict[str, str]]:
    """Start emulators with the demo organisations of a day; the environment names them meanwhile."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "emulators"
        kept = LOADED if today == datetime.now(UTC).date() else _KEPT
        copy_loaded_cloud(today, directory, kept)
        with running_cloud(directory, today) as (environment, _):
            old = {name: os.environ.get(name) for name in environment}
            os.environ.update(environment)
            try:
                yield environment
            finally:
                for name, value in old.items():
                    if value is None:
                        os.environ.pop(name, None)
                    else:
                        os.environ[name] = value


def _read(response: httpx.Response) -> Observed:
    """A turn as its events tell it; a refusal before the first event is JSON."""
    seen = Observed(response.status_code, raw=response.text)
    if not response.headers.get("content-type", "").startswith("text/event-stream"):
        body = response.json()
        seen.code, seen.text = body.get("code"), str(body.get("detail"))
        return seen
    begun: dict[str, dict[str, Any]] = {}
    agent, words = "", list[str]()
    for name, data in _events(response.text):
        if name == "agent":
            agent = data["agent_name"]
        elif name == "token":
            words.append(data["text"])
        elif name == "tool" and data["status"] == "started":
            begun[data["id"]] = data
        elif name == "tool" and data["status"] in ("finished", "failed"):
            # A call that waited for a yes was begun in the turn before.
            given = begun.get(data["id"], data).get("arguments")
            seen.calls.append(Called(agent, data["name"], _arguments(given), data["result"]))
        elif name == "start":
            seen.conversation_id = data["conversation_id"]
        elif name == "error":
            seen.code, seen.status = data["code"], 200
        elif name == "done":
            seen.agent, seen.finish = data["agent_name"], data["finish"]
            seen.unverified = [str(each) for each in data.get("unverified_figures") or ()]
            seen.approvals = data.get("approvals") or []
            seen.citations = data.get("citations") or []
    seen.text = "".join(words)
    return seen


def _arguments(given: Any) -> dict[str, Any]:
    try:
        read = json.loads(given) if isinstance(given, str) else given
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _events(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for frame in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in frame.split("\n") if ": " in line and not line.startswith(":"))
        if "event" in fields:
            yield fields["event"], json.loads(fields["data"])
