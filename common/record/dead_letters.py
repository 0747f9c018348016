"""Dead letters: entries of the outbox that BigQuery rejects. None is dropped; they are listed, and tried again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from common import limits
from common.documents import Document, DocumentConflict, Documents, Patch, Sort, Where
from common.transcript.paths import OUTBOX


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A row that the record lacks, and why; an entry that cannot be read has only its id and its reason."""

    entry_id: str
    reason: str
    attempts: int
    org_slug: str | None
    table: str | None
    conversation_id: str | None
    created_at: datetime | None
    next_try_at: datetime | None


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Reads and releases rejected entries, of all organisations: for whoever operates the platform."""

    documents: Documents
    clock: Callable[[], datetime]

    async def page(self, after: DeadLetter | None, most: int) -> list[DeadLetter]:
        """Return at most so many entries behind one, those with the fewest attempts first."""
        documents = await self.documents.query(
            OUTBOX,
            where=(Where("attempts", ">", 0),),
            order=(Sort("attempts"), Sort("__name__")),
            after=(after.attempts, after.entry_id) if after else None,
            limit=most,
        )
        return [_letter(document) for document in documents]

    async def read(self, entry_ids: Sequence[str]) -> dict[str, DeadLetter | None]:
        """Return entries by id, rejected or not; None for one that is no longer in the outbox."""
        paths = {f"{OUTBOX}/{entry_id}": entry_id for entry_id in entry_ids}
        found: dict[str, DeadLetter | None] = {}
        names = list(paths)
        for first in range(0, len(names), limits.MAX_WRITES_PER_COMMIT):
            documents = await self.documents.get_all(names[first : first + limits.MAX_WRITES_PER_COMMIT])
            found |= {paths[path]: _letter(document) if document else None for path, document in documents.items()}
        return found

    async def release(self, entry_id: str) -> bool:
        """Have sync try an entry at once; return whether it was there. Its attempts still count."""
        try:
            await self.documents.commit([Patch(f"{OUTBOX}/{entry_id}", {"next_try_at": self.clock()})])
        except DocumentConflict:
            return False
        return True


def _letter(document: Document) -> DeadLetter:
    data = document.data
    return DeadLetter(
        entry_id=document.path.rsplit("/", 1)[1],
        reason=str(data.get("error_class") or "none"),
        attempts=_typed(data, "attempts", int) or 0,
        org_slug=_typed(data, "org_slug", str),
        table=_typed(data, "table", str),
        conversation_id=_typed(data, "conversation_id", str),
        created_at=_typed(data, "created_at", datetime),
        next_try_at=_typed(data, "next_try_at", datetime),
    )


def _typed(data: dict[str, Any], name: str, kind: type[Any]) -> Any:
    value = data.get(name)
    return value if isinstance(value, kind) else None
