"""The messages of a conversation, in pages and as an export."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NotRequired

from typing_extensions import TypedDict

from common import cursor, limits
from common.citations.citation import ShownCitation
from common.conversations.conversations import summary
from common.conversations.lookup import ConversationLookup, Found
from common.documents import Create, DocumentConflict, Documents, Sort, Where
from common.errors import DocumentsUnavailable
from common.identity.authenticate import Credentials
from common.record.reader import ListPosition, Record
from common.transcript.conversation import Escalation, read_escalation
from common.transcript.message import Message, bytes_of, message_of
from common.transcript.paths import message_path, messages_path
from common.transcript.plans import planned

# As JSON in JSON it may take several times as much, of the 32 MiB that a response may have.
PAGE_BYTES = 4_000_000
EXPORT_PAGE = 100
# Firestore takes 10 MiB at a time.
MAX_BYTES_PER_COMMIT = 8_000_000

SCHEMA_VERSION = 1
_START = (0, ListPosition(datetime.fromisoformat("1970-01-01T00:00:00+00:00"), "-"))


class ShownFeedback(TypedDict):
    """The user's opinion of an answer."""

    rating: str
    reason: str | None
    comment: str | None


class ShownMessage(TypedDict):
    """A message in a history."""

    message_id: str
    role: str
    content: str
    status: str
    agent_name: str | None
    tool_calls_json: str | None
    tool_results_json: str | None
    provider: str | None
    model_id: str | None
    fallback_from: str | None
    input_tokens: int | None
    output_tokens: int | None
    latency_ms: int | None
    finish: str | None
    unverified_figures: list[str]
    citations: list[ShownCitation]
    cached_at: str | None
    feedback: ShownFeedback | None
    created_at: str
    response_type: NotRequired[str]
    deployment_plan: NotRequired[dict[str, Any] | None]


class MessagePage(TypedDict):
    """A page of a history."""

    org_slug: str
    conversation_id: str
    messages: list[ShownMessage]
    escalated: Escalation | None
    next_cursor: NotRequired[str]


Position = tuple[int, ListPosition]


class Messages:
    """Reads one caller's conversations, oldest message first."""

    def __init__(
        self, lookup: ConversationLookup, documents: Documents, record: Record, clock: Callable[[], datetime]
    ) -> None:
        self._lookup = lookup
        self._documents = documents
        self._record = record
        self._clock = clock

    async def page(self, credentials: Credentials, conversation_id: str, limit: int, after: str | None) -> MessagePage:
        """One page of a conversation, oldest first, from one query where Firestore holds it all.

        It is shorter than ``limit`` where the messages and their tool results are long.
        """
        found = await self._lookup.find(credentials, conversation_id)
        conversation_id = found.conversation.conversation_id
        scope = ("messages", found.principal.org_slug, conversation_id)
        start = _START
        if after:
            sequence, at, row_id = cursor.decode(scope, after, (int, datetime, str))
            assert isinstance(sequence, int)
            assert isinstance(at, datetime)
            start = (sequence, ListPosition(at, str(row_id)))
        page = _within(await self._read(found, start, limit), PAGE_BYTES)
        body: MessagePage = {
            "org_slug": found.principal.org_slug,
            "conversation_id": conversation_id,
            "messages": [shown(message) for message in page],
            "escalated": read_escalation(found.conversation.escalation),
        }
        if page and page[-1].sequence + 1 < found.conversation.message_count:
            last = page[-1]
            body["next_cursor"] = cursor.encode(scope, (last.sequence + 1, last.created_at, last.message_id))
        return body

    async def export(self, credentials: Credentials, conversation_id: str) -> AsyncIterator[bytes]:
        """The whole conversation as JSON text, in pieces. What can be refused is refused before the first piece."""
        found = await self._lookup.find(credentials, conversation_id)
        pages = self.pages(found)
        first: list[Message] = await anext(pages, [])
        return self._pieces(found, first, pages)

    async def pages(self, found: Found) -> AsyncIterator[list[Message]]:
        """Yield the messages of a conversation, oldest first."""
        page = await self._read(found, _START, EXPORT_PAGE)
        while page:
            yield page
            last = page[-1]
            following = (last.sequence + 1, ListPosition(last.created_at, last.message_id))
            done = following[0] >= found.conversation.message_count
            page = [] if done else await self._read(found, following, EXPORT_PAGE)

    async def _pieces(
        self, found: Found, page: list[Message], others: AsyncIterator[list[Message]]
    ) -> AsyncIterator[bytes]:
        head = {
            "schema_version": SCHEMA_VERSION,
            "exported_at": self._clock().isoformat(),
            "org_slug": found.principal.org_slug,
            "user_id": found.principal.user_id,
            "conversation": summary(found.conversation),
        }
        yield f'{json.dumps(head, ensure_ascii=False)[:-1]}, "messages": ['.encode()
        separator = ""
        while page:
            for message in page:
                yield f"{separator}\n{json.dumps(exported(message), ensure_ascii=False)}".encode()
                separator = ","
            page = await anext(others, [])
        yield b"\n]}\n"

    async def _read(self, found: Found, start: Position, limit: int) -> list[Message]:
        """The messages from a position on; those that Firestore lacks, which their numbers tell, from the record."""
        sequence, place = start
        tenant = found.principal.tenant
        conversation = found.conversation
        documents = await self._documents.query(
            messages_path(tenant, conversation.conversation_id),
            where=(Where("sequence", ">=", sequence),),
            order=(Sort("sequence"),),
            limit=limit,
        )
        held = [message_of(document) for document in documents]
        expected = range(sequence, min(sequence + limit, conversation.message_count))
        if [message.sequence for message in held[: len(expected)]] == list(expected):
            return held
        recorded = await self._record.messages(tenant, conversation, place, limit)
        merged = _merged(held, recorded, sequence)[:limit]
        await self._keep(found, [message for message in merged if message not in held])
        return merged

    async def _keep(self, found: Found, messages: list[Message]) -> None:
        """Warm Firestore with what the record has; that it cannot be is no reason not to answer."""
        expire_at = self._clock() + timedelta(days=limits.HOT_DAYS)
        tenant, conversation_id = found.principal.tenant, found.conversation.conversation_id
        try:
            while messages:
                part = _within(messages[: limits.MAX_WRITES_PER_COMMIT], MAX_BYTES_PER_COMMIT)
                messages = messages[len(part) :]
                await self._documents.commit(
                    [
                        Create(
                            message_path(tenant, conversation_id, message.message_id),
                            message.document() | {"expire_at": expire_at},
                        )
                        for message in part
                    ]
                )
        except (DocumentConflict, DocumentsUnavailable):
            return


def _merged(held: list[Message], recorded: tuple[Message, ...], sequence: int) -> list[Message]:
    """Merge the messages of both stores by time. Firestore's version wins."""
    by_id = {message.message_id: message for message in recorded} | {message.message_id: message for message in held}
    ordered = sorted(by_id.values(), key=lambda message: (message.created_at, message.message_id))
    known = {message.message_id for message in held}
    return [
        message if message.message_id in known else replace(message, sequence=sequence + index)
        for index, message in enumerate(ordered)
    ]


def _within(messages: list[Message], most: int) -> list[Message]:
    """The first messages, as many as fit into so many bytes, and at least one."""
    total = 0
    for count, message in enumerate(messages):
        total += bytes_of(message)
        if total > most and count:
            return messages[:count]
    return messages


def shown(message: Message) -> ShownMessage:
    """The fields of a message in a history."""
    feedback = message.feedback
    said: ShownMessage = {
        "message_id": message.message_id,
        "role": message.role,
        "content": message.content,
        "status": message.status,
        "agent_name": message.agent_name,
        "tool_calls_json": message.tool_calls_json,
        "tool_results_json": message.tool_results_json,
        "provider": message.provider,
        "model_id": message.model_id,
        "fallback_from": message.fallback_from,
        "input_tokens": message.input_tokens,
        "output_tokens": message.output_tokens,
        "latency_ms": message.latency_ms,
        "finish": message.finish,
        "unverified_figures": list(message.unverified_figures),
        "citations": [each.shown() for each in message.citations],
        "cached_at": message.cached_at,
        "feedback": _opinion(feedback) if feedback else None,
        "created_at": message.created_at.isoformat(),
    }
    kind, plan = planned(message)
    if kind is not None:
        said |= {"response_type": kind, "deployment_plan": plan}
    return said


def _opinion(feedback: Mapping[str, Any]) -> ShownFeedback:
    return {"rating": feedback["rating"], "reason": feedback["reason"], "comment": feedback["comment"]}


def exported(message: Message) -> dict[str, Any]:
    """The fields of a message in an export: tool calls with their results as JSON, and usage apart."""
    plain: dict[str, Any] = {**shown(message)}
    usage = {name: plain.pop(name) for name in ("input_tokens", "output_tokens")}
    del plain["tool_calls_json"], plain["tool_results_json"]
    return plain | {
        "tool_calls": _parsed(message.tool_calls_json),
        "tool_results": _parsed(message.tool_results_json),
        "usage": usage if message.role == "assistant" else None,
    }


def _parsed(text: str | None) -> Any:
    return json.loads(text) if text else []
