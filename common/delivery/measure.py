"""The measure of deliveries for readiness: how many ended without success, and how many are late."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from common import limits
from common.documents import Documents, Where
from common.notices.paths import DELIVERIES_DEAD, DELIVERIES_DUE


class DeliveryMeasure:
    """Counts deliveries for readiness."""

    def __init__(self, documents: Documents, clock: Callable[[], datetime]) -> None:
        self._documents = documents
        self._clock = clock

    async def measure(self) -> dict[str, Any]:
        """Count the deliveries of the last day that are dead, and those that should have been queued long ago.

        Raises DocumentsUnavailable.
        """
        now = self._clock()
        late_since = now - timedelta(seconds=limits.DELIVERY_LATE_SECONDS)
        dead, late = await asyncio.gather(
            self._documents.count(DELIVERIES_DEAD, (Where("at", ">", now - timedelta(days=1)),)),
            self._documents.count(DELIVERIES_DUE, (Where("due_at", "<", late_since),)),
        )
        return {"status": "late" if late else "dead" if dead else "ok", "dead": dead, "late": late}
