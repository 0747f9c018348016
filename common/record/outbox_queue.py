"""Reading the outbox: what is due, shard by shard, from where the last sync left off."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from common import limits
from common.documents import Data, Document, Documents, Sort, Where
from common.record.outbox import SHARDS
from common.transcript.paths import OUTBOX

# Instances' clocks may differ by so much.
CLOCK_SKEW_SECONDS = 330
# And a commit may take so long to show what its instance dated before.
_LATE_COMMIT_SECONDS = 120
# Now and then the outbox is read from its beginning, for whatever came later still.
_SWEPT_EVERY = timedelta(hours=1)

_BEGINNING = datetime.fromtimestamp(0, UTC)


class OutboxQueue:
    """The entries that are due, oldest first, in pages.

    Firestore passes over all that was deleted before the first entry that it finds. So a query begins where the page
    before it ended, and a sync where the last one that left nothing behind began.
    """

    def __init__(self, documents: Documents, clock: Callable[[], datetime], left: Mapping[str, Any]) -> None:
        self._documents = documents
        self._clock = clock
        self._began = clock()
        self._left = left
        self._sweeping = not timedelta() <= self._began - left.get("swept_at", _BEGINNING) < _SWEPT_EVERY
        first = min(left.get("read_from", _BEGINNING), self._safe()) if not self._sweeping else _BEGINNING
        self._from = dict.fromkeys(range(SHARDS), first)

    async def read(self) -> tuple[list[Document], bool]:
        """Read the next entries that are due, and say whether those were all. Raises DocumentsUnavailable."""
        most = max(1, limits.SYNC_READ // SHARDS)
        # An entry of an instance whose clock is ahead is due all the same.
        soon = self._clock() + timedelta(seconds=CLOCK_SKEW_SECONDS)
        pages = await asyncio.gather(*(self._page(shard, soon, most) for shard in self._from))
        for shard, page in zip(self._from, pages, strict=True):
            if len(page) == most:
                self._from[shard] = page[-1].data["next_try_at"]
        return [document for page in pages for document in page], all(len(page) < most for page in pages)

    def left(self, *, everything_written: bool) -> Data:
        """Return what the next sync has to know; where something stays behind, it begins where this one began."""
        if not everything_written:
            return dict(self._left)
        swept_at = self._began if self._sweeping else self._left["swept_at"]
        return {"read_from": min(self._safe(), *self._from.values()), "swept_at": swept_at}

    def _safe(self) -> datetime:
        return self._began - timedelta(seconds=CLOCK_SKEW_SECONDS + _LATE_COMMIT_SECONDS)

    async def _page(self, shard: int, soon: datetime, most: int) -> list[Document]:
        return await self._documents.query(
            OUTBOX,
            where=(
                Where("shard", "==", shard),
                Where("next_try_at", ">=", self._from[shard]),
                Where("next_try_at", "<=", soon),
            ),
            order=(Sort("next_try_at"),),
            limit=most,
        )
