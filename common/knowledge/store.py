"""The records and passages of an organisation's documents, in Firestore."""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from common import limits
from common.document_values import Vector
from common.documents import Count, Create, Data, Delete, DocumentConflict, Documents, Patch, Put, Sort, Where, Write
from common.knowledge.chunking import Chunk
from common.knowledge.embedding.space import SpaceName
from common.knowledge.paths import (
    KNOWLEDGE_CHECKS,
    KNOWLEDGE_DUE,
    check_path,
    chunks_path,
    document_path,
    documents_path,
    due_path,
    spaces_path,
)
from common.knowledge.record import DocumentRecord, State
from common.tenant import OrgSlug, Tenant


@dataclass(frozen=True, slots=True)
class KnowledgeStore:
    """Reads and changes them. A change of a record raises DocumentConflict where it has changed since it was read."""

    documents: Documents

    async def read(self, tenant: Tenant, document_id: str) -> DocumentRecord | None:
        """Return a document's record, None where there is none."""
        return (await self.read_many(tenant, [document_id])).get(document_id)

    async def read_many(self, tenant: Tenant, document_ids: Iterable[str]) -> dict[str, DocumentRecord]:
        """Return the records that there are of these documents."""
        paths = [document_path(tenant, each) for each in document_ids]
        found = (await self.documents.get_all(paths)).values() if paths else ()
        return {record.document_id: record for record in (DocumentRecord.of(each) for each in found if each)}

    async def page(self, tenant: Tenant, after: tuple[datetime, str] | None, limit: int) -> list[DocumentRecord]:
        """Return at most ``limit`` records, the newest first, behind the one that ``after`` names."""
        found = await self.documents.query(
            documents_path(tenant),
            order=(Sort("created_at", descending=True), Sort("__name__", descending=True)),
            after=after,
            limit=limit,
        )
        return [DocumentRecord.of(each) for each in found]

    async def create(
        self, tenant: Tenant, record: DocumentRecord, due_at: datetime, last: datetime | None = None
    ) -> DocumentRecord:
        """Store a new record, with the moment at which its document is looked after if nothing has come of it.

        Raises DocumentConflict where it exists or, if ``last`` is given, where another one was created since.
        """
        created = Create(document_path(tenant, record.document_id), record.data)
        noted: Data = {"org_slug": tenant.org_slug, "checked_at": record.created_at}
        check = Put(check_path(tenant), noted) if last is None else Patch(check_path(tenant), noted, last)
        moments = await self.documents.commit([created, _due(tenant, record.document_id, due_at), check])
        return record.since(moments[0])

    async def last_created(self, tenant: Tenant) -> datetime | None:
        """Return a moment since which no document was created, None where none ever was."""
        path = check_path(tenant)
        note = (await self.documents.get_all([path]))[path]
        return note.updated_at if note is not None else None

    async def change(
        self, tenant: Tenant, record: DocumentRecord, changes: Data, due_at: datetime | None = None
    ) -> DocumentRecord:
        """Change fields of a record that is unchanged since it was read, and say when to look after it next."""
        patch = Patch(document_path(tenant, record.document_id), changes, record.updated_at)
        changed = replace(record, **changes)
        also = [] if due_at is None else [_due(tenant, record.document_id, due_at, changed.arrived_at)]
        moments = await self.documents.commit([patch, *also])
        return changed.since(moments[0])

    async def switch(self, tenant: Tenant, record: DocumentRecord, changes: Data, space: SpaceName) -> DocumentRecord:
        """Let the staged version answer, in one commit with the note on its space."""
        patch = Patch(document_path(tenant, record.document_id), changes, record.updated_at)
        noted = Count(spaces_path(tenant), 1, {_space_field(space): space})
        moments = await self.documents.commit([patch, noted])
        return replace(record, **changes, updated_at=moments[0])

    async def settle(self, tenant: Tenant, document_id: str) -> None:
        """Note that nothing of a document is to be done any more."""
        await self.documents.commit([Delete(due_path(tenant, document_id))])

    async def remove(self, tenant: Tenant, record: DocumentRecord) -> None:
        """Delete the record of a document, of which nothing else is left. Raises DocumentConflict."""
        path = document_path(tenant, record.document_id)
        await self.documents.commit([Delete(path, record.updated_at), Delete(due_path(tenant, record.document_id))])

    async def note_due(self, tenant: Tenant, document_id: str, due_at: datetime) -> None:
        """Say when to look after a document next."""
        await self.documents.commit([_due(tenant, document_id, due_at)])

    async def postpone(self, tenant: Tenant, document_id: str, due_at: datetime) -> None:
        """Look after a document later, if anything is still to be done with it."""
        with suppress(DocumentConflict):
            await self.documents.commit([Patch(due_path(tenant, document_id), {"due_at": due_at})])

    async def count(self, tenant: Tenant) -> int:
        """Count the documents of an organisation."""
        return await self.documents.count(documents_path(tenant))

    async def count_in_state(self, tenant: Tenant, state: State) -> int:
        """Count the documents of an organisation in one state."""
        return await self.documents.count(documents_path(tenant), (Where("state", "==", state),))

    async def count_chunks(self, tenant: Tenant) -> int:
        """Count the passages of an organisation."""
        return await self.documents.count(chunks_path(tenant))

    async def due(self, now: datetime, limit: int) -> list[tuple[OrgSlug, str]]:
        """Return the organisation and the id of documents that something is to be done with, the oldest first."""
        found = await self.documents.query(
            KNOWLEDGE_DUE, where=(Where("due_at", "<=", now),), order=(Sort("due_at"),), limit=limit
        )
        return [(OrgSlug(each.data["org_slug"]), each.data["document_id"]) for each in found]

    async def spaces(self, tenant: Tenant) -> list[SpaceName]:
        """Return the embedding spaces that documents of the organisation may be in."""
        path = spaces_path(tenant)
        note = (await self.documents.get_all([path]))[path]
        return sorted(SpaceName(value) for value in note.data.values() if isinstance(value, str)) if note else []

    async def unchecked(self, before: datetime, limit: int) -> list[OrgSlug]:
        """Return organisations whose spaces were not compared with their wish since then, the longest ago first."""
        found = await self.documents.query(
            KNOWLEDGE_CHECKS, where=(Where("checked_at", "<=", before),), order=(Sort("checked_at"),), limit=limit
        )
        return [OrgSlug(each.data["org_slug"]) for each in found]

    async def note_checked(self, tenant: Tenant, now: datetime) -> None:
        """Say that the spaces were compared."""
        await self.documents.commit([Put(check_path(tenant), {"org_slug": tenant.org_slug, "checked_at": now})])

    async def in_space(self, tenant: Tenant, space: SpaceName, limit: int) -> list[str]:
        """Return the ids of documents whose passages are in a space."""
        found = await self.documents.query(
            documents_path(tenant), where=(Where("space", "==", space),), fields=(), limit=limit
        )
        return [each.path.rsplit("/", 1)[1] for each in found]

    async def drop_space(self, tenant: Tenant, space: SpaceName) -> None:
        """Forget a space that no document is in. Raises DocumentConflict where one has been switched meanwhile."""
        path = spaces_path(tenant)
        note = (await self.documents.get_all([path]))[path]
        used = await self.documents.count(documents_path(tenant), (Where("space", "==", space),))
        if note is not None and not used:
            await self.documents.commit([Patch(path, {_space_field(space): None}, note.updated_at)])

    async def write_chunks(
        self,
        tenant: Tenant,
        record: DocumentRecord,
        first: int,
        chunks: Sequence[Chunk],
        vectors: Sequence[Sequence[float]],
        space: SpaceName,
        paid: Sequence[Write] = (),
    ) -> None:
        """Write a few passages of the staged version, numbered from ``first``; they answer once it is switched to.

        ``paid`` is what they cost, in the same commit.

        Raises DocumentConflict where the document was deleted, or claimed by another process.
        """
        # It changes nothing, so that the record keeps its time: each commit is held to it.
        claimed = Patch(document_path(tenant, record.document_id), {"staged": record.staged}, record.updated_at)
        writes: list[Write] = [claimed, *paid]
        for number, (chunk, vector) in enumerate(zip(chunks, vectors, strict=True), first):
            data: Data = {
                "document_id": record.document_id,
                "version": record.staged,
                "space": space,
                "text": chunk.text,
                "heading": chunk.heading,
                "page": chunk.page,
                "embedding": Vector(vector),
            }
            writes.append(Put(_chunk_path(tenant, record.document_id, record.staged, number), data))
        await self.documents.commit(writes)

    async def read_chunks(self, tenant: Tenant, record: DocumentRecord, first: int, limit: int) -> list[Chunk]:
        """Return at most ``limit`` passages of the version that answers, from number ``first`` on."""
        numbers = range(first, min(first + limit, record.passages))
        paths = [_chunk_path(tenant, record.document_id, record.version, number) for number in numbers]
        found = await self.documents.get_all(paths, ("text", "heading", "page")) if paths else {}
        return [Chunk(each.data["text"], each.data["heading"], each.data["page"]) for each in found.values() if each]

    async def delete_chunks(self, tenant: Tenant, document_id: str, but: str | None = None) -> int:
        """Delete the passages of a document, but those of one version; returns how many were deleted."""
        return await self._delete_if(tenant, document_id, lambda version: version != but)

    async def clear_chunks(self, tenant: Tenant, record: DocumentRecord) -> int:
        """Delete all passages of a deleted document. Raises DocumentConflict where it was announced anew meanwhile."""
        unchanged = Patch(document_path(tenant, record.document_id), {"staged": record.staged}, record.updated_at)
        return await self._delete_if(tenant, record.document_id, lambda _: True, (unchanged,))

    async def delete_version(self, tenant: Tenant, document_id: str, version: str) -> int:
        """Delete the passages of one version of a document; returns how many were deleted."""
        return await self._delete_if(tenant, document_id, lambda each: each == version)

    async def _delete_if(
        self, tenant: Tenant, document_id: str, meant: Callable[[str], bool], also: Sequence[Write] = ()
    ) -> int:
        count, after = 0, None
        while found := await self.documents.query(
            chunks_path(tenant),
            where=(Where("document_id", "==", document_id),),
            order=(Sort("__name__"),),
            after=after,
            fields=("version",),
            limit=limits.MAX_WRITES_PER_COMMIT - len(also),
        ):
            old = [each.path for each in found if meant(each.data["version"])]
            if old:
                await self.documents.commit([*also, *map(Delete, old)])
            count += len(old)
            after = (found[-1].path.rsplit("/", 1)[1],)
        return count


def _chunk_path(tenant: Tenant, document_id: str, version: str, number: int) -> str:
    return f"{chunks_path(tenant)}/{document_id}-{version}-{number:05}"


def _due(tenant: Tenant, document_id: str, due_at: datetime, since: datetime | None = None) -> Write:
    note: Data = {"org_slug": tenant.org_slug, "document_id": document_id, "due_at": due_at, "since": since}
    return Put(due_path(tenant, document_id), note)


def _space_field(space: SpaceName) -> str:
    """The name of a field that needs no quotes, one for each space."""
    return f"s{hashlib.sha256(space.encode()).hexdigest()[:16]}"


async def count_states(store: KnowledgeStore, tenant: Tenant) -> dict[State, int]:
    """Count the documents of an organisation by their states."""
    states: tuple[State, ...] = ("waiting", "processing", "ready", "failed")
    counts = await asyncio.gather(*(store.count_in_state(tenant, state) for state in states))
    return dict(zip(states, counts, strict=True))
