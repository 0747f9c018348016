"""The time at which an organisation's record begins: every read of it is bounded by that, and reads no older day.

The tables are partitioned by the day that a row was made. The beginning is asked of the record itself, whoever put
rows there, and is remembered: what others put before it is seen within START_SECONDS.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from common.documents import Data, DocumentConflict, Documents, Put
from common.errors import DocumentsUnavailable
from common.tenant import Tenant
from common.transcript.paths import record_start_path
from common.warehouse.client import Warehouse
from common.warehouse.query import fixed

START_SECONDS = 3_600
_REMEMBERED = 10_000
# Clocks differ, and who wrote rows before us may have noted a conversation's times apart from its messages'.
MARGIN = timedelta(days=1)

# It reads no text, only the times of the organisation's own rows.
START_SQL = """
SELECT MIN(created_at) AS began
FROM {{shared.{table}}}
WHERE org_slug = @org_slug
"""
_TABLES = ("org_chat_conversations", "org_chat_messages")


class RecordStart:
    """Measures the beginning of an organisation's record. Raises WarehouseUnavailable and DocumentsUnavailable."""

    def __init__(self, warehouse: Warehouse, documents: Documents, clock: Callable[[], datetime]) -> None:
        self._warehouse = warehouse
        self._documents = documents
        self._clock = clock
        self._known: OrderedDict[Tenant, Data] = OrderedDict()

    async def of(self, tenant: Tenant) -> datetime:
        """Return a time before which the organisation has no conversation and no message in the record."""
        known = self._known.get(tenant)
        if known is None or not self._counts(known):
            path = record_start_path(tenant)
            document = (await self._documents.get_all([path]))[path]
            known = document.data if document else None
        if known is None or not self._counts(known):
            return await self.measured(tenant)
        self._remember(tenant, known)
        began: datetime = known["began_at"]
        return began

    async def measured(self, tenant: Tenant) -> datetime:
        """Measure it anew, for whoever must not miss a row that was just put there."""
        now = self._clock()
        found = await asyncio.gather(*(self._first(tenant, table) for table in _TABLES))
        began = min((each for each in found if each is not None), default=now) - MARGIN
        note: Data = {"began_at": began, "measured_at": now}
        self._remember(tenant, note)
        # Other instances measure it themselves where it cannot be noted.
        with suppress(DocumentConflict, DocumentsUnavailable):
            await self._documents.commit([Put(record_start_path(tenant), note)])
        return began

    def _counts(self, note: Data) -> bool:
        measured_at: datetime = note["measured_at"]
        return abs(self._clock() - measured_at) <= timedelta(seconds=START_SECONDS)

    def _remember(self, tenant: Tenant, note: Data) -> None:
        self._known.pop(tenant, None)
        self._known[tenant] = note
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    async def _first(self, tenant: Tenant, table: str) -> datetime | None:
        labels = {"org": tenant.org_slug, "purpose": "sessions"}
        query = fixed(tenant, START_SQL.format(table=table))
        (row,) = (await self._warehouse.look_up(query, labels=labels)).rows
        first: datetime | None = row["began"]
        return first
