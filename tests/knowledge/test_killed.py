"""Work on a document that ends anywhere, or is done twice: one version answers, and nothing else is left after a sweep.

The killed process makes no request after the one that it is killed at; what it was about is taken up by another one.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import IO, Any, Literal

import httpx
import pytest
from starlette.responses import Response

from common.errors import EmbeddingUnavailable
from common.knowledge import ingestion as ingesting
from common.knowledge.arrivals import Arrivals
from common.knowledge.embedding.space import Embedded, Purpose
from common.knowledge.ingestion import CLAIM, Ingestion, document_id_of
from common.knowledge.parsing.process import Parsed, parse
from common.knowledge.paths import chunks_path, file_path
from common.knowledge.search import KnowledgeSearch
from common.knowledge.services import KnowledgeServices
from common.knowledge.store import KnowledgeStore
from common.knowledge.uploads import Announced, Uploads
from common.tenant import Principal, Tenant, UserId
from tests.conftest import Cloud
from tests.knowledge.conftest import a_tenant
from tests.knowledge.test_spaces import NEW, OLD, Letters, Two
from tests.listening import listening

# Two commits of passages.
TEXT = "".join(f"a rule of number {number}, {'and so on, ' * 70}\n\n" for number in range(36)).encode()
SHA256 = hashlib.sha256(TEXT).hexdigest()
DOCUMENT = document_id_of(SHA256)
# The process is killed after a request, which is before the next one; or the answer is lost, and the commit made twice.
Fate = Literal["killed", "twice"]
Work = Callable[["Workers", Tenant], Awaitable[Any]]


@dataclass
class Life:
    """The requests of a process, and what becomes of it at one of them."""

    ends_at: int = -1
    fate: Fate = "killed"
    disturbed_at: int = -1
    disturb: Callable[[], Awaitable[None]] | None = None
    asked: list[str] = field(default_factory=list)
    dead: bool = False

    async def ask(self, name: str, request: Callable[[], Awaitable[Any]]) -> Any:
        if self.dead:
            raise asyncio.CancelledError
        number = len(self.asked)
        self.asked.append(name)
        if number == self.disturbed_at and self.disturb is not None:
            await self.disturb()
        if number != self.ends_at:
            return await request()
        if self.fate == "twice":
            if name == "commit":
                await request()
            return await request()
        self.dead = True
        await request()
        raise asyncio.CancelledError


@dataclass
class Mortal:
    """Firestore or Cloud Storage, as a process of such a life reaches it."""

    whole: Any
    life: Life

    def __getattr__(self, name: str) -> Any:
        return lambda *given, **named: self.life.ask(name, lambda: getattr(self.whole, name)(*given, **named))


class Workers:
    """What a process of a life does documents with; ``later`` is how much later it lives."""

    def __init__(self, whole: KnowledgeServices, two: Two, life: Life, later: timedelta = timedelta()) -> None:
        def clock() -> Any:
            return whole.clock() + later

        documents: Any = Mortal(whole.documents, life)
        files: Any = Mortal(whole.files, life)
        self.store = KnowledgeStore(documents)
        self.clock = clock
        self.ingestion = Ingestion(self.store, two, whole.meter, clock)
        self.uploads = Uploads(self.store, files, clock)
        self.arrivals = Arrivals(self.store, files, self.ingestion, self.uploads, whole.directory, clock, whole.log)
        self.search = KnowledgeSearch(documents, self.store, two, whole.meter)


@dataclass
class Bench:
    """An organisation with one document that waits for its reader, its file being there."""

    knowledge: KnowledgeServices
    two: Two
    tenant: Tenant

    @classmethod
    async def made(cls, knowledge: KnowledgeServices) -> "Bench":
        bench = cls(knowledge, Two(Letters(OLD), Letters(NEW)), a_tenant())
        anna = Principal(bench.tenant, UserId("anna"), "operator")
        await bench.workers().uploads.begin(anna, Announced("rules.txt", "text/plain", len(TEXT), SHA256))
        blob = knowledge.files._bucket.blob(file_path(bench.tenant, DOCUMENT))
        await asyncio.to_thread(blob.upload_from_string, TEXT)
        return bench

    def workers(self, life: Life | None = None, later: timedelta = timedelta()) -> Workers:
        return Workers(self.knowledge, self.two, life or Life(), later)

    async def live(self, work: Work, life: Life) -> None:
        """Do the work until its end, or the process's."""
        try:
            await work(self.workers(life), self.tenant)
        except asyncio.CancelledError:
            assert life.dead

    async def answers(self) -> list[str]:
        """The passages that are found, of however many versions."""
        found = await self.workers().search.search(self.tenant, "a?", 200, UserId("anna"))
        return [passage.text for passage in found]

    async def sweep(self) -> None:
        """Do what the scheduler does for this organisation, until nothing is left to do."""
        workers = self.workers(later=CLAIM + timedelta(minutes=15))
        for _ in range(6):
            await workers.arrivals._compare_spaces(self.tenant)
            due = await self.due(workers)
            if not due:
                return
            for document_id in due:
                await workers.arrivals._look_after(self.tenant, document_id)
        raise AssertionError("the sweep does not come to an end")

    async def due(self, workers: Workers) -> list[str]:
        found = await workers.store.due(workers.clock(), 10_000)
        return [document_id for org_slug, document_id in found if org_slug == self.tenant.org_slug]

    async def check_one_version(self) -> None:
        record = await self.knowledge.store.read(self.tenant, DOCUMENT)
        assert record is not None
        assert (record.state, record.staged, record.again) == ("ready", "", False)
        left = await self.knowledge.documents.query(chunks_path(self.tenant), limit=300)
        assert {each.data["version"] for each in left} == {record.version}
        assert len(left) == record.passages > ingesting.EMBEDDED_AT_ONCE
        assert await self.knowledge.store.spaces(self.tenant) == [record.space]
        answers = await self.answers()
        assert len(answers) == len(set(answers)) == record.passages

    async def check_nothing_left(self) -> None:
        assert await self.knowledge.store.read(self.tenant, DOCUMENT) is None
        assert await self.knowledge.documents.query(chunks_path(self.tenant), limit=9) == []
        assert await self.knowledge.files.find(file_path(self.tenant, DOCUMENT)) is None


async def read(workers: Workers, tenant: Tenant) -> None:
    await workers.arrivals.finalized(file_path(tenant, DOCUMENT))


async def look_after(workers: Workers, tenant: Tenant) -> None:
    await workers.arrivals._look_after(tenant, DOCUMENT)


async def delete(workers: Workers, tenant: Tenant) -> None:
    await workers.uploads.delete(tenant, DOCUMENT)


@pytest.fixture(autouse=True)
def parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The document is the same each time, and reading it asks nothing of Firestore or Cloud Storage."""
    known: list[Parsed] = []

    async def parse_once(file: IO[bytes], name: str) -> Parsed:
        if not known:
            known.append(await parse(file, name))
        return known[0]

    monkeypatch.setattr(ingesting, "parse", parse_once)


@pytest.fixture(autouse=True)
async def events_taken(cloud: Cloud) -> AsyncIterator[None]:
    """Uploads are told to a subscriber that does nothing: each test says when a document is read."""
    emulator = cloud.environment["STORAGE_EMULATOR_HOST"]
    async with listening(Response()) as address:
        await asyncio.to_thread(httpx.put, f"{emulator}/_subscriber", content=f"{address}/", timeout=120)
        yield
        await asyncio.to_thread(httpx.put, f"{emulator}/_subscriber", content="http://127.0.0.1:9/", timeout=120)


@dataclass(frozen=True)
class Task:
    """Work on a document, and what the document is like as it begins."""

    work: Work
    of: Literal["a new file", "a file again", "another space", "an answering one"]

    async def begun(self, knowledge: KnowledgeServices) -> Bench:
        bench = await Bench.made(knowledge)
        if self.of != "a new file":
            await read(bench.workers(), bench.tenant)
        if self.of == "a file again":
            await bench.workers().uploads.read_again(bench.tenant, DOCUMENT)
        bench.two.changed = self.of == "another space"
        return bench

    async def requests(self, knowledge: KnowledgeServices) -> list[str]:
        """The requests of the work where nothing disturbs it."""
        bench, life = await self.begun(knowledge), Life()
        await bench.live(self.work, life)
        assert {"get_all", "commit"} <= set(life.asked)
        return life.asked


NEW_FILE = Task(read, "a new file")
DELETION = Task(delete, "an answering one")
READINGS = [NEW_FILE, Task(read, "a file again"), Task(look_after, "another space")]


@pytest.mark.parametrize("fate", ["killed", "twice"])
@pytest.mark.parametrize("task", READINGS, ids=lambda task: task.of)
async def test_one_version_answers_wherever_the_work_ends(knowledge: KnowledgeServices, task: Task, fate: Fate) -> None:
    for number, name in enumerate(await task.requests(knowledge)):
        if fate == "twice" and name != "commit":
            continue
        bench = await task.begun(knowledge)
        before = sorted(await bench.answers())
        await bench.live(task.work, Life(number, fate))
        now = sorted(await bench.answers())
        assert len(now) == len(set(now)), (number, name)
        assert not before or now == before, (number, name)
        await bench.sweep()
        await bench.check_one_version()


@pytest.mark.parametrize("fate", ["killed", "twice"])
async def test_a_deletion_that_ends_anywhere_is_brought_to_its_end(knowledge: KnowledgeServices, fate: Fate) -> None:
    for number in range(len(await DELETION.requests(knowledge))):
        bench, life = await DELETION.begun(knowledge), Life(number, fate)
        await bench.live(delete, life)
        told = fate == "twice" or "commit" in life.asked
        assert bool(await bench.answers()) != told
        await bench.sweep()
        await (bench.check_nothing_left() if told else bench.check_one_version())


async def test_a_deletion_while_it_is_read_leaves_nothing_wherever_the_reader_ends(
    knowledge: KnowledgeServices,
) -> None:
    requests = len(await NEW_FILE.requests(knowledge))
    for deleted_at in range(requests):
        for ends_at in range(deleted_at, min(deleted_at + 3, requests)):
            bench = await NEW_FILE.begun(knowledge)

            async def disturb(bench: Bench = bench) -> None:
                await delete(bench.workers(), bench.tenant)

            await bench.live(read, Life(ends_at, "killed", deleted_at, disturb))
            await bench.sweep()
            await bench.check_nothing_left()


@dataclass
class FailingOnce(Letters):
    """Its provider fails at the second part of a document."""

    calls: int = 0

    async def embed(self, texts: Sequence[str], purpose: Purpose) -> Embedded:
        self.calls += 1
        if self.calls == 2:
            raise EmbeddingUnavailable
        return await super().embed(texts, purpose)


async def test_a_provider_that_fails_half_way_leaves_no_passage_and_the_next_event_succeeds(
    knowledge: KnowledgeServices,
) -> None:
    bench = await Bench.made(knowledge)
    bench.two.old = FailingOnce(OLD)
    with pytest.raises(EmbeddingUnavailable):
        await bench.live(read, Life())
    assert await knowledge.documents.query(chunks_path(bench.tenant), limit=9) == []
    await bench.live(read, Life())
    await bench.check_one_version()


async def test_a_file_to_be_read_again_is_read_again_after_its_provider_has_failed(
    knowledge: KnowledgeServices,
) -> None:
    bench = await READINGS[1].begun(knowledge)
    first = await knowledge.store.read(bench.tenant, DOCUMENT)
    bench.two.old = FailingOnce(OLD)
    with pytest.raises(EmbeddingUnavailable):
        await bench.live(read, Life())
    await bench.live(read, Life())
    await bench.check_one_version()
    again = await knowledge.store.read(bench.tenant, DOCUMENT)
    assert first is not None
    assert again is not None
    assert again.version != first.version
