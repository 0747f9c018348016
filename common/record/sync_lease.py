"""One sync at a time: BigQuery lets two merges that only insert run side by side, and both would insert."""

import asyncio
import time
import uuid
from datetime import datetime

from common import limits
from common.documents import Create, Data, Document, DocumentConflict, Documents, Patch, Write
from common.errors import DocumentsUnavailable, Unavailable
from common.transcript.paths import SYNC_LEASE

# Renewed whenever it holds for less than two statements more: a sync that was killed holds the next one up for so long.
SYNC_LEASE_SECONDS = 75.0
SYNC_GIVE_BACK_SECONDS = 30.0

_PAUSE_SECONDS = 1.0


class SyncLease:
    """A lease that outlives every statement begun under it, so that a crashed sync's last statement ends first.

    Firestore's own time tells its age: instances' clocks differ. ``left`` is what the last sync left to the next one;
    what it holds when the lease is given back is left in turn.
    """

    def __init__(self, documents: Documents) -> None:
        self.left: Data = {}
        self._documents = documents
        self._holder = str(uuid.uuid4())
        self._version: datetime | None = None
        self._until = 0.0
        self._asked = False
        self._renewing = asyncio.Lock()

    async def take(self) -> bool:
        """Return whether this sync may run."""
        document = (await self._documents.get_all([SYNC_LEASE]))[SYNC_LEASE]
        if document is not None and _holds(document):
            return False
        if document is not None:
            self.left = document.data.get("left") or {}
        try:
            await self._write(document.updated_at if document else None)
        except DocumentConflict:
            return False
        return True

    async def wait(self, seconds: float) -> None:
        """Take the lease once nobody holds it. Raises Unavailable where somebody does for so long."""
        until = time.monotonic() + seconds
        while not await self.take():
            if time.monotonic() >= until:
                raise Unavailable("The record is being written by a sync that does not end. Try again in a minute.")
            await asyncio.sleep(_PAUSE_SECONDS)

    async def renew(self) -> None:
        """Have at least two statements' time left. Raises Unavailable when another sync has taken over."""
        async with self._renewing:
            if self._until - time.monotonic() > 2 * limits.SYNC_STATEMENT_SECONDS:
                return
            try:
                await self._write(self._version)
            except DocumentConflict as conflict:
                raise Unavailable("Another sync took over.") from conflict

    async def give_back(self) -> None:
        """Let the next sync begin at once, as soon as Firestore answers; else it begins when the lease has run out."""
        until = time.monotonic() + SYNC_GIVE_BACK_SECONDS
        while self._asked:
            try:
                await self._free()
                return
            except DocumentConflict:
                return
            except DocumentsUnavailable:
                if time.monotonic() >= until:
                    return
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _free(self) -> None:
        # Read first: the commit that took or renewed it may have been made without a reply.
        document = (await self._documents.get_all([SYNC_LEASE]))[SYNC_LEASE]
        if document is not None and document.data.get("holder") == self._holder:
            await self._documents.commit([Patch(SYNC_LEASE, {"holder": None, "left": self.left}, document.updated_at)])

    async def _write(self, version: datetime | None) -> None:
        self._asked, asked = True, time.monotonic()
        data, stamp = {"holder": self._holder}, "renewed_at"
        write: Write = Create(SYNC_LEASE, data, stamp) if version is None else Patch(SYNC_LEASE, data, version, stamp)
        self._version = (await self._documents.commit([write]))[0]
        self._until = asked + SYNC_LEASE_SECONDS


def _holds(document: Document) -> bool:
    if "holder" in document.data and document.data["holder"] is None:
        return False
    # One of before there was a holder says when it ends; a sync that still runs renews it.
    age = ((document.read_at or document.updated_at) - document.updated_at).total_seconds()
    return age < SYNC_LEASE_SECONDS
