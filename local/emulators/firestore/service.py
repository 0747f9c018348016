"""The methods of google.firestore.v1.Firestore."""

import secrets
import string
from collections.abc import AsyncIterator, Sequence

import grpc
from google.cloud.firestore_v1.types import document, firestore
from google.protobuf import empty_pb2

from local.emulators.firestore.aggregate import aggregate, scan_limit, with_all_fields
from local.emulators.firestore.names import Names
from local.emulators.firestore.query import project, run
from local.emulators.firestore.store import Document, Store
from local.emulators.firestore.transactions import Transactions
from local.emulators.firestore.values import Message, NewDocument, segment_key
from local.emulators.firestore.writes import Write, apply_writes, target
from local.emulators.rpc import Method, RpcFailure

SERVICE = "google.firestore.v1.Firestore"
_PAGE = 300
_ID_LETTERS = string.ascii_letters + string.digits
MAX_WRITES = 500
Status = grpc.StatusCode


def _refuse_read_time(request: Message) -> None:
    if request.WhichOneof("consistency_selector") == "read_time":
        raise RpcFailure(Status.UNIMPLEMENTED, "reading at a past time is not supported by this emulator")
    if "explain_options" in request.DESCRIPTOR.fields_by_name and request.HasField("explain_options"):
        raise RpcFailure(Status.UNIMPLEMENTED, "explaining a query is not supported by this emulator")


class FirestoreService:
    """Answers each RPC from the store; every method runs without a pause, so each is atomic."""

    def __init__(self, store: Store, project_id: str) -> None:
        self._store = store
        self._names = Names(project_id)
        self._transactions = Transactions(store)

    def methods(self) -> dict[str, Method]:
        """The method table for the server; Listen, Write, PartitionQuery and ExecutePipeline are not in it."""
        return {
            "GetDocument": Method(firestore.GetDocumentRequest.pb(), self.GetDocument),
            "BatchGetDocuments": Method(firestore.BatchGetDocumentsRequest.pb(), self.BatchGetDocuments, True),
            "ListDocuments": Method(firestore.ListDocumentsRequest.pb(), self.ListDocuments),
            "ListCollectionIds": Method(firestore.ListCollectionIdsRequest.pb(), self.ListCollectionIds),
            "CreateDocument": Method(firestore.CreateDocumentRequest.pb(), self.CreateDocument),
            "UpdateDocument": Method(firestore.UpdateDocumentRequest.pb(), self.UpdateDocument),
            "DeleteDocument": Method(firestore.DeleteDocumentRequest.pb(), self.DeleteDocument),
            "BeginTransaction": Method(firestore.BeginTransactionRequest.pb(), self.BeginTransaction),
            "Rollback": Method(firestore.RollbackRequest.pb(), self.Rollback),
            "Commit": Method(firestore.CommitRequest.pb(), self.Commit),
            "BatchWrite": Method(firestore.BatchWriteRequest.pb(), self.BatchWrite),
            "RunQuery": Method(firestore.RunQueryRequest.pb(), self.RunQuery, True),
            "RunAggregationQuery": Method(firestore.RunAggregationQueryRequest.pb(), self.RunAggregationQuery, True),
        }

    async def GetDocument(self, request: Message) -> Message:
        _refuse_read_time(request)
        self._names.check_document(request.name)
        ident = request.transaction or b""
        found = self._transactions.read(ident, [request.name])[0] if ident else self._store.get(request.name)
        if found is None:
            raise RpcFailure(Status.NOT_FOUND, f"Document ({request.name}) not found.")
        return project(found, list(request.mask.field_paths)) if request.HasField("mask") else found.message

    async def BatchGetDocuments(self, request: Message) -> AsyncIterator[Message]:
        _refuse_read_time(request)
        names = list(dict.fromkeys(request.documents))
        for name in names:
            self._names.check_document(name)
        ident, is_new = self._transaction(request)
        response = firestore.BatchGetDocumentsResponse.pb()
        if is_new:
            yield response(transaction=ident)
        read_time = self._store.now()
        found = self._transactions.read(ident, names) if ident else [self._store.get(name) for name in names]
        for name, entry in zip(names, found, strict=True):
            if entry is None:
                yield response(missing=name, read_time=read_time)
            else:
                masked = project(entry, list(request.mask.field_paths)) if request.HasField("mask") else entry.message
                yield response(found=masked, read_time=read_time)

    async def ListDocuments(self, request: Message) -> Message:
        _refuse_read_time(request)
        self._names.check_parent(request.parent)
        if request.order_by and request.order_by != "__name__":
            raise RpcFailure(Status.UNIMPLEMENTED, "ListDocuments of this emulator orders by __name__ only")
        path = f"{request.parent}/{request.collection_id}"
        collection = self._store.collections.get(path)
        idents = set(collection.documents) if collection else set()
        names = {ident: found.name for ident, found in collection.documents.items()} if collection else {}
        if request.show_missing:
            names |= {segment_key(child): f"{path}/{child}" for child in self._store.children(path)}
        ordered = sorted(names)
        if request.page_token:
            after = segment_key(request.page_token)
            ordered = [ident for ident in ordered if ident > after]
        page = ordered[: request.page_size or _PAGE]
        response = firestore.ListDocumentsResponse.pb()()
        mask = list(request.mask.field_paths) if request.HasField("mask") else None
        for ident in page:
            if ident not in idents or collection is None:
                response.documents.add(name=names[ident])
                continue
            entry = collection.documents[ident]
            response.documents.append(entry.message if mask is None else project(entry, mask))
        if len(page) < len(ordered):
            response.next_page_token = names[page[-1]].rpartition("/")[2]
        return response

    async def ListCollectionIds(self, request: Message) -> Message:
        _refuse_read_time(request)
        self._names.check_parent(request.parent)
        found = sorted(set(self._store.children(request.parent)))
        found = [name for name in found if name > request.page_token]
        page = found[: request.page_size or len(found)]
        token = page[-1] if len(page) < len(found) else ""
        return firestore.ListCollectionIdsResponse.pb()(collection_ids=page, next_page_token=token)

    async def CreateDocument(self, request: Message) -> Message:
        ident = request.document_id or "".join(secrets.choice(_ID_LETTERS) for _ in range(20))
        body = NewDocument(name=f"{request.parent}/{request.collection_id}/{ident}", fields=request.document.fields)
        return self._write_one(Write(update=body, current_document={"exists": False}))

    async def UpdateDocument(self, request: Message) -> Message:
        operation = Write(update=request.document)
        if request.HasField("update_mask"):
            operation.update_mask.CopyFrom(request.update_mask)
        if request.HasField("current_document"):
            operation.current_document.CopyFrom(request.current_document)
        return self._write_one(operation)

    async def DeleteDocument(self, request: Message) -> Message:
        operation = Write(delete=request.name)
        if request.HasField("current_document"):
            operation.current_document.CopyFrom(request.current_document)
        self._commit([operation])
        return empty_pb2.Empty()

    async def BeginTransaction(self, request: Message) -> Message:
        self._names.check_database(request.database)
        ident = self._transactions.begin(request.options)
        return firestore.BeginTransactionResponse.pb()(transaction=ident)

    async def Rollback(self, request: Message) -> Message:
        self._transactions.rollback(request.transaction)
        return empty_pb2.Empty()

    async def Commit(self, request: Message) -> Message:
        self._names.check_database(request.database)
        if len(request.writes) > MAX_WRITES:
            raise RpcFailure(Status.INVALID_ARGUMENT, f"maximum {MAX_WRITES} writes allowed per request")
        if request.transaction:
            self._transactions.finish(request.transaction, bool(request.writes))
        return self._commit(request.writes)

    async def BatchWrite(self, request: Message) -> Message:
        self._names.check_database(request.database)
        names = [target(operation) for operation in request.writes]
        if len(set(names)) < len(names):
            raise RpcFailure(
                Status.INVALID_ARGUMENT, "the same document cannot be written more than once in a single request"
            )
        response = firestore.BatchWriteResponse.pb()()
        for operation in request.writes:
            try:
                response.write_results.append(self._commit([operation]).write_results[0])
                response.status.add()
            except RpcFailure as failure:
                response.write_results.add()
                response.status.add(code=failure.code.value[0], message=failure.message)
        return response

    async def RunQuery(self, request: Message) -> AsyncIterator[Message]:
        _refuse_read_time(request)
        self._names.check_parent(request.parent)
        ident, is_new = self._transaction(request)
        response = firestore.RunQueryResponse.pb()
        if is_new:
            yield response(transaction=ident)
        query = request.structured_query
        read_time = self._store.now()
        found = self._run(ident, request.parent, query)
        selected = [field.field_path for field in query.select.fields] if query.HasField("select") else None
        for entry in found:
            body = entry.message if selected is None else project(entry, selected)
            yield response(document=body, read_time=read_time)
        if not found:
            yield response(read_time=read_time, skipped_results=0)

    async def RunAggregationQuery(self, request: Message) -> AsyncIterator[Message]:
        _refuse_read_time(request)
        self._names.check_parent(request.parent)
        ident, is_new = self._transaction(request)
        aggregation = request.structured_aggregation_query
        query = aggregation.structured_query
        enough = scan_limit(aggregation.aggregations)
        if enough is not None and not query.HasField("limit"):
            query.limit.value = enough
        found = with_all_fields(aggregation.aggregations, self._run(ident, request.parent, query))
        response = firestore.RunAggregationQueryResponse.pb()(read_time=self._store.now())
        if is_new:
            response.transaction = ident
        for position, wanted in enumerate(aggregation.aggregations, start=1):
            response.result.aggregate_fields[wanted.alias or f"field_{position}"].CopyFrom(aggregate(wanted, found))
        yield response

    def _run(self, ident: bytes, parent: str, query: Message) -> list[Document]:
        try:
            return self._transactions.query(ident, parent, query) if ident else run(self._store, parent, query)
        except ValueError as error:  # a field path that does not parse
            raise RpcFailure(Status.INVALID_ARGUMENT, str(error)) from error

    def _transaction(self, request: Message) -> tuple[bytes, bool]:
        match request.WhichOneof("consistency_selector"):
            case "new_transaction":
                return self._transactions.begin(request.new_transaction), True
            case "transaction":
                return request.transaction, False
            case _:
                return b"", False

    def _write_one(self, operation: Message) -> Message:
        self._commit([operation])
        saved = self._store.get(target(operation))
        return saved.message if saved else document.Document.pb()()

    def _commit(self, operations: Sequence[Message]) -> Message:
        for operation in operations:
            self._names.check_document(target(operation))
        now = self._store.now()
        try:
            outcome = apply_writes(self._store, operations, now)
        except ValueError as error:  # a field path that does not parse
            raise RpcFailure(Status.INVALID_ARGUMENT, str(error)) from error
        self._store.save(outcome.changes)
        return firestore.CommitResponse.pb()(write_results=outcome.results, commit_time=now)
