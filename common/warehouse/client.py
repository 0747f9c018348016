"""BigQuery, the record of what was spent and said: the only importer of its SDK."""

import asyncio
import re
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from google.api_core import exceptions as google
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError
from google.cloud import bigquery
from requests.exceptions import RequestException

from common import limits
from common.errors import WarehouseUnavailable
from common.settings import Settings
from common.warehouse.query import GuardedQuery, Parameter

_LABEL = re.compile(r"[^a-z0-9_-]")


class QueryRefused(Exception):
    """BigQuery will not run this query as it stands; ``code`` says why, ``detail`` what to do."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Column:
    """A result column: name, BigQuery type (legacy name), and mode."""

    name: str
    type: str
    mode: str = "NULLABLE"


@dataclass(frozen=True, slots=True)
class QueryResult:
    """Rows as Python values (Decimal, aware datetime, date), and what it took to get them."""

    columns: tuple[Column, ...]
    rows: tuple[dict[str, Any], ...]
    total_rows: int
    bytes_processed: int
    job_id: str
    sql: str
    duration_ms: int

    @property
    def truncated(self) -> bool:
        return self.total_rows > len(self.rows)


class Warehouse:
    """Runs guarded queries in threads, each with a byte cap, a timeout and labels."""

    def __init__(self, settings: Settings) -> None:
        self._max_bytes = settings.bq_max_bytes_gate
        self._location = settings.bq_location
        self._threads = ThreadPoolExecutor(limits.WAREHOUSE_THREADS, thread_name_prefix="warehouse")
        self._client = _client(settings)

    async def run(
        self, query: GuardedQuery, *, labels: Mapping[str, str], seconds: float = limits.QUERY_SECONDS
    ) -> QueryResult:
        """Run one query and return at most ``limits.MAX_RESULT_ROWS`` rows.

        Raises QueryRefused where the query cannot run, WarehouseUnavailable where BigQuery does not answer.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._run, query, dict(labels), seconds)

    def _run(self, query: GuardedQuery, labels: dict[str, str], seconds: float) -> QueryResult:
        config = bigquery.QueryJobConfig(
            query_parameters=[_parameter(name, parameter) for name, parameter in query.parameters.items()],
            maximum_bytes_billed=self._max_bytes,
            labels={name: _LABEL.sub("-", value.lower())[:63] for name, value in labels.items()},
            job_timeout_ms=int(seconds * 1000),
            use_legacy_sql=False,
        )
        started = time.perf_counter()
        try:
            rows = self._client.query_and_wait(
                query.sql,
                job_config=config,
                location=self._location,
                api_timeout=seconds,
                wait_timeout=seconds,
                max_results=limits.MAX_RESULT_ROWS,
            )
            data = tuple(dict(row.items()) for row in rows)
        except google.GoogleAPICallError as error:
            raise _translated(error, self._max_bytes) from error
        except (google.GoogleAPIError, GoogleAuthError, RequestException, TimeoutError) as error:
            raise WarehouseUnavailable from error
        return QueryResult(
            columns=tuple(Column(field.name, field.field_type, field.mode) for field in rows.schema),
            rows=data,
            total_rows=rows.total_rows or len(data),
            bytes_processed=rows.total_bytes_processed or 0,
            job_id=rows.job_id or rows.query_id or "",
            sql=query.sql,
            duration_ms=round((time.perf_counter() - started) * 1000),
        )

    async def ping(self) -> None:
        """Dry-run a constant, which reads and bills nothing. Raises WarehouseUnavailable."""
        await asyncio.get_running_loop().run_in_executor(self._threads, self._ping)

    def _ping(self) -> None:
        try:
            config = bigquery.QueryJobConfig(dry_run=True)
            self._client.query("SELECT 1", job_config=config, timeout=limits.READINESS_SECONDS)
        except (google.GoogleAPIError, GoogleAuthError, RequestException) as error:
            raise WarehouseUnavailable from error

    def close(self) -> None:
        """Stop the threads and close the connections; the instance is not used afterwards."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()


def _client(settings: Settings) -> bigquery.Client:
    if settings.bigquery_emulator_host is None:
        return bigquery.Client(project=settings.gcp_project_id, location=settings.bq_location)
    return bigquery.Client(
        project=settings.gcp_project_id,
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": settings.bigquery_emulator_host},
    )


def _parameter(name: str, parameter: Parameter) -> bigquery.ScalarQueryParameter | bigquery.ArrayQueryParameter:
    if isinstance(parameter.value, tuple):
        return bigquery.ArrayQueryParameter(name, parameter.type, list(parameter.value))
    return bigquery.ScalarQueryParameter(name, parameter.type, parameter.value)


def _translated(error: google.GoogleAPICallError, max_bytes: int) -> Exception:
    reasons = {entry.get("reason") for entry in error.errors or () if isinstance(entry, dict)}
    if "bytesBilledLimitExceeded" in reasons:
        return QueryRefused(
            "bytes_over_limit",
            f"The query would read more than {max_bytes / 1024**3:.1f} GiB. Narrow the dates or the filters.",
        )
    if isinstance(error, google.NotFound):
        return QueryRefused("table_not_found", "The organisation has no such table yet: no data has been loaded.")
    if isinstance(error, google.BadRequest):
        return QueryRefused("query_failed", "The warehouse could not run this query.")
    return WarehouseUnavailable()
