"""Entries of the outbox that an older version wrote: brought to today's shape, or named where they cannot be read."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from common import limits
from common.documents import Data, Document, DocumentConflict, Documents, Patch, Sort, Where
from common.organizations.directory import Directory
from common.record.outbox import SHARDS, shard_of
from common.telemetry.log import Log
from common.tenant import OrgSlug
from common.transcript.paths import OUTBOX, conversation_path, message_path
from common.warehouse.schema import load, record_tables

_NEVER = datetime.fromtimestamp(0, UTC)
_TYPES: dict[str, type | tuple[type, ...]] = {
    "table": str,
    "row": dict,
    "org_slug": str,
    "conversation_id": str,
    "row_id": str,
    "expires": (str, type(None)),
    "attempts": int,
    "created_at": datetime,
    "next_try_at": datetime,
    "shard": int,
}


def is_readable(document: Document) -> bool:
    """Return whether an entry has everything that sync asks of it."""
    data = document.data
    return (
        all(name in data and isinstance(data[name], kind) for name, kind in _TYPES.items())
        and data["table"] in record_tables()
        and isinstance(data["row"].get("conversation_id", _unowned(data["table"])), str)
    )


class Adoption:
    """Finds and repairs entries that sync cannot read; one that stays unreadable counts as rejected, and is logged."""

    def __init__(self, documents: Documents, directory: Directory, log: Log, clock: Callable[[], datetime]) -> None:
        self._documents = documents
        self._directory = directory
        self._log = log
        self._clock = clock

    async def search(self) -> int:
        """Look for entries that sync's own queries do not find, and repair them. Returns how many sync can read now."""
        total, *found = await asyncio.gather(
            self._documents.count(OUTBOX),
            *(
                self._documents.count(OUTBOX, (Where("shard", "==", shard), Where("next_try_at", ">=", _NEVER)))
                for shard in range(SHARDS)
            ),
        )
        if total <= sum(found):
            return 0
        repaired, after = 0, None
        while page := await self._documents.query(
            OUTBOX, order=(Sort("__name__"),), after=after, limit=limits.SYNC_READ
        ):
            repaired += await self.repair([each for each in page if not _is_found(each.data)])
            after = (page[-1].path.rsplit("/", 1)[1],)
        return repaired

    async def repair(self, documents: Sequence[Document]) -> int:
        """Give the entries what they lack. Returns how many sync can read now; the others are tried again later."""
        return sum([await self._repair(document) for document in documents])

    async def _repair(self, document: Document) -> bool:
        missing = self._missing(document)
        if missing is None:
            self._log.error("sync.rejected", stage="outbox", message_id=_entry_id(document), error_class="unreadable")
        try:
            await self._documents.commit(
                [Patch(document.path, self._postponed(document) if missing is None else missing, document.updated_at)]
            )
        except DocumentConflict:
            return False  # A newer state took its place, or it is gone.
        return missing is not None

    def _missing(self, document: Document) -> Data | None:
        """The fields that an entry lacks, made of those that it has; None where it does not say which row it is."""
        data, now = document.data, self._clock()
        row, table = data.get("row"), data.get("table")
        if table not in record_tables() or not isinstance(row, dict):
            return None
        org_slug, conversation_id = row.get("org_slug"), row.get("conversation_id", _unowned(table))
        if not isinstance(org_slug, str) or not isinstance(conversation_id, str):
            return None
        row_id = _entry_id(document).rsplit(":", 1)[-1]
        made: Data = {
            "org_slug": org_slug,
            "conversation_id": conversation_id,
            "row_id": row_id,
            "expires": self._expires(org_slug, conversation_id, table, row_id),
            "attempts": 0,
            "created_at": now,
            "next_try_at": now,
            "error_class": None,
            "shard": shard_of(_entry_id(document)),
        }
        return {name: value for name, value in made.items() if not _fits(name, data.get(name, _ABSENT))}

    def _expires(self, org_slug: str, conversation_id: str, table: str, row_id: str) -> str | None:
        tenant = self._directory.tenant(OrgSlug(org_slug))
        match table:
            case "org_chat_conversations":
                return conversation_path(tenant, conversation_id)
            case "org_chat_messages":
                return message_path(tenant, conversation_id, row_id)
        return None

    def _postponed(self, document: Document) -> Data:
        attempts = document.data.get("attempts")
        created_at = document.data.get("created_at")
        now = self._clock()
        return {
            "attempts": attempts + 1 if isinstance(attempts, int) else 1,
            "created_at": created_at if isinstance(created_at, datetime) else now,
            "next_try_at": now + timedelta(seconds=limits.SYNC_LAST_RETRY_SECONDS),
            "error_class": "unreadable",
            "shard": shard_of(_entry_id(document)),
        }


_ABSENT = object()


def _unowned(table: str) -> str | None:
    """The conversation of a row whose table knows none."""
    names = {field.name for field in load("organizations", table).fields}
    return None if "conversation_id" in names else ""


def _fits(name: str, value: Any) -> bool:
    return value is not _ABSENT and isinstance(value, _TYPES.get(name, object))


def _is_found(data: Data) -> bool:
    return isinstance(data.get("next_try_at"), datetime) and data.get("shard") in range(SHARDS)


def _entry_id(document: Document) -> str:
    return document.path.rsplit("/", 1)[1]
