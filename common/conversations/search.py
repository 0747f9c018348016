"""Searching a user's own conversations: the newest in Firestore, all others in the record."""

import asyncio
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from typing_extensions import TypedDict

from common import limits
from common.documents import Documents, Sort, Where
from common.errors import BadRequest, WarehouseUnavailable
from common.record.reader import Record
from common.tenant import Principal
from common.transcript.conversation import window_of
from common.transcript.paths import conversation_path, conversations_path

SEARCH_CONVERSATIONS = 100
SNIPPET_CHARS = 160

Hit = Mapping[str, Any]


class FoundMessage(TypedDict):
    """A message that was found."""

    message_id: str
    conversation_id: str
    role: str
    content: str
    snippet: str
    created_at: str


class SearchResults(TypedDict):
    """The messages that hold a text; ``cut`` where there may be more."""

    results: list[FoundMessage]
    cut: bool


class Search:
    """Finds text as it is written: no wildcards, any case."""

    def __init__(self, documents: Documents, record: Record) -> None:
        self._documents = documents
        self._record = record

    async def find(self, principal: Principal, text: str, limit: int) -> SearchResults:
        """The newest messages that hold the text, each with a snippet around it.

        ``cut`` says that there may be more: the limit was reached, or the record did not answer.
        """
        if len(text) > limits.SEARCH_CHARS:
            raise BadRequest(f"q may have at most {limits.SEARCH_CHARS} characters.")
        if not text.strip():
            return {"results": [], "cut": False}
        recent, recorded = await asyncio.gather(
            self._in_windows(principal, text), self._in_record(principal, text, limit + 1)
        )
        hits = {(hit["conversation_id"], hit["message_id"]): hit for hit in (*(recorded or ()), *recent)}
        newest = sorted(hits.values(), key=lambda hit: (hit["created_at"], hit["message_id"]), reverse=True)
        kept = await self._not_deleted(principal, newest[: limit + 1])
        return {
            "results": [_result(hit, text) for hit in kept[:limit]],
            "cut": recorded is None or len(newest) > limit,
        }

    async def _in_windows(self, principal: Principal, text: str) -> list[Hit]:
        """Search the recent messages that the record may not have yet."""
        documents = await self._documents.query(
            conversations_path(principal.tenant),
            where=(Where("user_id", "==", principal.user_id), Where("status", "==", "active")),
            order=(Sort("last_message_at", descending=True), Sort("__name__", descending=True)),
            fields=("conversation_id", "recent"),
            limit=SEARCH_CONVERSATIONS,
        )
        sought = text.lower()
        return [
            {
                **entry,
                "conversation_id": document.data["conversation_id"],
                "created_at": datetime.fromisoformat(entry["created_at"]),
            }
            for document in documents
            for entry in window_of(document.data)
            if sought in entry["content"].lower()
        ]

    async def _in_record(self, principal: Principal, text: str, most: int) -> tuple[Hit, ...] | None:
        try:
            return await self._record.search(principal, text, most)
        except WarehouseUnavailable:
            return None

    async def _not_deleted(self, principal: Principal, hits: list[Hit]) -> list[Hit]:
        """Without the conversations that were deleted since the record last heard of them."""
        paths = {hit["conversation_id"]: conversation_path(principal.tenant, hit["conversation_id"]) for hit in hits}
        documents = await self._documents.get_all(list(paths.values()), fields=["status"]) if paths else {}
        gone = {path for path, document in documents.items() if document and document.data["status"] != "active"}
        return [hit for hit in hits if paths[hit["conversation_id"]] not in gone]


def _result(hit: Hit, text: str) -> FoundMessage:
    created_at: datetime = hit["created_at"]
    return {
        "message_id": hit["message_id"],
        "conversation_id": hit["conversation_id"],
        "role": hit["role"],
        "content": hit["content"],
        "snippet": snippet(hit["content"], text),
        "created_at": created_at.isoformat(),
    }


def snippet(content: str, text: str) -> str:
    """The part of a message around the text, with … where it was cut."""
    match = re.search(re.escape(text), content, re.IGNORECASE)
    middle = (match.start() + match.end()) // 2 if match else 0
    start = max(0, min(middle - SNIPPET_CHARS // 2, len(content) - SNIPPET_CHARS))
    end = min(len(content), start + max(SNIPPET_CHARS, len(text)))
    return f"{'…' if start else ''}{content[start:end]}{'…' if end < len(content) else ''}"
