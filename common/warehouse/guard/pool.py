"""A few workers behind a few threads: a decision never runs on the event loop, and its budget really ends it."""

import asyncio
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Any, Self

from common.tenant import Tenant
from common.warehouse.guard.process import Worker, WorkerGoneError
from common.warehouse.guard.rules import MAX_SQL_BYTES
from common.warehouse.guard.verdict import Admitted, Denied

WORKERS = 2
# With what surrounds it, an answer within a second.
BUDGET_SECONDS = 0.9
MAX_WAIT_SECONDS = 5.0
START_SECONDS = 30.0
MAX_WAITING = 64


class Pool:
    """Worker processes, started by the first query and replaced when they end or are killed."""

    def __init__(self, workers: int = WORKERS, budget_seconds: float = BUDGET_SECONDS) -> None:
        self._budget = budget_seconds
        # One more than the threads: when a worker is killed, the next query finds a warm one.
        self._most = workers + 1
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="guard")
        self._idle: SimpleQueue[Worker] = SimpleQueue()
        self._workers: set[Worker] = set()
        self._lock = threading.Lock()
        self._waiting = 0
        self._closed = False

    async def admit(self, sql: str, tenant: Tenant, user_id: str) -> Admitted:
        """Return the query to send, or raise Denied; the event loop only waits."""
        return await asyncio.wrap_future(self.submit(sql, tenant, user_id))

    def submit(self, sql: str, tenant: Tenant, user_id: str) -> "Future[Admitted]":
        """Queue one decision and return its future; raises Denied at once when too many wait."""
        if len(sql) > MAX_SQL_BYTES:
            raise Denied("too_long", f"The query is longer than {MAX_SQL_BYTES} bytes; shorten it.")
        with self._lock:
            if self._closed:
                raise Denied("unavailable", "Queries cannot be checked at the moment; use the other tools.")
            if self._waiting >= MAX_WAITING:
                raise _busy()
            self._waiting += 1
        deadline = time.monotonic() + MAX_WAIT_SECONDS
        request = {
            "sql": sql,
            "org": tenant.org_slug,
            "project": tenant.project_id,
            "organizations": tenant.organizations_dataset,
            "user": user_id,
        }
        future = self._threads.submit(self._decide, request, deadline)
        future.add_done_callback(lambda _: self._left())
        return future

    def close(self) -> None:
        """End every worker; what still waits is denied."""
        with self._lock:
            self._closed = True
        self._threads.shutdown(wait=True, cancel_futures=True)
        for worker in list(self._workers):
            self._discard(worker)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _left(self) -> None:
        with self._lock:
            self._waiting -= 1

    def _decide(self, request: dict[str, Any], deadline: float) -> Admitted:
        if time.monotonic() > deadline:
            raise _busy()
        worker = self._take()
        try:
            answer = self._asked(worker, request)
        except BaseException:
            self._discard(worker)
            self._top_up()
            raise
        self._idle.put(worker)
        self._top_up()
        if "code" in answer:
            raise Denied(answer["code"], answer["message"])
        return Admitted(answer["sql"], frozenset(answer["tables"]))

    def _asked(self, worker: Worker, request: dict[str, Any]) -> dict[str, Any]:
        try:
            worker.wait_until_ready(START_SECONDS)
        except (TimeoutError, WorkerGoneError) as error:
            raise Denied("unavailable", "Queries cannot be checked at the moment; use the other tools.") from error
        try:
            return worker.ask(request, self._budget)
        except TimeoutError as error:
            raise Denied("timeout", "The query takes too long to check; make it shorter and flatter.") from error
        except WorkerGoneError as error:
            raise Denied("failed", "The query could not be checked; write it more simply.") from error

    def _take(self) -> Worker:
        try:
            return self._idle.get_nowait()
        except Empty:
            return self._start()

    def _start(self) -> Worker:
        worker = Worker()
        with self._lock:
            self._workers.add(worker)
        return worker

    def _top_up(self) -> None:
        """Start one missing worker while no query waits."""
        with self._lock:
            missing = not self._closed and len(self._workers) < self._most
        if missing:
            self._idle.put(self._start())

    def _discard(self, worker: Worker) -> None:
        with self._lock:
            self._workers.discard(worker)
        worker.close()


def _busy() -> Denied:
    return Denied("busy", "Too many queries are being checked; try again in a moment.")
