"""Conversations erased at once, as an operator is asked to: without the days that a deleted one is kept.

Each is noted as due first, so that what is stopped half-way is done by the next command, or by the next sync.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from common.documents import Delete, DocumentConflict, Documents, Patch, Put, Sort, Where, Write
from common.errors import Unavailable
from common.record.purge import AT_ONCE, PURGES_PER_SYNC, Purge
from common.record.reader import Record
from common.record.start import RecordStart
from common.record.sync_lease import SyncLease
from common.tenant import Tenant
from common.transcript.paths import conversation_path, conversations_path, listed_path, purge_path

LEASE_WAIT_SECONDS = 180.0
_PAGE = 500
_TRIES = 20


@dataclass(frozen=True, slots=True)
class Erasure:
    """Finds what is stored of conversations and of people, and erases it from Firestore, outbox and record."""

    documents: Documents
    record: Record
    start: RecordStart
    purge: Purge

    async def stored(self, tenant: Tenant, conversation_ids: Sequence[str]) -> list[str]:
        """Return those of these conversations that anything is stored of, or that are noted as due."""
        await self.start.measured(tenant)
        found = set(await self.record.owners(tenant, conversation_ids))
        paths = [path(tenant, each) for each in conversation_ids for path in (conversation_path, purge_path)]
        there = await self.documents.get_all(paths, fields=())
        return [
            each
            for each in conversation_ids
            if each in found or there[conversation_path(tenant, each)] or there[purge_path(tenant, each)]
        ]

    async def of_user(self, tenant: Tenant, user_id: str) -> list[str]:
        """Return the ids of all conversations of a person, of any status, in the record and in Firestore."""
        # What is to be forgotten is looked for on every day, also on those that rows were put on just now.
        await self.start.measured(tenant)
        found: set[str] = set()
        after = ""
        while page := await self.record.of_user(tenant, user_id, after, _PAGE):
            found.update(page)
            after = page[-1]
        last = None
        while documents := await self.documents.query(
            conversations_path(tenant),
            where=(Where("user_id", "==", user_id),),
            order=(Sort("__name__"),),
            after=last,
            fields=(),
            limit=_PAGE,
        ):
            names = [document.path.rsplit("/", 1)[1] for document in documents]
            found.update(names)
            last = (names[-1],)
        return sorted(found)

    async def erase(self, tenant: Tenant, conversation_ids: Sequence[str], say: Callable[[int], None]) -> None:
        """Erase conversations; ``say`` is told how many are done. Raises Unavailable, and then may be done again."""
        for conversation_id in conversation_ids:
            await self._end(tenant, conversation_id)
        lease, done = SyncLease(self.documents), 0
        await lease.wait(LEASE_WAIT_SECONDS)
        try:
            for first in range(0, len(conversation_ids), PURGES_PER_SYNC):
                part = conversation_ids[first : first + PURGES_PER_SYNC]
                await lease.renew()
                await self.purge.conversations(lease, tenant, part)
                done += len(part)
                say(done)
        finally:
            await lease.give_back()

    async def forget_list(self, tenant: Tenant, user_id: str) -> None:
        """Drop the note on the part of a person's list that Firestore holds."""
        await self.documents.commit([Delete(listed_path(tenant, user_id))])

    async def _end(self, tenant: Tenant, conversation_id: str) -> None:
        """Delete the conversation for its user, end the turn in it, and note it as due at once."""
        path = conversation_path(tenant, conversation_id)
        note = {"org_slug": tenant.org_slug, "conversation_id": conversation_id, "deleted_at": AT_ONCE}
        for _ in range(_TRIES):
            document = (await self.documents.get_all([path]))[path]
            writes: list[Write] = [Put(purge_path(tenant, conversation_id), note)]
            if document is not None:
                writes.append(Patch(path, {"status": "deleted", "lease": None}, document.updated_at))
            try:
                await self.documents.commit(writes)
                return
            except DocumentConflict:
                continue  # A turn has just written to it.
        raise Unavailable(f"Conversation {conversation_id} changes all the time. Try again.")
