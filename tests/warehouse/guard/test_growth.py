"""Values that a text may build: at the bound and one past it, however the growth is spread over the query."""

import pytest

from common.warehouse.guard import Admitted, Denied
from common.warehouse.guard.rules import MAX_VALUE_BYTES
from tests.warehouse.guard import corpus

MOST = MAX_VALUE_BYTES


def decided(sql: str) -> Admitted | Denied:
    return corpus.verdict(corpus.Case("x", sql, "allow", ""))


def code_of(sql: str) -> str | None:
    verdict = decided(sql)
    return verdict.code if isinstance(verdict, Denied) else None


@pytest.mark.parametrize(
    ("at_the_limit", "one_past"),
    [
        (f"SELECT REPEAT('x', {MOST})", f"SELECT REPEAT('x', {MOST + 1})"),
        (f"SELECT REPEAT('x', {MOST // 2} * 2)", f"SELECT REPEAT('x', {MOST // 2} * 2 + 1)"),
        (f"SELECT LPAD('x', {MOST})", f"SELECT LPAD('x', {MOST + 1})"),
        (f"SELECT RPAD('x', {MOST}, 'ab')", f"SELECT RPAD('x', {MOST + 1}, 'ab')"),
        (f"SELECT REPEAT(REPEAT('ab', 100), {MOST // 200})", f"SELECT REPEAT(REPEAT('ab', 100), {MOST // 200 + 1})"),
        (
            f"SELECT REPEAT('x', 1000) FROM UNNEST(GENERATE_ARRAY(1, {MOST}))",
            f"SELECT REPEAT('x', 1001) FROM UNNEST(GENERATE_ARRAY(1, {MOST}))",
        ),
        (
            "SELECT REPEAT('x', 10000) FROM UNNEST(GENERATE_ARRAY(1, 10000))",
            "SELECT REPEAT('x', 10000) FROM UNNEST(GENERATE_ARRAY(1, 10001))",
        ),
        ("SELECT REPEAT(x, 500) FROM spend", "SELECT REPEAT(x, 501) FROM spend"),
        ("SELECT REPEAT(x, LEAST(n, 500)) FROM spend", "SELECT REPEAT(x, LEAST(n, 501)) FROM spend"),
        ("SELECT REPEAT(x, CAST(MOD(n, 500) AS INT64)) FROM spend", "SELECT REPEAT(x, MOD(n, 501)) FROM spend"),
        (
            f"SELECT ARRAY_AGG(a) FROM UNNEST(GENERATE_ARRAY(1, {MOST // 32})) AS a",
            f"SELECT ARRAY_AGG(a) FROM UNNEST(GENERATE_ARRAY(1, {MOST // 32 + 1})) AS a",
        ),
    ],
)
def test_a_value_may_be_as_large_as_a_result_and_no_larger(at_the_limit: str, one_past: str) -> None:
    assert code_of(at_the_limit) is None
    assert code_of(one_past) == "value_size"


@pytest.mark.parametrize(
    "place",
    [
        "SELECT 1 FROM spend WHERE {} = 'a'",
        "SELECT COUNT(*) FROM spend GROUP BY {}",
        "SELECT COUNT(*) FROM spend HAVING MAX({}) = 'a'",
        "SELECT x FROM spend ORDER BY {}",
        "SELECT x FROM spend QUALIFY ROW_NUMBER() OVER (PARTITION BY {} ORDER BY n) = 1",
        "SELECT 1 FROM spend JOIN usage ON {} = usage.x",
        "SELECT (SELECT {})",
        "SELECT ARRAY(SELECT {})",
        "SELECT 1 FROM (SELECT LENGTH({}) AS l)",
        "WITH c AS (SELECT 1 AS a WHERE {} = 'a') SELECT a FROM c",
        "SELECT IF(TRUE, 'a', {})",
        "SELECT CASE WHEN {} = 'a' THEN 1 END",
        "SELECT 'a' IN ({}, 'b')",
        "SELECT 1 FROM UNNEST([{}, 'b']) AS a",
        "SELECT STRUCT({} AS a).a",
        "SELECT 1 UNION ALL SELECT LENGTH({})",
        "SELECT * FROM spend PIVOT(MAX({}) FOR x IN ('a'))",
        "SELECT SUM(LENGTH({})) OVER (ORDER BY n) FROM spend",
    ],
)
def test_growth_is_found_wherever_it_stands(place: str) -> None:
    assert code_of(place.format("REPEAT('x', 9)")) is None
    assert code_of(place.format(f"REPEAT('x', {MOST + 1})")) == "value_size"


DOUBLING = {
    "CONCAT": "CONCAT(v, v)",
    "||": "v || v",
    "FORMAT": "FORMAT('%s%s', v, v)",
    "REPLACE": "REPLACE(v, 'a', 'aa')",
    "REGEXP_REPLACE": r"REGEXP_REPLACE(v, '(a)', r'\1\1')",
    "TO_JSON_STRING": "TO_JSON_STRING(v)",
    "TO_HEX": "TO_HEX(CAST(v AS BYTES))",
    "STRING_AGG": "STRING_AGG(v || v)",
    "ARRAY_TO_STRING": "ARRAY_TO_STRING([v, v], '')",
    "STRUCT": "STRUCT(v AS a, v AS b)",
    "JSON_OBJECT": "JSON_OBJECT('a', v, 'b', v)",
    "JSON_ARRAY": "JSON_ARRAY(v, v)",
    "JSON_SET": "JSON_SET(JSON_ARRAY(v), '$[1]', v)",
    "COALESCE": "COALESCE(NULL, v || v)",
    "subquery": "(SELECT v || v)",
    "SPLIT": "ARRAY_TO_STRING(SPLIT(v, ''), 'a')",
}


@pytest.mark.parametrize("name", DOUBLING)
def test_growth_adds_up_over_a_chain_of_ctes(name: str) -> None:
    def chain(links: int) -> str:
        steps = [f"c{n} AS (SELECT {DOUBLING[name]} AS v FROM c{n - 1})" for n in range(1, links)]
        return f"WITH {', '.join(['c0 AS (SELECT ' + repr('aaaaaaaa') + ' AS v)', *steps])} SELECT v FROM c{links - 1}"

    assert code_of(chain(3)) is None
    # Arrays are counted as rows as well, and that count is sometimes the first to be too much.
    assert code_of(chain(24)) in ("value_size", "generator")


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("SELECT REPEAT(x, n) FROM spend", "LEAST"),
        ("SELECT LPAD(x, n) FROM spend", "LEAST"),
        ("SELECT FORMAT(x, n) FROM spend", "literal"),
        ("SELECT FORMAT('%*d', n, n) FROM spend", "number"),
        ("SELECT JSON_SET(JSON '[]', x, 1) FROM spend", "literals"),
    ],
)
def test_a_denial_says_what_to_write_instead(sql: str, says: str) -> None:
    verdict = decided(sql)
    assert isinstance(verdict, Denied)
    assert verdict.code == "value_size"
    assert says in verdict.message


def test_a_long_chain_of_conditions_needs_no_recursion() -> None:
    assert code_of("SELECT x FROM spend WHERE " + " OR ".join(["x = 'a'"] * 1000)) is None
    assert code_of("SELECT " + " || ".join(["x"] * 400) + " FROM spend") is None
