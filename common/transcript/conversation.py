"""Conversations and messages as values, and their shapes in Firestore and in the record."""

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from common import limits
from common.agents.events import ToolFinished
from common.documents import Data, Document
from common.tenant import Tenant
from common.text import shorten_bytes
from common.tools.result import as_stored

TITLE_CHARS = 80
STORED_TOOL_RESULTS_CHARS = 200_000

Role = Literal["user", "assistant"]
# cancelled: its client stopped it; failed: it ended by itself, and what was said and done until then is kept.
MessageStatus = Literal["complete", "cancelled", "failed"]

_ID = re.compile(rf"[A-Za-z0-9_-]{{1,{limits.MAX_ID_CHARS}}}")
# The least step of a TIMESTAMP: what follows in a conversation is later, even where clocks differ.
TICK = timedelta(microseconds=1)
# The field of a conversation's document that says when its lease was taken or renewed.
LEASED_AT = "leased_at"
_NAMESPACE = uuid.UUID("6f0d2a8e-0f6c-4a7b-9d55-0c2f4f2b7c11")


@dataclass(frozen=True, slots=True)
class Message:
    """One message; an assistant's also holds what it took to answer, and how the answer ended (``finish``)."""

    message_id: str
    role: Role
    content: str
    created_at: datetime
    sequence: int = 0
    status: MessageStatus = "complete"
    agent_name: str | None = None
    provider: str | None = None
    model_id: str | None = None
    fallback_from: str | None = None
    tool_calls_json: str | None = None
    tool_results_json: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    latency_ms: int | None = None
    finish: str | None = None
    feedback: Data | None = None

    def document(self) -> Data:
        """The message's document; what the record does not have yet has no expiry."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__} | {"expire_at": None}

    def row(self, tenant: Tenant, conversation_id: str) -> Data:
        """The row of org_chat_messages."""
        return {
            "message_id": self.message_id,
            "conversation_id": conversation_id,
            "org_slug": tenant.org_slug,
            "role": self.role,
            "content": self.content,
            "agent_name": self.agent_name,
            "tool_calls_json": self.tool_calls_json,
            "tool_results_json": self.tool_results_json,
            "provider": self.provider,
            "model_id": self.model_id,
            "fallback_from": self.fallback_from,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "latency_ms": self.latency_ms,
            "finish": self.finish,
            "created_at": self.created_at.isoformat(),
            "status": self.status,
        }


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to answer in a conversation; ``holder`` is one attempt at an answer.

    ``silent_seconds`` is how long ago it was renewed when it was read, by Firestore's time: instances' clocks differ.
    """

    message_id: str
    holder: str = ""
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
        return {"message_id": self.message_id, "holder": self.holder}


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation with its recent window; ``version`` is when its document last changed, None while there is none.

    ``window_held`` is False where ``recent`` and ``last_agent`` are still only in the record.
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
    version: datetime | None = field(default=None, compare=False)

    @property
    def changed_at(self) -> datetime:
        """When it last changed in any way."""
        return self.updated_at or self.last_message_at

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
            "updated_at": self.changed_at,
            "last_agent": self.last_agent,
            # As text: maps would be indexed field by field, and cost ten times as much to send.
            "recent": json.dumps(self.recent, ensure_ascii=False),
            "window_held": self.window_held,
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
    return Lease(held["message_id"], held.get("holder", ""), max(0.0, silent.total_seconds()))


def window_of(data: Data) -> tuple[Data, ...]:
    """The recent window in a conversation's document."""
    return tuple(json.loads(data.get("recent") or "[]"))


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
    )


def message_of(document: Document) -> Message:
    """Read a message back from its document."""
    return message_in(document.data)


def message_in(row: Mapping[str, Any]) -> Message:
    """Read a message from a document or a row. Missing fields have their defaults."""
    fields: dict[str, Any] = {name: row[name] for name in Message.__dataclass_fields__ if name in row}
    # A row of before there was a status has none.
    fields["status"] = fields.get("status") or "complete"
    return Message(**fields)


def fitted(message: Message) -> Message:
    """The message as one document can hold it: shortened where it must be, from what matters least."""
    if bytes_of(message) > limits.MESSAGE_BYTES:
        message = replace(message, tool_results_json=None)
    if bytes_of(message) > limits.MESSAGE_BYTES:
        message = replace(message, tool_calls_json=None)
    if bytes_of(message) > limits.MESSAGE_BYTES:
        message = replace(message, content=shorten_bytes(message.content, limits.MESSAGE_BYTES))
    return message


def bytes_of(message: Message) -> int:
    """Size in bytes of the text, tool calls and tool results."""
    texts = (message.content, message.tool_calls_json, message.tool_results_json)
    return sum(len(text.encode()) for text in texts if text)


def tool_calls_json(calls: Sequence[ToolFinished]) -> str | None:
    """The calls behind an answer, as JSON; None where there were none."""
    if not calls:
        return None
    listed = [
        {"id": call.call_id, "agent_name": call.agent_name, "name": call.tool_name, "arguments": call.arguments}
        for call in calls
    ]
    return json.dumps(listed, ensure_ascii=False)


def tool_results_json(calls: Sequence[ToolFinished]) -> str | None:
    """The results behind an answer, as JSON, each cut to its share of what one message may hold."""
    if not calls:
        return None
    share = STORED_TOOL_RESULTS_CHARS // len(calls)
    listed = ",".join(f'{{"id":{json.dumps(call.call_id)},"result":{as_stored(call.result, share)}}}' for call in calls)
    return f"[{listed}]"


def title_of(question: str) -> str:
    """A conversation's title: the first line of its first message, cut at a word."""
    line = " ".join(question.split())
    if len(line) <= TITLE_CHARS:
        return line
    cut = line[:TITLE_CHARS].rsplit(" ", 1)[0]
    return f"{cut[: TITLE_CHARS - 1]}…"


def new_id() -> str:
    return str(uuid.uuid4())


def is_id(text: str) -> bool:
    """Return true if the text could be an id of this product."""
    return _ID.fullmatch(text) is not None


def conversation_id_for(tenant: Tenant, caller: str, message_id: str) -> str:
    """The conversation that a caller's first message opens: the same for a retry of the same message."""
    return str(uuid.uuid5(_NAMESPACE, f"{tenant.org_slug}/{caller}/{message_id}"))


def answer_id_for(conversation_id: str, message_id: str) -> str:
    """The id of the answer to a message: the same for a retry of the same message."""
    return str(uuid.uuid5(_NAMESPACE, f"{conversation_id}/{message_id}"))
