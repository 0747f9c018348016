"""The backlog of the record: what readiness says of the outbox."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

from common import limits
from common.documents import Document, Documents, Sort, Where
from common.record.outbox import SHARDS
from common.transcript.paths import OUTBOX


class Backlog:
    """Measures the outbox for readiness."""

    def __init__(self, documents: Documents, clock: Callable[[], datetime]) -> None:
        self._documents = documents
        self._clock = clock

    async def measure(self) -> dict[str, Any]:
        """The age of the oldest entry that is due first, and how many entries the record has rejected.

        Raises DocumentsUnavailable.
        """
        made, rejected = await asyncio.gather(
            self._oldest(), self._documents.count(OUTBOX, (Where("attempts", ">", 0),))
        )
        age = max(0.0, (self._clock() - made).total_seconds()) if made is not None else 0.0
        status = "rejected" if rejected else "behind" if age > limits.OUTBOX_OLD_SECONDS else "ok"
        return {"status": status, "oldest_seconds": round(age), "rejected": rejected}

    async def _oldest(self) -> datetime | None:
        firsts = await asyncio.gather(*(self._first(shard) for shard in range(SHARDS)))
        return min((document.data["created_at"] for first in firsts for document in first), default=None)

    async def _first(self, shard: int) -> list[Document]:
        return await self._documents.query(
            OUTBOX,
            where=(Where("shard", "==", shard),),
            order=(Sort("next_try_at"),),
            fields=("created_at",),
            limit=1,
        )
