"""Running a structured query: which collections, in which order, from which cursor, and which fields come back."""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cmp_to_key
from itertools import groupby, islice

import grpc

from local.emulators.firestore.filters import (
    EQUAL,
    Comparison,
    Predicate,
    bounds,
    check_filter,
    comparisons,
    compile_filter,
    inequality_paths,
)
from local.emulators.firestore.nearest import nearest
from local.emulators.firestore.store import Collection, Document, Snapshot, Store
from local.emulators.firestore.values import (
    NAME,
    Key,
    Message,
    NewDocument,
    parse_path,
    read_field,
    sort_key,
    write_field,
)
from local.emulators.rpc import RpcFailure

_DESCENDING = 2


@dataclass(frozen=True, slots=True)
class Order:
    """One field to sort by."""

    path: str
    descending: bool


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the order, just before or just after the documents that have these values."""

    keys: tuple[Key, ...]
    before: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """A structured query, checked and compiled."""

    matches: Predicate
    required: list[Comparison]
    orders: list[Order]
    start: Cursor | None
    end: Cursor | None

    def admits(self, document: Document) -> bool:
        """Return true if the document is in the result, before offset and limit."""
        return (
            self.matches(document)
            and all(document.key(order.path) is not None for order in self.orders)
            and (self.start is None or self.position(document, self.start) >= 0)
            and (self.end is None or self.position(document, self.end) < 0)
        )

    def position(self, document: Document, cursor: Cursor) -> int:
        """-1 when the document comes before the cursor in the order, else 1."""
        for order, wanted in zip(self.orders, cursor.keys, strict=False):
            key = document.key(order.path)
            if key is not None and key != wanted:
                return -1 if (key < wanted) != order.descending else 1
        return 1 if cursor.before else -1

    def compare(self, left: Document, right: Document) -> int:
        """Order of two documents that have every field sorted by."""
        for order in self.orders:
            a, b = left.key(order.path), right.key(order.path)
            if a is not None and b is not None and a != b:
                return -1 if (a < b) != order.descending else 1
        return 0


def plan(query: Message) -> Plan:
    """Compile a structured query; INVALID_ARGUMENT for what Firestore does not allow."""
    matches = compile_filter(query.where)
    check_filter(query.where)
    orders = _orders(query)
    start = _cursor(query.start_at, orders) if query.HasField("start_at") else None
    end = _cursor(query.end_at, orders) if query.HasField("end_at") else None
    if query.offset < 0 or (query.HasField("limit") and query.limit.value < 0):
        raise RpcFailure(grpc.StatusCode.INVALID_ARGUMENT, "limit and offset must not be negative")
    return Plan(matches, list(comparisons(query.where)), orders, start, end)


def _orders(query: Message) -> list[Order]:
    orders = [Order(order.field.field_path, order.direction == _DESCENDING) for order in query.order_by]
    named = {order.path for order in orders}
    if len(named) < len(orders):
        repeated = next(path for path in named if [order.path for order in orders].count(path) > 1)
        raise RpcFailure(
            grpc.StatusCode.INVALID_ARGUMENT, f"order by clause cannot contain duplicate fields {repeated}"
        )
    if orders and orders[0] == Order(NAME, descending=True):
        raise RpcFailure(grpc.StatusCode.FAILED_PRECONDITION, "Firestore does not support descending key scans")
    descending = bool(orders) and orders[-1].descending
    implied = sorted(set(inequality_paths(query.where)) - named - {NAME})
    orders.extend(Order(path, descending) for path in implied)
    if NAME not in named:
        orders.append(Order(NAME, descending))
    return orders


def _cursor(cursor: Message, orders: list[Order]) -> Cursor:
    if len(cursor.values) > len(orders):
        raise RpcFailure(grpc.StatusCode.INVALID_ARGUMENT, "Cursor has too many values.")
    return Cursor(tuple(sort_key(value) for value in cursor.values), bool(cursor.before))


def sources(store: Store, parent: str, query: Message) -> list[str]:
    """Paths of the collections that the query reads."""
    source = query.from_[0] if query.from_ else None
    if source is None or source.all_descendants:
        return store.group(source.collection_id if source else "", parent)
    if source.collection_id:
        return [f"{parent}/{source.collection_id}"]
    depth = parent.count("/") + 1
    return [path for path in store.group("", parent) if path.count("/") == depth]


def run(store: Store, parent: str, query: Message, snapshot: Snapshot | None = None) -> list[Document]:
    """The documents of the result, whole, in order; projection is the caller's."""
    compiled = plan(query)
    paths = sources(store, parent, query)
    collection = store.collections.get(paths[0]) if len(paths) == 1 else None
    changed = snapshot is not None and bool(snapshot.before)
    if query.HasField("find_nearest"):
        whole = None if changed else collection
        return nearest(query.find_nearest, _candidates(store, paths, snapshot), compiled.admits, whole)
    stop = query.offset + query.limit.value if query.HasField("limit") else None
    if collection is not None and not changed:
        return list(islice(_walk(collection, compiled, stop), query.offset, stop))
    return _sorted(store, paths, compiled, snapshot)[query.offset : stop]


def _candidates(store: Store, paths: list[str], snapshot: Snapshot | None) -> Iterator[Document]:
    before = snapshot.before if snapshot else {}
    for path in paths:
        if collection := store.collections.get(path):
            yield from (document for document in collection.documents.values() if document.name not in before)
    wanted = set(paths)
    for old in before.values():
        if old is not None and old.collection in wanted:
            yield old


def _sorted(store: Store, paths: list[str], compiled: Plan, snapshot: Snapshot | None) -> list[Document]:
    found = [document for document in _candidates(store, paths, snapshot) if compiled.admits(document)]
    return _sort(found, compiled)


def _sort(documents: list[Document], compiled: Plan) -> list[Document]:
    directions = {order.descending for order in compiled.orders}
    if len(directions) > 1:
        return sorted(documents, key=cmp_to_key(compiled.compare))
    paths = [order.path for order in compiled.orders]
    return sorted(documents, key=lambda document: [document.key(path) for path in paths], reverse=directions == {True})


def _walk(collection: Collection, compiled: Plan, stop: int | None) -> Iterator[Document]:
    """The result in order, reading as little as the best index allows."""
    first = compiled.orders[0]
    index = collection.index(first.path)
    low, high = _span(index, compiled, first.path)
    narrow = _narrowest(collection, compiled)
    if narrow is not None and (stop is None or len(narrow.places) ** 2 <= (high - low) * max(stop, 1)):
        found = [document for ident in narrow.ids() if compiled.admits(document := collection.documents[ident])]
        yield from _sort(found, compiled)
        return
    positions = range(high - 1, low - 1, -1) if first.descending else range(low, high)
    entries = (index[position] for position in positions)
    for _, tied in groupby(entries, key=lambda entry: entry[0]):
        group = [document for _, ident in tied if compiled.admits(document := collection.documents[ident])]
        yield from group if len(group) < 2 else _sort(group, compiled)


def _span(index: list[tuple[Key, Key]], compiled: Plan, path: str) -> tuple[int, int]:
    """The positions in the index of the first order field that the filters and cursors leave."""
    low, high = bounds(path, compiled.required)
    start, end = compiled.start, compiled.end
    if compiled.orders[0].descending:
        start, end = end, start
    if start and start.keys:
        low = max(low, (start.keys[0],))
    if end and end.keys:
        high = min(high, (end.keys[0], (2,)))
    first = bisect_left(index, low)
    return first, max(first, bisect_left(index, high))


@dataclass(frozen=True, slots=True)
class _Narrow:
    """The part of an index that an equality leaves; its ids are copied only where they are read."""

    index: list[tuple[Key, Key]]
    places: range

    def ids(self) -> Iterator[Key]:
        return (self.index[place][1] for place in self.places)


def _narrowest(collection: Collection, compiled: Plan) -> _Narrow | None:
    """The most selective equality, None without one."""
    best: _Narrow | None = None
    for comparison in compiled.required:
        if comparison.operator != EQUAL or comparison.path == compiled.orders[0].path:
            continue
        index = collection.index(comparison.path)
        low, high = bounds(comparison.path, [comparison])
        places = range(bisect_left(index, low), bisect_left(index, high))
        if best is None or len(places) < len(best.places):
            best = _Narrow(index, places)
    return best


def project(document: Document, selected: list[str]) -> Message:
    """The document with only the selected fields; `__name__` selects none."""
    whole = document.message
    message = NewDocument(name=whole.name, create_time=whole.create_time, update_time=whole.update_time)
    for path in selected:
        if path == NAME:
            continue
        parts = parse_path(path)
        value = read_field(whole.fields, parts)
        if value is not None:
            write_field(message.fields, parts, value)
    return message
