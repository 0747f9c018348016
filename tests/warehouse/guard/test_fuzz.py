"""Ten thousand random queries a run: no leak, no table that only GoogleSQL sees, no crash.

GUARD_FUZZ_SEED and GUARD_FUZZ_QUERIES choose another run; the seed is printed.
"""

import gc
import os
import time
from dataclasses import dataclass, field

import pytest

from common.warehouse.guard.decision import decide
from common.warehouse.guard.verdict import Admitted, Denied
from tests import googlesql
from tests.warehouse.guard import corpus, fuzz, planted
from tests.warehouse.guard.test_leaks import leaks

SEED = int(os.environ.get("GUARD_FUZZ_SEED", "20260117"))
QUERIES = int(os.environ.get("GUARD_FUZZ_QUERIES", "10000"))
# Execution takes Google's evaluator tens of milliseconds, so only some of the admitted queries are executed.
EXECUTED = 200


@dataclass(slots=True)
class Run:
    """What became of the queries of one run."""

    admitted: list[tuple[str, Admitted]] = field(default_factory=list)
    codes: dict[str, int] = field(default_factory=dict)
    crashes: list[tuple[str, str]] = field(default_factory=list)
    slowest: float = 0.0


@pytest.fixture(scope="module")
def run() -> Run:
    known = [case.sql for case in corpus.cases(corpus.OWN) if len(case.sql) < 1000]
    outcome = Run()
    print(f"\nfuzz: GUARD_FUZZ_SEED={SEED} GUARD_FUZZ_QUERIES={QUERIES}")
    # What the tests before have left is not looked through in the middle of a decision.
    gc.collect()
    gc.freeze()
    for sql in fuzz.queries(SEED, QUERIES, known):
        started = time.thread_time()
        try:
            outcome.admitted.append((sql, decide(sql, planted.TENANT, planted.USER)))
        except Denied as denied:
            outcome.codes[denied.code] = outcome.codes.get(denied.code, 0) + 1
            if denied.code in ("failed", "unavailable"):
                outcome.crashes.append((sql, repr(denied.__cause__)))
        outcome.slowest = max(outcome.slowest, time.thread_time() - started)
    gc.unfreeze()
    print(f"fuzz: {len(outcome.admitted)} admitted, denied {dict(sorted(outcome.codes.items()))}")
    return outcome


def test_the_run_is_large_and_reaches_both_verdicts(run: Run) -> None:
    assert len(run.admitted) + sum(run.codes.values()) == QUERIES
    assert len(run.admitted) > QUERIES / 20
    assert {"dataset", "column", "shared_table", "syntax", "function"} <= run.codes.keys()


def test_nothing_crashes(run: Run) -> None:
    assert run.crashes == []


def test_no_decision_takes_a_time_that_grows_without_bound(run: Run) -> None:
    # On a busy machine, too, whose caches others have: the benchmarks say how long one takes.
    assert run.slowest < 10.0


def test_every_admitted_text_keeps_the_promises(run: Run) -> None:
    broken = [(sql, problem) for sql, admitted in run.admitted if (problem := corpus.unsafe(admitted, planted.TENANT))]
    assert broken == []


def test_googlesql_sees_no_table_that_the_guard_did_not(run: Run) -> None:
    gaps, unreadable = [], []
    for sql, admitted in run.admitted:
        try:
            sent = {".".join(path) for path in planted.tables_seen(admitted.sql)}
        except googlesql.RefusedError as error:
            unreadable.append((admitted.sql, str(error)))
            continue
        try:
            written = {planted.whole_path(path) for path in planted.tables_seen(sql)}
        except googlesql.RefusedError:
            written = set()
        if sent != admitted.tables or not written <= admitted.tables:
            gaps.append((sql, admitted.sql, sent ^ admitted.tables, written - admitted.tables))
    assert gaps == []
    # Bent until they are no SQL, though sqlglot reads them: the dry run refuses these. There are few.
    assert len(unreadable) <= len(run.admitted) / 50, unreadable


def test_no_planted_value_of_another_organisation_comes_out(run: Run) -> None:
    executed, leaking = 0, []
    for sql, admitted in run.admitted:
        if executed == EXECUTED:
            break
        try:
            out = planted.run(admitted.sql)
        except googlesql.RefusedError:
            continue  # a column or a type that is not there: BigQuery's dry run refuses it too
        executed += 1
        if leaks(out.replace("'globex'", "")):
            leaking.append((sql, admitted.sql))
    print(f"fuzz: {executed} executed")
    assert leaking == []
    assert executed == EXECUTED
