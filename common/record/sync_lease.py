"""One sync at a time: BigQuery lets two merges that only insert run side by side, and both would insert."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from common import limits
from common.documents import Create, DocumentConflict, Documents, Patch, Write
from common.errors import DocumentsUnavailable, Unavailable
from common.transcript.paths import SYNC_LEASE

_NEVER = datetime.fromtimestamp(0, UTC)


class SyncLease:
    """A lease that outlives every statement begun under it, so that a crashed sync's last statement ends first."""

    def __init__(self, documents: Documents, clock: Callable[[], datetime]) -> None:
        self._documents = documents
        self._clock = clock
        self._version: datetime | None = None
        self._expires_at = _NEVER
        self._renewing = asyncio.Lock()

    async def take(self) -> bool:
        """Whether this sync may run."""
        document = (await self._documents.get_all([SYNC_LEASE]))[SYNC_LEASE]
        if document is not None and document.data["expires_at"] > self._clock():
            return False
        try:
            await self._write(document.updated_at if document else None)
        except DocumentConflict:
            return False
        return True

    async def renew(self) -> None:
        """Have at least two statements' time left. Raises Unavailable when another sync has taken over."""
        async with self._renewing:
            left = self._expires_at - self._clock()
            if left > timedelta(seconds=2 * limits.SYNC_STATEMENT_SECONDS):
                return
            try:
                await self._write(self._version)
            except DocumentConflict as conflict:
                raise Unavailable("Another sync took over.") from conflict

    async def give_back(self) -> None:
        """Let the next sync begin at once; if that cannot be said, it begins when the lease has run out."""
        try:
            await self._documents.commit([Patch(SYNC_LEASE, {"expires_at": _NEVER}, self._version)])
        except (DocumentConflict, DocumentsUnavailable):
            return

    async def _write(self, version: datetime | None) -> None:
        expires_at = self._clock() + timedelta(seconds=limits.SYNC_LEASE_SECONDS)
        data = {"expires_at": expires_at}
        write: Write = Create(SYNC_LEASE, data) if version is None else Patch(SYNC_LEASE, data, version)
        self._version = (await self._documents.commit([write]))[0]
        self._expires_at = expires_at
