"""A document becomes passages that answer: claimed, parsed, cut, embedded, written, and switched to in one commit.

Another process may do the same at the same time, and each may end anywhere. The record is the fence: whoever claims it
names the version that it writes, and only the version that the record names answers. What others left is deleted by
whoever claims it next, which ``Arrivals.run_due`` sees to.
"""

import asyncio
import hashlib
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import IO

from common.documents import Data, DocumentConflict
from common.errors import CostCeiling, EmbeddingUnavailable
from common.knowledge.chunking import Chunk
from common.knowledge.embedding.space import Embedder, Embeddings, Meter, paid_writes
from common.knowledge.parsing.process import parse
from common.knowledge.parsing.refusal import Refused
from common.knowledge.record import DocumentRecord, Reason
from common.knowledge.store import KnowledgeStore
from common.tenant import Tenant, UserId

# Longer than any process may take that has claimed a document.
CLAIM = timedelta(minutes=15)
# They go into one commit, which may have 10 MB: a passage with a vector of 2,048 numbers takes 20 kB.
EMBEDDED_AT_ONCE = 32


def document_id_of(sha256: str) -> str:
    """The id of a document with these bytes: the same bytes twice are one document of an organisation."""
    return sha256[:32]


@dataclass(frozen=True, slots=True)
class Ingestion:
    """Makes documents answer; done twice, or by two at a time, there is one version of each."""

    store: KnowledgeStore
    embeddings: Embeddings
    meter: Callable[[], Meter]
    clock: Callable[[], datetime]

    async def add(self, tenant: Tenant, name: str, data: bytes, by: UserId) -> DocumentRecord:
        """Take a document whose bytes are at hand, and return its record: ready, or failed with a reason.

        Raises EmbeddingUnavailable and DocumentsUnavailable; the same call may be made again.
        """
        sha256, now = hashlib.sha256(data).hexdigest(), self.clock()
        record = DocumentRecord(
            document_id=document_id_of(sha256), name=name, media_type="application/octet-stream", size=len(data),
            sha256=sha256, state="waiting", created_at=now, created_by=by, changed_at=now,
        )  # fmt: skip
        with suppress(DocumentConflict):
            await self.store.create(tenant, record, now + CLAIM)
        found = await self.store.read(tenant, record.document_id)
        assert found is not None
        if found.state == "deleted":
            found = await self.store.change(tenant, found, {"state": "waiting", "version": "", "name": name})
        claimed = None if found.state == "ready" else await self.claim(tenant, found)
        if claimed is None:
            return found
        with tempfile.TemporaryFile() as file:
            file.write(data)
            file.flush()
            return await self.read_file(tenant, claimed, file)

    async def claim(self, tenant: Tenant, record: DocumentRecord) -> DocumentRecord | None:
        """Claim a document for this process. Returns None where another one is at work on it."""
        now = self.clock()
        if record.is_at_work(now):
            return None
        changes: Data = {"staged": uuid.uuid4().hex[:12], "staged_until": now + CLAIM}
        if not record.version:
            arrived_at = record.arrived_at or now
            changes |= {"state": "processing", "reason": None, "changed_at": now, "arrived_at": arrived_at}
        try:
            return await self.store.change(tenant, record, changes, now + CLAIM)
        except DocumentConflict:
            return None

    async def read_file(self, tenant: Tenant, record: DocumentRecord, file: IO[bytes]) -> DocumentRecord:
        """Make the passages of a claimed document from its file, and let them answer.

        Returns the record, failed with a reason where nothing can be read. Raises EmbeddingUnavailable,
        CostCeiling and DocumentsUnavailable, and gives the claim back.
        """
        try:
            parsed = await parse(file, record.name)
        except Refused as refused:
            return await self.fail(tenant, record, refused.reason)

        async def parts() -> AsyncIterator[list[Chunk]]:
            for start in range(0, len(parsed.chunks), EMBEDDED_AT_ONCE):
                yield parsed.chunks[start : start + EMBEDDED_AT_ONCE]

        return await self._replace(tenant, record, parts(), {"pages": parsed.pages})

    async def embed_again(self, tenant: Tenant, record: DocumentRecord) -> DocumentRecord:
        """Embed the passages of a claimed document in the organisation's space; the old ones answer until then."""

        async def parts() -> AsyncIterator[list[Chunk]]:
            for start in range(0, record.passages, EMBEDDED_AT_ONCE):
                yield await self.store.read_chunks(tenant, record, start, EMBEDDED_AT_ONCE)

        return await self._replace(tenant, record, parts(), {})

    async def fail(self, tenant: Tenant, record: DocumentRecord, reason: Reason) -> DocumentRecord:
        """End the work on a claimed document with a reason; a version that answers goes on answering."""
        state = "ready" if record.version else "failed"
        ended: Data = {
            "state": state, "reason": reason, "again": False, "changed_at": self.clock(), "arrived_at": None,
        }  # fmt: skip
        return await self._end(tenant, record, ended, is_over=True)

    async def _replace(
        self, tenant: Tenant, record: DocumentRecord, parts: AsyncIterator[list[Chunk]], also: Data
    ) -> DocumentRecord:
        """Write passages, and switch to them."""
        try:
            embedder = await self.embeddings.wanted(tenant)
            if embedder.space.price is not None:
                await self.meter().check(tenant)
            count = await self._stage(tenant, record, parts, embedder)
        except (EmbeddingUnavailable, CostCeiling) as error:
            await self._end(tenant, record, {} if record.version else {"reason": error.code})
            raise
        except DocumentConflict:
            return await self._given_up(tenant, record)
        space = embedder.space.name
        switched: Data = {
            "state": "ready", "reason": None, "version": record.staged, "space": space, "passages": count,
            "changed_at": self.clock(), "arrived_at": None, "staged": "", "staged_until": None, "again": False, **also,
        }  # fmt: skip
        try:
            done = await self.store.switch(tenant, record, switched, space)
        except DocumentConflict:
            return await self._given_up(tenant, record)
        await self.clean(tenant, done)
        return done

    async def clean(self, tenant: Tenant, record: DocumentRecord) -> None:
        """Delete the passages of a document that do not answer, and note that nothing else is to be done."""
        await self.store.delete_chunks(tenant, record.document_id, record.version or None)
        await self.store.settle(tenant, record.document_id)

    async def _stage(
        self, tenant: Tenant, record: DocumentRecord, parts: AsyncIterator[list[Chunk]], embedder: Embedder
    ) -> int:
        """Write the passages of the staged version, each part while the next one is embedded; returns how many."""
        count, writing = 0, asyncio.ensure_future(asyncio.sleep(0))
        try:
            async for part in parts:
                embedded = await embedder.embed([chunk.embedded for chunk in part], "passage")
                await writing
                by, use_id, space = UserId(record.created_by), f"{record.staged}.{count}", embedder.space
                paid = paid_writes(self.meter, tenant, by, use_id, space, embedded)
                write = self.store.write_chunks(tenant, record, count, part, embedded.vectors, space.name, paid)
                writing = asyncio.ensure_future(write)
                count += len(part)
        finally:
            # Also where the embedding fails: what is still being written would come after its deletion.
            await writing
        return count

    async def _end(
        self, tenant: Tenant, record: DocumentRecord, changes: Data, *, is_over: bool = False
    ) -> DocumentRecord:
        """Give the claim back; what was staged is deleted."""
        try:
            ended = await self.store.change(tenant, record, {**changes, "staged": "", "staged_until": None})
        except DocumentConflict:
            return await self._given_up(tenant, record)
        if is_over:
            await self.clean(tenant, ended)
        else:
            await self.store.delete_chunks(tenant, record.document_id, ended.version or None)
        return ended

    async def _given_up(self, tenant: Tenant, record: DocumentRecord) -> DocumentRecord:
        """Delete what this process has staged, and return what has become of the document.

        It was deleted, or claimed by another process because this one took too long.
        """
        found = await self.store.read(tenant, record.document_id)
        if found is not None and found.answers(record.staged):
            # The switch was made; its answer was lost, and asking again found the record changed.
            await self.clean(tenant, found)
            return found
        await self.store.delete_version(tenant, record.document_id, record.staged)
        return found or record
