"""BigQuery's SDK: its clients, its requests and its rows. Imported with the first query, for it takes its time."""

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from google.api_core import exceptions as google
from google.auth.credentials import AnonymousCredentials, Credentials
from google.cloud import bigquery
from google.cloud.bigquery import _job_helpers
from google.cloud.bigquery._helpers import CELL_DATA_PARSER

from common import limits
from common.settings import Settings
from common.tenant import Tenant
from common.warehouse import bigquery_errors
from common.warehouse.bigquery_api import WAREHOUSE_RETRY_SECONDS, ApiSockets, BigQueryApi
from common.warehouse.bigquery_errors import failures, unavailable
from common.warehouse.cancellation import Cancellation
from common.warehouse.isolation.authorized_views import redirected
from common.warehouse.isolation.impersonation import account_of, credentials_for
from common.warehouse.job import FinishedQuery, count_in
from common.warehouse.query import GuardedQuery, Parameter
from common.warehouse.reading import Rows, info_of, least_billed, result_of
from common.warehouse.result import QueryResult, TableInfo

IMPERSONATED_CLIENTS = 64

_LABEL = re.compile(r"[^a-z0-9_-]")


class Sdk:
    """The SDK's clients: one for the function itself and, where accounts are impersonated, one per tenant, bounded.

    ``look_up``, ``list_tables``, ``describe`` and ``ping`` wait for BigQuery, and so are called in threads.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._location = settings.bq_location
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

    def request(
        self, query: GuardedQuery, labels: Mapping[str, str], most: int, deadline: Cancellation
    ) -> dict[str, Any]:
        """The body of jobs.query."""
        config = self._config(query, labels, most, deadline)
        return _job_helpers._to_query_request(config, query=query.sql, location=self._location)

    def dry_run_request(self, query: GuardedQuery) -> dict[str, Any]:
        """The configuration of a job that only says what the query would read."""
        config = bigquery.QueryJobConfig(dry_run=True, use_query_cache=False, use_legacy_sql=False)
        _bind(config, query)
        # The whole resource: the SDK's own properties leave out routines and accuracy.
        configuration = config.to_api_repr()
        configuration["query"]["query"] = query.sql
        return configuration

    @staticmethod
    def read(query: GuardedQuery, done: FinishedQuery, started: float) -> QueryResult:
        """The rows of jobs.query's reply as the product's own values."""
        reply = done.reply
        fields = [bigquery.SchemaField.from_api_repr(field) for field in done.fields]
        total, affected = count_in(reply, "totalRows"), count_in(reply, "numDmlAffectedRows")
        rows = Rows(fields, _values(fields, islice(reply.get("rows") or (), limits.MAX_RESULT_ROWS)), total, affected)
        result = result_of(
            query, rows, done.job_id, count_in(reply, "totalBytesProcessed"), started, limits.MAX_RESULT_BYTES
        )
        return replace(result, bytes_billed=done.bytes_billed)

    def look_up(self, query: GuardedQuery, labels: Mapping[str, str], deadline: Cancellation) -> QueryResult:
        """Run the product's own small query in one request."""
        started, most = time.perf_counter(), limits.OWN_STATEMENT_BYTES
        with failures(lambda error: bigquery_errors.of_run(error, query, most)):
            call = _call(deadline)
            rows = self.own.client.query_and_wait(
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

    def list_tables(self, tenant: Tenant, deadline: Cancellation) -> tuple[str, ...]:
        """The names of the tables of the tenant's own dataset, in order."""
        with failures(unavailable):
            dataset = f"{tenant.project_id}.{tenant.dataset}"
            try:
                listed = self.tenants(tenant).client.list_tables(
                    dataset, max_results=limits.MAX_LISTED_TABLES + 1, **_call(deadline)
                )
                return tuple(sorted(table.table_id for table in listed))
            except google.NotFound:
                return ()

    def describe(self, tenant: Tenant, name: str, deadline: Cancellation) -> TableInfo | None:
        """Describe a table of the tenant's own dataset. Returns None if it does not exist."""
        with failures(unavailable):
            try:
                return info_of(
                    self.tenants(tenant).client.get_table(tenant.own_table(name).strip("`"), **_call(deadline))
                )
            except google.NotFound:
                return None

    def ping(self, deadline: Cancellation) -> None:
        """Dry-run a constant, which reads and bills nothing."""
        with failures(unavailable):
            config = bigquery.QueryJobConfig(dry_run=True)
            self.own.client.query("SELECT 1", job_config=config, job_retry=None, **_call(deadline))

    def close(self) -> None:
        """Close every connection."""
        self._sockets.close()
        for api in (self.own, *self._by_account.values()):
            api.client.close()

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
        _bind(config, query)
        return config

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


def _bind(config: bigquery.QueryJobConfig, query: GuardedQuery) -> None:
    if query.origin == "admitted":
        config.default_dataset = f"{query.tenant.project_id}.{query.tenant.dataset}"
    config.query_parameters = [_parameter(name, parameter) for name, parameter in query.parameters.items()]


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
