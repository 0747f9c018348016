"""The guard with one rule taken away: the corpus notices every one of them."""

from dataclasses import fields, replace

import pytest

from common.warehouse.guard.rules import COMPLETE, Rules
from tests.warehouse.guard import corpus

CASES = corpus.cases(corpus.OWN)


class _Everything(frozenset[str]):
    """A list of functions that has every name."""

    def __contains__(self, _: object) -> bool:
        return True


MUTANTS = {
    "filter_rows": replace(COMPLETE, filter_rows=False),
    "restrict_columns": replace(COMPLETE, restrict_columns=False),
    "match_project": replace(COMPLETE, match_project=False),
    "match_dataset": replace(COMPLETE, match_dataset=False),
    "only_listed_tables": replace(COMPLETE, only_listed_tables=False),
    "functions": replace(COMPLETE, functions=_Everything()),
    "max_rows": replace(COMPLETE, max_rows=10**9),
    "max_tables": replace(COMPLETE, max_tables=10**9),
    "max_generated": replace(COMPLETE, max_generated=10**18),
    "max_value_bytes": replace(COMPLETE, max_value_bytes=10**18),
    "max_bytes": replace(COMPLETE, max_bytes=10**6),
    "max_nesting": replace(COMPLETE, max_nesting=60),
    # Two levels more, not without end: what lies beyond takes minutes to parse.
    "max_type_nesting": replace(COMPLETE, max_type_nesting=8),
    "only_allowed_nodes": replace(COMPLETE, only_allowed_nodes=False),
    "verify": replace(COMPLETE, verify=False),
}


def reds(rules: Rules) -> dict[str, str]:
    return {case.id: problem for case in CASES if (problem := corpus.wrong(case, rules))}


def test_every_rule_has_a_mutant() -> None:
    assert {field.name for field in fields(Rules)} == MUTANTS.keys()


def test_the_complete_guard_is_green() -> None:
    assert reds(COMPLETE) == {}


@pytest.mark.parametrize("rule", MUTANTS)
def test_a_guard_without_a_rule_turns_the_corpus_red(rule: str) -> None:
    assert reds(MUTANTS[rule])


@pytest.mark.parametrize(("rule", "id_part"), [("filter_rows", "F"), ("match_project", "D"), ("match_dataset", "D")])
def test_what_turns_red_is_what_the_rule_is_for(rule: str, id_part: str) -> None:
    assert any(case.startswith(id_part) for case in reds(MUTANTS[rule]))
