"""Pipe syntax: what is sent for it means the same to Google's evaluator, and the rest says what to write instead."""

import re

import pytest

from common.warehouse.guard import Denied
from common.warehouse.guard.piped import unfold
from tests.warehouse.guard import corpus, planted

CASES = [case for case in corpus.cases(corpus.OWN) if case.id.startswith("P")]
SAME = [
    *(case.sql for case in CASES if case.expect == "allow"),
    "FROM spend |> EXTEND LENGTH(x) AS l |> SET x = y |> DROP y |> SELECT x, l |> ORDER BY x DESC |> LIMIT 1",
    "FROM spend |> WHERE x IS NOT NULL |> JOIN usage AS u ON u.x = spend.x |> AGGREGATE COUNT(*) GROUP BY u.y AS k",
    "FROM spend |> AGGREGATE MAX(n) AS m, COUNT(*) AS c GROUP BY UPPER(x) AS k, y |> WHERE c > 0 |> ORDER BY k, y",
    "FROM spend |> SELECT DISTINCT x |> EXCEPT DISTINCT (SELECT y FROM usage) |> ORDER BY 1",
    "FROM spend |> LEFT JOIN usage AS u ON FALSE |> SELECT spend.x, u.y",
    "SELECT x, n FROM spend WHERE n = 7 |> EXTEND n * 2 AS m |> SELECT m |> LIMIT 1 OFFSET 1",
    "FROM spend AS s, s.items AS i |> SELECT i.sku |> DISTINCT |> ORDER BY sku",
    "FROM spend |> ORDER BY x |> ORDER BY x DESC |> LIMIT 1",
]
_TABLE = re.compile(r"\b(FROM|JOIN|,) (spend|usage)\b( AS)?")


def planted_text(sql: str) -> str:
    """The text with its tables as the evaluator knows them, each under its own name."""
    return _TABLE.sub(lambda m: f"{m[1]} `acme_prod.{m[2]}`{m[3] or f' AS {m[2]}'}", sql)


@pytest.mark.parametrize("sql", SAME)
def test_what_is_sent_means_what_was_written(sql: str) -> None:
    decided = corpus.verdict(corpus.Case("x", sql, "allow", ""))
    assert not isinstance(decided, Denied), decided.message
    assert "|>" not in re.sub(r"'[^']*'", "", decided.sql)
    assert planted.run(decided.sql) == planted.run(planted_text(sql))


def test_the_order_of_the_rows_stays() -> None:
    assert unfold("FROM spend |> WHERE n > 1 |> ORDER BY n DESC |> LIMIT 3").endswith("ORDER BY n DESC LIMIT 3")
    assert unfold("FROM spend |> SELECT x |> ORDER BY x").endswith("ORDER BY x")


@pytest.mark.parametrize(
    "sql",
    [
        "FROM spend |> ORDER BY n |> LIMIT 5 |> LIMIT 3",
        "FROM spend |> ORDER BY n |> LIMIT 5 |> ORDER BY x",
        "FROM spend |> ORDER BY n |> WHERE n > 1",
        "FROM spend |> ORDER BY n |> LIMIT 5 |> SELECT x",
        "FROM spend |> UNION ALL (SELECT 1), (SELECT 2)",
        "FROM spend |> SET n",
        "FROM spend |> AGGREGATE",
        "FROM spend |> AGGREGATE COUNT(*) GROUP BY 1",
        "FROM spend |> |> SELECT x",
        "FROM spend |> 'x'",
    ],
)
def test_what_has_no_plain_meaning_is_refused_with_a_sentence(sql: str) -> None:
    with pytest.raises(Denied) as denied:
        unfold(sql)
    assert denied.value.code == "pipe_syntax"
    assert "write" in denied.value.message


def test_a_text_without_pipes_is_left_alone() -> None:
    for sql in ("SELECT '|>' AS a", "SELECT 1 -- |> WHERE", "DROP TABLE spend", ""):
        assert unfold(sql) == sql
