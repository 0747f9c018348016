"""Jobs: each runs on a thread of its own, can be cancelled or time out, and is remembered for a while."""

import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import duckdb

from local.emulators.bigquery.errors import BigQueryError, duplicate, invalid, not_found, unsupported
from local.emulators.bigquery.loads import Loaded, Loads
from local.emulators.bigquery.query import Engine, Request, Result
from local.emulators.bigquery.seams import Seams
from local.emulators.bigquery.store import Store, now_ms

# So many jobs that are done are remembered, and fewer where their results are long: memory stays flat whatever is asked
# for. One that runs is not forgotten: somebody waits for it.
RETAINED = 200
RETAINED_ROWS = 100_000
ALWAYS_RETAINED = 20


class Job:
    """One job and its outcome; `done` is set when there is one."""

    def __init__(self, project: str, job_id: str, location: str, configuration: dict[str, Any]) -> None:
        self.project, self.id, self.location = project, job_id, location
        self.configuration = configuration
        self.done = threading.Event()
        self.cancelled = threading.Event()
        self.result: Result | None = None
        self.loaded: Loaded | None = None
        self.error: BigQueryError | None = None
        self.created = self.ended = now_ms()
        self.timer: threading.Timer | None = None
        self._cursor: duckdb.DuckDBPyConnection | None = None
        self._stop_reason: BigQueryError | None = None
        self._lock = threading.Lock()

    @property
    def reference(self) -> dict[str, str]:
        return {"projectId": self.project, "jobId": self.id, "location": self.location}

    def started(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Remember what to interrupt; raises at once when the job is stopped already."""
        with self._lock:
            self._cursor = cursor
            if self._stop_reason is not None:
                raise self._stop_reason

    def stop(self, reason: BigQueryError) -> None:
        """Interrupt the job wherever it is."""
        with self._lock:
            if self.done.is_set():
                return
            self._stop_reason = self._stop_reason or reason
            self.cancelled.set()
            if self._cursor is not None:
                self._cursor.interrupt()

    def run(self, work: Callable[[], None]) -> None:
        """Do the work and keep its outcome."""
        try:
            work()
        except BigQueryError as error:
            self.error = error
        except duckdb.Error as error:
            self.error = invalid(str(error).split("\n")[0])
        except Exception as error:
            self.error = BigQueryError(500, "internalError", f"{type(error).__name__}: {error}")
        with self._lock:
            self._cursor = None
            if self._stop_reason is not None and (self.error is not None or self.result is None):
                self.error, self.result = self._stop_reason, None
            self.ended = now_ms()
            self.done.set()
        if self.timer is not None:
            self.timer.cancel()

    @property
    def row_count(self) -> int:
        return len(self.result.rows) if self.result is not None else 0

    def resource(self) -> dict[str, Any]:
        """The job as the API shows it."""
        kind = "LOAD" if "load" in self.configuration else "QUERY"
        return {
            "kind": "bigquery#job",
            "id": f"{self.project}:{self.location}.{self.id}",
            "jobReference": self.reference,
            "configuration": self.configuration | {"jobType": kind},
            "status": self._status(),
            "statistics": self._statistics(),
            "user_email": "emulator@localhost",
        }

    def _status(self) -> dict[str, Any]:
        if not self.done.is_set():
            return {"state": "RUNNING"}
        if self.error is None:
            return {"state": "DONE"}
        return {"state": "DONE", "errorResult": self.error.proto(), "errors": [self.error.proto()]}

    def _statistics(self) -> dict[str, Any]:
        statistics: dict[str, Any] = {"creationTime": str(self.created), "startTime": str(self.created)}
        # One slot works for it, as long as it runs.
        statistics["totalSlotMs"] = str((self.ended if self.done.is_set() else now_ms()) - self.created)
        if self.done.is_set():
            statistics["endTime"] = str(self.ended)
        if self.result is not None:
            statistics["totalBytesProcessed"] = str(self.result.bytes)
            statistics["query"] = query_statistics(self.project, self.result, bool(self.configuration.get("dryRun")))
        if self.loaded is not None:
            statistics["load"] = {
                "inputFiles": "1",
                "inputFileBytes": str(self.loaded.input_bytes),
                "outputRows": str(self.loaded.rows),
                "outputBytes": str(self.loaded.bytes),
                "badRecords": "0",
            }
        return statistics


def query_statistics(project: str, result: Result, dry_run: bool) -> dict[str, Any]:
    """statistics.query of a finished job or a dry run."""
    statistics: dict[str, Any] = {
        "totalBytesProcessed": str(result.bytes),
        "totalBytesBilled": "0" if dry_run else str(result.billed),
        "cacheHit": False,
        "statementType": result.kind,
        "referencedTables": [{"projectId": project, "datasetId": t.dataset, "tableId": t.table} for t in result.tables],
        "schema": {"fields": [field.resource() for field in result.fields]},
    }
    if result.affected is not None:
        statistics["numDmlAffectedRows"] = str(result.affected)
    return statistics


class Jobs:
    """Starts jobs and remembers the last ones with their results."""

    def __init__(self, store: Store, seams: Seams) -> None:
        self._store, self._seams = store, seams
        self._engine, self._loads = Engine(store), Loads(store)
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._lock = threading.Lock()

    def start(self, configuration: dict[str, Any], reference: dict[str, Any], data: bytes | None = None) -> Job:
        """Begin a query or load job. A dry run is over when this returns, and raises what is wrong with it."""
        self._store.check_project(reference.get("projectId") or self._store.project)
        job_id = str(reference.get("jobId") or f"job_{uuid.uuid4().hex}")
        job = Job(self._store.project, job_id, str(reference.get("location") or "US"), configuration)
        work = self._work(job, data)
        if configuration.get("dryRun"):
            job.run(work)
            if job.error is not None:
                raise job.error
            return job
        self._remember(job)
        threading.Thread(target=job.run, args=(work,), name=f"job {job_id}", daemon=True).start()
        self._limit_time(job)
        return job

    def _work(self, job: Job, data: bytes | None) -> Callable[[], None]:
        if "query" in job.configuration:
            request = query_request(job.configuration, self._store)
            return lambda: self._query(job, request)
        if "load" in job.configuration:
            if data is None:
                raise unsupported("load jobs from URIs; upload the file")
            load = job.configuration["load"]
            return lambda: self._load(job, load, data)
        raise unsupported("jobs other than query and load")

    def _query(self, job: Job, request: Request) -> None:
        operation = "dry_run" if request.dry_run else "query"
        self._seams.count(operation)
        self._seams.wait(operation, job.cancelled)
        job.result = self._engine.run(request, job.started)

    def _load(self, job: Job, load: dict[str, Any], data: bytes) -> None:
        self._seams.count("load")
        self._seams.wait("load", job.cancelled)
        with self._store.cursor() as cursor:
            job.started(cursor)
        job.loaded = self._loads.load(load, data)

    def _limit_time(self, job: Job) -> None:
        limit = job.configuration.get("jobTimeoutMs")
        if limit is None:
            return
        seconds = max(int(limit), 1) / 1000
        if job.done.wait(min(seconds, 0.005)):
            return
        reason = BigQueryError(400, "stopped", f"Job execution was cancelled: Job timed out after {seconds:g} sec")
        timer = threading.Timer(seconds, job.stop, args=(reason,))
        timer.daemon = True
        job.timer = timer
        timer.start()
        if job.done.is_set():
            timer.cancel()

    def _remember(self, job: Job) -> None:
        with self._lock:
            if job.id in self._jobs:
                raise duplicate(f"Job {self._store.project}:{job.location}.{job.id}")
            self._jobs[job.id] = job
            over = [each for each in self._jobs.values() if each.done.is_set()]
            kept, rows = len(over), sum(each.row_count for each in over)
            for each in over:
                if kept < RETAINED and (rows <= RETAINED_ROWS or kept < ALWAYS_RETAINED):
                    break
                del self._jobs[each.id]
                kept, rows = kept - 1, rows - each.row_count

    def get(self, job_id: str) -> Job:
        with self._lock:
            if job_id not in self._jobs:
                raise not_found(f"Job {self._store.project}:US.{job_id}")
            return self._jobs[job_id]

    def all(self) -> list[Job]:
        """Newest first."""
        with self._lock:
            return list(reversed(self._jobs.values()))

    def cancel(self, job_id: str) -> Job:
        job = self.get(job_id)
        job.stop(BigQueryError(400, "stopped", "Job execution was cancelled: User requested cancellation"))
        return job


def query_request(configuration: dict[str, Any], store: Store) -> Request:
    """Read a query configuration; refuses the options that would change the answer."""
    query = configuration["query"]
    if query.get("useLegacySql") in (True, "true"):
        raise invalid("Legacy SQL is not supported; set useLegacySql to false")
    for option in ("destinationTable", "tableDefinitions", "createSession", "schemaUpdateOptions"):
        if query.get(option):
            raise unsupported(f"queries with {option}")
    if query.get("connectionProperties"):
        raise unsupported("queries with connectionProperties")
    if str(query.get("parameterMode") or "NAMED").upper() == "POSITIONAL":
        raise unsupported("positional parameters")
    default = query.get("defaultDataset") or {}
    if default.get("projectId"):
        store.check_project(default["projectId"])
    maximum = query.get("maximumBytesBilled")
    return Request(
        sql=str(query.get("query") or ""),
        parameters=query.get("queryParameters") or (),
        default_dataset=default.get("datasetId"),
        dry_run=bool(configuration.get("dryRun")),
        maximum_bytes=None if maximum is None else int(maximum),
    )


def seconds(milliseconds: Any, default: float) -> float:
    """The seconds that a call waits for its job, from a timeoutMs."""
    return default if milliseconds in (None, "") else max(0, int(milliseconds)) / 1000
