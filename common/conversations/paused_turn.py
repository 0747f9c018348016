"""A turn that waits for its client, kept with its conversation: the next request goes on from it."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from common import limits
from common.agents.pausing import Paused, Waiting
from common.documents import Data, Document, Put, Write
from common.models.completion import Message, ToolCall
from common.tenant import Tenant
from common.tools.result import as_message
from common.transcript.paths import pending_path


@dataclass(frozen=True, slots=True)
class Pending:
    """Where a turn stopped: its question, the answers it was given so far, and what the loop goes on from.

    ``message_count`` is the conversation's: once anything was said after it, nothing waits any more.
    """

    question_id: str
    question: str
    answer_ids: tuple[str, ...]
    message_count: int
    paused: Paused

    @property
    def idempotency_key(self) -> str:
        """Names what goes on from here: the same write twice, in whatever attempt, is one write."""
        return f"{self.answer_ids[-1]}.next"

    def write(self, tenant: Tenant, conversation_id: str, now: datetime) -> Write:
        """Keep it for some days."""
        waiting = [
            {"waiting_id": each.waiting_id, "kind": each.kind, "call": asdict(each.call)}
            for each in self.paused.waiting
        ]
        document: Data = {
            "question_id": self.question_id,
            "question": self.question,
            "answer_ids": list(self.answer_ids),
            "message_count": self.message_count,
            # As text: maps would be indexed field by field.
            "exchange": json.dumps(_shortened(self.paused.exchange), ensure_ascii=False),
            "waiting": json.dumps(waiting, ensure_ascii=False),
            "tool_calls": self.paused.tool_calls,
            "expire_at": now + timedelta(days=limits.PENDING_DAYS),
        }
        return Put(pending_path(tenant, conversation_id), document)


def pending_of(document: Document) -> Pending:
    """Read it back from its document."""
    data = document.data
    waiting = tuple(
        Waiting(each["waiting_id"], each["kind"], ToolCall(**each["call"])) for each in json.loads(data["waiting"])
    )
    return Pending(
        question_id=data["question_id"],
        question=data["question"],
        answer_ids=tuple(data["answer_ids"]),
        message_count=data["message_count"],
        paused=Paused(tuple(json.loads(data["exchange"])), waiting, data["tool_calls"]),
    )


def _shortened(exchange: Iterable[Message]) -> list[dict[str, Any]]:
    """The exchange as one document can hold it: each tool result cut to its share, and no thoughts if they are long."""
    messages = [dict(message) for message in exchange]
    if len(json.dumps([message.get("thoughts") for message in messages])) > limits.PENDING_THOUGHT_CHARS:
        for message in messages:
            message.pop("thoughts", None)
    results = [message for message in messages if message["role"] == "tool"]
    share = limits.PENDING_RESULT_CHARS // max(1, len(results))
    for message in results:
        if len(message["content"]) > share:
            message["content"] = _cut(message["content"], share)
    return messages


def _cut(content: str, share: int) -> str:
    try:
        return as_message(json.loads(content), share)
    except ValueError:
        return content[:share]
