"""The worker: decisions off the event loop, a budget that ends them, and crashes that are denials."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from common.tenant import Principal, Tenant, UserId, parse_org_slug
from common.warehouse import guard
from common.warehouse.guard import Denied, Pool
from common.warehouse.guard.process import OutOfBudgetError, Worker, WorkerGoneError
from common.warehouse.guard.rules import MAX_SQL_BYTES

TENANT = Tenant(parse_org_slug("acme"), "acme-project", "organizations")
OTHER = Tenant(parse_org_slug("globex"), "acme-project", "organizations")
# The token gate lets this pass; parsing it takes sqlglot far longer than a moment.
SLOW = "SELECT " + ", ".join("STRUCT(STRUCT(STRUCT(STRUCT(STRUCT(STRUCT(1))))))" for _ in range(300))


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(workers=1) as pool:
        yield pool


def warm(pool: Pool) -> None:
    """Wait until each worker is ready: a start takes as long as a heavy decision."""
    pool.submit("SELECT 1 AS x", TENANT, "u1").result()
    for worker in list(pool._workers):
        worker.wait_until_ready(120)


def code_of(pool: Pool, sql: str) -> str:
    with pytest.raises(Denied) as denied:
        pool.submit(sql, TENANT, "u1").result()
    return denied.value.code


def test_a_worker_decides_as_the_process_itself_does(pool: Pool) -> None:
    sql = "SELECT x FROM spend JOIN organizations.org_profiles AS p ON TRUE"
    assert pool.submit(sql, TENANT, "u1").result() == guard.decide(sql, TENANT, "u1")
    assert code_of(pool, "SELECT * FROM globex_prod.spend") == "dataset"


async def test_admit_takes_tenant_and_person_from_the_principal() -> None:
    principal = Principal(TENANT, UserId("o'neil\\"), "key")
    try:
        admitted = await guard.admit("SELECT title FROM organizations.org_chat_conversations", principal)
    finally:
        guard.close()
    assert "`org_slug` = 'acme' AND `user_id` = 'o\\'neil\\\\'" in admitted.sql


def test_the_budget_ends_a_decision_and_the_next_one_works() -> None:
    with Pool(workers=1, budget_seconds=0.05) as hurried:
        assert code_of(hurried, SLOW) == "timeout"
        assert code_of(hurried, "DROP TABLE spend") == "not_a_query"


def test_a_worker_that_is_killed_is_a_denial_and_is_replaced(pool: Pool) -> None:
    pool.submit("SELECT 1 AS x", TENANT, "u1").result()
    for worker in list(pool._workers):
        os.kill(worker.pid, signal.SIGKILL)
    # The one that was to be asked, and the spare one.
    assert {code_of(pool, "SELECT 1 AS x") for _ in range(2)} <= {"failed", "unavailable"}
    assert pool.submit("SELECT 1 AS x", TENANT, "u1").result().sql == "SELECT 1 AS x LIMIT 500"


async def test_the_event_loop_runs_on_while_a_decision_takes_its_time(pool: Pool) -> None:
    deciding = asyncio.ensure_future(pool.admit(SLOW, TENANT, "u1"))
    turns = 0
    while not deciding.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 100
    assert isinstance(deciding.exception() or deciding.result(), Denied | guard.Admitted)


def test_too_long_a_text_is_denied_before_it_is_sent(pool: Pool) -> None:
    assert pool.submit("SELECT '" + "x" * (MAX_SQL_BYTES - 9) + "'", TENANT, "u1").result().tables == frozenset()
    with pytest.raises(Denied, match="longer than"):
        pool.submit("SELECT '" + "x" * MAX_SQL_BYTES + "'", TENANT, "u1")


@pytest.mark.parametrize("sql", ["SELECT '\ud800' AS a", "SELECT '\x00' AS a", "SELECT '"])
def test_odd_characters_survive_the_way_to_the_worker(pool: Pool, sql: str) -> None:
    assert code_of(pool, sql) in ("control_character", "syntax")


def test_any_language_survives_the_way_to_the_worker(pool: Pool) -> None:
    assert pool.submit("SELECT 'é🙂' AS a; ;", TENANT, "u1").result().sql == "SELECT 'é🙂' AS a LIMIT 500"


def test_a_closed_pool_denies_and_leaves_no_process() -> None:
    pool = Pool(workers=1)
    pool.submit("SELECT 1 AS x", TENANT, "u1").result()
    workers = list(pool._workers)
    assert len(workers) == 2
    pool.close()
    for worker in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(worker.pid, 0)
    with pytest.raises(Denied) as denied:
        pool.submit("SELECT 1 AS x", TENANT, "u1")
    assert denied.value.code == "unavailable"


def test_too_many_waiting_queries_are_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.warehouse.guard.pool.MAX_WAITING", 3)
    monkeypatch.setattr("common.warehouse.guard.pool.MAX_WAITING_OF_ONE", 2)
    with Pool(workers=1) as pool:
        running = pool.submit(SLOW, TENANT, "u1")
        waiting = [pool.submit("SELECT 1 AS x", TENANT, "u1") for _ in range(2)]
        assert refused_at_once(pool, TENANT) == "busy"
        # What one organisation has waiting takes nothing from another, until all together are too many.
        waiting.append(pool.submit("SELECT 1 AS x", OTHER, "u1"))
        assert refused_at_once(pool, OTHER) == "busy"
        for future in (running, *waiting):
            future.exception()


def refused_at_once(pool: Pool, tenant: Tenant) -> str:
    with pytest.raises(Denied) as denied:
        pool.submit("SELECT 1 AS x", tenant, "u1")
    return denied.value.code


def test_one_organisation_leaves_a_worker_to_the_others() -> None:
    with Pool(workers=2, budget_seconds=30) as pool:
        warm(pool)
        heavy = [pool.submit(SLOW, TENANT, "u1") for _ in range(8)]
        light = [pool.submit("SELECT 1 AS x", OTHER, "u1") for _ in range(8)]
        for future in light:
            assert future.result().sql == "SELECT 1 AS x LIMIT 500"
        assert sum(future.done() for future in heavy) <= 4
        for future in heavy:
            future.cancel()


def test_heavy_work_stands_still_while_anothers_query_is_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, int]] = []
    pause, resume = Worker.pause, Worker.resume

    def pause_seen(worker: Worker) -> None:
        seen.append(("pause", worker.pid))
        pause(worker)

    def resume_seen(worker: Worker) -> None:
        seen.append(("resume", worker.pid))
        resume(worker)

    monkeypatch.setattr(Worker, "pause", pause_seen)
    monkeypatch.setattr(Worker, "resume", resume_seen)
    with Pool(workers=2, budget_seconds=30) as pool:
        warm(pool)
        heavy = pool.submit(SLOW, TENANT, "u1")
        while not seen and not heavy.done():
            pool.submit("SELECT 1 AS x", OTHER, "u1").result()
        assert not heavy.done()
        paused = {pid for name, pid in seen if name == "pause"}
        assert len(paused) == 1
        assert seen[-1] == ("resume", paused.pop())
        # A paused decision goes on to its end.
        assert isinstance(heavy.exception(300), Denied | None)


def test_organisations_that_wait_take_turns() -> None:
    with Pool(workers=1) as pool:
        ended: list[str] = []
        first = pool.submit("SELECT 1 AS x", TENANT, "u1")
        futures = [pool.submit("SELECT 1 AS x", tenant, "u1") for tenant in (TENANT, TENANT, TENANT, OTHER, OTHER)]
        for name, future in zip(("acme", "acme", "acme", "globex", "globex"), futures, strict=True):
            future.add_done_callback(lambda _, name=name: ended.append(name))  # type: ignore[misc]
        for future in (first, *futures):
            future.result()
    assert ended == ["acme", "globex", "acme", "globex", "acme"]


def test_only_the_workers_own_time_counts() -> None:
    """A worker that gets no time from the machine has not used any up."""
    with Worker() as worker:
        worker.wait_until_ready(120)
        os.kill(worker.pid, signal.SIGSTOP)
        request = {"sql": "SELECT 1 AS x", "org": "acme", "project": "p", "organizations": "o", "user": "u"}
        with pytest.raises(TimeoutError):
            worker.ask(request | {"cpu_seconds": 0.2}, 1.0)
        os.kill(worker.pid, signal.SIGCONT)
        assert worker._read(time.monotonic() + 60)["sql"] == "SELECT 1 AS x LIMIT 500"


def test_a_machine_that_gives_no_time_is_not_the_querys_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    with Pool(workers=1) as pool:
        warm(pool)
        monkeypatch.setattr("common.warehouse.guard.pool.MAX_ANSWER_SECONDS", 0.5)
        for worker in list(pool._workers):
            os.kill(worker.pid, signal.SIGSTOP)
        assert code_of(pool, "SELECT 1 AS x") == "busy"


def test_a_worker_that_has_used_its_time_up_is_told_from_one_that_crashed() -> None:
    for seconds, error in ((0.05, OutOfBudgetError), (30.0, WorkerGoneError)):
        with Worker() as worker:
            worker.wait_until_ready(120)
            request = {"sql": SLOW, "org": "acme", "project": "p", "organizations": "o", "user": "u"}
            if error is WorkerGoneError:
                os.kill(worker.pid, signal.SIGKILL)
            with pytest.raises(WorkerGoneError) as gone:
                worker.ask(request | {"cpu_seconds": seconds}, 60)
            assert type(gone.value) is error


def test_a_worker_ends_when_its_parent_closes_the_pipe() -> None:
    worker = Worker()
    worker.wait_until_ready(120)
    assert worker._process.stdin is not None
    worker._process.stdin.close()
    assert worker._process.wait(timeout=120) == 0
    with pytest.raises(WorkerGoneError):
        worker._read(time.monotonic() + 60)
    worker.close()


def test_the_guard_alone_imports_no_sql_library() -> None:
    code = "import sys, common.warehouse.guard; print([m for m in ('sqlglot', 'duckdb') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
