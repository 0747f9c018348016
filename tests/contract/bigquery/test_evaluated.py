"""What the emulator answers, beside what Google's own evaluator answers over the same rows."""

import math
from collections.abc import Iterator
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import bigquery

from common.tenant import OrgSlug, Tenant
from common.warehouse.query import GuardedQuery, admitted
from tests import googlesql
from tests.contract.bigquery.conftest import PROJECT, Query
from tests.skills.evaluator import Evaluator, Made

FIELDS = [
    {"name": "x", "type": "STRING"},
    {"name": "y", "type": "STRING"},
    {"name": "n", "type": "INTEGER"},
    {"name": "m", "type": "INTEGER"},
    {"name": "Tags", "type": "JSON"},
]
ROWS: list[dict[str, Any]] = [
    {"x": "a", "y": "p", "n": 1, "m": 10, "Tags": {"team": "Platform", "Team": "T", "n": 3, "deep": {"k": [1, "z"]}}},
    {"x": "a", "y": "q", "n": 2, "m": None, "Tags": {"team": "Data", "n": "4", "cost center": "c1"}},
    {"x": "b", "y": "p", "n": 3, "m": 30, "Tags": {"team": None, "ok": True, "a.b": {"c": 1.5}}},
    {"x": "b", "y": None, "n": 4, "m": 40, "Tags": None},
]
_TENANT = Tenant(OrgSlug("acme"), "a-project", "organizations")
_JSON = (
    "1.5", "10", "true", "false", '"x"', "null", "[1]", "{}", '"12"', '"1.6"', "-1.5", "2.5", "1e2", '"1e2"', '"TRUE"',
    '"0"', "0", "9007199254740993", "12345678901234567890", '"inf"', "0.1", "1e30", '"-0.5"', '""',
)  # fmt: skip
SCALARS = [
    f"SELECT LAX_{kind}(JSON '{text}') AS v" for kind in ("STRING", "INT64", "FLOAT64", "BOOL") for text in _JSON
]
STRICT = [f"SELECT {kind}(JSON '{text}') AS v" for kind in ("STRING", "INT64", "FLOAT64", "BOOL") for text in _JSON]
ANSWERED = [
    "SELECT n, JSON_KEYS(Tags) AS v FROM made.t",
    "SELECT n, JSON_KEYS(Tags, 1) AS v FROM made.t",
    "SELECT n, JSON_KEYS(Tags, 2, mode => 'strict') AS v FROM made.t",
    "SELECT DISTINCT k FROM made.t, UNNEST(JSON_KEYS(Tags)) AS k",
    "SELECT k, COUNT(*) AS c FROM made.t AS t, UNNEST(JSON_KEYS(t.Tags, 1)) AS k GROUP BY k",
    """SELECT JSON_KEYS(JSON '{"b":1,"w[0]":1,"q u":3,"A-b":1,"1":2,"":2,"é":{"c":1},"l":[{"k":1}],"o":{}}') AS v""",
    "SELECT n, STRING(Tags.team) AS v FROM made.t WHERE n < 3",
    "SELECT n, LAX_STRING(Tags.team) AS v FROM made.t",
    "SELECT n, LAX_STRING(t.Tags.Team) AS v FROM made.t AS t",
    "SELECT n, LAX_INT64(Tags.n) AS v, LAX_FLOAT64(Tags.n) AS f, LAX_BOOL(Tags.ok) AS b FROM made.t",
    "SELECT n, Tags.team AS v, Tags['cost center'] AS c, Tags.deep.k[1] AS k FROM made.t",
    "SELECT n, JSON_VALUE(Tags.deep, '$.k[0]') AS v, JSON_VALUE(Tags.team) AS t FROM made.t",
    "SELECT n, Tags.team IS NULL AS v, Tags.nothing IS NULL AS w FROM made.t",
    "SELECT STRING(Tags.team) AS team, SUM(m) AS s FROM made.t WHERE n < 3 GROUP BY team",
    "SELECT n, SAFE.STRING(Tags.n) AS s, SAFE.INT64(Tags.n) AS i, SAFE.BOOL(Tags.ok) AS b FROM made.t",
    "SELECT n, JSON_QUERY_ARRAY(Tags.deep.k) AS q, JSON_VALUE_ARRAY(Tags, '$.deep.k') AS v FROM made.t WHERE n = 1",
    "SELECT x, y, SUM(n) AS s FROM made.t GROUP BY ROLLUP(x, y)",
    "SELECT x, y, SUM(n) AS s, GROUPING(x) AS g, GROUPING(y) AS h FROM made.t GROUP BY CUBE(x, y)",
    "SELECT x, y, SUM(n) AS s FROM made.t GROUP BY GROUPING SETS(x, y, ())",
    "SELECT x, y, SUM(n) AS s FROM made.t GROUP BY GROUPING SETS((x, y), x, ()) HAVING SUM(n) > 1",
    "SELECT x, y, COUNT(*) AS c FROM made.t GROUP BY GROUPING SETS(ROLLUP(x, y), y)",
    "SELECT * FROM (SELECT x, y, n FROM made.t) PIVOT(SUM(n) FOR y IN ('p', 'q'))",
    "SELECT * FROM (SELECT x, y, n FROM made.t) PIVOT(SUM(n) AS s FOR y IN ('p', 'q' AS qq))",
    "SELECT x, s_pp, c_qq FROM (SELECT x, y, n FROM made.t) "
    "PIVOT(SUM(n) AS s, COUNT(*) AS c FOR y IN ('p' AS pp, 'q' AS qq)) AS r WHERE r.s_pp > 0",
    "SELECT * FROM (SELECT x, n, m FROM made.t) UNPIVOT(v FOR k IN (n, m))",
    "SELECT * FROM (SELECT x, n, m FROM made.t) UNPIVOT INCLUDE NULLS (v FOR k IN (n AS 'one', m AS 'two'))",
    "SELECT u.k, SUM(u.v) AS s FROM (SELECT x, n, m FROM made.t) UNPIVOT(v FOR k IN (n, m)) AS u GROUP BY u.k",
    "SELECT * FROM (SELECT x, n, m, n + 1 AS o, m + 1 AS q FROM made.t) UNPIVOT((v, w) FOR k IN ((n, m), (o, q)))",
    "SELECT COSINE_DISTANCE([1.0, 2.0], [2.0, 1.0]) AS c, EUCLIDEAN_DISTANCE([1, 2], [2, 1]) AS e",
    "SELECT COSINE_DISTANCE(CAST(NULL AS ARRAY<FLOAT64>), [1.0]) AS c",
    "SELECT a.n, b.n AS o, EUCLIDEAN_DISTANCE([a.n, 1.5], [b.n, 0.5]) AS e FROM made.t AS a CROSS JOIN made.t AS b",
]  # fmt: skip
FAILING = [
    "SELECT COSINE_DISTANCE([0.0], [2.0]) AS c",
    "SELECT COSINE_DISTANCE([1.0], [2.0, 1.0]) AS c",
    "SELECT EUCLIDEAN_DISTANCE([1.0, NULL], [2.0, 1.0]) AS c",
    "SELECT STRING(Tags.n) AS v FROM made.t",
]


@pytest.fixture(scope="module")
def made(client: bigquery.Client) -> Iterator[Evaluator]:
    """The rows in the emulator, and the evaluator that has them too."""
    client.create_dataset("made")
    schema = [bigquery.SchemaField(field["name"], field["type"]) for field in FIELDS]
    config = bigquery.LoadJobConfig(schema=schema)
    client.load_table_from_json(ROWS, f"{PROJECT}.made.t", job_config=config).result()
    evaluator = Evaluator({"made.t": Made(FIELDS, ROWS)})
    yield evaluator
    evaluator.close()


def text(sql: str) -> GuardedQuery:
    return admitted(_TENANT, sql, frozenset())


def plain(value: Any) -> Any:
    """A value that can be compared and sorted."""
    if isinstance(value, float):
        return repr(round(value, 9)) if math.isfinite(value) else repr(value)
    return repr(value)


def rows_of(evaluator: Evaluator, sql: str) -> list[list[Any]] | None:
    """The evaluator's rows; None where it refuses."""
    try:
        return sorted([plain(value) for value in row.values()] for row in evaluator.run(text(sql)).rows)
    except googlesql.RefusedError:
        return None


@pytest.mark.parametrize("sql", ANSWERED)
def test_the_emulator_answers_as_googles_evaluator_does(made: Evaluator, query: Query, sql: str) -> None:
    expected = rows_of(made, sql)
    assert expected is not None
    assert sorted([plain(value) for value in row] for row in query(sql)) == expected


def test_scalars_of_json_are_read_as_googles_evaluator_reads_them(made: Evaluator, query: Query) -> None:
    differing = []
    for sql in SCALARS + STRICT:
        try:
            found: list[list[Any]] | None = [[plain(value) for value in row] for row in query(sql)]
        except exceptions.BadRequest:
            found = None
        if found != (expected := rows_of(made, sql)):
            differing.append((sql, found, expected))
    assert differing == []


@pytest.mark.parametrize("sql", FAILING)
def test_what_fails_there_fails_here(made: Evaluator, query: Query, sql: str) -> None:
    assert rows_of(made, sql) is None
    with pytest.raises(exceptions.BadRequest):
        query(sql)
