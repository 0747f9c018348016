"""The calls for an organisation's documents: read and search them, and as an administrator change them."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from pydantic import AfterValidator, ConfigDict, Field
from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from common import cursor, limits
from common.bodies import Body, printable
from common.errors import DocumentNotFound, TooLarge
from common.metering.entrance import Entrance
from common.metering.rate_limits import Kind
from common.tenant import Principal
from common.web.endpoint import Call, Handler, Serving

if TYPE_CHECKING:
    from common.knowledge.passage import Passage
    from common.knowledge.record import DocumentRecord
    from common.knowledge.services import KnowledgeServices


def _of_some_bytes(size: int) -> int:
    """Return the size of a file. Raises ValueError for one that is empty."""
    if not size:
        raise ValueError("an empty file has nothing to be read")
    return size


def _asking(query: str) -> str:
    """Return a query as it was given. Raises ValueError for one of spaces alone."""
    if not query.strip():
        raise ValueError("must not be empty")
    return query


class NewDocument(Body):
    """The body that announces a document: its name, the type and the number of its bytes, and their SHA-256."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[str, Field(min_length=1, max_length=limits.DOCUMENT_NAME_CHARS), AfterValidator(printable)]
    type: str = Field("application/octet-stream", pattern=r"^[a-z0-9][a-z0-9.+-]{0,60}/[a-z0-9][a-z0-9.+-]{0,90}$")
    bytes: Annotated[int, Field(ge=0, json_schema_extra={"minimum": 1}), AfterValidator(_of_some_bytes)]
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class KnowledgeQuestion(Body):
    """The body of a search."""

    model_config = ConfigDict(extra="forbid", strict=True)

    query: Annotated[str, Field(min_length=1, max_length=limits.MAX_MESSAGE_CHARS), AfterValidator(_asking)]
    top_k: int = Field(limits.PASSAGES_DEFAULT, ge=1, le=limits.PASSAGES_MAX)


class DocumentPage(Body):
    """The query string of the list."""

    limit: int = Field(limits.PAGE_DEFAULT, ge=1, le=limits.PAGE_MAX)
    cursor: str | None = None


class DocumentEntry(TypedDict):
    """A document and what has become of it."""

    document_id: str
    name: str
    type: str
    bytes: int
    sha256: str
    state: str
    reason: str | None
    pages: int | None
    passages: int
    embedding: str | None
    reindexing: bool
    created_at: str
    created_by: str
    changed_at: str | None


class DocumentList(TypedDict):
    """A page of documents, newest first."""

    org_slug: str
    documents: list[DocumentEntry]
    next_cursor: str | None


class UploadStarted(DocumentEntry):
    """A document that was announced, and where its bytes go by PUT; null where they are there already."""

    upload_url: str | None
    headers: dict[str, str]
    expires_at: str | None


class DeletedDocument(TypedDict):
    """The document that is gone."""

    status: str
    document_id: str


class FoundPassages(TypedDict):
    """The passages that are nearest to a question, the best first."""

    results: list[dict[str, Any]]


class KnowledgeStats(TypedDict):
    """Counts of documents by state, of passages, and the embedding spaces that they are in."""

    org_slug: str
    documents: int
    ready: int
    processing: int
    waiting: int
    failed: int
    passages: int
    embeddings: list[str]


class Knowing(Serving, Protocol):
    """The part of the composition root that these calls need."""

    @property
    def entrance(self) -> Entrance: ...
    @property
    def knowledge(self) -> "KnowledgeServices": ...


async def _list(services: Knowing, call: Call) -> Response:
    caller, asked = await services.authenticator.principal(call.credentials), call.query(DocumentPage)
    scope = ("documents", caller.org_slug)
    after: Any = cursor.decode(scope, asked.cursor, (datetime, str)) if asked.cursor else None
    found = await services.knowledge.store.page(caller.tenant, after, asked.limit)
    last = found[-1] if len(found) == asked.limit else None
    listed = DocumentList(
        org_slug=caller.org_slug,
        documents=[_entry(record) for record in found if record.state != "deleted"],
        next_cursor=cursor.encode(scope, (last.created_at, last.document_id)) if last else None,
    )
    return JSONResponse(listed)


async def _upload(services: Knowing, call: Call) -> Response:
    caller = await _admitted(services, call, "uploads")
    asked = await call.body(NewDocument)
    if asked.bytes > limits.MAX_DOCUMENT_BYTES:
        raise TooLarge(
            f"A document may have {limits.MAX_DOCUMENT_BYTES // 1024**2} MiB. Split it, or leave pictures out."
        )
    from common.knowledge.uploads import Announced

    announced = Announced(asked.name, asked.type, asked.bytes, asked.sha256)
    record, upload = await services.knowledge.uploads.begin(caller, announced)
    started = UploadStarted(
        **_entry(record),
        upload_url=upload.url if upload else None,
        headers=upload.headers if upload else {},
        expires_at=upload.expires_at.isoformat() if upload else None,
    )
    return JSONResponse(started, status_code=201 if upload else 200)


async def _document(services: Knowing, call: Call) -> Response:
    caller = await services.authenticator.principal(call.credentials)
    record = await services.knowledge.store.read(caller.tenant, _id(call))
    if record is None or record.state == "deleted":
        raise DocumentNotFound
    return JSONResponse(_entry(record))


async def _delete(services: Knowing, call: Call) -> Response:
    caller, document_id = await _admitted(services, call, "uploads"), _id(call)
    await services.knowledge.uploads.delete(caller.tenant, document_id)
    return JSONResponse(DeletedDocument(status="deleted", document_id=document_id))


async def _reindex(services: Knowing, call: Call) -> Response:
    caller = await _admitted(services, call, "uploads")
    record = await services.knowledge.uploads.read_again(caller.tenant, _id(call))
    return JSONResponse(_entry(record), status_code=202)


async def _search(services: Knowing, call: Call) -> Response:
    caller = await _admitted(services, call, "searches")
    asked = await call.body(KnowledgeQuestion)
    found = await services.knowledge.search.search(caller.tenant, asked.query, asked.top_k, caller.user_id)
    return JSONResponse(FoundPassages(results=[_result(passage) for passage in found]))


async def _stats(services: Knowing, call: Call) -> Response:
    from common.knowledge.store import count_states

    caller = await services.authenticator.principal(call.credentials)
    store = services.knowledge.store
    states = await count_states(store, caller.tenant)
    counted = KnowledgeStats(
        org_slug=caller.org_slug,
        documents=sum(states.values()),
        ready=states["ready"],
        processing=states["processing"],
        waiting=states["waiting"],
        failed=states["failed"],
        passages=await store.count_chunks(caller.tenant),
        embeddings=[str(space) for space in await store.spaces(caller.tenant)],
    )
    return JSONResponse(counted)


async def _admitted(services: Knowing, call: Call, kind: Kind) -> Principal:
    return await services.entrance.admit(call.credentials, kind)


def _id(call: Call) -> str:
    """The document that the path names. Raises DocumentNotFound for what is no id."""
    document_id = call.value("document_id")
    if len(document_id) != 32 or set(document_id) - set("0123456789abcdef"):
        raise DocumentNotFound
    return document_id


def _entry(record: "DocumentRecord") -> DocumentEntry:
    return DocumentEntry(
        document_id=record.document_id,
        name=record.name,
        type=record.media_type,
        bytes=record.size,
        sha256=record.sha256,
        state=record.state,
        reason=record.reason,
        pages=record.pages,
        passages=record.passages,
        embedding=record.space,
        reindexing=record.state == "ready" and (record.again or bool(record.staged)),
        created_at=record.created_at.isoformat(),
        created_by=record.created_by,
        changed_at=record.changed_at.isoformat() if record.changed_at else None,
    )


def _result(passage: "Passage") -> dict[str, Any]:
    return {
        "document_id": passage.document_id,
        "name": passage.document_name,
        "page": passage.page,
        "heading": passage.heading,
        "text": passage.text,
        "score": passage.score,
    }


HANDLERS: Mapping[str, Handler[Any]] = {
    "list": _list,
    "upload": _upload,
    "document": _document,
    "delete": _delete,
    "reindex": _reindex,
    "search": _search,
    "stats": _stats,
}
