"""Deletes conversations for good: after RETENTION_DELETED_DAYS, or RETENTION_DAYS without a message."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby

from common import limits
from common.documents import Data, Delete, DocumentConflict, Documents, Patch, Put, Sort, Where, Write
from common.errors import WarehouseUnavailable
from common.organizations.directory import Directory
from common.record.reader import Record
from common.record.sync_lease import SyncLease
from common.record.writer import RecordWriter
from common.settings import Settings
from common.tenant import OrgSlug, Tenant
from common.transcript.conversation import conversation_of
from common.transcript.paths import (
    OUTBOX,
    PURGES,
    SYNCED_ORGS,
    conversation_path,
    purge_path,
)
from common.warehouse.client import QueryRefused
from common.warehouse.schema import purged_tables

PURGES_PER_SYNC = 20
RETENTION_CHECK_HOURS = 24
RETENTION_ORGS_PER_SYNC = 5

AT_ONCE = datetime.fromtimestamp(0, UTC)


class Purge:
    """Purges a bounded number of conversations per call; a purge that stopped half-way is done again."""

    def __init__(
        self,
        settings: Settings,
        documents: Documents,
        directory: Directory,
        record: Record,
        writer: RecordWriter,
        clock: Callable[[], datetime],
    ) -> None:
        self._deleted_days = settings.retention_deleted_days
        self._idle_days = settings.retention_days
        self._documents = documents
        self._directory = directory
        self._record = record
        self._writer = writer
        self._clock = clock

    async def run(self, lease: SyncLease) -> int:
        """Purge what is due and return how many conversations that were. Raises WarehouseUnavailable."""
        if self._idle_days is not None:
            await self._find_idle(timedelta(days=self._idle_days))
        due = await self._documents.query(
            PURGES,
            where=(Where("deleted_at", "<=", self._clock() - timedelta(days=self._deleted_days)),),
            order=(Sort("deleted_at"),),
            limit=PURGES_PER_SYNC,
        )
        ordered = sorted((document.data for document in due), key=_org)
        for org_slug, group in groupby(ordered, key=_org):
            tenant = self._directory.tenant(OrgSlug(org_slug))
            await self.conversations(lease, tenant, [data["conversation_id"] for data in group])
        return len(due)

    async def conversations(self, lease: SyncLease, tenant: Tenant, conversation_ids: Sequence[str]) -> None:
        """Delete conversations everywhere while no sync runs. Raises WarehouseUnavailable."""
        # Outbox first, so that nothing brings a row back; the note last, so that what stops half-way is done again.
        for conversation_id in conversation_ids:
            await self._empty_outbox(tenant, conversation_id)
        for table in purged_tables():
            await lease.renew()
            try:
                await self._writer.purge(tenant, table, conversation_ids)
            except QueryRefused as refused:
                raise WarehouseUnavailable from refused
        for conversation_id in conversation_ids:
            path = conversation_path(tenant, conversation_id)
            await self._documents.delete_below(path, limits.MAX_WRITES_PER_COMMIT)
            await self._documents.commit([Delete(path), Delete(purge_path(tenant, conversation_id))])

    async def _empty_outbox(self, tenant: Tenant, conversation_id: str) -> None:
        while documents := await self._documents.query(
            OUTBOX,
            where=(Where("org_slug", "==", tenant.org_slug), Where("conversation_id", "==", conversation_id)),
            fields=(),
            limit=limits.MAX_WRITES_PER_COMMIT,
        ):
            await self._documents.commit([Delete(document.path) for document in documents])

    async def _find_idle(self, kept: timedelta) -> None:
        """Mark idle conversations for purging, once a day per organisation."""
        now = self._clock()
        organizations = await self._documents.query(
            SYNCED_ORGS,
            where=(Where("checked_at", "<=", now - timedelta(hours=RETENTION_CHECK_HOURS)),),
            order=(Sort("checked_at"),),
            limit=RETENTION_ORGS_PER_SYNC,
        )
        for organization in organizations:
            tenant = self._directory.tenant(OrgSlug(organization.data["org_slug"]))
            idle = await self._record.idle(tenant, now - kept, limits.WARMED_CONVERSATIONS)
            for conversation_id in idle:
                await self._retire(tenant, conversation_id, now - kept)
            if len(idle) < limits.WARMED_CONVERSATIONS:
                await self._documents.commit([Patch(organization.path, {"checked_at": now})])

    async def _retire(self, tenant: Tenant, conversation_id: str, before: datetime) -> None:
        """Delete an idle conversation and note it as due at once; one that was spoken in meanwhile stays."""
        path = conversation_path(tenant, conversation_id)
        document = (await self._documents.get_all([path]))[path]
        note: Data = {"org_slug": tenant.org_slug, "conversation_id": conversation_id, "deleted_at": AT_ONCE}
        writes: list[Write] = [Put(purge_path(tenant, conversation_id), note)]
        if document is not None:
            if conversation_of(document).last_message_at >= before:
                return
            writes.append(Patch(path, {"status": "deleted"}, document.updated_at))
        try:
            await self._documents.commit(writes)
        except DocumentConflict:
            return


def _org(data: Data) -> str:
    return str(data["org_slug"])
