"""The cache of query results, by tenant, with one run for equal queries at the same time."""

import asyncio
import itertools
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any

from common.tenant import Tenant
from common.warehouse.query import GuardedQuery, Parameter
from common.warehouse.result import QueryResult, size_of

RESULT_CACHE_SECONDS = 180.0
RESULT_CACHE_TENANTS = 16
RESULT_CACHE_ENTRIES = 64
RESULT_CACHE_ENTRY_BYTES = 500_000
RESULT_CACHE_BYTES = 2_000_000

Key = tuple[str, int | None, frozenset[tuple[str, Parameter]]]

# The product itself writes these, on any instance; what is written shows at once, so they are read anew each time.
_WRITTEN_HERE = ("org_notification_rules", "org_alert_history", "org_chat_conversations")


def key_of(query: GuardedQuery) -> Key:
    """The key under which two queries of one tenant are the same."""
    return query.sql, query.max_bytes, frozenset(query.parameters.items())


@dataclass(slots=True)
class _Entry:
    result: QueryResult
    size: int
    until: float


@dataclass(slots=True)
class _Shelf:
    """One tenant's results, the least recently used first. ``version`` changes with every write."""

    version: int
    entries: OrderedDict[Key, _Entry] = field(default_factory=OrderedDict)
    size: int = 0

    def remove(self, key: Key) -> None:
        self.size -= self.entries.pop(key).size


class ResultCache:
    """Results for ``RESULT_CACHE_SECONDS``, bounded in tenants, entries and bytes. For one event loop's use."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._shelves: OrderedDict[Tenant, _Shelf] = OrderedDict()
        self._versions = itertools.count()

    def get(self, query: GuardedQuery) -> QueryResult | None:
        """Return a fresh result of the same query of the tenant, in rows of its own, or None."""
        shelf, key = self._shelf(query.tenant), key_of(query)
        entry = shelf.entries.get(key)
        if entry is None:
            return None
        if self._clock() >= entry.until:
            shelf.remove(key)
            return None
        shelf.entries.move_to_end(key)
        return replace(entry.result, rows=_copied(entry.result.rows), duration_ms=0, cached=True)

    def version(self, tenant: Tenant) -> int:
        """To be taken before a query runs, and given to ``put`` with its result."""
        return self._shelf(tenant).version

    def put(self, query: GuardedQuery, result: QueryResult, version: int) -> None:
        """Keep a result, unless it is too large or the tenant has written since ``version`` was taken."""
        shelf, key = self._shelf(query.tenant), key_of(query)
        size = size_of([list(row.values()) for row in result.rows]) + len(query.sql)
        if size > RESULT_CACHE_ENTRY_BYTES or version != shelf.version or _written_here(query):
            return
        if key in shelf.entries:
            shelf.remove(key)
        kept = replace(result, rows=_copied(result.rows))
        shelf.entries[key] = _Entry(kept, size, self._clock() + RESULT_CACHE_SECONDS)
        shelf.size += size
        while len(shelf.entries) > RESULT_CACHE_ENTRIES or shelf.size > RESULT_CACHE_BYTES:
            shelf.remove(next(iter(shelf.entries)))

    def clear(self, tenant: Tenant) -> None:
        """Forget a tenant's results, and those still on their way."""
        shelf = self._shelf(tenant)
        shelf.entries.clear()
        shelf.size = 0
        shelf.version = next(self._versions)

    def _shelf(self, tenant: Tenant) -> _Shelf:
        shelf = self._shelves.get(tenant)
        if shelf is None:
            shelf = self._shelves[tenant] = _Shelf(next(self._versions))
        self._shelves.move_to_end(tenant)
        while len(self._shelves) > RESULT_CACHE_TENANTS:
            self._shelves.popitem(last=False)
        return shelf


@dataclass(eq=False, slots=True)
class _Flight:
    task: "asyncio.Task[QueryResult]"
    waiters: int = 0


class Flights:
    """Runs that several callers wait for. One who gives up leaves the others theirs; the last one ends the run."""

    def __init__(self) -> None:
        self._flights: dict[tuple[Tenant, Key], _Flight] = {}

    async def join(self, query: GuardedQuery, start: Callable[[], Coroutine[Any, Any, QueryResult]]) -> QueryResult:
        """Join the run of the same query, or begin one with ``start``. Its error goes to all."""
        key = (query.tenant, key_of(query))
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight(asyncio.create_task(start()))
            flight.task.add_done_callback(lambda _: self._remove(key, flight))
        flight.waiters += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiters -= 1
            if flight.waiters == 0 and not flight.task.done():
                self._remove(key, flight)
                flight.task.cancel()

    def part(self, tenant: Tenant) -> None:
        """Stop later callers from joining the tenant's current runs: they began before a write."""
        for key in [key for key in self._flights if key[0] == tenant]:
            del self._flights[key]

    def _remove(self, key: tuple[Tenant, Key], flight: _Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]


def _copied(rows: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
    return tuple(dict(row) for row in rows)


def _written_here(query: GuardedQuery) -> bool:
    return any(table == query.tenant.shared_table(name).strip("`") for table in query.tables for name in _WRITTEN_HERE)
