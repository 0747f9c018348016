"""BigQuery, the record of what was spent and said: the only importer of its SDK."""

import asyncio
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from google.api_core import exceptions as google
from google.auth.credentials import AnonymousCredentials, Credentials
from google.cloud import bigquery
from google.cloud.bigquery import _job_helpers
from google.cloud.bigquery._helpers import CELL_DATA_PARSER

from common import limits
from common.errors import WarehouseUnavailable
from common.settings import Settings
from common.telemetry import request, timing
from common.telemetry.tracing import span
from common.tenant import Tenant
from common.warehouse import bigquery_errors, dry_run
from common.warehouse.bigquery_api import WAREHOUSE_RETRY_SECONDS, ApiSockets, BigQueryApi
from common.warehouse.bigquery_errors import failures, unavailable
from common.warehouse.cache import Flights, ResultCache
from common.warehouse.cancellation import Cancellation
from common.warehouse.dry_run import DryRun
from common.warehouse.isolation.authorized_views import redirected
from common.warehouse.isolation.impersonation import account_of, credentials_for
from common.warehouse.job import FinishedQuery, QueryJob, count_in, dry_run_of
from common.warehouse.query import GuardedQuery, Parameter
from common.warehouse.reading import Rows, info_of, least_billed, result_of
from common.warehouse.result import Column, QueryRefused, QueryResult, TableColumn, TableInfo

LOOKUP_SECONDS = 10.0
WAREHOUSE_GRACE_SECONDS = 2.0
LOOKUP_THREADS = 32
DESCRIBING_THREADS = 32
# More values than these take a thread's time, not the event loop's: about 5 ms.
MOST_CELLS_AT_ONCE = 2_000
DRY_RUNS_REMEMBERED = 2_000
IMPERSONATED_CLIENTS = 64

__all__ = ["Column", "QueryRefused", "QueryResult", "TableColumn", "TableInfo", "Warehouse"]

_LABEL = re.compile(r"[^a-z0-9_-]")

Answer = TypeVar("Answer")


class Warehouse:
    """Runs guarded queries, each with a byte cap, a timeout and labels."""

    def __init__(self, settings: Settings) -> None:
        self._max_bytes = settings.bq_max_bytes_gate
        self._location = settings.bq_location
        # Lookups never wait behind descriptions of tables.
        self._threads = ThreadPoolExecutor(DESCRIBING_THREADS, thread_name_prefix="warehouse")
        self._lookups = ThreadPoolExecutor(LOOKUP_THREADS, thread_name_prefix="lookup")
        self._apis = _Apis(settings)
        self._cache = ResultCache()
        self._flights = Flights()
        self._dry_runs: OrderedDict[tuple[Tenant, str], None] = OrderedDict()

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
                result = await self._in_thread(self._lookups, deadline, lambda: self._look_up(query, labels, deadline))
                request.billed(labels.get("purpose", ""), result.bytes_billed)
                return result
        except QueryRefused as refused:
            raise WarehouseUnavailable from refused

    async def tables(self, tenant: Tenant) -> tuple[str, ...]:
        """The names of the tables of the tenant's own dataset, at most ``limits.MAX_LISTED_TABLES`` and one."""
        deadline = Cancellation(LOOKUP_SECONDS)
        return await self._in_thread(self._threads, deadline, lambda: self._tables(tenant, deadline))

    async def table(self, tenant: Tenant, name: str) -> TableInfo | None:
        """Describe a table of the tenant's own dataset. Returns None if it does not exist."""
        deadline = Cancellation(LOOKUP_SECONDS)
        return await self._in_thread(self._threads, deadline, lambda: self._table(tenant, name, deadline))

    async def ping(self) -> None:
        """Dry-run a constant, which reads and bills nothing. Raises WarehouseUnavailable."""
        deadline = Cancellation(limits.READINESS_SECONDS)
        await self._in_thread(self._lookups, deadline, lambda: self._ping(deadline))

    def close(self) -> None:
        """Stop the threads and close the connections; the instance is not used afterwards."""
        for threads in (self._threads, self._lookups):
            threads.shutdown(wait=False, cancel_futures=True)
        self._apis.close()

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
            api, sent = self._apis.of(query)
            await self._check(api, sent, most, deadline)
            config = self._config(sent, labels, most, deadline)
            asked = _job_helpers._to_query_request(config, query=sent.sql, location=self._location)
            done = await QueryJob(api, self._location, deadline, watched=query.origin != "fixed").run(asked)
            read = partial(_read, query, done, started)
            if len(done.reply.get("rows") or ()) * len(done.fields) > MOST_CELLS_AT_ONCE:
                return await asyncio.to_thread(read)
            return read()

    async def _in_thread(
        self, threads: ThreadPoolExecutor, deadline: Cancellation, work: Callable[[], Answer]
    ) -> Answer:
        """Do the work in a thread. The caller is answered in time even if the thread hangs."""
        try:
            async with asyncio.timeout(deadline.remaining + WAREHOUSE_GRACE_SECONDS):
                return await asyncio.get_running_loop().run_in_executor(threads, work)
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
        config = bigquery.QueryJobConfig(dry_run=True, use_query_cache=False, use_legacy_sql=False)
        self._bind(config, query)
        with failures(lambda error: bigquery_errors.of_dry_run(error, query, most)):
            # The whole resource: the SDK's own properties leave out routines and accuracy.
            configuration = config.to_api_repr()
            configuration["query"]["query"] = query.sql
            found = await dry_run_of(api, configuration, self._location, deadline)
            dry_run.check(query, DryRun.of(found), most)
        if query.origin == "fixed":
            self._dry_runs[remembered] = None
            while len(self._dry_runs) > DRY_RUNS_REMEMBERED:
                self._dry_runs.popitem(last=False)

    def _config(
        self, query: GuardedQuery, labels: Mapping[str, str], most: int, deadline: Cancellation
    ) -> bigquery.QueryJobConfig:
        config = bigquery.QueryJobConfig(
            maximum_bytes_billed=most,
            labels={name: _LABEL.sub("-", value.lower())[:63] for name, value in labels.items()},
            job_timeout_ms=max(1, int(deadline.remaining * 1000)),
            use_legacy_sql=False,
        )
        if query.reads_shared:
            config.use_query_cache = False
        self._bind(config, query)
        return config

    def _bind(self, config: bigquery.QueryJobConfig, query: GuardedQuery) -> None:
        if query.origin == "admitted":
            config.default_dataset = f"{query.tenant.project_id}.{query.tenant.dataset}"
        config.query_parameters = [_parameter(name, parameter) for name, parameter in query.parameters.items()]

    def _look_up(self, query: GuardedQuery, labels: Mapping[str, str], deadline: Cancellation) -> QueryResult:
        started, most = time.perf_counter(), limits.OWN_STATEMENT_BYTES
        with failures(lambda error: bigquery_errors.of_run(error, query, most)):
            call = _call(deadline)
            rows = self._apis.own.client.query_and_wait(
                query.sql,
                job_config=self._config(query, labels, most, deadline),
                location=self._location,
                api_timeout=call["timeout"],
                wait_timeout=call["timeout"],
                retry=call["retry"],
                job_retry=None,
                max_results=limits.MAX_RESULT_ROWS,
            )
            found = Rows(rows.schema, (dict(row.items()) for row in rows), rows.total_rows, rows.num_dml_affected_rows)
            result = result_of(query, found, rows.job_id or rows.query_id, rows.total_bytes_processed, started)
            return replace(result, bytes_billed=least_billed(query, result.bytes_processed))

    def _tables(self, tenant: Tenant, deadline: Cancellation) -> tuple[str, ...]:
        with failures(unavailable):
            dataset = f"{tenant.project_id}.{tenant.dataset}"
            try:
                listed = self._apis.tenants(tenant).client.list_tables(
                    dataset, max_results=limits.MAX_LISTED_TABLES + 1, **_call(deadline)
                )
                return tuple(sorted(table.table_id for table in listed))
            except google.NotFound:
                return ()

    def _table(self, tenant: Tenant, name: str, deadline: Cancellation) -> TableInfo | None:
        with failures(unavailable):
            try:
                return info_of(
                    self._apis.tenants(tenant).client.get_table(tenant.own_table(name).strip("`"), **_call(deadline))
                )
            except google.NotFound:
                return None

    def _ping(self, deadline: Cancellation) -> None:
        with failures(unavailable):
            config = bigquery.QueryJobConfig(dry_run=True)
            self._apis.own.client.query("SELECT 1", job_config=config, job_retry=None, **_call(deadline))


class _Apis:
    """One API for the function itself and, where accounts are impersonated, one per tenant, bounded."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pattern = settings.warehouse_impersonation
        self._lock = threading.Lock()
        self._by_account: OrderedDict[str, BigQueryApi] = OrderedDict()
        self._sockets = ApiSockets()
        self.own = self._api(None)

    def of(self, query: GuardedQuery) -> tuple[BigQueryApi, GuardedQuery]:
        """The API and the text of a query. The product's own on shared tables and the catalogue runs as itself."""
        own = query.origin == "fixed" and (query.reads_shared or query.reads_catalog)
        if self._pattern is None or own:
            return self.own, query
        return self.tenants(query.tenant), redirected(query)

    def tenants(self, tenant: Tenant) -> BigQueryApi:
        """The API that reads the tenant's own dataset."""
        if self._pattern is None:
            return self.own
        account = account_of(self._pattern, tenant)
        with self._lock:
            api = self._by_account.pop(account, None) or self._api(account)
            self._by_account[account] = api
            while len(self._by_account) > IMPERSONATED_CLIENTS:
                self._by_account.popitem(last=False)[1].client.close()
            return api

    def close(self) -> None:
        self._sockets.close()
        for api in (self.own, *self._by_account.values()):
            api.client.close()

    def _api(self, account: str | None) -> BigQueryApi:
        return BigQueryApi(self._client(account), self._sockets, bigquery.DEFAULT_RETRY._predicate)

    def _client(self, account: str | None) -> bigquery.Client:
        settings = self._settings
        if settings.bigquery_emulator_host is None:
            credentials: Credentials | None = credentials_for(account) if account else None
            return bigquery.Client(
                project=settings.gcp_project_id, credentials=credentials, location=settings.bq_location
            )
        return bigquery.Client(
            project=settings.gcp_project_id,
            credentials=AnonymousCredentials(),
            client_options={"api_endpoint": settings.bigquery_emulator_host},
        )


def _read(query: GuardedQuery, done: FinishedQuery, started: float) -> QueryResult:
    """The rows of a reply as the product's own values."""
    reply = done.reply
    fields = [bigquery.SchemaField.from_api_repr(field) for field in done.fields]
    total, affected = count_in(reply, "totalRows"), count_in(reply, "numDmlAffectedRows")
    rows = Rows(fields, _values(fields, islice(reply.get("rows") or (), limits.MAX_RESULT_ROWS)), total, affected)
    result = result_of(
        query, rows, done.job_id, count_in(reply, "totalBytesProcessed"), started, limits.MAX_RESULT_BYTES
    )
    return replace(result, bytes_billed=done.bytes_billed)


def _values(fields: Sequence[bigquery.SchemaField], rows: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The rows of a reply by column, in the SDK's types: its parsers, looked up once a column and not once a value."""
    readers = [(field.name, _reader(field)) for field in fields]
    for row in rows:
        yield {name: read(cell["v"]) for (name, read), cell in zip(readers, row["f"], strict=True)}


def _reader(field: bigquery.SchemaField) -> Callable[[Any], Any]:
    parse = getattr(CELL_DATA_PARSER, f"{field.field_type.lower()}_to_py", None)
    if parse is None or field.mode == "REPEATED":
        return lambda value: CELL_DATA_PARSER.to_py(value, field)
    if field.mode == "NULLABLE":
        return lambda value: None if value is None else parse(value, field)
    return lambda value: parse(value, field)


def _call(deadline: Cancellation) -> dict[str, Any]:
    """The time limits of one SDK call, in its words. Raises TimeoutError."""
    seconds = deadline.call_seconds()
    retry = bigquery.DEFAULT_RETRY.with_timeout(min(seconds, WAREHOUSE_RETRY_SECONDS))
    return {"timeout": seconds, "retry": retry}


def _parameter(name: str, parameter: Parameter) -> bigquery.ScalarQueryParameter | bigquery.ArrayQueryParameter:
    if isinstance(parameter.value, tuple):
        return bigquery.ArrayQueryParameter(name, parameter.type, list(parameter.value))
    # The SDK takes bytes for BYTES; its annotation leaves them out.
    return bigquery.ScalarQueryParameter(name, parameter.type, parameter.value)  # type: ignore[arg-type]
