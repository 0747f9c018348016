"""Firestore, the low-latency session store: the only importer of its SDK."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from google.api_core import exceptions as google
from google.api_core.retry_async import AsyncRetry
from google.cloud import firestore

from common import limits
from common.errors import DocumentsUnavailable

Data = dict[str, Any]

_RETRY = AsyncRetry(
    predicate=lambda error: isinstance(error, google.ServiceUnavailable),
    initial=0.1,
    maximum=1.0,
    timeout=limits.DOCUMENTS_SECONDS,
)


class DocumentConflict(Exception):
    """A precondition did not hold: the document exists, is missing, or changed since it was read."""


@dataclass(frozen=True, slots=True)
class Document:
    """What one document held when it was read."""

    path: str
    data: Data
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Put:
    """Write a whole document, whatever was there."""

    path: str
    data: Data


@dataclass(frozen=True, slots=True)
class Create:
    """Write a document that must not exist yet."""

    path: str
    data: Data


@dataclass(frozen=True, slots=True)
class Patch:
    """Change some fields of a document that must exist and, if given, be unchanged since ``unchanged_since``."""

    path: str
    data: Data
    unchanged_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a document, if it is there."""

    path: str


Write = Put | Create | Patch | Delete


class Documents:
    """Typed access to documents by slash-separated path. Raises DocumentsUnavailable when Firestore does not answer."""

    def __init__(self, project_id: str, database: str = "(default)") -> None:
        self._client = firestore.AsyncClient(project=project_id, database=database)

    async def get_all(self, paths: Sequence[str]) -> dict[str, Document | None]:
        """Read the documents at ``paths`` in one request; None where there is none."""
        found: dict[str, Document | None] = dict.fromkeys(paths)
        references = [self._client.document(path) for path in found]
        async with _errors_mapped():
            async for snapshot in self._client.get_all(references, retry=_RETRY, timeout=limits.DOCUMENTS_SECONDS):
                path = snapshot.reference.path
                found[path] = _document(path, snapshot)
        return found

    async def commit(self, writes: Sequence[Write]) -> list[datetime]:
        """Apply all writes or none, and return when each document was updated. Raises DocumentConflict."""
        batch = self._client.batch()
        for write in writes:
            reference = self._client.document(write.path)
            match write:
                case Put(data=data):
                    batch.set(reference, data)
                case Create(data=data):
                    batch.create(reference, data)
                case Patch(data=data, unchanged_since=since):
                    option = self._client.write_option(last_update_time=since) if since else None
                    batch.update(reference, data, option=option)
                case Delete():
                    batch.delete(reference)
        async with _errors_mapped():
            results = await batch.commit(retry=_RETRY, timeout=limits.DOCUMENTS_SECONDS)
            return [_moment(result) for result in results]

    async def ping(self) -> None:
        """Read a document that need not exist. Raises DocumentsUnavailable."""
        await self.get_all(["health/ping"])

    async def close(self) -> None:
        """Close the connection; the instance is not used afterwards."""
        self._client.close()


@asynccontextmanager
async def _errors_mapped() -> AsyncIterator[None]:
    try:
        yield
    except (google.Conflict, google.FailedPrecondition, google.NotFound) as error:
        raise DocumentConflict from error
    except (google.GoogleAPIError, google.RetryError) as error:
        raise DocumentsUnavailable from error


def _document(path: str, snapshot: Any) -> Document | None:
    return Document(path, snapshot.to_dict(), snapshot.update_time) if snapshot.exists else None


def _moment(result: Any) -> datetime:
    # A delete has no update time; nothing is based on it.
    moment: datetime = result.update_time or datetime.fromtimestamp(0, UTC)
    return moment
