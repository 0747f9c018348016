"""BigQuery, the record of what was spent and said."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypeVar

from common import limits
from common.errors import WarehouseUnavailable
from common.settings import Settings
from common.telemetry import request, timing
from common.telemetry.tracing import span
from common.tenant import Tenant
from common.warehouse import bigquery_errors, dry_run
from common.warehouse.bigquery_api import BigQueryApi
from common.warehouse.bigquery_errors import failures, unavailable
from common.warehouse.cache import Flights, ResultCache
from common.warehouse.cancellation import Cancellation
from common.warehouse.dry_run import DryRun
from common.warehouse.job import QueryJob, dry_run_of
from common.warehouse.query import GuardedQuery
from common.warehouse.result import Column, QueryRefused, QueryResult, TableColumn, TableInfo

if TYPE_CHECKING:
    from common.warehouse.sdk import Sdk

LOOKUP_SECONDS = 10.0
WAREHOUSE_GRACE_SECONDS = 2.0
LOOKUP_THREADS = 32
DESCRIBING_THREADS = 32
# More values than these take a thread's time, not the event loop's: about 5 ms.
MOST_CELLS_AT_ONCE = 2_000
DRY_RUNS_REMEMBERED = 2_000

__all__ = ["Column", "QueryRefused", "QueryResult", "TableColumn", "TableInfo", "Warehouse"]

Answer = TypeVar("Answer")


class Warehouse:
    """Runs guarded queries, each with a byte cap, a timeout and labels."""

    def __init__(self, settings: Settings) -> None:
        self._max_bytes = settings.bq_max_bytes_gate
        self._location = settings.bq_location
        # Lookups never wait behind descriptions of tables.
        self._threads = ThreadPoolExecutor(DESCRIBING_THREADS, thread_name_prefix="warehouse")
        self._lookups = ThreadPoolExecutor(LOOKUP_THREADS, thread_name_prefix="lookup")
        self._settings = settings
        self._cache = ResultCache()
        self._flights = Flights()
        self._dry_runs: OrderedDict[tuple[Tenant, str], None] = OrderedDict()

    @cached_property
    def _sdk(self) -> "Sdk":
        """The SDK, which is imported with the first query. Raises WarehouseUnavailable without credentials."""
        from common.warehouse.sdk import Sdk

        with failures(unavailable):
            return Sdk(self._settings)

    async def run(
        self,
        query: GuardedQuery,
        *,
        labels: Mapping[str, str],
        seconds: float = limits.QUERY_SECONDS,
        own: bool = False,
        fresh: bool = False,
    ) -> QueryResult:
        """Run one query and return at most ``limits.MAX_RESULT_ROWS`` rows of ``limits.MAX_RESULT_BYTES``.

        A query of a tool is held to BQ_MAX_BYTES_GATE, an ``own`` statement of the product to OWN_STATEMENT_BYTES.

        The same query of the same tenant is answered from memory for some minutes, and runs once for all who ask at
        the same time; a ``fresh`` one is not answered from memory, and after a write all is read anew. Raises
        QueryRefused where it cannot run, WarehouseUnavailable where BigQuery does not answer. Cancelled with its job.
        """
        gate = limits.OWN_STATEMENT_BYTES if own else self._max_bytes
        if query.writes:
            try:
                return await self._execute(query, labels, seconds, gate)
            finally:
                self._cache.clear(query.tenant)
                self._flights.part(query.tenant)
        known = None if fresh else self._cache.get(query)
        return known or await self._flights.join(query, lambda: self._fill(query, labels, seconds, gate))

    async def look_up(
        self, query: GuardedQuery, *, labels: Mapping[str, str], seconds: float = LOOKUP_SECONDS
    ) -> QueryResult:
        """Run the product's own small query in one request: no dry run before it, nothing remembered after it.

        Raises WarehouseUnavailable for whatever goes wrong.
        """
        deadline = Cancellation(seconds)
        try:
            with span("bigquery.look_up"):
                result = await self._in_thread(
                    self._lookups, deadline, lambda sdk: sdk.look_up(query, labels, deadline)
                )
                request.billed(labels.get("purpose", ""), result.bytes_billed)
                return result
        except QueryRefused as refused:
            raise WarehouseUnavailable from refused

    async def tables(self, tenant: Tenant) -> tuple[str, ...]:
        """The names of the tables of the tenant's own dataset, at most ``limits.MAX_LISTED_TABLES`` and one."""
        deadline = Cancellation(LOOKUP_SECONDS)
        return await self._in_thread(self._threads, deadline, lambda sdk: sdk.list_tables(tenant, deadline))

    async def table(self, tenant: Tenant, name: str) -> TableInfo | None:
        """Describe a table of the tenant's own dataset. Returns None if it does not exist."""
        deadline = Cancellation(LOOKUP_SECONDS)
        return await self._in_thread(self._threads, deadline, lambda sdk: sdk.describe(tenant, name, deadline))

    async def ping(self) -> None:
        """Dry-run a constant, which reads and bills nothing. Raises WarehouseUnavailable."""
        deadline = Cancellation(limits.READINESS_SECONDS)
        await self._in_thread(self._lookups, deadline, lambda sdk: sdk.ping(deadline))

    def close(self) -> None:
        """Stop the threads and close the connections; the instance is not used afterwards."""
        for threads in (self._threads, self._lookups):
            threads.shutdown(wait=False, cancel_futures=True)
        if "_sdk" in self.__dict__:
            self._sdk.close()

    async def _fill(self, query: GuardedQuery, labels: Mapping[str, str], seconds: float, gate: int) -> QueryResult:
        version = self._cache.version(query.tenant)
        result = await self._execute(query, labels, seconds, gate)
        self._cache.put(query, result, version)
        return result

    async def _execute(self, query: GuardedQuery, labels: Mapping[str, str], seconds: float, gate: int) -> QueryResult:
        deadline = Cancellation(seconds)
        with span("bigquery.query") as asked:
            try:
                async with asyncio.timeout(seconds + WAREHOUSE_GRACE_SECONDS):
                    result = await self._run(query, labels, deadline, gate)
            except TimeoutError as error:
                raise WarehouseUnavailable from error
            asked.set(bytes_processed=result.bytes_processed, bytes_billed=result.bytes_billed, rows=len(result.rows))
        timing.of_this_turn().read(result.bytes_processed, result.bytes_billed)
        request.billed(labels.get("purpose", ""), result.bytes_billed)
        return result

    async def _run(
        self, query: GuardedQuery, labels: Mapping[str, str], deadline: Cancellation, gate: int
    ) -> QueryResult:
        started = time.perf_counter()
        most = min(query.max_bytes or gate, gate)
        with failures(lambda error: bigquery_errors.of_run(error, query, most)):
            api, sent = self._sdk.of(query)
            await self._check(api, sent, most, deadline)
            asked = self._sdk.request(sent, labels, most, deadline)
            done = await QueryJob(api, self._location, deadline, watched=query.origin != "fixed").run(asked)
            read = partial(self._sdk.read, query, done, started)
            if len(done.reply.get("rows") or ()) * len(done.fields) > MOST_CELLS_AT_ONCE:
                return await asyncio.to_thread(read)
            return read()

    async def _in_thread(
        self, threads: ThreadPoolExecutor, deadline: Cancellation, work: "Callable[[Sdk], Answer]"
    ) -> Answer:
        """Do the work in a thread. The caller is answered in time even if the thread hangs."""
        try:
            async with asyncio.timeout(deadline.remaining + WAREHOUSE_GRACE_SECONDS):
                return await asyncio.get_running_loop().run_in_executor(threads, work, self._sdk)
        except TimeoutError as error:
            raise WarehouseUnavailable from error
        finally:
            deadline.drop()

    async def _check(self, api: BigQueryApi, query: GuardedQuery, most: int, deadline: Cancellation) -> None:
        """Dry-run the exact text. Of the product's own text, one that passed is taken as passed for this tenant."""
        remembered = (query.tenant, query.sql)
        if query.origin == "fixed" and query.max_bytes is None and remembered in self._dry_runs:
            self._dry_runs.move_to_end(remembered)
            return
        with failures(lambda error: bigquery_errors.of_dry_run(error, query, most)):
            found = await dry_run_of(api, self._sdk.dry_run_request(query), self._location, deadline)
            dry_run.check(query, DryRun.of(found), most)
        if query.origin == "fixed":
            self._dry_runs[remembered] = None
            while len(self._dry_runs) > DRY_RUNS_REMEMBERED:
                self._dry_runs.popitem(last=False)
