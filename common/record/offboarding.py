"""An organisation leaves: nobody signs in any more, and what was said is deleted everywhere.

Each step may be done again, so a run that was stopped half-way is finished by the next one. The order is what leaves
nothing behind: a turn that is still running stores nothing once its conversation is gone, and a sync that has read the
outbox before it was emptied has ended before the record's rows are deleted.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from common import limits
from common.documents import Delete, Documents, Where
from common.errors import NotFound, WarehouseBusy, WarehouseUnavailable
from common.files import Files
from common.knowledge.paths import KNOWLEDGE_CHECKS, KNOWLEDGE_DUE, files_prefix
from common.notices.paths import DELIVERIES_DEAD, DELIVERIES_DUE, DIGESTS_DUE
from common.organizations.access_store import AccessStore
from common.organizations.api_keys import ApiKeys
from common.organizations.directory import Directory, organization_path
from common.organizations.profiles import Profiles
from common.organizations.settings_store import SettingsStore
from common.record.sync_lease import SyncLease
from common.record.writer import RecordWriter
from common.tenant import Principal, Tenant
from common.transcript.paths import OUTBOX, PURGES, SYNCED_ORGS
from common.warehouse.client import QueryRefused
from common.warehouse.schema import record_tables

LEASE_WAIT_SECONDS = 180.0
BUSY_TRIES = 6
BUSY_PAUSE_SECONDS = 5.0


@dataclass(slots=True)
class Offboarded:
    """The counts of one run; zero throughout where there was nothing left to do."""

    was_active: bool = False
    keys: int = 0
    documents: int = 0
    files: int = 0
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Offboarding:
    """Ends an organisation; its costs and the platform's own rows of it are not the chat's to delete."""

    documents: Documents
    directory: Directory
    profiles: Profiles
    api_keys: ApiKeys
    settings_store: SettingsStore
    access_store: AccessStore
    writer: RecordWriter
    files: Files

    async def run(self, operator: Principal, say: Callable[[str], None]) -> Offboarded:
        """Do all steps and return what was done; ``say`` is told each step. Raises NotFound for no organisation."""
        tenant, done = operator.tenant, Offboarded()
        profile = await self.profiles.read(tenant)
        if profile is None:
            raise NotFound(f"There is no organisation {tenant.org_slug}.")
        say("Refusing its keys")
        if profile["status"] != "DELETED":
            done.was_active = True
            await self.profiles.set_status(tenant, "SUSPENDED")
        done.keys = await self.api_keys.revoke_all(tenant)
        say("Ending its chat settings, retiring its provider keys")
        await self.settings_store.delete(operator)
        await self.access_store.delete(tenant)
        say("Deleting its documents")
        done.documents += await self._delete_documents(tenant)
        say("Deleting its files")
        done.files = await self.files.delete_below(files_prefix(tenant))
        say("Emptying its outbox")
        done.documents += await self._empty_outbox(tenant)
        say("Deleting its rows of the record")
        for table in record_tables():
            done.rows += await self._delete_rows(tenant, table)
        # Last, so that what was stopped half-way is seen to be only suspended.
        await self.profiles.set_status(tenant, "DELETED")
        await self._delete([organization_path(tenant), f"{SYNCED_ORGS}/{tenant.org_slug}"])
        return done

    async def _delete_documents(self, tenant: Tenant) -> int:
        return await self.documents.delete_below(organization_path(tenant), limits.MAX_WRITES_PER_COMMIT)

    async def _empty_outbox(self, tenant: Tenant) -> int:
        """Empty it while no sync runs, with the notes of what was to be purged."""
        lease, count = SyncLease(self.documents), 0
        await lease.wait(LEASE_WAIT_SECONDS)
        try:
            # A turn that began before its organisation was suspended may have stored its question meanwhile.
            count += await self._delete_documents(tenant)
            mine = (Where("org_slug", "==", tenant.org_slug),)
            due = (OUTBOX, PURGES, KNOWLEDGE_DUE, KNOWLEDGE_CHECKS, DELIVERIES_DUE, DELIVERIES_DEAD, DIGESTS_DUE)
            for collection in due:
                while found := await self.documents.query(
                    collection, where=mine, fields=(), limit=limits.MAX_WRITES_PER_COMMIT
                ):
                    await lease.renew()
                    await self._delete([document.path for document in found])
                    count += len(found)
        finally:
            await lease.give_back()
        return count

    async def _delete(self, paths: Sequence[str]) -> None:
        await self.documents.commit([Delete(path) for path in paths])

    async def _delete_rows(self, tenant: Tenant, table: str) -> int:
        """Delete the rows of a table, which other statements may be changing at the moment."""
        for attempt in range(BUSY_TRIES):
            try:
                return await self.writer.purge_all(tenant, table)
            except WarehouseBusy:
                if attempt == BUSY_TRIES - 1:
                    raise
                await asyncio.sleep(BUSY_PAUSE_SECONDS)
            except QueryRefused as refused:
                raise WarehouseUnavailable from refused
        raise AssertionError("the last attempt returns or raises")
