"""A few workers behind a few threads, shared out by organisation: a decision never runs on the event loop."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Self

from common.fair_queue import FairQueue
from common.tenant import OrgSlug, Tenant
from common.warehouse.guard.process import FIRST_SECONDS, OutOfBudgetError, Worker, WorkerGoneError
from common.warehouse.guard.rules import MAX_SQL_BYTES
from common.warehouse.guard.verdict import Admitted, Denied

WORKERS = 2
# Of the worker's CPU time: a machine that is busy with other things makes no query longer.
BUDGET_SECONDS = 0.9
# On the clock, for a machine that gives the worker next to nothing. It says nothing about the query.
MAX_ANSWER_SECONDS = 20.0
MAX_WAIT_SECONDS = 15.0
START_SECONDS = 45.0
MAX_WAITING = 256
MAX_WAITING_OF_ONE = 32


@dataclass(frozen=True, slots=True, eq=False)
class _Query:
    """A decision that waits for a worker until its deadline."""

    tenant: Tenant
    request: dict[str, Any]
    deadline: float
    decided: "Future[Admitted]" = field(default_factory=Future)


class Pool:
    """Worker processes, started by the first query and replaced when they end or are killed.

    One organisation has all workers but one at most: whoever comes next finds one that is not at its heavy queries.
    """

    def __init__(self, workers: int = WORKERS, budget_seconds: float = BUDGET_SECONDS) -> None:
        self._budget = budget_seconds
        # One more than the threads: when a worker is killed, the next query finds a warm one.
        self._most = workers + 1
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="guard")
        self._queue: FairQueue[_Query] = FairQueue(max(1, workers - 1), workers)
        self._idle: SimpleQueue[Worker] = SimpleQueue()
        self._workers: set[Worker] = set()
        # What each organisation's queries keep busy, and since when.
        self._busy: dict[Worker, tuple[OrgSlug, float]] = {}
        self._lock = threading.Lock()
        self._closed = False

    async def admit(self, sql: str, tenant: Tenant, user_id: str) -> Admitted:
        """Return the query to send, or raise Denied; the event loop only waits."""
        return await asyncio.wrap_future(self.submit(sql, tenant, user_id))

    def submit(self, sql: str, tenant: Tenant, user_id: str) -> "Future[Admitted]":
        """Queue one decision and return its future; raises Denied at once when too many wait."""
        if len(sql) > MAX_SQL_BYTES:
            raise Denied("too_long", f"The query is longer than {MAX_SQL_BYTES} bytes; shorten it.")
        request = {
            "sql": sql,
            "org": tenant.org_slug,
            "project": tenant.project_id,
            "organizations": tenant.organizations_dataset,
            "user": user_id,
            "cpu_seconds": self._budget,
        }
        query = _Query(tenant, request, time.monotonic() + MAX_WAIT_SECONDS)
        with self._lock:
            if self._closed:
                raise _unavailable()
            of_one = self._queue.waiting_of(tenant.org_slug)
            if of_one >= MAX_WAITING_OF_ONE or self._queue.waiting >= MAX_WAITING:
                raise _busy()
            self._queue.put(tenant.org_slug, query)
        self._hand_out()
        return query.decided

    def close(self) -> None:
        """End every worker; what still waits is denied."""
        with self._lock:
            self._closed = True
            dropped = self._queue.clear()
        for query in dropped:
            if query.decided.set_running_or_notify_cancel():
                query.decided.set_exception(_unavailable())
        self._threads.shutdown(wait=True)
        for worker in list(self._workers):
            self._discard(worker)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _hand_out(self) -> None:
        """Give the free threads to the queries whose turn it is."""
        with self._lock:
            while not self._closed and (next_one := self._queue.take()) is not None:
                self._threads.submit(self._settle, next_one[1])

    def _settle(self, query: _Query) -> None:
        """Decide one query and give its place back."""
        try:
            if query.decided.set_running_or_notify_cancel():
                query.decided.set_result(self._decide(query))
        except BaseException as error:
            query.decided.set_exception(error)
        finally:
            if _ended_a_worker(query.decided):
                self._top_up(query.tenant.org_slug)
            with self._lock:
                self._queue.leave(query.tenant.org_slug)
            self._hand_out()

    def _decide(self, query: _Query) -> Admitted:
        if time.monotonic() > query.deadline:
            raise _busy()
        worker = self._take()
        try:
            with self._at_work(worker, query.tenant.org_slug):
                answer = self._asked(worker, query.request)
        except BaseException:
            self._discard(worker)
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
            raise _unavailable() from error
        paused = self._pause_heavy(request["org"])
        try:
            return worker.ask(request, MAX_ANSWER_SECONDS, lambda: _resume(paused))
        except OutOfBudgetError as error:
            raise Denied("timeout", "The query takes too long to check; make it shorter and flatter.") from error
        except TimeoutError as error:
            raise _busy() from error
        except WorkerGoneError as error:
            raise Denied("failed", "The query could not be checked; write it more simply.") from error
        finally:
            _resume(paused)

    @contextlib.contextmanager
    def _at_work(self, worker: Worker, org: OrgSlug) -> Iterator[None]:
        with self._lock:
            self._busy[worker] = (org, time.monotonic())
        try:
            yield
        finally:
            with self._lock:
                del self._busy[worker]

    def _pause_heavy(self, org: OrgSlug) -> list[Worker]:
        """Let other organisations' heavy work stand still for the moment that most decisions take.

        It costs a paused decision nothing but that moment: its budget is CPU time.
        """
        begun = time.monotonic() - FIRST_SECONDS
        with self._lock:
            heavy = [worker for worker, (owner, since) in self._busy.items() if owner != org and since < begun]
        for worker in heavy:
            worker.pause()
        return heavy

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

    def _top_up(self, org: OrgSlug | None = None) -> None:
        """Start one missing worker, and keep the place until it is ready where an organisation has ended the last one.

        It waits so for the start that it has caused, and others find workers that are ready.
        """
        with self._lock:
            missing = not self._closed and len(self._workers) < self._most
        if missing:
            worker = self._start()
            if org is not None:
                with contextlib.suppress(TimeoutError, WorkerGoneError), self._at_work(worker, org):
                    worker.wait_until_ready(START_SECONDS)
            self._idle.put(worker)

    def _discard(self, worker: Worker) -> None:
        with self._lock:
            self._workers.discard(worker)
        worker.close()


def _resume(workers: list[Worker]) -> None:
    for worker in workers:
        worker.resume()


def _ended_a_worker(decided: "Future[Admitted]") -> bool:
    error = None if decided.cancelled() else decided.exception()
    return isinstance(error, Denied) and error.code in ("timeout", "failed", "busy", "unavailable")


def _busy() -> Denied:
    return Denied("busy", "Too many queries are being checked; try again in a moment.")


def _unavailable() -> Denied:
    return Denied("unavailable", "Queries cannot be checked at the moment; use the other tools.")
