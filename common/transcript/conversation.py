"""A conversation as a value, and its shapes in Firestore and in the record."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from typing_extensions import TypedDict

from common import json_text, limits
from common.documents import Data, Document
from common.tenant import Tenant
from common.transcript.summary import RollingSummary, SummaryPause

TITLE_CHARS = 80


# The least step of a TIMESTAMP: what follows in a conversation is later, even where clocks differ.
TICK = timedelta(microseconds=1)

# The field of a conversation's document that says when its lease was taken or renewed.
LEASED_AT = "leased_at"


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to answer in a conversation; ``holder`` is one attempt at the answer ``answer_id``.

    ``is_cancelled`` says that somebody asked this attempt to stop; its holder reads that when it renews the lease.
    ``silent_seconds`` is how long ago it was renewed when it was read, by Firestore's time: instances' clocks differ.
    """

    message_id: str
    holder: str = ""
    answer_id: str = ""
    is_cancelled: bool = field(default=False, compare=False)
    silent_seconds: float = field(default=0.0, compare=False)

    @property
    def seconds_left(self) -> float:
        """The seconds that it still holds unless it is renewed; 0 when it has run out."""
        return max(0.0, limits.LEASE_SECONDS - self.silent_seconds)

    @property
    def holds(self) -> bool:
        return self.seconds_left > 0

    @property
    def is_renewed(self) -> bool:
        """Return true if its holder has shown a sign of life when it was last due."""
        return self.silent_seconds < limits.LEASE_RENEW_SECONDS + limits.LEASE_CALL_SECONDS

    def document(self) -> Data:
        """The lease in its conversation's document; the time of it is Firestore's to write."""
        cancelled = {"is_cancelled": True} if self.is_cancelled else {}
        return {"message_id": self.message_id, "holder": self.holder, "answer_id": self.answer_id, **cancelled}


class Escalation(TypedDict):
    """The state of a conversation that was handed over to a person; ``by`` is a name where one is known."""

    at: str
    by: str
    reason: str
    resolved_at: str | None
    resolved_by: str | None


def read_escalation(stored: str | None) -> Escalation | None:
    """Read the state back from its JSON text. Returns None for a conversation that was never handed over."""
    if stored is None:
        return None
    state: Escalation = json.loads(stored)
    return state


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation with its recent window; ``version`` is when its document last changed, None while there is none.

    ``window_held`` is False where ``recent`` and ``last_agent`` are still only in the record. ``first_message_at`` is
    no later than its oldest message, which in a branch is older than the branch; None where that was never noted.
    ``summary`` stands for the messages up to the one numbered ``through_sequence``; both are None while there is none.
    ``escalation`` is the state of one that was handed over to a person, as JSON.
    ``summary_due`` is the number of messages before which no summary is asked for, after one that failed.
    """

    conversation_id: str
    user_id: str
    title: str
    provider: str
    model_id: str
    created_at: datetime
    last_message_at: datetime
    status: Literal["active", "deleted"] = "active"
    message_count: int = 0
    last_agent: str | None = None
    recent: tuple[Data, ...] = ()
    lease: Lease | None = None
    updated_at: datetime | None = None
    window_held: bool = True
    first_message_at: datetime | None = None
    summary: str | None = None
    through_sequence: int | None = None
    summary_due: int | None = None
    escalation: str | None = None
    version: datetime | None = field(default=None, compare=False)

    @property
    def changed_at(self) -> datetime:
        """When it last changed in any way."""
        return self.updated_at or self.last_message_at

    @property
    def summarised(self) -> int:
        """The number of its oldest messages that its summary stands for."""
        return 0 if self.through_sequence is None else self.through_sequence + 1

    @property
    def unsummarised(self) -> tuple[Data, ...]:
        """The part of the window that its summary does not stand for."""
        return self.recent[max(0, self.summarised - self.message_count + len(self.recent)) :]

    def remembering(self, summary: RollingSummary | SummaryPause | None) -> "Conversation":
        """The conversation with this summary, unless it was made after another one than the conversation has."""
        if summary is None or summary.after != self.through_sequence:
            return self
        if isinstance(summary, SummaryPause):
            return replace(self, summary_due=summary.until)
        return replace(self, summary=summary.text, through_sequence=summary.through_sequence, summary_due=None)

    def changed(self, now: datetime, **changes: Any) -> "Conversation":
        """The conversation after a change; its time moves forward even where clocks differ."""
        return replace(self, updated_at=max(now, self.changed_at + TICK), **changes)

    def document(self) -> Data:
        """The conversation's document; what the record does not have yet has no expiry."""
        return {
            "conversation_id": self.conversation_id,
            "user_id": self.user_id,
            "title": self.title,
            "provider": self.provider,
            "model_id": self.model_id,
            "status": self.status,
            "message_count": self.message_count,
            "created_at": self.created_at,
            "last_message_at": self.last_message_at,
            "first_message_at": self.first_message_at,
            "updated_at": self.changed_at,
            "last_agent": self.last_agent,
            # As text: maps would be indexed field by field, and cost ten times as much to send.
            "recent": json_text.write(self.recent),
            "window_held": self.window_held,
            "summary": self.summary,
            "through_sequence": self.through_sequence,
            "summary_due": self.summary_due,
            "escalation": self.escalation,
            "lease": self.lease.document() if self.lease else None,
            "expire_at": None,
        }

    def row(self, tenant: Tenant) -> Data:
        """The row of org_chat_conversations."""
        return {
            "conversation_id": self.conversation_id,
            "org_slug": tenant.org_slug,
            "user_id": self.user_id,
            "title": self.title,
            "provider": self.provider,
            "model_id": self.model_id,
            "status": self.status,
            "message_count": self.message_count,
            "created_at": self.created_at.isoformat(),
            "updated_at": self.changed_at.isoformat(),
            "last_message_at": self.last_message_at.isoformat(),
            "first_message_at": self.first_message_at.isoformat() if self.first_message_at else None,
            "summary": self.summary,
            "through_sequence": self.through_sequence,
            "escalation": self.escalation,
        }


_PLAIN = Conversation.__dataclass_fields__.keys() - {"recent", "lease", "version"}


def conversation_of(document: Document) -> Conversation:
    """Read a conversation back from its document."""
    data = document.data
    kept = {name: data[name] for name in _PLAIN if name in data}
    return Conversation(
        **kept,
        recent=window_of(data),
        lease=_lease_of(document),
        version=document.updated_at,
    )


def _lease_of(document: Document) -> Lease | None:
    held = document.data.get("lease")
    if not held:
        return None
    # One of before leases had a time of Firestore's was taken when the document last changed, or earlier.
    renewed_at = document.data.get(LEASED_AT) or document.updated_at
    silent = (document.read_at or document.updated_at) - renewed_at
    return Lease(
        held["message_id"],
        held.get("holder", ""),
        held.get("answer_id", ""),
        held.get("is_cancelled", False),
        max(0.0, silent.total_seconds()),
    )


def window_of(data: Data) -> tuple[Data, ...]:
    """The recent window in a conversation's document."""
    return tuple(json_text.read(data.get("recent") or "[]"))


def conversation_in(row: Mapping[str, Any]) -> Conversation:
    """Read a conversation back from its row of the record, without its window."""
    return Conversation(
        conversation_id=row["conversation_id"],
        user_id=row["user_id"],
        title=row["title"] or "",
        provider=row["provider"],
        model_id=row["model_id"],
        created_at=row["created_at"],
        last_message_at=row["last_message_at"] or row["created_at"],
        status=row["status"],
        message_count=row["message_count"],
        updated_at=row["updated_at"],
        window_held=row["message_count"] == 0,
        first_message_at=row["first_message_at"],
        summary=row["summary"],
        through_sequence=row["through_sequence"],
        escalation=row["escalation"],
    )


def title_of(question: str) -> str:
    """A conversation's title: the first line of its first message, cut at a word."""
    line = " ".join(question.split())
    if len(line) <= TITLE_CHARS:
        return line
    cut = line[:TITLE_CHARS].rsplit(" ", 1)[0]
    return f"{cut[: TITLE_CHARS - 1]}…"
