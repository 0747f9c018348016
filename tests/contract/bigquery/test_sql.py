"""SQL answers as BigQuery documents them, and what GoogleSQL refuses is refused."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import bigquery

from tests import googlesql
from tests.contract.bigquery.conftest import SCHEMA, Query
from tests.contract.bigquery.probes import PROBES

TABLES = {"ds.t": [field.to_api_repr() for field in SCHEMA]}

REFUSED = [
    "SELECT id FROM ds.t WHERE ts >= d",
    "SELECT id FROM ds.t WHERE dtm >= ts",
    "SELECT id FROM ds.t WHERE ts BETWEEN d AND d",
    "SELECT id FROM ds.t WHERE ts IN (d)",
    "SELECT id FROM ds.t WHERE ts > CURRENT_DATE()",
    "SELECT a.id FROM ds.t a JOIN ds.t b ON a.ts = b.d",
    "SELECT id FROM ds.t WHERE n = '1'",
    "SELECT id FROM ds.t WHERE id = n",
    "SELECT id FROM ds.t WHERE n IN (SELECT id FROM ds.t)",
    "SELECT id FROM ds.t WHERE id IN UNNEST([1, 2])",
    "SELECT id FROM ds.t WHERE n",
    "SELECT id FROM ds.t WHERE NOT n",
    "SELECT id FROM ds.t WHERE id AND ok",
    "SELECT nope FROM ds.t",
    "SELECT n AS x FROM ds.t WHERE x > 1",
    "SELECT n AS x, x + 1 AS y FROM ds.t",
    "SELECT id, SUM(n) FROM ds.t",
    "SELECT id, n FROM ds.t GROUP BY id",
    "SELECT id FROM ds.t WHERE SUM(n) > 1",
    "SELECT id FROM ds.t WHERE ROW_NUMBER() OVER (ORDER BY n) = 1",
    "SELECT MAX(SUM(n)) FROM ds.t",
    "SELECT n FROM ds.t a, ds.t b",
    "SELECT SUM(id) FROM ds.t",
    "SELECT AVG(d) FROM ds.t",
    "SELECT UPPER(n) FROM ds.t",
    "SELECT LENGTH(n) FROM ds.t",
    "SELECT n LIKE 'x' FROM ds.t",
    "SELECT -id FROM ds.t",
    "SELECT id + 1 FROM ds.t",
    "SELECT COALESCE(id, 0) FROM ds.t",
    "SELECT COALESCE(d, ts) FROM ds.t",
    "SELECT GREATEST(d, ts) FROM ds.t",
    "SELECT NULLIF(n, 'x') FROM ds.t",
    "SELECT IF(n, 1, 2) FROM ds.t",
    "SELECT IF(ok, id, n) FROM ds.t",
    "SELECT CASE WHEN ok THEN id ELSE n END FROM ds.t",
    "SELECT CASE id WHEN 1 THEN 2 END FROM ds.t",
    "SELECT CAST(d AS INT64) FROM ds.t",
    "SELECT CAST(n AS DATE) FROM ds.t",
    "SELECT CAST(j AS STRING) FROM ds.t",
    "SELECT 1 UNION ALL SELECT 'a'",
    "SELECT d FROM ds.t UNION ALL SELECT ts FROM ds.t",
    "SELECT 1 UNION SELECT 2",
    "SELECT foo(n) FROM ds.t",
    "SELECT LEN(id) FROM ds.t",
    "SELECT NVL(id, 'x') FROM ds.t",
    "SELECT DATEDIFF(d, d) FROM ds.t",
    "SELECT list_sum(tags) FROM ds.t",
    "SELECT id::STRING FROM ds.t",
    "SELECT id FROM ds.t WHERE id ILIKE 'x'",
    "SELECT n % 2 FROM ds.t",
    "SELECT id FROM ds.t ORDER BY 2",
    "SELECT id FROM ds.t GROUP BY 3",
    "SELECT id FROM ds.t HAVING n > 1",
    "SELECT STRING_AGG(n, ',') FROM ds.t",
    "SELECT EXTRACT(MONTH FROM id) FROM ds.t",
    "SELECT TIMESTAMP_DIFF(ts, d, DAY) FROM ds.t",
    "SELECT TIMESTAMP_ADD(ts, INTERVAL 1 MONTH) FROM ds.t",
    "SELECT JSON_VALUE(n, '$.a') FROM ds.t",
    "SELECT id FROM ds.t LIMIT n",
    "SELECT id FROM ds.t FETCH FIRST 1 ROWS ONLY",
    "SELECT 1 == 1",
    "SELECT id FROM ds.t WHERE ts >= 'x'",
    "UPDATE ds.t SET n = 'x' WHERE TRUE",
    "UPDATE ds.t SET n = 1",
    "DELETE FROM ds.t",
    "INSERT INTO ds.t (id, nope) VALUES ('a', 1)",
    "INSERT INTO ds.t (id, n) VALUES ('a')",
]

PARAMETERS = [
    ("SELECT id FROM ds.t WHERE d = @p", "STRING", True),
    ("SELECT id FROM ds.t WHERE ts >= @p", "STRING", True),
    ("SELECT id FROM ds.t WHERE ts >= @p", "TIMESTAMP", True),
    ("SELECT id FROM ds.t WHERE ts >= @p", "DATE", False),
    ("SELECT id FROM ds.t WHERE d >= @p", "TIMESTAMP", False),
    ("SELECT id FROM ds.t WHERE d BETWEEN @p AND @p", "STRING", True),
    ("SELECT id FROM ds.t WHERE d IN (@p)", "STRING", True),
    ("SELECT id FROM ds.t WHERE num >= @p", "NUMERIC", True),
    ("SELECT id FROM ds.t WHERE num >= @p", "STRING", False),
    ("SELECT id FROM ds.t WHERE n = @p", "STRING", False),
    ("SELECT id FROM ds.t WHERE id = @p", "INT64", False),
]
VALUES: dict[str, Any] = {
    "STRING": "2026-01-01",
    "TIMESTAMP": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    "DATE": dt.date(2026, 1, 1),
    "NUMERIC": Decimal("1.5"),
    "INT64": 1,
}


def plain(value: Any) -> Any:
    """Dates and decimals as text, as the probes write them."""
    if isinstance(value, dt.date):
        return value.isoformat()[:10]
    return format(value.normalize(), "f") if isinstance(value, Decimal) else value


@pytest.mark.parametrize("name", PROBES)
def test_sql_gives_the_rows_that_bigquery_documents(name: str, query: Query) -> None:
    sql, expected = PROBES[name]
    assert [tuple(plain(value) for value in row) for row in query(sql)] == expected


# BigQuery documents MAX_BY; the open-source analyzer does not know it.
@pytest.mark.parametrize("name", [name for name in PROBES if name != "MAX_BY"])
def test_sql_that_the_emulator_answers_is_googlesql(name: str) -> None:
    assert googlesql.analyze(PROBES[name][0], tables={})


@pytest.mark.parametrize("sql", REFUSED)
def test_sql_that_googlesql_refuses_is_refused(sql: str, client: bigquery.Client) -> None:
    with pytest.raises(googlesql.RefusedError):
        googlesql.analyze(sql, tables=TABLES)
    with pytest.raises((exceptions.BadRequest, exceptions.MethodNotImplemented)):
        client.query(sql, job_config=bigquery.QueryJobConfig(dry_run=True))


@pytest.mark.parametrize(("sql", "kind", "accepted"), PARAMETERS)
def test_a_parameter_is_coerced_as_googlesql_does(sql: str, kind: str, accepted: bool, query: Query) -> None:
    parameter = bigquery.ScalarQueryParameter("p", kind, VALUES[kind])
    if accepted:
        googlesql.analyze(sql, {"p": kind}, TABLES)
        query(sql, parameter)
        return
    with pytest.raises(googlesql.RefusedError):
        googlesql.analyze(sql, {"p": kind}, TABLES)
    with pytest.raises(exceptions.BadRequest):
        query(sql, parameter)


TYPED = [
    "num * 1.5",
    "num * f",
    "num / 2",
    "n / 2",
    "num / n",
    "n * num",
    "COALESCE(num, 0.0)",
    "COALESCE(num, f)",
    "IF(ok, num, 0)",
    "IF(ok, n, 0.5)",
    "ROUND(num, 2)",
    "ROUND(n)",
    "ROUND(f)",
    "SAFE_DIVIDE(num, n)",
    "SAFE_DIVIDE(n, n)",
    "DATE_TRUNC(DATE(ts), WEEK(MONDAY))",
    "TIMESTAMP_TRUNC(ts, DAY)",
    "DATE_ADD(d, INTERVAL 1 DAY)",
    "d + 1",
    "DATE_DIFF(d, d, DAY)",
    "EXTRACT(MONTH FROM ts)",
    "FORMAT_DATE('%Y-%m', d)",
    "JSON_VALUE(j, '$.a')",
    "ABS(n)",
    "LENGTH(id)",
    "CAST(f AS NUMERIC)",
    "SUM(num) OVER ()",
    "AVG(num) OVER ()",
    "AVG(n) OVER ()",
    "ROW_NUMBER() OVER (ORDER BY id)",
    "SUM(n) OVER ()",
    "CONCAT(id, 'x')",
    "tags",
    "GREATEST(n, 2)",
]


@pytest.mark.parametrize("expression", TYPED)
def test_a_column_has_the_type_that_googlesql_gives_it(expression: str, client: bigquery.Client) -> None:
    sql = f"SELECT {expression} AS x FROM ds.t"
    (expected,) = googlesql.analyze(sql, tables=TABLES)
    job = client.query(sql, job_config=bigquery.QueryJobConfig(dry_run=True))
    assert job.schema is not None
    (field,) = job.schema
    names = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}
    found = names.get(field.field_type, field.field_type)
    assert (f"ARRAY<{found}>" if field.mode == "REPEATED" else found) == expected.type


UNSUPPORTED = [
    "DECLARE x INT64 DEFAULT 5; SELECT x",
    "CREATE TABLE ds.made (a INT64)",
    "SELECT FARM_FINGERPRINT('a')",
    """SELECT JSON_KEYS(JSON '{"a":[1]}', mode => 'lax')""",
    "SELECT EUCLIDEAN_DISTANCE([STRUCT('a' AS k, 1.0 AS v)], [STRUCT('a' AS k, 2.0 AS v)])",
    "SELECT j[id] FROM ds.t",
    "SELECT * FROM ds.t FOR SYSTEM_TIME AS OF CURRENT_TIMESTAMP()",
    "SELECT id FROM ds.t TABLESAMPLE SYSTEM (10 PERCENT)",
]


@pytest.mark.parametrize("sql", UNSUPPORTED)
def test_what_the_emulator_cannot_do_is_refused_by_name(sql: str, client: bigquery.Client) -> None:
    with pytest.raises(exceptions.MethodNotImplemented, match="Not supported by the local emulator"):
        client.query(sql, job_config=bigquery.QueryJobConfig(dry_run=True))


@pytest.mark.parametrize(
    "sql", ["SELECT 1 / 0", "SELECT MOD(1, 0)", "SELECT [1][OFFSET(3)]", "SELECT CAST('1.5' AS INT64)"]
)
def test_an_error_of_evaluation_fails_the_query(sql: str, query: Query) -> None:
    with pytest.raises(exceptions.BadRequest):
        query(sql)
