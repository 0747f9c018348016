"""A thousand organisations and one sync, in simulated time: the product's own sync, between stores that only take time.

BigQuery takes ``STATEMENT_SECONDS`` for a statement that changes a table and runs ``AT_ONCE`` of them at a time per
table; Firestore takes a moment for each request and a little for each document. Everything else is the product's code.
"""

import asyncio
import io
import random
import selectors
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from unittest import mock

from common.agents.events import ToolFinished
from common.documents import Create, Delete, Document, DocumentConflict, Patch, Put, Sort, Where, Write
from common.record import outbox, sync, sync_lease
from common.record.sync import Sync
from common.telemetry.log import Log
from common.tenant import OrgSlug, Tenant
from common.transcript.conversation import Conversation
from common.transcript.message import Message
from common.transcript.paths import OUTBOX
from common.warehouse import schema

STATEMENT_SECONDS = 3.0
AT_ONCE = 2
REQUEST_SECONDS = 0.03
READ_SECONDS = 0.0005
WRITTEN_SECONDS = 0.001
CALL_EVERY = 60.0
ANSWER_CHARS, RESULT_CHARS = 1_500, 2_500
TURNS_PER_CONVERSATION = 4
MINIMUM_BILLED = 10 * 1024**2
BEGAN = datetime(2026, 1, 5, 9, tzinfo=UTC)


@dataclass
class Simulated:
    """What came of a simulated time: each row's lag in seconds, the statements and what they bill."""

    organizations: int
    turns: int = 0
    lags: list[float] = field(default_factory=list)
    statements: int = 0
    billed: float = 0.0
    left: int = 0

    def lag(self, part: float) -> float:
        """The lag that this part of the rows does not exceed."""
        return sorted(self.lags)[min(len(self.lags) - 1, int(part * len(self.lags)))]


def simulate(
    organizations: int, turns_per_second: float, seconds: float, stored_turns: int = 0, *, apart: bool = False
) -> Simulated:
    """Let turns end at a rate for so long, on a day that has ``stored_turns`` already, then write the rest.

    ``apart`` gives each organisation statements of its own, for comparison.
    """
    result = Simulated(organizations)
    with _loop() as loop, ExitStack() as patches:
        for module in (sync, sync_lease):
            patches.enter_context(mock.patch.object(module, "time", SimpleNamespace(monotonic=loop.time)))
        loop.run_until_complete(_World(loop, result, stored_turns, apart).live(turns_per_second, seconds))
    return result


class _World:
    def __init__(self, loop: asyncio.AbstractEventLoop, result: Simulated, stored_turns: int, apart: bool) -> None:
        self._loop = loop
        self._result = result
        self._chance = random.Random(1)
        self._documents = _Documents(self.now)
        self._warehouse = _Warehouse(self.now, result, stored_turns, apart)
        self._ended = False

    def now(self) -> datetime:
        return BEGAN + timedelta(seconds=self._loop.time())

    async def live(self, turns_per_second: float, seconds: float) -> None:
        calls = asyncio.create_task(self._scheduler())
        while self._loop.time() < seconds:
            await asyncio.sleep(self._chance.expovariate(turns_per_second))
            self._turn()
        self._ended = True
        await calls
        self._result.left = len(self._documents.entries)

    async def _scheduler(self) -> None:
        purge: Any = SimpleNamespace(run=self._nothing_to_purge)
        directory: Any = SimpleNamespace(tenant=_tenant)
        documents: Any = self._documents
        warehouse: Any = self._warehouse
        running: set[asyncio.Task[Any]] = set()
        while not (self._ended and not self._documents.entries and not running):
            call = asyncio.create_task(
                Sync(documents, directory, warehouse, purge, Log("ERROR", io.StringIO()), self.now).run()
            )
            running.add(call)
            call.add_done_callback(running.discard)
            await asyncio.sleep(CALL_EVERY)

    async def _nothing_to_purge(self, _: object) -> int:
        return 0

    def _turn(self) -> None:
        """One turn with a tool call: what its two commits put into the outbox."""
        number, self._result.turns = self._result.turns, self._result.turns + 1
        now = self.now()
        tenant = _tenant(OrgSlug(f"org_{self._chance.randrange(self._result.organizations)}"))
        conversation = Conversation(
            f"{tenant.org_slug}-{self._chance.randrange(1 + number // TURNS_PER_CONVERSATION)}",
            "user", "title", "openai", "model", now, now, message_count=2,
        )  # fmt: skip
        question = Message(f"q{number}", "user", "x" * 80, now)
        answer = Message(f"a{number}", "assistant", "x" * ANSWER_CHARS, now, tool_results_json="x" * RESULT_CHARS)
        call = ToolFinished("CostAnalyst", "1", "query_costs", "costs", "{}", {"summary": {}}, 100)
        self._documents.apply(
            [
                *outbox.message_entries(tenant, conversation, question, now),
                outbox.message_entry(tenant, conversation.conversation_id, answer, now),
                *outbox.tool_call_entries(tenant, conversation, answer, [call]),
            ]
        )


class _Documents:
    """The outbox and the lease, in memory, with the time that Firestore takes."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.entries: dict[str, Document] = {}
        self._others: dict[str, Document] = {}
        self._due: dict[int, list[tuple[datetime, str]]] = defaultdict(list)

    async def get_all(self, paths: Sequence[str], fields: object = None) -> dict[str, Document | None]:
        await asyncio.sleep(REQUEST_SECONDS)
        return {path: self._others.get(path) for path in paths}

    async def query(
        self, collection: str, *, where: Sequence[Where], order: Sequence[Sort], limit: int
    ) -> list[Document]:
        assert (collection, [sort.field for sort in order]) == (OUTBOX, ["next_try_at"])
        shard, least, most = (condition.value for condition in where)
        due = self._due[shard]
        found = due[bisect_left(due, (least, "")) :][:limit]
        documents = [self.entries[path] for at, path in found if at <= most]
        await asyncio.sleep(REQUEST_SECONDS + READ_SECONDS * len(documents))
        return documents

    async def count(self, collection: str, where: Sequence[Where] = ()) -> int:
        await asyncio.sleep(REQUEST_SECONDS)
        shards = [condition.value for condition in where if condition.field == "shard"]
        return len(self._due[shards[0]]) if shards else len(self.entries)

    async def commit(self, writes: Sequence[Write]) -> list[datetime]:
        await asyncio.sleep(REQUEST_SECONDS + WRITTEN_SECONDS * len(writes))
        for write in writes:
            if isinstance(write, Delete) and write.unchanged_since is not None:
                there = self.entries.get(write.path)
                if there is None or there.updated_at != write.unchanged_since:
                    raise DocumentConflict
        return self.apply(writes)

    def apply(self, writes: Sequence[Write]) -> list[datetime]:
        now = self._now()
        for write in writes:
            store = self.entries if write.path.startswith(f"{OUTBOX}/") else self._others
            before = store.pop(write.path, None)
            if store is self.entries and before is not None:
                due = self._due[before.data["shard"]]
                del due[bisect_left(due, (before.data["next_try_at"], write.path))]
            if isinstance(write, Put | Create) or (isinstance(write, Patch) and store is self._others):
                data = {**(before.data if before and isinstance(write, Patch) else {}), **write.data}
                store[write.path] = Document(write.path, data, now, now)
                if store is self.entries:
                    insort(self._due[data["shard"]], (data["next_try_at"], write.path))
        return [now] * len(writes)


class _Warehouse:
    """Statements that change tables: a time each, a few at a time per table, and what each of them bills."""

    def __init__(
        self,
        now: Callable[[], datetime],
        result: Simulated,
        stored_turns: int,
        apart: bool,
    ) -> None:
        self._now = now
        self._result = result
        self._apart = apart
        self._gates: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(AT_ONCE))
        self._rows = {
            "org_chat_conversations": stored_turns // TURNS_PER_CONVERSATION,
            "org_chat_messages": 2 * stored_turns,
            "org_chat_tool_calls": stored_turns,
        }

    async def merge(self, table: str, rows: Sequence[tuple[OrgSlug, dict[str, Any]]]) -> int:
        parts: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for org_slug, row in rows:
            parts[org_slug if self._apart else ""].append(row)
        await asyncio.gather(*(self._statement(table, part) for part in parts.values()))
        return len(rows)

    async def _statement(self, table: str, rows: Sequence[dict[str, Any]]) -> None:
        async with self._gates[table]:
            await asyncio.sleep(STATEMENT_SECONDS)
        self._result.statements += 1
        self._result.billed += max(MINIMUM_BILLED, self._rows[table] * _width(table))
        self._rows[table] += len(rows)
        now = self._now()
        self._result.lags += [(now - datetime.fromisoformat(row["created_at"])).total_seconds() for row in rows]


def _width(table: str) -> int:
    """The bytes of a stored row that its merge reads: all of them where rows change, its key where they are added."""
    rule = schema.load("organizations", table).merge
    assert rule is not None
    return 300 if rule.newest else 36 * (len(rule.key) + 1) + 8


def _tenant(org_slug: OrgSlug) -> Tenant:
    return Tenant(org_slug, "simulated-project", "organizations")


class _Loop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only while nothing is to be done, and then at once."""

    def __init__(self) -> None:
        self._passed = 0.0
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self._passed

    def forward(self, seconds: float) -> None:
        self._passed += seconds


class _Selector(selectors.SelectSelector):
    def __init__(self, loop: _Loop) -> None:
        super().__init__()
        self._virtual = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "nothing is left that could happen"
        self._virtual.forward(max(0.0, timeout))
        return []


@contextmanager
def _loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = _Loop()
    asyncio.set_event_loop(loop)
    try:
        yield loop
    finally:
        asyncio.set_event_loop(None)
        loop.close()
