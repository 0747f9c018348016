"""An organisation's documents as its administrators change them: announced, uploaded, read anew, deleted."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from common import limits
from common.documents import Data, DocumentConflict
from common.errors import DocumentBusy, DocumentNotFound, KnowledgeFull
from common.files import Files, SignedUpload
from common.knowledge.ingestion import document_id_of
from common.knowledge.paths import file_path
from common.knowledge.record import DocumentRecord
from common.knowledge.store import KnowledgeStore
from common.tenant import Principal, Tenant

_VALID = timedelta(minutes=limits.UPLOAD_MINUTES)
# An upload that began before its address expired may last a little longer.
_UPLOADED_WITHIN = _VALID + timedelta(minutes=10)
# Of several who announce documents at a time, each try lets one through at least.
_TRIES = limits.UPLOADS_PER_MINUTE


@dataclass(frozen=True, slots=True)
class Announced:
    """A document before its bytes are there."""

    name: str
    media_type: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Uploads:
    """Changes documents. Who may do that, the caller's route has said."""

    store: KnowledgeStore
    files: Files
    clock: Callable[[], datetime]

    async def begin(self, caller: Principal, document: Announced) -> tuple[DocumentRecord, SignedUpload | None]:
        """Return the record of a document, and an address for its bytes; None where they are there already.

        The same bytes announced by several at a time are one document, whose address each of them gets. Raises
        KnowledgeFull, DocumentBusy, FilesUnavailable.
        """
        tenant = caller.tenant
        for _ in range(_TRIES):
            found = await self.store.read(tenant, document_id_of(document.sha256))
            if found is not None and found.state in ("ready", "processing"):
                return found, None
            try:
                waiting = await (
                    self._create(caller, document) if found is None else self._again(tenant, found, document)
                )
            except DocumentConflict:
                # Somebody else announces the same bytes at this moment, or deletes them.
                continue
            path = file_path(tenant, waiting.document_id)
            return waiting, await self.files.sign_upload(path, document.size, document.media_type, _VALID)
        raise DocumentBusy

    async def delete(self, tenant: Tenant, document_id: str) -> None:
        """Delete a document: it is in no answer from now on. Raises DocumentNotFound."""
        now = self.clock()
        while (found := await self.store.read(tenant, document_id)) is not None and found.state != "deleted":
            # A process that is at work on it finds its record changed, and deletes what it has written.
            gone: Data = {
                "state": "deleted",
                "version": "",
                "space": None,
                "staged": "",
                "changed_at": now,
                "arrived_at": None,
            }
            try:
                await self.store.change(tenant, found, gone, now)
                break
            except DocumentConflict:
                continue
        if found is None:
            raise DocumentNotFound
        await self.clear(tenant, document_id)

    async def clear(self, tenant: Tenant, document_id: str) -> None:
        """Delete all that is left of a deleted document; its record last, so that what stops half-way is done again.

        It ends where the same bytes are announced anew meanwhile: what it has not deleted is theirs.
        """
        file = await self.files.find(file_path(tenant, document_id))
        record = await self.store.read(tenant, document_id)
        if record is None or record.state != "deleted":
            return
        with suppress(DocumentConflict):
            await self.store.clear_chunks(tenant, record)
            if file is not None:
                # Another generation was sent by whoever has announced it anew.
                await self.files.delete(file.path, file.generation)
            await self.store.remove(tenant, record)

    async def read_again(self, tenant: Tenant, document_id: str) -> DocumentRecord:
        """Have a document's file read anew; what answers now answers until then.

        Raises DocumentNotFound, DocumentBusy.
        """
        found = await self.store.read(tenant, document_id)
        if found is None or found.state == "deleted":
            raise DocumentNotFound
        if found.state == "waiting" or found.is_at_work(self.clock()):
            raise DocumentBusy
        try:
            found = await self.store.change(tenant, found, {"again": True}, self.clock() + timedelta(minutes=1))
        except DocumentConflict:
            raise DocumentBusy from None
        await self.files.finalize_again(file_path(tenant, document_id))
        return found

    async def _create(self, caller: Principal, document: Announced) -> DocumentRecord:
        """Store the record of a new document. Raises DocumentConflict, KnowledgeFull."""
        tenant, now, last = caller.tenant, self.clock(), None
        count = await self.store.count(tenant)
        if count + limits.ORG_UPLOADS_PER_MINUTE >= limits.MAX_DOCUMENTS:
            # Near the limit, nobody may come between the count and the new document.
            last = await self.store.last_created(tenant)
            count = await self.store.count(tenant)
        if count >= limits.MAX_DOCUMENTS:
            raise KnowledgeFull
        new = DocumentRecord(
            document_id=document_id_of(document.sha256), name=document.name, media_type=document.media_type,
            size=document.size, sha256=document.sha256, state="waiting", created_at=now,
            created_by=caller.user_id, changed_at=now,
        )  # fmt: skip
        return await self.store.create(tenant, new, now + _UPLOADED_WITHIN, last)

    async def _again(self, tenant: Tenant, found: DocumentRecord, document: Announced) -> DocumentRecord:
        """Let a document that waits, failed or was deleted wait for its bytes anew. Raises DocumentConflict."""
        if found.state == "deleted":
            await self.clear(tenant, found.document_id)
            raise DocumentConflict
        now, told = self.clock(), (document.name, document.media_type, document.size)
        if found.state == "waiting" and told == (found.name, found.media_type, found.size):
            await self.store.note_due(tenant, found.document_id, now + _UPLOADED_WITHIN)
            return found
        file = await self.files.find(file_path(tenant, found.document_id)) if found.state == "failed" else None
        changes: Data = {
            "name": document.name, "media_type": document.media_type, "size": document.size, "state": "waiting",
            "reason": None, "changed_at": now,
        }  # fmt: skip
        waiting = await self.store.change(tenant, found, changes, now + _UPLOADED_WITHIN)
        if file is not None:
            # The new address takes its bytes only where no file is.
            await self.files.delete(file.path, file.generation)
        return waiting
