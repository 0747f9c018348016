"""BigQuery, the record of what was spent and said: the only importer of its SDK."""

import asyncio
import re
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

from google.api_core import exceptions as google
from google.auth.credentials import AnonymousCredentials, Credentials
from google.cloud import bigquery
from google.cloud.bigquery import _job_helpers
from requests.exceptions import RequestException

from common import limits
from common.errors import WarehouseUnavailable
from common.settings import Settings
from common.telemetry import request, timing
from common.telemetry.tracing import span
from common.tenant import Tenant
from common.warehouse import bigquery_errors, dry_run
from common.warehouse.bigquery_errors import NO_ANSWER, NO_SENSE, cancel, failures, unavailable
from common.warehouse.cache import Flights, ResultCache
from common.warehouse.cancellation import Cancellation
from common.warehouse.dry_run import DryRun
from common.warehouse.isolation.authorized_views import redirected
from common.warehouse.isolation.impersonation import account_of, credentials_for
from common.warehouse.query import GuardedQuery, Parameter
from common.warehouse.reading import count_in, info_of, least_billed, result_of
from common.warehouse.result import Column, QueryRefused, QueryResult, TableColumn, TableInfo
from common.warehouse.slot_time import SlotWatch

LOOKUP_SECONDS = 10.0
WAREHOUSE_RETRY_SECONDS = 8.0
WAREHOUSE_GRACE_SECONDS = 2.0
# So long a query may take in its first request. One that nobody waits for any more is cancelled after it.
QUERY_FIRST_SECONDS = 2.0
# A thread waits while a query runs: enough of them for all turns of an instance that query at the same time
WAREHOUSE_THREADS = 256
LOOKUP_THREADS = 32
STOP_THREADS = 2
DRY_RUNS_REMEMBERED = 2_000
IMPERSONATED_CLIENTS = 64

__all__ = ["Column", "QueryRefused", "QueryResult", "TableColumn", "TableInfo", "Warehouse"]

_LABEL = re.compile(r"[^a-z0-9_-]")

Answer = TypeVar("Answer")


class Warehouse:
    """Runs guarded queries in threads, each with a byte cap, a timeout and labels."""

    def __init__(self, settings: Settings) -> None:
        self._max_bytes = settings.bq_max_bytes_gate
        self._location = settings.bq_location
        self._threads = ThreadPoolExecutor(WAREHOUSE_THREADS, thread_name_prefix="warehouse")
        # Lookups never wait behind tool queries.
        self._lookups = ThreadPoolExecutor(LOOKUP_THREADS, thread_name_prefix="lookup")
        # And what stops a query behind neither.
        self._stops = ThreadPoolExecutor(STOP_THREADS, thread_name_prefix="stop")
        self._clients = _Clients(settings)
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
        the same time; a ``fresh`` one runs every time, as a write does, after which all is read anew. Raises
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
        for threads in (self._threads, self._lookups, self._stops):
            threads.shutdown(wait=False, cancel_futures=True)
        self._clients.close()

    async def _fill(self, query: GuardedQuery, labels: Mapping[str, str], seconds: float, gate: int) -> QueryResult:
        version = self._cache.version(query.tenant)
        result = await self._execute(query, labels, seconds, gate)
        self._cache.put(query, result, version)
        return result

    async def _execute(self, query: GuardedQuery, labels: Mapping[str, str], seconds: float, gate: int) -> QueryResult:
        deadline = Cancellation(seconds)
        with span("bigquery.query") as asked:
            result = await self._in_thread(self._threads, deadline, lambda: self._run(query, labels, deadline, gate))
            asked.set(bytes_processed=result.bytes_processed, bytes_billed=result.bytes_billed, rows=len(result.rows))
        timing.of_this_turn().read(result.bytes_processed, result.bytes_billed)
        request.billed(labels.get("purpose", ""), result.bytes_billed)
        return result

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
            if (stop := deadline.drop()) is not None:
                self._stops.submit(stop)

    def _run(self, query: GuardedQuery, labels: Mapping[str, str], deadline: Cancellation, gate: int) -> QueryResult:
        started = time.perf_counter()
        most = min(query.max_bytes or gate, gate)
        with failures(lambda error: bigquery_errors.of_run(error, query, most)):
            client, sent = self._clients.of(query)
            self._check(client, sent, most, deadline)
            config = self._config(sent, labels, most, deadline)
            reply = self._ask(client, sent, config, deadline)
            job = _job_helpers._to_query_job(client, sent.sql, config, reply)
            whole = _is_whole(reply)
            rows = _rows_of(client, reply) if whole else self._wait(client, job, query, deadline)
            billed = count_in(reply, "totalBytesBilled") if whole else job.total_bytes_billed
            processed = job.total_bytes_processed or rows.total_bytes_processed
            result = result_of(query, rows, job.job_id, processed, started, limits.MAX_RESULT_BYTES)
            return replace(result, bytes_billed=billed or 0)

    def _check(self, client: bigquery.Client, query: GuardedQuery, most: int, deadline: Cancellation) -> None:
        """Dry-run the exact text. Of the product's own text, one that passed is taken as passed for this tenant."""
        remembered = (query.tenant, query.sql)
        if query.origin == "fixed" and query.max_bytes is None and remembered in self._dry_runs:
            return
        config = bigquery.QueryJobConfig(dry_run=True, use_query_cache=False, use_legacy_sql=False)
        self._bind(config, query)
        with failures(lambda error: bigquery_errors.of_dry_run(error, query, most)):
            job = client.query(query.sql, job_config=config, location=self._location, job_retry=None, **_call(deadline))
            # The whole resource: the SDK's own properties leave out routines and accuracy.
            dry_run.check(query, DryRun.of(job._properties), most)
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

    def _ask(
        self, client: bigquery.Client, query: GuardedQuery, config: bigquery.QueryJobConfig, deadline: Cancellation
    ) -> dict[str, Any]:
        """Ask for the rows in one request, which is answered with a job if they take longer; sent twice, it is one."""
        body = _job_helpers._to_query_request(config, query=query.sql, location=self._location)
        call = _call(deadline)
        # The answer has half of the time to come back in.
        wait = min(call["timeout"] / 2, QUERY_FIRST_SECONDS)
        body |= {"requestId": f"chat-{uuid.uuid4().hex}", "maxResults": limits.MAX_RESULT_ROWS}
        body["timeoutMs"] = int(wait * 1000)
        path = f"/projects/{client.project}/queries"
        reply: dict[str, Any] = client._call_api(
            call["retry"], method="POST", path=path, data=body, timeout=call["timeout"]
        )
        return reply

    def _wait(
        self, client: bigquery.Client, job: bigquery.QueryJob, query: GuardedQuery, deadline: Cancellation
    ) -> Any:
        """Wait for the job and return its rows; a model's own text may take only so much slot time of it."""
        if query.origin == "fixed":
            return self._rows(job, deadline)
        with SlotWatch(lambda: self._slot_ms(client, job), lambda: cancel(job)) as watch:
            try:
                return self._rows(job, deadline)
            except google.GoogleAPICallError as error:
                if watch.exceeded:
                    raise bigquery_errors.too_much_work() from error
                raise

    def _slot_ms(self, client: bigquery.Client, job: bigquery.QueryJob) -> int:
        """The slot time that the job has taken so far; 0 where BigQuery does not tell."""
        try:
            call: dict[str, Any] = {"timeout": limits.WAREHOUSE_CALL_SECONDS, "retry": None}
            found = client.get_job(job.job_id, location=self._location, **call)
            return int(found._properties["statistics"].get("totalSlotMs") or 0)
        except (*NO_ANSWER, *NO_SENSE):
            return 0

    def _rows(self, job: bigquery.QueryJob, deadline: Cancellation) -> Any:
        """Wait for the job and return its rows. A job that is out of time or abandoned is cancelled."""
        try:
            deadline.begun(lambda: cancel(job))
            while True:
                try:
                    # BigQuery answers as soon as the job is done, or after some seconds.
                    return job.result(max_results=limits.MAX_RESULT_ROWS, job_retry=None, **_call(deadline))
                except TimeoutError as error:
                    if deadline.remaining > 0 and isinstance(error.__cause__, RequestException):
                        raise error.__cause__ from None
        except google.GoogleAPICallError:
            raise  # The job's own end.
        except TimeoutError as error:
            cancel(job)
            raise bigquery_errors.out_of_time() from error
        except NO_ANSWER:
            cancel(job)
            raise
        finally:
            deadline.ended()

    def _look_up(self, query: GuardedQuery, labels: Mapping[str, str], deadline: Cancellation) -> QueryResult:
        started, most = time.perf_counter(), limits.OWN_STATEMENT_BYTES
        with failures(lambda error: bigquery_errors.of_run(error, query, most)):
            call = _call(deadline)
            rows = self._clients.own.query_and_wait(
                query.sql,
                job_config=self._config(query, labels, most, deadline),
                location=self._location,
                api_timeout=call["timeout"],
                wait_timeout=call["timeout"],
                retry=call["retry"],
                job_retry=None,  # type: ignore[arg-type]  # documented, and missing in the annotation
                max_results=limits.MAX_RESULT_ROWS,
            )
            result = result_of(query, rows, rows.job_id or rows.query_id, rows.total_bytes_processed, started)
            return replace(result, bytes_billed=least_billed(query, result.bytes_processed))

    def _tables(self, tenant: Tenant, deadline: Cancellation) -> tuple[str, ...]:
        with failures(unavailable):
            dataset = f"{tenant.project_id}.{tenant.dataset}"
            try:
                listed = self._clients.tenants(tenant).list_tables(
                    dataset, max_results=limits.MAX_LISTED_TABLES + 1, **_call(deadline)
                )
                return tuple(sorted(table.table_id for table in listed))
            except google.NotFound:
                return ()

    def _table(self, tenant: Tenant, name: str, deadline: Cancellation) -> TableInfo | None:
        with failures(unavailable):
            try:
                return info_of(
                    self._clients.tenants(tenant).get_table(tenant.own_table(name).strip("`"), **_call(deadline))
                )
            except google.NotFound:
                return None

    def _ping(self, deadline: Cancellation) -> None:
        with failures(unavailable):
            config = bigquery.QueryJobConfig(dry_run=True)
            self._clients.own.query("SELECT 1", job_config=config, job_retry=None, **_call(deadline))


class _Clients:
    """One SDK client for the function itself and, where accounts are impersonated, one per tenant, bounded."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pattern = settings.warehouse_impersonation
        self._lock = threading.Lock()
        self._by_account: OrderedDict[str, bigquery.Client] = OrderedDict()
        self.own = self._client(None)

    def of(self, query: GuardedQuery) -> tuple[bigquery.Client, GuardedQuery]:
        """The client and the text of a query. The product's own on shared tables and the catalogue runs as itself."""
        own = query.origin == "fixed" and (query.reads_shared or query.reads_catalog)
        if self._pattern is None or own:
            return self.own, query
        return self.tenants(query.tenant), redirected(query)

    def tenants(self, tenant: Tenant) -> bigquery.Client:
        """The client that reads the tenant's own dataset."""
        if self._pattern is None:
            return self.own
        account = account_of(self._pattern, tenant)
        with self._lock:
            client = self._by_account.pop(account, None) or self._client(account)
            self._by_account[account] = client
            while len(self._by_account) > IMPERSONATED_CLIENTS:
                self._by_account.popitem(last=False)[1].close()
            return client

    def close(self) -> None:
        for client in (self.own, *self._by_account.values()):
            client.close()

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


def _is_whole(reply: Mapping[str, Any]) -> bool:
    """Return true if a reply has all rows that are wanted."""
    has_all = "pageToken" not in reply or len(reply["rows"]) >= limits.MAX_RESULT_ROWS
    return bool(reply.get("jobComplete")) and has_all


def _rows_of(client: bigquery.Client, reply: Mapping[str, Any]) -> bigquery.table.RowIterator:
    """The rows of a reply that has all of them, in the SDK's types."""
    fields = (reply.get("schema") or {}).get("fields", ())
    return bigquery.table.RowIterator(
        client,
        client._call_api,
        None,
        [bigquery.SchemaField.from_api_repr(field) for field in fields],
        max_results=limits.MAX_RESULT_ROWS,
        total_rows=count_in(reply, "totalRows"),
        first_page_response=dict(reply),
        num_dml_affected_rows=count_in(reply, "numDmlAffectedRows"),
    )


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
