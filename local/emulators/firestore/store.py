"""Documents in memory, by collection and with sorted indexes, written through to SQLite."""

import sqlite3
import time
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from local.emulators.firestore.values import (
    NAME,
    Key,
    Message,
    NewDocument,
    name_key,
    parse_path,
    read_field,
    segment_key,
    sort_key,
)

_SCHEMA = "CREATE TABLE IF NOT EXISTS documents (name TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID"


class Document:
    """A stored document: never changed in place, decoded only when looked into, its keys remembered."""

    __slots__ = ("_keys", "_message", "body", "collection", "ident", "name")

    def __init__(self, name: str, body: bytes, message: Message | None = None) -> None:
        self.name = name
        self.body = body
        self.collection, _, ident = name.rpartition("/")
        self.ident = segment_key(ident)
        self._message = message
        self._keys: dict[str, Key | None] = {}

    @property
    def message(self) -> Message:
        """The protocol buffer document; callers must not change it."""
        if self._message is None:
            self._message = NewDocument.FromString(self.body)  # type: ignore[attr-defined]
        return self._message

    def key(self, path: str) -> Key | None:
        """The sort key of a field, None when the document has no such field."""
        if path not in self._keys:
            self._keys[path] = self._compute(path)
        return self._keys[path]

    def _compute(self, path: str) -> Key | None:
        if path == NAME:
            return (6, name_key(self.name))
        value = read_field(self.message.fields, parse_path(path))
        return None if value is None else sort_key(value)


class Collection:
    """The documents of one collection and, per field asked for, their ids sorted by that field."""

    __slots__ = ("_indexes", "candidates", "documents")

    def __init__(self) -> None:
        self.documents: dict[Key, Document] = {}
        # What searches by vector have gathered, by field and length, as long as no document changes.
        self.candidates: dict[tuple[str, int], Any] = {}
        self._indexes: dict[str, list[tuple[Key, Key]]] = {}

    def index(self, path: str) -> list[tuple[Key, Key]]:
        """(field key, document id key) of every document that has the field, ascending; built at first use."""
        if path not in self._indexes:
            entries = ((document.key(path), ident) for ident, document in self.documents.items())
            self._indexes[path] = sorted((key, ident) for key, ident in entries if key is not None)
        return self._indexes[path]

    def replace(self, old: Document | None, new: Document | None) -> None:
        """Put `new` in the place of `old`; either may be absent."""
        self.candidates.clear()
        for path, entries in self._indexes.items():
            before = old.key(path) if old else None
            after = new.key(path) if new else None
            if before == after:
                continue
            if old and before is not None:
                del entries[bisect_left(entries, (before, old.ident))]
            if new and after is not None:
                insort(entries, (after, new.ident))
        if new:
            self.documents[new.ident] = new
        elif old:
            del self.documents[old.ident]


class Snapshot:
    """A view of the store at one moment: what has changed since is remembered as it was."""

    __slots__ = ("before",)

    def __init__(self) -> None:
        self.before: dict[str, Document | None] = {}


class Store:
    """All documents; a commit that returned survives the process being killed when there is a directory."""

    def __init__(self, directory: Path | None = None) -> None:
        self.collections: dict[str, Collection] = {}
        self.snapshots: set[Snapshot] = set()
        self._groups: dict[str, set[str]] = {}
        self._last_time = 0
        self._database = self._open(directory) if directory else None

    def _open(self, directory: Path) -> sqlite3.Connection:
        directory.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(directory / "firestore.sqlite", check_same_thread=False)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute(_SCHEMA)
        for name, body in database.execute("SELECT name, body FROM documents"):
            self._place(None, Document(name, body))
        return database

    def close(self) -> None:
        """Release the database file."""
        if self._database:
            self._database.close()
            self._database = None

    def now(self) -> Timestamp:
        """The time in microseconds, always later than any returned before."""
        self._last_time = max(time.time_ns() // 1000, self._last_time + 1)
        stamp = Timestamp()
        stamp.FromMicroseconds(self._last_time)
        return stamp

    def get(self, name: str, snapshot: Snapshot | None = None) -> Document | None:
        """The document of this name, now or as of the snapshot."""
        if snapshot and name in snapshot.before:
            return snapshot.before[name]
        path, _, ident = name.rpartition("/")
        collection = self.collections.get(path)
        return collection.documents.get(segment_key(ident)) if collection else None

    def group(self, collection_id: str, below: str) -> list[str]:
        """Paths of the collections under `below` with this last id, or of all when the id is empty."""
        paths: Iterable[str] = self._groups.get(collection_id, ()) if collection_id else self.collections
        return [path for path in paths if path.startswith(below + "/")]

    def children(self, below: str) -> Iterator[str]:
        """For every collection anywhere under a path, the segment right after that path."""
        prefix = below + "/"
        for path in self.collections:
            if path.startswith(prefix):
                yield path[len(prefix) :].split("/", 1)[0]

    def save(self, changes: Mapping[str, Document | None]) -> None:
        """Apply new documents and deletions (None) all together or not at all."""
        if self._database:
            with self._database:
                self._database.executemany(
                    "INSERT OR REPLACE INTO documents VALUES (?, ?)",
                    [(name, new.body) for name, new in changes.items() if new],
                )
                self._database.executemany(
                    "DELETE FROM documents WHERE name = ?", [(name,) for name, new in changes.items() if not new]
                )
        for name, new in changes.items():
            old = self.get(name)
            if new is old:
                continue
            for snapshot in self.snapshots:
                snapshot.before.setdefault(name, old)
            if old or new:
                self._place(old, new)

    def _place(self, old: Document | None, new: Document | None) -> None:
        path = (new or old).collection  # type: ignore[union-attr]
        collection = self.collections.get(path)
        if collection is None:
            collection = self.collections[path] = Collection()
            self._groups.setdefault(path.rpartition("/")[2], set()).add(path)
        collection.replace(old, new)
        if not collection.documents:
            del self.collections[path]
            self._groups[path.rpartition("/")[2]].discard(path)
