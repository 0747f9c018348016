"""The REST resources: routes of BigQuery v2 to the store, the jobs and the streaming inserts."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from local.emulators.bigquery.errors import invalid, not_found
from local.emulators.bigquery.inserts import Inserts
from local.emulators.bigquery.jobs import Job, Jobs, seconds
from local.emulators.bigquery.seams import OPERATIONS, Seams
from local.emulators.bigquery.store import Store, Table, TableId
from local.emulators.bigquery.types import cell

_INSERT_WAIT = 0.1
_QUERY_WAIT = 10.0
_DEFAULT_PAGE = 50_000
_PAGE_CELLS = 2_000_000
_QUERY_KEYS = (
    "query",
    "queryParameters",
    "defaultDataset",
    "maximumBytesBilled",
    "parameterMode",
    "useQueryCache",
    "createSession",
    "connectionProperties",
    "destinationTable",
)


@dataclass(frozen=True)
class Call:
    """One HTTP request: its method, path, query string and JSON body."""

    method: str
    path: str
    query: Mapping[str, str]
    body: dict[str, Any]


Handler = Callable[..., dict[str, Any]]


class Api:
    """Answers calls with JSON bodies; raises BigQueryError for everything else."""

    def __init__(self, store: Store, seams: Seams) -> None:
        self.store, self.seams = store, seams
        self.jobs = Jobs(store, seams)
        self.inserts = Inserts(store)
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = [
            (method, re.compile(f"projects/(?P<project>[^/]+)/{pattern}"), handler)
            for method, pattern, handler in (
                ("GET", "datasets", self._list_datasets),
                ("POST", "datasets", self._insert_dataset),
                ("GET", r"datasets/([^/]+)", self._get_dataset),
                ("PATCH", r"datasets/([^/]+)", self._patch_dataset),
                ("DELETE", r"datasets/([^/]+)", self._delete_dataset),
                ("GET", r"datasets/([^/]+)/tables", self._list_tables),
                ("POST", r"datasets/([^/]+)/tables", self._insert_table),
                ("GET", r"datasets/([^/]+)/tables/([^/]+)", self._get_table),
                ("PATCH", r"datasets/([^/]+)/tables/([^/]+)", self._patch_table),
                ("DELETE", r"datasets/([^/]+)/tables/([^/]+)", self._delete_table),
                ("POST", r"datasets/([^/]+)/tables/([^/]+)/insertAll", self._insert_all),
                ("GET", r"datasets/([^/]+)/tables/([^/]+)/data", self._list_rows),
                ("POST", "queries", self._query),
                ("GET", r"queries/([^/]+)", self._query_results),
                ("GET", "jobs", self._list_jobs),
                ("POST", "jobs", self._insert_job),
                ("GET", r"jobs/([^/]+)", self._get_job),
                ("POST", r"jobs/([^/]+)/cancel", self._cancel_job),
            )
        ]

    def handle(self, call: Call) -> dict[str, Any]:
        """Answer one request of the BigQuery API."""
        path = re.sub(r"^/(bigquery/v2/)?", "", call.path)
        for method, pattern, handler in self._routes:
            match = pattern.fullmatch(path)
            if match is not None and method == call.method:
                self.seams.count(f"{method} {handler.__name__.strip('_')}")
                self.store.check_project(match["project"])
                return handler(call, *match.groups()[1:])
        raise not_found(f"{call.method} {call.path}")

    def admin(self, call: Call) -> dict[str, Any]:
        """GET /emulator/state; POST /emulator/delays {operation: seconds}; POST /emulator/reset."""
        route = (call.method, call.path.rstrip("/"))
        if route == ("POST", "/emulator/delays"):
            for operation, seconds in call.body.items():
                if operation not in OPERATIONS:
                    raise invalid(f"Unknown operation {operation}; one of {', '.join(OPERATIONS)}")
                self.seams.delay(operation, float(seconds))
        elif route == ("POST", "/emulator/reset"):
            self.seams.reset()
        elif route != ("GET", "/emulator/state"):
            raise not_found(f"{call.method} {call.path}")
        return {"counts": self.seams.counts(), "delays": self.seams.delays()}

    def _list_datasets(self, _call: Call) -> dict[str, Any]:
        names = sorted(self.store.datasets)
        return {"kind": "bigquery#datasetList", "datasets": [self._dataset(name) for name in names]}

    def _dataset(self, name: str) -> dict[str, Any]:
        resource = self.store.dataset(name)
        reference = {"projectId": self.store.project, "datasetId": name}
        defaults = {"location": "US", "etag": "emulator", "access": []}
        identity = {"kind": "bigquery#dataset", "id": f"{self.store.project}:{name}", "datasetReference": reference}
        return defaults | resource | identity

    def _insert_dataset(self, call: Call) -> dict[str, Any]:
        name = str((call.body.get("datasetReference") or {}).get("datasetId") or "")
        self.store.create_dataset(name, call.body)
        return self._dataset(name)

    def _get_dataset(self, _call: Call, name: str) -> dict[str, Any]:
        return self._dataset(name)

    def _patch_dataset(self, call: Call, name: str) -> dict[str, Any]:
        self.store.patch_dataset(name, call.body)
        return self._dataset(name)

    def _delete_dataset(self, call: Call, name: str) -> dict[str, Any]:
        for table in self.store.tables(name):
            self.inserts.forget(table.id)
        self.store.delete_dataset(name, call.query.get("deleteContents") == "true")
        return {}

    def _identity(self, table: Table) -> dict[str, Any]:
        reference = {"projectId": self.store.project, "datasetId": table.id.dataset, "tableId": table.id.table}
        identity = f"{self.store.project}:{table.id.dataset}.{table.id.table}"
        kept = {k: v for k, v in table.resource.items() if k in ("timePartitioning", "clustering", "labels")}
        base = {"kind": "bigquery#table", "id": identity, "tableReference": reference, "type": "TABLE"}
        return kept | base | {"creationTime": table.resource["creationTime"]}

    def _list_tables(self, call: Call, dataset: str) -> dict[str, Any]:
        tables = self.store.tables(dataset)
        start = int(call.query.get("pageToken") or 0)
        size = int(call.query.get("maxResults") or 1_000)
        page = tables[start : start + size]
        answer: dict[str, Any] = {
            "kind": "bigquery#tableList",
            "tables": [self._identity(t) for t in page],
            "totalItems": len(tables),
        }
        if start + size < len(tables):
            answer["nextPageToken"] = str(start + size)
        return answer

    def _table(self, table: Table) -> dict[str, Any]:
        with self.store.cursor() as cursor:
            rows = self.store.rows(table, cursor)
            size = self.store.bytes_of(table, (f.name.lower() for f in table.fields), cursor)
        measures = {"numRows": str(rows), "numBytes": str(size), "lastModifiedTime": str(table.modified_ms)}
        return {"location": "US", "etag": f"{table.version}"} | table.resource | self._identity(table) | measures

    def _insert_table(self, call: Call, dataset: str) -> dict[str, Any]:
        name = str((call.body.get("tableReference") or {}).get("tableId") or "")
        return self._table(self.store.create_table(TableId(dataset, name), call.body))

    def _get_table(self, _call: Call, dataset: str, table: str) -> dict[str, Any]:
        return self._table(self.store.table(TableId(dataset, table)))

    def _patch_table(self, call: Call, dataset: str, table: str) -> dict[str, Any]:
        return self._table(self.store.patch_table(TableId(dataset, table), call.body))

    def _delete_table(self, _call: Call, dataset: str, table: str) -> dict[str, Any]:
        self.store.delete_table(TableId(dataset, table))
        self.inserts.forget(TableId(dataset, table))
        return {}

    def _insert_all(self, call: Call, dataset: str, table: str) -> dict[str, Any]:
        self.seams.count("insert_all")
        self.seams.wait("insert_all")
        errors = self.inserts.insert_all(TableId(dataset, table), call.body)
        answer: dict[str, Any] = {"kind": "bigquery#tableDataInsertAllResponse"}
        return answer | ({"insertErrors": errors} if errors else {})

    def _list_rows(self, call: Call, dataset: str, name: str) -> dict[str, Any]:
        table = self.store.table(TableId(dataset, name))
        wanted = {c.lower() for c in call.query.get("selectedFields", "").split(",") if c}
        fields = [f for f in table.fields if not wanted or f.name.lower() in wanted]
        start = int(call.query.get("pageToken") or call.query.get("startIndex") or 0)
        size = _page_size(call.query.get("maxResults"), len(fields))
        columns = ", ".join(f'"{f.name}"' for f in fields)
        with self.store.cursor() as cursor:
            total = self.store.rows(table, cursor)
            rows = cursor.execute(f"SELECT {columns} FROM {table.id.sql} LIMIT {size} OFFSET {start}").fetchall()
        answer: dict[str, Any] = {"kind": "bigquery#tableDataList", "etag": "emulator", "totalRows": str(total)}
        answer["rows"] = _rest_rows(rows, fields, _int64(call.query.get("formatOptions.useInt64Timestamp")))
        if start + len(rows) < total and rows:
            answer["pageToken"] = str(start + len(rows))
        return answer

    def _query(self, call: Call) -> dict[str, Any]:
        query = {key: call.body[key] for key in _QUERY_KEYS if key in call.body}
        # jobs.query takes legacy SQL unless told otherwise.
        query["useLegacySql"] = call.body.get("useLegacySql", True)
        configuration: dict[str, Any] = {"query": query}
        configuration |= {k: call.body[k] for k in ("labels", "dryRun", "jobTimeoutMs") if call.body.get(k)}
        reference = {"location": call.body.get("location"), "projectId": self.store.project}
        job = self.jobs.start(configuration, reference)
        options = {
            "maxResults": call.body.get("maxResults"),
            "timeoutMs": call.body.get("timeoutMs"),
            "formatOptions.useInt64Timestamp": (call.body.get("formatOptions") or {}).get("useInt64Timestamp"),
        }
        answer = self._results(job, options)
        return answer | {"kind": "bigquery#queryResponse"}

    def _query_results(self, call: Call, job_id: str) -> dict[str, Any]:
        return self._results(self.jobs.get(job_id), call.query)

    def _results(self, job: Job, options: Mapping[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = {"kind": "bigquery#getQueryResultsResponse", "jobReference": job.reference}
        if not job.done.wait(seconds(options.get("timeoutMs"), _QUERY_WAIT)):
            return answer | {"jobComplete": False}
        if job.error is not None:
            raise job.error
        result = job.result
        if result is None:
            raise invalid(f"Job {job.id} is not a query job")
        start = int(options.get("pageToken") or options.get("startIndex") or 0)
        size = _page_size(options.get("maxResults"), len(result.fields))
        page = result.rows[start : start + size]
        answer |= {
            "jobComplete": True,
            "schema": {"fields": [field.resource() for field in result.fields]},
            "totalRows": str(len(result.rows)),
            "totalBytesProcessed": str(result.bytes),
            "totalBytesBilled": "0" if job.configuration.get("dryRun") else str(result.billed),
            "cacheHit": False,
        }
        if page:
            answer["rows"] = _rest_rows(page, result.fields, _int64(options.get("formatOptions.useInt64Timestamp")))
        if start + size < len(result.rows):
            answer["pageToken"] = str(start + size)
        if result.affected is not None:
            answer["numDmlAffectedRows"] = str(result.affected)
        return answer

    def _list_jobs(self, call: Call) -> dict[str, Any]:
        size = int(call.query.get("maxResults") or 50)
        jobs = [job.resource() | {"state": job.resource()["status"]["state"]} for job in self.jobs.all()[:size]]
        return {"kind": "bigquery#jobList", "jobs": jobs}

    def _insert_job(self, call: Call) -> dict[str, Any]:
        return self.insert_job(call.body, None)

    def insert_job(self, body: dict[str, Any], data: bytes | None) -> dict[str, Any]:
        """jobs.insert, with the uploaded file for a load job."""
        job = self.jobs.start(body.get("configuration") or {}, body.get("jobReference") or {}, data)
        job.done.wait(_INSERT_WAIT)
        return job.resource()

    def _get_job(self, _call: Call, job_id: str) -> dict[str, Any]:
        return self.jobs.get(job_id).resource()

    def _cancel_job(self, _call: Call, job_id: str) -> dict[str, Any]:
        return {"kind": "bigquery#jobCancelResponse", "job": self.jobs.cancel(job_id).resource()}


def _int64(option: Any) -> bool:
    return str(option).lower() == "true"


def _page_size(asked: Any, columns: int) -> int:
    largest = min(_DEFAULT_PAGE, max(1, _PAGE_CELLS // max(columns, 1)))
    return largest if asked in (None, "") else max(0, min(int(asked), largest))


def _rest_rows(rows: Any, fields: Any, int64_timestamps: bool) -> list[dict[str, Any]]:
    return [{"f": [{"v": cell(v, f, int64_timestamps)} for v, f in zip(row, fields, strict=True)]} for row in rows]
