"""The measure of documents for readiness: those that arrived and are not read, and those that are left alone."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from common import limits
from common.documents import Documents, Sort, Where
from common.knowledge.paths import KNOWLEDGE_DUE


@dataclass(frozen=True, slots=True)
class OverdueDocuments:
    """Measures all organisations' documents for readiness."""

    documents: Documents
    clock: Callable[[], datetime]

    async def measure(self) -> dict[str, Any]:
        """Count those that arrived long ago and are neither ready nor failed, and those that are left alone.

        Raises DocumentsUnavailable.
        """
        now = self.clock()
        late = (Where("since", "<=", now - timedelta(seconds=limits.DOCUMENT_OVERDUE_SECONDS)),)
        alone = (Where("due_at", "<=", now - timedelta(seconds=limits.DOCUMENT_ALONE_SECONDS)),)
        overdue, unattended, oldest = await asyncio.gather(
            self.documents.count(KNOWLEDGE_DUE, late),
            self.documents.count(KNOWLEDGE_DUE, alone),
            self.documents.query(KNOWLEDGE_DUE, where=late, order=(Sort("since"),), fields=("since",), limit=1),
        )
        age = (now - oldest[0].data["since"]).total_seconds() if oldest else 0
        status = "overdue" if overdue or unattended else "ok"
        return {"status": status, "overdue": overdue, "oldest_seconds": round(age), "unattended": unattended}
