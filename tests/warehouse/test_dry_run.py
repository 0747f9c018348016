"""What a dry run must say; wildcards; and who may make a query at all."""

import ast
from pathlib import Path

import pytest

from common.warehouse import dry_run
from common.warehouse.dry_run import DryRun
from common.warehouse.query import admitted, fixed
from common.warehouse.result import QueryRefused
from tests.warehouse.conftest import ACME

ROOT = Path(__file__).parents[2]
DATASET = "a-project.acme_inc_prod"


def said(*tables: str) -> DryRun:
    return DryRun("SELECT", frozenset(tables), False, 1, None)


@pytest.mark.parametrize(
    ("named", "read", "passes"),
    [
        (f"{DATASET}.costs", f"{DATASET}.costs", True),
        (f"{DATASET}.costs", f"{DATASET}.costs_2", False),
        (f"{DATASET}.costs", f"{DATASET}.Costs", False),
        (f"{DATASET}.costs_*", f"{DATASET}.costs_*", True),
        (f"{DATASET}.costs_*", f"{DATASET}.costs_2026", True),
        (f"{DATASET}.costs_*", f"{DATASET}.costs", False),
        (f"{DATASET}.costs_*", "a-project.globex_inc_prod.costs_2026", False),
        ("a-project.acme*", "a-project.acme_inc_prod.costs", False),
        (f"{DATASET}.costs", "other-project.acme_inc_prod.costs", False),
    ],
)
def test_what_is_read_is_what_was_named_or_begins_as_the_wildcard(named: str, read: str, passes: bool) -> None:
    query = admitted(ACME, "SELECT 1", frozenset({named}))
    if passes:
        dry_run.check(query, said(read), 1)
    else:
        with pytest.raises(QueryRefused, match="does not name itself"):
            dry_run.check(query, said(read), 1)


def test_one_table_too_many_is_enough_to_refuse() -> None:
    query = admitted(ACME, "SELECT 1", frozenset({f"{DATASET}.costs"}))
    with pytest.raises(QueryRefused):
        dry_run.check(query, said(f"{DATASET}.costs", f"{DATASET}.view_behind"), 1)


def test_a_dry_run_that_says_nothing_admits_nothing() -> None:
    with pytest.raises(QueryRefused):
        dry_run.check(admitted(ACME, "SELECT 1", frozenset()), DryRun.of({}), 1)


def test_a_query_knows_its_tables_and_whether_it_writes() -> None:
    own = fixed(ACME, "SELECT 1 FROM {own.costs} JOIN {own.teams} USING (id)")
    assert own.tables == {f"{DATASET}.costs", f"{DATASET}.teams"}
    assert (own.origin, own.reads_shared, own.writes) == ("fixed", False, False)
    shared = fixed(ACME, "MERGE {shared.rules} USING x ON org_slug = @org_slug WHEN MATCHED THEN DELETE")
    assert (shared.reads_shared, shared.writes) == (True, True)
    assert not admitted(ACME, "(WITH a AS (SELECT 1) SELECT * FROM a)", frozenset()).writes


@pytest.mark.parametrize(
    ("size", "text"),
    [(512, "512 bytes"), (1024, "1 KiB"), (1536 * 1024, "1.5 MiB"), (10 * 1024**3, "10 GiB"), (2 * 1024**4, "2 TiB")],
)
def test_a_size_is_said_for_a_person(size: int, text: str) -> None:
    assert dry_run.size(size) == text


def test_only_the_guards_caller_makes_admitted_queries_and_only_queries_are_made_in_query() -> None:
    callers: dict[str, set[str]] = {"admitted": set(), "GuardedQuery": set()}
    for path in sorted((ROOT / "common").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in callers:
                callers[node.func.id].add(str(path.relative_to(ROOT)))
    assert callers == {"admitted": {"common/skills/explorer/tools.py"}, "GuardedQuery": {"common/warehouse/query.py"}}
