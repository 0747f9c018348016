"""Firestore, the low-latency session store: the only importer of its SDK."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from google.api_core import exceptions as google
from google.api_core.retry_async import AsyncRetry
from google.cloud import firestore
from google.cloud.firestore_v1.base_query import FieldFilter

from common import limits
from common.errors import DocumentsUnavailable
from common.telemetry.tracing import span

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
    """Remove a document, if it is there; where given, only if it is unchanged since ``unchanged_since``."""

    path: str
    unchanged_since: datetime | None = None


@dataclass(slots=True)
class Count:
    """Add to a document's ``total`` and set ``data`` beside it; concurrent additions all count.

    Once it was committed, ``total`` is what the counter then holds.
    """

    path: str
    by: int
    data: Data
    total: int | None = None


Write = Put | Create | Patch | Delete | Count


@dataclass(frozen=True, slots=True)
class Where:
    """One condition of a query; all of them must hold."""

    field: str
    is_: Literal["==", "<", "<=", ">", ">="]
    value: Any


@dataclass(frozen=True, slots=True)
class Sort:
    """One field to sort by; ``__name__`` is the document's id, and its cursor value the id."""

    field: str
    descending: bool = False


class Documents:
    """Typed access to documents by slash-separated path. Raises DocumentsUnavailable when Firestore does not answer."""

    def __init__(self, project_id: str, database: str = "(default)") -> None:
        self._client = firestore.AsyncClient(project=project_id, database=database)

    async def get_all(self, paths: Sequence[str], fields: Sequence[str] | None = None) -> dict[str, Document | None]:
        """Read the documents at ``paths``, whole or only ``fields``, in one request; None where there is none."""
        found: dict[str, Document | None] = dict.fromkeys(paths)
        references = [self._client.document(path) for path in found]
        async with _asked("firestore.get_all", len(references)):
            async for snapshot in self._client.get_all(
                references, field_paths=fields, retry=_RETRY, timeout=limits.DOCUMENTS_SECONDS
            ):
                path = snapshot.reference.path
                found[path] = _document(path, snapshot)
        return found

    async def query(
        self,
        collection: str,
        *,
        where: Sequence[Where] = (),
        order: Sequence[Sort] = (),
        after: Sequence[Any] | None = None,
        fields: Sequence[str] | None = None,
        limit: int,
    ) -> list[Document]:
        """Read at most ``limit`` documents of a collection, whole or only ``fields``, in order, in one request.

        ``after`` are values of the order's fields: the result begins behind the document that has them.
        """
        query: Any = self._client.collection(collection).limit(limit)
        for condition in where:
            query = query.where(filter=FieldFilter(condition.field, condition.is_, condition.value))
        for sort in order:
            query = query.order_by(sort.field, direction="DESCENDING" if sort.descending else "ASCENDING")
        if after is not None:
            query = query.start_after({sort.field: value for sort, value in zip(order, after, strict=True)})
        if fields is not None:
            query = query.select(fields)
        async with _asked("firestore.query"):
            stream = query.stream(retry=_RETRY, timeout=limits.DOCUMENTS_SECONDS)
            return [Document(found.reference.path, found.to_dict(), found.update_time) async for found in stream]

    async def count(self, collection: str, where: Sequence[Where] = ()) -> int:
        """How many documents of a collection meet the conditions; none of them is read."""
        query: Any = self._client.collection(collection)
        for condition in where:
            query = query.where(filter=FieldFilter(condition.field, condition.is_, condition.value))
        async with _asked("firestore.count"):
            answer = await query.count().get(retry=_RETRY, timeout=limits.DOCUMENTS_SECONDS)
        return int(answer[0][0].value)

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
                case Delete(unchanged_since=since):
                    option = self._client.write_option(last_update_time=since) if since else None
                    batch.delete(reference, option=option)
                case Count(by=by, data=data):
                    batch.set(reference, {**data, "total": firestore.Increment(by)}, merge=True)
        async with _asked("firestore.commit", len(writes)):
            results = await batch.commit(retry=_RETRY, timeout=limits.DOCUMENTS_SECONDS)
            for write, result in zip(writes, results, strict=True):
                if isinstance(write, Count):
                    write.total = int(result.transform_results[0].integer_value)
            return [_moment(result) for result in results]

    async def ping(self) -> None:
        """Read a document that need not exist. Raises DocumentsUnavailable."""
        await self.get_all(["health/ping"])

    async def close(self) -> None:
        """Close the connection; the instance is not used afterwards."""
        self._client.close()


@asynccontextmanager
async def _asked(name: str, documents: int | None = None) -> AsyncIterator[None]:
    """One request to Firestore: its span, and its failures as ours."""
    with span(name, documents=documents):
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
