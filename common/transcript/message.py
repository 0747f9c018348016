"""A message as a value, and its shapes in Firestore and in the record."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from common import limits
from common.agents.events import ToolFinished
from common.citations.citation import Citation, citations_of
from common.documents import Data, Document
from common.tenant import Tenant
from common.text import shorten_bytes
from common.tools.result import as_stored

STORED_TOOL_RESULTS_CHARS = 200_000

Role = Literal["user", "assistant"]

# cancelled: its client stopped it; failed: it ended by itself, and what was said and done until then is kept.
MessageStatus = Literal["complete", "cancelled", "failed"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message; an assistant's also holds what it took to answer, and how the answer ended (``finish``).

    ``unverified_figures_json`` is None where the figures were not checked, ``citations_json`` where nothing is cited.
    ``cached_at`` says when an answer was made that is given again.
    """

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
    unverified_figures_json: str | None = None
    citations_json: str | None = None
    cached_at: str | None = None
    feedback: Data | None = None

    @property
    def unverified_figures(self) -> tuple[str, ...]:
        """The figures of the text that could not be verified."""
        return tuple(json.loads(self.unverified_figures_json or "[]"))

    @property
    def citations(self) -> tuple[Citation, ...]:
        """The passages that the text cites."""
        return citations_of(json.loads(self.citations_json or "[]"))

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
            "unverified_figures_json": self.unverified_figures_json,
            "citations_json": self.citations_json,
            "cached_at": self.cached_at,
            "created_at": self.created_at.isoformat(),
            "status": self.status,
        }


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
        message = replace(message, citations_json=None)
    if bytes_of(message) > limits.MESSAGE_BYTES:
        message = replace(message, content=shorten_bytes(message.content, limits.MESSAGE_BYTES))
    return message


def bytes_of(message: Message) -> int:
    """Size in bytes of the text, tool calls, tool results and citations."""
    texts = (message.content, message.tool_calls_json, message.tool_results_json, message.citations_json)
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


def citations_json(citations: Sequence[Citation]) -> str | None:
    """The citations of an answer, as JSON; None where there are none."""
    return json.dumps([each.shown() for each in citations], ensure_ascii=False) if citations else None


def tool_results_json(calls: Sequence[ToolFinished]) -> str | None:
    """The results behind an answer, as JSON, each cut to its share of what one message may hold."""
    if not calls:
        return None
    share = STORED_TOOL_RESULTS_CHARS // len(calls)
    listed = ",".join(f'{{"id":{json.dumps(call.call_id)},"result":{as_stored(call.result, share)}}}' for call in calls)
    return f"[{listed}]"
