"""The backlog of the record: what readiness says of the outbox."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

from common import limits
from common.documents import Documents, Sort, Where
from common.transcript.paths import OUTBOX


class Backlog:
    """Measures the outbox for readiness."""

    def __init__(self, documents: Documents, clock: Callable[[], datetime]) -> None:
        self._documents = documents
        self._clock = clock

    async def measure(self) -> dict[str, Any]:
        """The age of the oldest entry, and how many entries the record has rejected. Raises DocumentsUnavailable."""
        oldest, rejected = await asyncio.gather(
            self._documents.query(OUTBOX, order=(Sort("created_at"),), fields=("created_at",), limit=1),
            self._documents.count(OUTBOX, (Where("attempts", ">", 0),)),
        )
        age = max(0.0, (self._clock() - oldest[0].data["created_at"]).total_seconds()) if oldest else 0.0
        status = "rejected" if rejected else "behind" if age > limits.OUTBOX_OLD_SECONDS else "ok"
        return {"status": status, "oldest_seconds": round(age), "rejected": rejected}
