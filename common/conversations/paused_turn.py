"""A turn that waits for its client, kept with its conversation: the next request goes on from it."""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from common import limits
from common.agents.pausing import Paused, Waiting
from common.documents import Data, Document, Put, Write
from common.models.call import Message, ToolCall
from common.tenant import Tenant
from common.text import shorten
from common.tools.result import as_message
from common.transcript.paths import pending_path

PENDING_RESULT_CHARS = 400_000
PENDING_THOUGHT_CHARS = 200_000
PENDING_BYTES = 900_000

_SHORTEST = 4_000
_PENDING_TIME = timedelta(days=limits.PENDING_DAYS)
_APPROVAL_TIME = timedelta(hours=limits.APPROVAL_HOURS)


@dataclass(frozen=True, slots=True)
class Pending:
    """The place where a turn stopped: its question, the answers it was given so far, and what the loop goes on from.

    ``message_count`` is the conversation's: once anything was said after it, nothing waits any more.
    """

    question_id: str
    question: str
    answer_ids: tuple[str, ...]
    message_count: int
    paused: Paused
    expire_at: datetime | None = None

    def expired(self, now: datetime) -> bool:
        """Return true if it waited for too long; Firestore deletes it some time later."""
        return self.expire_at is not None and self.expire_at <= now

    def waits_behind(self, answer_id: str, message_count: int, now: datetime) -> bool:
        """Return true if this answer is the last thing that was said, and its calls still wait."""
        is_newest = self.message_count == message_count and self.answer_ids[-1] == answer_id
        return is_newest and not self.expired(now)

    @property
    def idempotency_key(self) -> str:
        """Names what goes on from here: the same write twice, in whatever attempt, is one write."""
        return f"{self.answer_ids[-1]}.next"

    def write(self, tenant: Tenant, conversation_id: str, now: datetime) -> Write | None:
        """Keep it for hours or days; None where what waits is too long for one document, and cannot be shortened."""
        listed = [
            {"waiting_id": each.waiting_id, "kind": each.kind, "call": asdict(each.call)}
            for each in self.paused.waiting
        ]
        waiting = json.dumps(listed, ensure_ascii=False)
        room = PENDING_BYTES - len(waiting.encode()) - len(self.question.encode())
        kept = {each.call.call_id for each in self.paused.waiting}
        exchange = fit_exchange(self.paused.exchange, kept, room)
        if exchange is None:
            return None
        document: Data = {
            "question_id": self.question_id,
            "question": self.question,
            "answer_ids": list(self.answer_ids),
            "message_count": self.message_count,
            # As text: maps would be indexed field by field.
            "exchange": exchange,
            "waiting": waiting,
            "tool_calls": self.paused.tool_calls,
            "expire_at": now + (_APPROVAL_TIME if self.paused.approvals or self.paused.question else _PENDING_TIME),
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
        expire_at=data["expire_at"],
    )


def fit_exchange(exchange: Sequence[Message], waiting: Collection[str], room: int) -> str | None:
    """The exchange as JSON of at most so many bytes: its results are cut, then what else no call waits for."""
    share = PENDING_RESULT_CHARS
    while share > _SHORTEST:
        text = json.dumps(_shortened(exchange, share), ensure_ascii=False)
        if len(text.encode()) <= room:
            return text
        share //= 4
    text = json.dumps([_bare(message, waiting) for message in _shortened(exchange, _SHORTEST)], ensure_ascii=False)
    return text if len(text.encode()) <= room else None


def _shortened(exchange: Iterable[Message], most: int) -> list[dict[str, Any]]:
    """The exchange with each tool result cut to its share of so many characters, and no thoughts if they are long."""
    messages = [dict(message) for message in exchange]
    if len(json.dumps([message.get("thoughts") for message in messages])) > PENDING_THOUGHT_CHARS:
        for message in messages:
            message.pop("thoughts", None)
    results = [message for message in messages if message["role"] == "tool"]
    share = most // max(1, len(results))
    for message in results:
        if len(message["content"]) > share:
            message["content"] = _cut(message["content"], share)
    return messages


def _bare(message: dict[str, Any], waiting: Collection[str]) -> dict[str, Any]:
    """A message with the beginning of its text, and with the arguments only of calls that wait."""
    bare = dict(message)
    if message.get("content"):
        bare["content"] = shorten(message["content"], _SHORTEST)
    if "tool_calls" in message:
        bare["tool_calls"] = [
            call if call["id"] in waiting else call | {"function": call["function"] | {"arguments": "{}"}}
            for call in message["tool_calls"]
        ]
    return bare


def _cut(content: str, share: int) -> str:
    try:
        return as_message(json.loads(content), share)
    except ValueError:
        return content[:share]
