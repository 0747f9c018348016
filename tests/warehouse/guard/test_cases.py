"""The corpus: every case as expected, every denial with its reason code, and goals in numbers."""

import time

import pytest

from common.warehouse.guard.verdict import CODES, Denied
from tests.warehouse.guard import corpus

OWN = corpus.cases(corpus.OWN)
LEGITIMATE = [case for case in OWN if case.expect != "deny"]


@pytest.mark.parametrize("case", OWN, ids=lambda case: case.id)
def test_a_case_of_our_corpus_is_decided_as_expected(case: corpus.Case) -> None:
    assert corpus.wrong(case) is None, f"{case.why}: {corpus.verdict(case)}"


@pytest.mark.skipif(not corpus.SHARED.exists(), reason="the shared cases are not beside this checkout")
def test_every_shared_case_is_decided_as_expected() -> None:
    found = corpus.cases(corpus.SHARED)
    assert len(found) >= 127
    assert {case.id: problem for case in found if (problem := corpus.wrong(case))} == {}


def test_the_corpus_is_as_large_and_as_honest_as_promised() -> None:
    assert len(OWN) >= 350
    assert len(LEGITIMATE) >= 130
    assert len({case.sql for case in OWN}) == len(OWN)


def test_every_denial_names_a_code_and_says_what_to_change() -> None:
    for case in OWN:
        decided = corpus.verdict(case)
        if isinstance(decided, Denied):
            assert decided.code in CODES
            assert decided.message.endswith(".")
            assert 20 < len(decided.message) < 600


def test_every_reason_that_a_text_alone_can_give_is_in_the_corpus() -> None:
    not_from_text = {"timeout", "busy", "failed", "unavailable", "unverified"}
    assert {case.code for case in OWN if case.code} == set(CODES) - not_from_text


def test_an_admitted_text_is_a_fixed_point_of_the_tables_it_names() -> None:
    # Admitting what was admitted must name the same own tables; shared ones are refused, for they stand under a filter.
    for case in LEGITIMATE:
        admitted = corpus.verdict(case)
        assert not isinstance(admitted, Denied)
        if not any(".organizations." in table for table in admitted.tables):
            again = corpus.verdict(corpus.Case("again", admitted.sql, "allow", ""))
            assert not isinstance(again, Denied), case.id
            assert again.tables == admitted.tables


def test_hostile_shapes_are_denied_in_an_instant() -> None:
    bombs = [case for case in OWN if case.code in ("nesting", "type_nesting", "too_long")]
    assert len(bombs) > 10
    slowest = 0.0
    for bomb in bombs:
        # Of this thread alone: what else runs in the process is not the guard's.
        started = time.thread_time()
        corpus.verdict(bomb)
        slowest = max(slowest, time.thread_time() - started)
    # Without the bounds each takes minutes, or all memory; a busy machine makes a second of an instant.
    assert slowest < 10
