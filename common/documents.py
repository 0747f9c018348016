"""Firestore, the low-latency session store: the only importer of its SDK.

A turn's documents are put into and read from the wire's own messages here: the SDK's wrappers around them cost several
times as much as all else that is done with a document.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal, TypeVar

import grpc
from google.api_core import exceptions as google
from google.api_core import gapic_v1
from google.api_core.retry import AsyncRetry, if_exception_type
from google.cloud import firestore
from google.cloud.firestore_v1 import types
from google.cloud.firestore_v1.base_query import FieldFilter
from google.cloud.firestore_v1.services.firestore.transports.base import DEFAULT_CLIENT_INFO

from common.document_values import Vector, decoded, encode, moment_of, set_moment
from common.errors import DocumentsUnavailable
from common.telemetry.tracing import span

DOCUMENTS_SECONDS = 10.0
_SERVICE = "/google.firestore.v1.Firestore"

Data = dict[str, Any]
Answer = TypeVar("Answer")

_DISTANCE = "distance"
_COSINE = types.StructuredQuery.FindNearest.DistanceMeasure.COSINE
_REQUEST_TIME = types.DocumentTransform.FieldTransform.ServerValue.REQUEST_TIME

# Firestore's failures that pass: it asks for the same request again. ABORTED counts among the library's conflicts, and
# is none: another commit was at the same documents, and nothing was done.
_PASSING = (google.ServiceUnavailable, google.Aborted, google.InternalServerError, google.ResourceExhausted)


class DocumentConflict(Exception):
    """A precondition did not hold: the document exists, is missing, or changed since it was read."""


@dataclass(frozen=True, slots=True)
class Document:
    """The contents of one document when it was read; both times are Firestore's, ``read_at`` where it says one."""

    path: str
    data: Data
    updated_at: datetime
    read_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Put:
    """Write a whole document, in place of an earlier one."""

    path: str
    data: Data


@dataclass(frozen=True, slots=True)
class Create:
    """Write a document that must not exist yet; the field that ``stamp`` names gets Firestore's own time."""

    path: str
    data: Data
    stamp: str | None = None


@dataclass(frozen=True, slots=True)
class Patch:
    """Change some fields of a document that must exist and, if given, be unchanged since ``unchanged_since``.

    The field that ``stamp`` names gets Firestore's own time.
    """

    path: str
    data: Data
    unchanged_since: datetime | None = None
    stamp: str | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a document, if it is there; where given, only if it is unchanged since ``unchanged_since``."""

    path: str
    unchanged_since: datetime | None = None


@dataclass(slots=True)
class Count:
    """Add to a document's ``total`` and set ``data`` beside it; concurrent additions all count.

    ``more`` is added to further fields. Once it was committed, ``total`` is what the counter then holds.
    """

    path: str
    by: int
    data: Data
    more: Mapping[str, int] = field(default_factory=dict)
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


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A document that ``nearest`` found, and its cosine distance: 0 is the same direction."""

    path: str
    data: Data
    distance: float


class _Stubs:
    """Makes the two calls of every turn over the SDK's own channel, without the SDK's wrappers around each message."""

    def __init__(self, client: firestore.AsyncClient) -> None:
        channel = client._firestore_api.transport.grpc_channel
        get, found = types.BatchGetDocumentsRequest.pb(), types.BatchGetDocumentsResponse.pb()
        commit, done = types.CommitRequest.pb(), types.CommitResponse.pb()
        self.batch_get = channel.unary_stream(f"{_SERVICE}/BatchGetDocuments", get.SerializeToString, found.FromString)
        self.commit = channel.unary_unary(f"{_SERVICE}/Commit", commit.SerializeToString, done.FromString)
        database = (("database", client._database_string),)
        told = (gapic_v1.routing_header.to_grpc_metadata(database), DEFAULT_CLIENT_INFO.to_grpc_metadata())
        self.metadata = (*client._rpc_metadata, *told)


class Documents:
    """Typed access to documents by slash-separated path. Raises DocumentsUnavailable when Firestore does not answer."""

    def __init__(self, project_id: str, database: str = "(default)") -> None:
        self._client = firestore.AsyncClient(project=project_id, database=database)
        self._root = f"{self._client._database_string}/documents/"

    @cached_property
    def _stubs(self) -> _Stubs:
        # The channel belongs to the event loop that it is made in.
        return _Stubs(self._client)

    async def get_all(self, paths: Sequence[str], fields: Sequence[str] | None = None) -> dict[str, Document | None]:
        """Read documents, whole or only ``fields``, in one request. The value is None for a missing one."""
        found: dict[str, Document | None] = dict.fromkeys(paths)
        request = types.BatchGetDocumentsRequest.pb()(
            database=self._client._database_string, documents=[self._name(path) for path in found]
        )
        if fields is not None:
            request.mask.field_paths.extend(fields)

        async def read_all(seconds: float) -> None:
            answers = self._stubs.batch_get(request, timeout=seconds, metadata=self._stubs.metadata)
            while (read := await answers.read()) is not grpc.aio.EOF:
                if read.WhichOneof("result") == "found":
                    path = read.found.name.removeprefix(self._root)
                    data = {name: decoded(value) for name, value in read.found.fields.items()}
                    updated_at, read_at = moment_of(read.found.update_time), moment_of(read.read_time)
                    found[path] = Document(path, data, updated_at, read_at)

        async with _asked("firestore.get_all", len(found)):
            await _again(read_all)
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

        async def read(seconds: float) -> list[Document]:
            return [
                Document(found.reference.path, found.to_dict(), found.update_time, found.read_time)
                async for found in query.stream(retry=None, timeout=seconds)
            ]

        async with _asked("firestore.query"):
            return await _again(read)

    async def nearest(
        self, collection: str, field: str, to: Vector, *, where: Sequence[Where], fields: Sequence[str], limit: int
    ) -> list[Neighbour]:
        """Read the ``fields`` of at most ``limit`` documents whose vectors are nearest, the nearest first."""
        query: Any = self._client.collection(collection)
        for condition in where:
            query = query.where(filter=FieldFilter(condition.field, condition.is_, condition.value))
        request = types.RunQueryRequest.pb()(parent=self._name(collection.rpartition("/")[0]))
        request.structured_query.CopyFrom(types.StructuredQuery.pb(query.select([*fields, _DISTANCE])._to_protobuf()))
        near = request.structured_query.find_nearest
        near.vector_field.field_path = field
        encode(to, near.query_vector)
        near.distance_measure = _COSINE
        near.limit.value = limit
        near.distance_result_field = _DISTANCE

        async def read(seconds: float) -> list[Neighbour]:
            wrapped = types.RunQueryRequest.wrap(request)
            answers = await self._client._firestore_api.run_query(request=wrapped, **self._call(seconds))
            found = [answer._pb.document async for answer in answers if answer._pb.HasField("document")]
            given = [(each.name, {name: decoded(value) for name, value in each.fields.items()}) for each in found]
            return [Neighbour(name.removeprefix(self._root), data, data.pop(_DISTANCE)) for name, data in given]

        async with _asked("firestore.nearest"):
            return await _again(read)

    async def below(self, path: str, limit: int) -> list[str]:
        """Return the paths of at most ``limit`` documents at any depth below a document, which need not exist."""
        request = types.RunQueryRequest.pb()(parent=self._name(path))
        request.structured_query.limit.value = limit
        # Of no collection by name, so of every one: also of those whose own document has expired.
        request.structured_query.from_.add(all_descendants=True)
        request.structured_query.select.fields.add(field_path="__name__")

        async def read(seconds: float) -> list[str]:
            wrapped = types.RunQueryRequest.wrap(request)
            answers = await self._client._firestore_api.run_query(request=wrapped, **self._call(seconds))
            names = [answer._pb.document.name async for answer in answers]
            return [name.removeprefix(self._root) for name in names if name]

        async with _asked("firestore.below"):
            return await _again(read)

    async def delete_below(self, path: str, at_once: int) -> int:
        """Delete all documents at any depth below a document, so many in a commit. Returns how many there were."""
        count = 0
        while paths := await self.below(path, at_once):
            await self.commit([Delete(each) for each in paths])
            count += len(paths)
        return count

    async def count(self, collection: str, where: Sequence[Where] = ()) -> int:
        """Count the documents of a collection that meet the conditions, without reading them."""
        query: Any = self._client.collection(collection)
        for condition in where:
            query = query.where(filter=FieldFilter(condition.field, condition.is_, condition.value))
        async with _asked("firestore.count"):
            answer = await _again(lambda seconds: query.count().get(retry=None, timeout=seconds))
        return int(answer[0][0].value)

    async def commit(self, writes: Sequence[Write]) -> list[datetime]:
        """Apply all writes or none, and return when each document was updated. Raises DocumentConflict."""
        request = types.CommitRequest.pb()(database=self._client._database_string)
        for write in writes:
            self._add(request.writes.add(), write)
        async with _asked("firestore.commit", len(writes)):
            stubs = self._stubs
            answer = await _again(lambda seconds: stubs.commit(request, timeout=seconds, metadata=stubs.metadata))
            results = answer.write_results
            for write, result in zip(writes, results, strict=True):
                if isinstance(write, Count):
                    write.total = int(result.transform_results[0].integer_value)
            return [moment_of(result.update_time) for result in results]

    def _add(self, into: Any, write: Write) -> None:
        """Say a write in the wire's words."""
        if isinstance(write, Delete):
            into.delete = self._name(write.path)
        else:
            into.update.name = self._name(write.path)
            for name, value in write.data.items():
                encode(value, into.update.fields[name])
        match write:
            case Create():
                into.current_document.exists = False
            case Patch(data=data, unchanged_since=since):
                into.update_mask.field_paths.extend(data)
                if since is None:
                    into.current_document.exists = True
                else:
                    set_moment(into.current_document.update_time, since)
            case Delete(unchanged_since=since) if since is not None:
                set_moment(into.current_document.update_time, since)
            case Count(by=by, data=data, more=more):
                into.update_mask.field_paths.extend(data)
                for name, more_by in {"total": by, **more}.items():
                    into.update_transforms.add(field_path=name).increment.integer_value = more_by
        if isinstance(write, Create | Patch) and write.stamp is not None:
            into.update_transforms.add(field_path=write.stamp).set_to_server_value = _REQUEST_TIME

    def _name(self, path: str) -> str:
        return f"{self._root}{path}"

    def _call(self, seconds: float) -> dict[str, Any]:
        return {"metadata": self._client._rpc_metadata, "retry": None, "timeout": seconds}

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
        except google.Aborted as error:
            raise DocumentsUnavailable from error
        except (google.Conflict, google.FailedPrecondition, google.NotFound) as error:
            raise DocumentConflict from error
        except (google.GoogleAPIError, google.RetryError) as error:
            raise DocumentsUnavailable from error


async def _again(ask: Callable[[float], Awaitable[Answer]]) -> Answer:
    """Ask, and ask again with more and more time between while the failure is one that passes.

    A stream that breaks off is read again from its beginning. All tries together have DOCUMENTS_SECONDS.
    """
    until = time.monotonic() + DOCUMENTS_SECONDS

    async def asked() -> Answer:
        try:
            return await ask(max(0.001, until - time.monotonic()))
        except grpc.RpcError as error:
            raise google.from_grpc_error(error) from error

    try:
        return await asked()
    except _PASSING:
        # Only now: the library's retry costs as much as writing a small document.
        retry = AsyncRetry(if_exception_type(*_PASSING), initial=0.1, maximum=1.0, timeout=until - time.monotonic())
        await asyncio.sleep(random.uniform(0, 0.1))
        return await retry(asked)()
