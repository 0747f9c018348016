"""The record of a document: the one place that says which version of it answers."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, Self

from common.documents import Data, Document
from common.knowledge.embedding.space import SpaceName

State = Literal["waiting", "processing", "ready", "failed", "deleted"]
Reason = Literal[
    "no_text", "encrypted", "too_large", "not_supported", "broken", "not_uploaded", "not_as_announced",
    "embedding_unavailable", "cost_ceiling",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class DocumentRecord:
    """A document of the organisation.

    ``version`` names the passages that answer, empty while none do; ``staged`` those that are being written, by a
    process that has until ``staged_until``. ``again`` asks for its file to be read anew. ``arrived_at`` is when its
    file was there, until it is ready or failed. ``updated_at`` is Firestore's, and what a change is conditioned on.
    """

    document_id: str
    name: str
    media_type: str
    size: int
    sha256: str
    state: State
    created_at: datetime
    created_by: str
    reason: Reason | None = None
    version: str = ""
    space: SpaceName | None = None
    pages: int | None = None
    passages: int = 0
    staged: str = ""
    staged_until: datetime | None = None
    again: bool = False
    changed_at: datetime | None = None
    arrived_at: datetime | None = None
    updated_at: datetime | None = None

    @classmethod
    def of(cls, document: Document) -> Self:
        """The record that a document of Firestore holds."""
        known = {name: value for name, value in document.data.items() if name in _STORED}
        return cls(document_id=document.path.rsplit("/", 1)[1], updated_at=document.updated_at, **known)

    @property
    def data(self) -> Data:
        """Its fields as Firestore holds them."""
        return {name: getattr(self, name) for name in _STORED}

    def answers(self, version: str) -> bool:
        """Tell whether passages of this version may be in an answer."""
        return self.state != "deleted" and bool(version) and version == self.version

    @property
    def is_done(self) -> bool:
        """Tell whether its file was read, or could not be, and nobody has asked for more since."""
        return self.state in ("ready", "failed") and not self.again and not self.staged

    def is_at_work(self, now: datetime) -> bool:
        """Tell whether a process is writing passages, as far as it can be alive."""
        return bool(self.staged) and self.staged_until is not None and self.staged_until > now

    def since(self, updated_at: datetime) -> Self:
        """The record as it was stored at that moment."""
        return replace(self, updated_at=updated_at)


_STORED = tuple(name for name in DocumentRecord.__slots__ if name not in ("document_id", "updated_at"))
