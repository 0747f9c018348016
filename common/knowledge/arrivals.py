"""Files that have arrived, and documents of which something is left to do: the work of the function ``ingest``.

An event may come late, twice or not at all. It names a file; what is to be done the document's record says.
"""

import hashlib
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import IO

from common import limits
from common.documents import DocumentConflict
from common.errors import DocumentsUnavailable, EmbeddingUnavailable, ServiceError
from common.files import FileChanged, Files, StoredFile
from common.knowledge.ingestion import CLAIM, Ingestion
from common.knowledge.paths import document_of_file, file_path
from common.knowledge.record import DocumentRecord
from common.knowledge.store import KnowledgeStore
from common.knowledge.uploads import Uploads
from common.organizations.directory import Directory
from common.telemetry.log import Log, place_of
from common.tenant import Tenant

DUE_AT_ONCE = 20
CHECKED_EVERY = timedelta(minutes=5)
CHECKED_AT_ONCE = 20
_HASHED_BYTES = 1024**2


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Brings documents to their end; each step may be done twice, or by two processes at a time."""

    store: KnowledgeStore
    files: Files
    ingestion: Ingestion
    uploads: Uploads
    directory: Directory
    clock: Callable[[], datetime]
    log: Log

    async def finalized(self, path: str) -> str:
        """Take a file that has its bytes, and return the state of its document; "unknown" for a file of none.

        Raises EmbeddingUnavailable, CostCeiling, DocumentsUnavailable, FilesUnavailable: the event is to be delivered
        again.
        """
        place = document_of_file(path)
        if place is None:
            return "unknown"
        org_slug, document_id = place
        return await self._take(self.directory.tenant(org_slug), document_id)

    async def run_due(self) -> dict[str, int]:
        """Look after documents of which something is left to do; returns how many, and how many could not be."""
        for org_slug in await self.store.unchecked(self.clock() - CHECKED_EVERY, CHECKED_AT_ONCE):
            tenant = self.directory.tenant(org_slug)
            if not await self._is_done(tenant, "", self._compare_spaces(tenant)):
                await self.store.note_checked(tenant, self.clock())
        due = await self.store.due(self.clock(), DUE_AT_ONCE)
        failed = 0
        for org_slug, document_id in due:
            tenant = self.directory.tenant(org_slug)
            if not await self._is_done(tenant, document_id, self._look_after(tenant, document_id)):
                failed += 1
                await self.store.postpone(tenant, document_id, self.clock() + CLAIM)
        return {"done": len(due) - failed, "failed": failed}

    async def _is_done(self, tenant: Tenant, document_id: str, work: Awaitable[None]) -> bool:
        """Do a part of the round: whatever it meets in one organisation holds no other one up.

        Raises DocumentsUnavailable.
        """
        try:
            await work
        except DocumentsUnavailable:
            raise
        except ServiceError as error:
            self.log.error("document.failed", org=tenant.org_slug, message_id=document_id, code=error.code)
            return False
        except Exception as error:
            names = {"org": tenant.org_slug, "message_id": document_id, "code": ServiceError.code}
            self.log.error("document.failed", **names, error_class=type(error).__name__, stage=place_of(error))
            return False
        return True

    async def _compare_spaces(self, tenant: Tenant) -> None:
        """Have documents embedded again that are in another space than the organisation's settings want."""
        now = self.clock()
        try:
            wanted = (await self.ingestion.embeddings.wanted(tenant)).space.name
        except EmbeddingUnavailable:
            return
        for space in await self.store.spaces(tenant):
            if space == wanted:
                continue
            left = await self.store.in_space(tenant, space, DUE_AT_ONCE)
            for document_id in left:
                await self.store.note_due(tenant, document_id, now)
            if not left:
                # The process that embedded the last document anew ended before it could say so.
                with suppress(DocumentConflict):
                    await self.store.drop_space(tenant, space)
        await self.store.note_checked(tenant, now)

    async def _look_after(self, tenant: Tenant, document_id: str) -> None:
        record = await self.store.read(tenant, document_id)
        if record is None:
            await self.store.settle(tenant, document_id)
        elif record.state == "deleted":
            await self.uploads.clear(tenant, document_id)
        elif not record.is_done:
            await self._take(tenant, document_id)
        elif record.state == "ready":
            await self._embed_again(tenant, record)
        else:
            await self.ingestion.clean(tenant, record)

    async def _embed_again(self, tenant: Tenant, record: DocumentRecord) -> None:
        wanted = (await self.ingestion.embeddings.wanted(tenant)).space.name
        if record.space in (None, wanted):
            await self.ingestion.clean(tenant, record)
            return
        claimed = await self.ingestion.claim(tenant, record)
        if claimed is not None and (await self.ingestion.embed_again(tenant, claimed)).space == wanted:
            assert record.space is not None
            try:
                await self.store.drop_space(tenant, record.space)
            except DocumentConflict:
                # Another document was switched at this moment; the next one that leaves the space drops it.
                await self.store.note_due(tenant, record.document_id, self.clock() + CLAIM)

    async def _take(self, tenant: Tenant, document_id: str) -> str:
        record = await self.store.read(tenant, document_id)
        if record is None:
            await self._drop(tenant, document_id)
            return "unknown"
        if record.state == "deleted" or record.is_done:
            return record.state
        claimed = await self.ingestion.claim(tenant, record)
        if claimed is None:
            return "processing"
        file = await self.files.find(file_path(tenant, document_id))
        if file is None:
            return (await self.ingestion.fail(tenant, claimed, "not_uploaded")).state
        if file.size > limits.MAX_DOCUMENT_BYTES:
            return (await self.ingestion.fail(tenant, claimed, "too_large")).state
        with tempfile.TemporaryFile() as copy:
            return (await self._read(tenant, claimed, file, copy)).state

    async def _read(self, tenant: Tenant, record: DocumentRecord, file: StoredFile, copy: IO[bytes]) -> DocumentRecord:
        try:
            await self.files.read(file, copy)
        except FileChanged:
            return await self.ingestion.fail(tenant, record, "not_uploaded")
        if _sha256(copy) != record.sha256:
            await self.files.delete(file.path, file.generation)
            return await self.ingestion.fail(tenant, record, "not_as_announced")
        return await self.ingestion.read_file(tenant, record, copy)

    async def _drop(self, tenant: Tenant, document_id: str) -> None:
        """Delete a file whose document was deleted while it was under way; one that was announced anew stays."""
        file = await self.files.find(file_path(tenant, document_id))
        if file is not None and await self.store.read(tenant, document_id) is None:
            await self.files.delete(file.path, file.generation)


def _sha256(file: IO[bytes]) -> str:
    file.seek(0)
    digest = hashlib.sha256()
    while part := file.read(_HASHED_BYTES):
        digest.update(part)
    return digest.hexdigest()
