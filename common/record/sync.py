"""From the outbox to the record: every row once, whatever stops half-way and however often it is done."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import NotRequired

from typing_extensions import TypedDict

from common import limits
from common.documents import Delete, DocumentConflict, Documents, Patch, Put, Write
from common.errors import DocumentsUnavailable, Unavailable, WarehouseBusy, WarehouseUnavailable
from common.organizations.directory import Directory
from common.record.adoption import Adoption, is_readable
from common.record.outbox import OutboxEntry, entry_of
from common.record.outbox_queue import CLOCK_SKEW_SECONDS, OutboxQueue
from common.record.purge import Purge
from common.record.sync_lease import SyncLease
from common.record.writer import RecordWriter
from common.stopping import told_to_stop
from common.telemetry.log import Log
from common.tenant import OrgSlug
from common.transcript.paths import OUTBOX, SYNCED_ORGS
from common.warehouse.client import QueryRefused
from common.warehouse.result import size_of

SYNC_SECONDS = 40.0
SYNC_BATCH_ROWS = 2_000
SYNC_BATCH_BYTES = 4_000_000
# Rows as old as that share no statement with new ones: it would read all the days between them.
SYNC_OLD_ROW = timedelta(days=2)
SYNC_SETTLED_AT_ONCE = 100
SYNC_REFUSALS = 60
SYNC_FIRST_RETRY_SECONDS = 120

# What a batch is refused for although no row of it is at fault.
_NOT_THE_ROW = {"table_not_found", "access_denied", "timeout", "bytes_over_limit"}

_NEVER = datetime.fromtimestamp(0, UTC)


@dataclass(slots=True)
class _Round:
    """The counts of one sync; ``left`` are entries that stay due, ``stopped`` is the reason for an early end.

    ``unanswered`` says that a statement may still be running, although nobody waits for it.
    """

    written: int = 0
    settled: int = 0
    rejected: int = 0
    purged: int = 0
    refusals: int = 0
    left: int = 0
    stopped: str | None = None
    unanswered: bool = False
    orgs: set[str] = field(default_factory=set)

    def interrupt(self) -> None:
        """End it once the statements under way have ended: the process is about to."""
        self.stopped = self.stopped or "restarting"


class Synced(TypedDict):
    """The answer to a call of the scheduler; nothing but the status where another one is at work."""

    status: str
    written: NotRequired[int]
    rejected: NotRequired[int]
    purged: NotRequired[int]
    remaining: NotRequired[int | None]


class Sync:
    """Drains the outbox, a bounded part of it per call.

    An entry is removed only after the record has its row, and only if it did not change meanwhile. Rows are merged by
    their ids, so a row that was written before a crash is not written again. A table is changed by one statement at a
    time, for all organisations together: BigQuery lets few run, and those that overlap fail.
    """

    def __init__(
        self,
        documents: Documents,
        directory: Directory,
        writer: RecordWriter,
        purge: Purge,
        log: Log,
        clock: Callable[[], datetime],
    ) -> None:
        self._documents = documents
        self._writer = writer
        self._purge = purge
        self._log = log
        self._clock = clock
        self._adoption = Adoption(documents, directory, log, clock)
        self._noted: set[str] = set()

    async def run(self) -> Synced:
        """Write what is due, then purge what is due; say what was done and how many entries remain."""
        lease, done = SyncLease(self._documents), _Round()
        with told_to_stop(done.interrupt):
            try:
                if not await lease.take():
                    return {"status": "busy"}
                queue = OutboxQueue(self._documents, self._clock, lease.left)
                await self._drain(lease, queue, done)
                if done.stopped is None and await self._adoption.search():
                    await self._drain(lease, OutboxQueue(self._documents, self._clock, lease.left), done)
                lease.left = queue.left(everything_written=done.stopped is None and not done.left)
                if done.stopped is None:
                    done.purged = await self._purge.run(lease)
            except Unavailable as error:
                self._stop(done, error)
            finally:
                # A statement that was not answered may still be running: then the lease runs out by itself, after it.
                if not done.unanswered:
                    await lease.give_back()
        return {
            "status": done.stopped or "ok",
            "written": done.written,
            "rejected": done.rejected,
            "purged": done.purged,
            "remaining": await self._remaining(done),
        }

    async def _remaining(self, done: _Round) -> int | None:
        try:
            return await self._documents.count(OUTBOX)
        except DocumentsUnavailable as error:
            self._stop(done, error)
            return None

    async def _drain(self, lease: SyncLease, queue: OutboxQueue, done: _Round) -> None:
        until = time.monotonic() + SYNC_SECONDS
        while done.stopped is None and time.monotonic() < until:
            documents, all_read = await queue.read()
            before = done.settled + done.rejected
            await lease.renew()
            unreadable = [document for document in documents if not is_readable(document)]
            repaired = await self._adoption.repair(unreadable)
            done.rejected += len(unreadable) - repaired
            entries = [entry_of(document) for document in documents if is_readable(document)]
            tables = _batches(entries, self._clock() - SYNC_OLD_ROW)
            writing = (self._write(lease, table, batches, done) for table, batches in tables.items())
            # All of them end before the lease is given back, whatever one of them raises.
            for ended in await asyncio.gather(*writing, return_exceptions=True):
                if ended is not None:
                    raise ended
            await self._note_orgs(done)
            if repaired:
                continue
            if all_read or done.settled + done.rejected == before:
                return

    async def _write(self, lease: SyncLease, table: str, batches: list[list[OutboxEntry]], done: _Round) -> None:
        """Merge the batches of one table, one after another; halve what BigQuery refuses until the row is found."""
        waiting = batches[::-1]
        while waiting and done.stopped is None:
            part = waiting.pop()
            try:
                await lease.renew()
                written = await self._writer.merge(table, [(OrgSlug(entry.org_slug), entry.row) for entry in part])
            except WarehouseBusy:
                # Its rows are at no fault: they stay due, and the next round sends them again.
                done.left += len(part)
            except Unavailable as error:
                self._stop(done, error)
            except QueryRefused as refused:
                done.refusals += 1
                if refused.code in _NOT_THE_ROW or done.refusals > SYNC_REFUSALS:
                    self._stop(done, refused)
                elif len(part) == 1:
                    await self._reject(part[0], refused, done)
                else:
                    waiting += [part[len(part) // 2 :], part[: len(part) // 2]]
            else:
                # Added only now: tables are written at the same time, and a sum begun before a wait loses theirs.
                done.written += written
                settled = await self._settled(part, done)
                done.settled += settled
                done.left += len(part) - settled
                done.orgs.update(entry.org_slug for entry in part)

    async def _settled(self, entries: Sequence[OutboxEntry], done: _Round) -> int:
        """Return how many of the written entries are removed; those that are not are written again, without effect."""
        starts = range(0, len(entries), SYNC_SETTLED_AT_ONCE)
        removing = (self._settle(entries[start : start + SYNC_SETTLED_AT_ONCE]) for start in starts)
        removed = 0
        for ended in await asyncio.gather(*removing, return_exceptions=True):
            match ended:
                case int():
                    removed += ended
                case DocumentsUnavailable():
                    self._stop(done, ended)
                case BaseException():
                    raise ended
        return removed

    async def _settle(self, entries: Sequence[OutboxEntry]) -> int:
        """Remove what is written and let its documents expire; what changed meanwhile stays."""
        expire_at = self._clock() + timedelta(days=limits.HOT_DAYS)
        try:
            await self._documents.commit([write for entry in entries for write in _settling(entry, expire_at)])
            return len(entries)
        except DocumentConflict:
            return sum([await self._settle_one(entry, expire_at) for entry in entries])

    async def _settle_one(self, entry: OutboxEntry, expire_at: datetime) -> bool:
        # The document may be gone, by a purge or by its expiry: then only the entry is removed.
        for writes in (_settling(entry, expire_at), [Delete(entry.path, entry.version)]):
            try:
                await self._documents.commit(writes)
                return True
            except DocumentConflict:
                continue
        return False

    async def _reject(self, entry: OutboxEntry, refused: QueryRefused, done: _Round) -> None:
        """Keep the entry, with what is known of its failure, for a later try."""
        done.rejected += 1
        wait = min(SYNC_FIRST_RETRY_SECONDS * 2**entry.attempts, limits.SYNC_LAST_RETRY_SECONDS)
        # Entries are looked for that much early.
        wait += CLOCK_SKEW_SECONDS
        failure = {
            "attempts": entry.attempts + 1,
            "next_try_at": self._clock() + timedelta(seconds=wait),
            "error_class": refused.code,
        }
        self._log.error(
            "sync.rejected",
            org=entry.org_slug,
            conversation_id=entry.conversation_id,
            message_id=entry.row_id,
            stage=entry.table,
            error_class=refused.code,
        )
        try:
            await self._documents.commit([Patch(entry.path, failure, entry.version)])
        except DocumentConflict:
            return  # A newer state took its place, and is tried at once.

    async def _note_orgs(self, done: _Round) -> None:
        """Remember who has a record: retention looks at these organisations."""
        new = done.orgs - self._noted
        if new:
            there = await self._documents.get_all([f"{SYNCED_ORGS}/{org}" for org in new])
            writes: list[Write] = [
                Put(path, {"org_slug": path.rsplit("/", 1)[1], "checked_at": _NEVER})
                for path, document in there.items()
                if document is None
            ]
            if writes:
                await self._documents.commit(writes)
            self._noted |= new

    def _stop(self, done: _Round, error: Unavailable | QueryRefused) -> None:
        """End the round: what stopped it concerns all that is left."""
        if done.stopped in (None, "restarting"):
            self._log.error("sync.stopped", error_class=type(error.__cause__ or error).__name__, code=error.code)
        done.stopped = error.code
        unanswered = isinstance(error, WarehouseUnavailable) and not isinstance(error, WarehouseBusy)
        done.unanswered = done.unanswered or unanswered or error.code == "timeout"


def _batches(entries: Iterable[OutboxEntry], old: datetime) -> dict[str, list[list[OutboxEntry]]]:
    """By table, so many entries together as one statement takes; new rows first, those of older months apart."""
    months: dict[tuple[str, str], list[OutboxEntry]] = {}
    for entry in entries:
        made = str(entry.row.get("created_at"))
        months.setdefault((entry.table, "" if made >= old.isoformat() else made[:7]), []).append(entry)
    tables: dict[str, list[list[OutboxEntry]]] = {}
    for (table, _), together in sorted(months.items(), key=itemgetter(0)):
        tables.setdefault(table, []).extend(_of_one_statement(together))
    return tables


def _of_one_statement(entries: Iterable[OutboxEntry]) -> Iterator[list[OutboxEntry]]:
    batch, size = list[OutboxEntry](), 0
    for entry in entries:
        weight = size_of(entry.row)
        if batch and (len(batch) >= SYNC_BATCH_ROWS or size + weight > SYNC_BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += weight
    yield batch


def _settling(entry: OutboxEntry, expire_at: datetime) -> list[Write]:
    writes: list[Write] = [Delete(entry.path, entry.version)]
    if entry.expires is not None:
        # A change of the document also changes its entry: this commit fails as a whole then.
        writes.append(Patch(entry.expires, {"expire_at": expire_at}))
    return writes
