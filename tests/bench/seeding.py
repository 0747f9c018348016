"""A Firestore emulator's data written straight into its database: a hundred thousand documents in seconds."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from google.cloud.firestore_v1.types import document

from common.record import outbox
from common.tenant import OrgSlug, Tenant
from common.transcript.conversation import Conversation
from common.transcript.message import Message, Role
from common.transcript.paths import conversation_path, message_path
from local.emulators.process import EmulatorProcess

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
_NewDocument: Any = document.Document.pb()
_SCHEMA = "CREATE TABLE documents (name TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID"
Stored = tuple[str, dict[str, Any]]


@contextmanager
def seeded(project: str, folder: Path, documents: Iterable[Stored]) -> Iterator[str]:
    """A Firestore emulator of its own that holds these documents; yields its host."""
    place = folder / "firestore"
    place.mkdir(parents=True)
    root = f"projects/{project}/databases/(default)/documents"
    with sqlite3.connect(place / "firestore.sqlite") as database:
        database.execute(_SCHEMA)
        rows = ((f"{root}/{path}", _body(f"{root}/{path}", data)) for path, data in documents)
        database.executemany("INSERT INTO documents VALUES (?, ?)", rows)
    database.close()
    with EmulatorProcess(project, folder, ["firestore"], start_timeout=120) as emulator:
        yield emulator.environment["FIRESTORE_EMULATOR_HOST"]


def tenant_of(org_slug: str, project: str) -> Tenant:
    """The tenant of an organisation of the benchmarks."""
    return Tenant(OrgSlug(org_slug), project, "organizations")


def conversations(tenant: Tenant, user_id: str, count: int) -> Iterator[Stored]:
    """So many conversations of one user, a minute apart."""
    for number in range(count):
        at = BEGAN + timedelta(minutes=number)
        one = Conversation(
            f"c{number:06d}", user_id, f"Conversation {number}", "openai", "gpt-4o-mini", at, at, message_count=2
        )
        yield conversation_path(tenant, one.conversation_id), one.document()


def conversation_of(tenant: Tenant, user_id: str, count: int) -> Iterator[Stored]:
    """One conversation of a user, ``long``, with so many messages."""
    last = BEGAN + timedelta(seconds=count)
    one = Conversation("long", user_id, "Long", "openai", "gpt-4o-mini", BEGAN, last, message_count=count)
    yield conversation_path(tenant, one.conversation_id), one.document()
    for number in range(count):
        said = message(number)
        yield message_path(tenant, one.conversation_id, said.message_id), said.document()


def backlog(tenants: list[Tenant], count: int) -> Iterator[Stored]:
    """So many messages that the record lacks: each with its document and its entry in the outbox."""
    for number in range(count):
        tenant, said = tenants[number % len(tenants)], message(number)
        conversation_id = f"b{number // 1000:04d}"
        path = message_path(tenant, conversation_id, said.message_id)
        yield path, said.document()
        one = Conversation(conversation_id, "bench", "Backlog", "openai", "gpt-4o-mini", BEGAN, BEGAN)
        entry = outbox.message_entries(tenant, one, said, BEGAN)[1]
        yield entry.path, entry.data  # type: ignore[union-attr]  # a Put


def message(number: int) -> Message:
    """One message of a long conversation."""
    role: Role = "user" if number % 2 == 0 else "assistant"
    text = f"Message {number}: what did we spend per provider, and why did it change? " * 3
    return Message(f"m{number:06d}", role, text, BEGAN + timedelta(seconds=number), sequence=number)


def _body(name: str, data: dict[str, Any]) -> bytes:
    written = _NewDocument(name=name)
    for key, value in data.items():
        _write(written.fields[key], value)
    written.create_time.FromDatetime(BEGAN)
    written.update_time.FromDatetime(BEGAN)
    return bytes(written.SerializeToString())


def _write(field: Any, value: Any) -> None:
    """Put a value into a field; the SDK's own way takes ten times as long."""
    match value:
        case None:
            field.null_value = 0
        case bool():
            field.boolean_value = value
        case int():
            field.integer_value = value
        case str():
            field.string_value = value
        case datetime():
            field.timestamp_value.FromDatetime(value)
        case dict():
            field.map_value.SetInParent()
            for key, inner in value.items():
                _write(field.map_value.fields[key], inner)
        case _:
            raise TypeError(f"no document of a benchmark holds a {type(value).__name__}")
