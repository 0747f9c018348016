"""The REST API through the real client: resources, streaming inserts, parameters, errors."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import bigquery

from tests.contract.bigquery.conftest import PROJECT, SCHEMA, Query

Scalar = bigquery.ScalarQueryParameter


def test_every_type_survives_the_round_trip(client: bigquery.Client) -> None:
    first, second = client.query(f"SELECT * FROM `{PROJECT}.ds.t` ORDER BY id").result()
    assert dict(first) == {
        "id": "r1",
        "n": 9007199254740993,
        "f": 1.5,
        "num": Decimal("1234567.123456789"),
        "ok": True,
        "ts": dt.datetime(2026, 3, 5, 10, 11, 12, 345678, dt.UTC),
        "d": dt.date(2026, 3, 5),
        "dtm": dt.datetime(2026, 3, 5, 10, 11, 12),
        "tm": dt.time(10, 11, 12),
        "b": b"\x00\xff",
        "j": {"a": [1, 2]},
        "tags": ["x", "y"],
        "rec": {"a": 1, "t": dt.datetime(2026, 3, 5, tzinfo=dt.UTC)},
        "recs": [{"k": "p", "v": Decimal("1.5")}, {"k": "q", "v": Decimal(2)}],
    }
    assert {k: v for k, v in second.items() if v} == {"id": "r2"}
    assert second["tags"] == []


def test_scalar_parameters_of_every_type_come_back(query: Query) -> None:
    moment = dt.datetime(2026, 3, 5, 10, 11, 12, 345678, dt.UTC)
    values: list[tuple[str, Any]] = [
        ("STRING", "x'y"),
        ("INT64", 7),
        ("FLOAT64", 1.25),
        ("NUMERIC", Decimal("1.1")),
        ("BOOL", True),
        ("TIMESTAMP", moment),
        ("DATE", moment.date()),
        ("DATETIME", moment.replace(tzinfo=None)),
        ("TIME", dt.time(1, 2, 3)),
        ("BYTES", b"\x01"),
        ("STRING", None),
        ("DATE", None),
    ]
    names = ", ".join(f"@p{i} AS c{i}" for i in range(len(values)))
    (row,) = query(f"SELECT {names}", *(Scalar(f"p{i}", kind, value) for i, (kind, value) in enumerate(values)))
    assert list(row) == [value for _, value in values]


@pytest.mark.parametrize(("items", "expected"), [(["r1", "r9"], [("r1",)]), ([], [])])
def test_an_array_parameter_selects(items: list[str], expected: list[tuple[str]], query: Query) -> None:
    parameter = bigquery.ArrayQueryParameter("a", "STRING", items)
    assert query("SELECT id FROM ds.t WHERE id IN UNNEST(@a)", parameter) == expected


def test_a_struct_parameter_has_members(query: Query) -> None:
    parameter = bigquery.StructQueryParameter("s", Scalar("x", "INT64", 4))
    assert query("SELECT @s.x", parameter) == [(4,)]


def test_limit_and_interval_take_parameters(query: Query) -> None:
    assert query("SELECT id FROM ds.t ORDER BY id LIMIT @n", Scalar("n", "INT64", 1)) == [("r1",)]
    sql = "SELECT DATE_SUB(DATE '2026-03-05', INTERVAL @n DAY)"
    assert query(sql, Scalar("n", "INT64", 30)) == [(dt.date(2026, 2, 3),)]


def test_a_half_open_range_of_timestamps_selects(query: Query) -> None:
    sql = (
        "SELECT DATE(ts) AS day, SUM(num) AS total FROM ds.t WHERE ts >= @start AND ts < @end GROUP BY day ORDER BY day"
    )
    start, end = dt.datetime(2026, 3, 5, tzinfo=dt.UTC), dt.datetime(2026, 3, 6, tzinfo=dt.UTC)
    rows = query(sql, Scalar("start", "TIMESTAMP", start), Scalar("end", "TIMESTAMP", end))
    assert rows == [(dt.date(2026, 3, 5), Decimal("1234567.123456789"))]
    assert query(sql, Scalar("start", "TIMESTAMP", end), Scalar("end", "TIMESTAMP", end)) == []


def test_aggregates_keep_their_types(query: Query) -> None:
    (row,) = query("SELECT SUM(num), COUNT(*), AVG(num), ROUND(SUM(num), 2), SUM(n) FROM ds.t")
    assert [type(value) for value in row] == [Decimal, int, Decimal, Decimal, int]


def test_names_are_as_written_and_unnamed_columns_are_counted(client: bigquery.Client) -> None:
    rows = client.query("SELECT 1, ID, 2, COUNT(*) AS Total FROM ds.t GROUP BY id").result()
    assert [field.name for field in rows.schema or ()] == ["f0_", "ID", "f1_", "Total"]


def test_a_dry_run_estimates_from_the_columns_it_reads(client: bigquery.Client) -> None:
    dry = bigquery.QueryJobConfig(dry_run=True, use_query_cache=False)
    one = client.query("SELECT id FROM ds.t WHERE n > 1", job_config=dry)
    everything = client.query("SELECT * FROM ds.t", job_config=dry)
    assert one.total_bytes_processed == len("r1r2") + 2 * 2 + 8
    assert everything.total_bytes_processed > one.total_bytes_processed
    assert one.statement_type == "SELECT"
    assert [(t.project, t.dataset_id, t.table_id) for t in one.referenced_tables] == [(PROJECT, "ds", "t")]
    assert [field.name for field in one.schema or ()] == ["id"]


def test_a_query_over_its_byte_limit_is_refused(client: bigquery.Client) -> None:
    config = bigquery.QueryJobConfig(maximum_bytes_billed=10 * 2**20 - 1)
    with pytest.raises(exceptions.BadRequest, match="Query exceeded limit for bytes billed"):
        client.query_and_wait("SELECT * FROM ds.t", job_config=config)
    config.maximum_bytes_billed = 10 * 2**20
    assert client.query_and_wait("SELECT * FROM ds.t", job_config=config).total_rows == 2


@pytest.mark.parametrize(
    ("sql", "refusal"),
    [
        (f"SELECT * FROM `{PROJECT}.ds.zzz`", exceptions.NotFound),
        ("SELECT * FROM nowhere.t", exceptions.NotFound),
        ("SELECT * FROM `other.ds.t`", exceptions.Forbidden),
        ("SELEC 1", exceptions.BadRequest),
        ("SELECT FROM WHERE", exceptions.BadRequest),
        ("SELECT @missing", exceptions.BadRequest),
        ("SELECT * FROM t", exceptions.BadRequest),
        ("SELECT 1; SELECT 2", exceptions.MethodNotImplemented),
        ("SELECT 1 AS a, 2 AS A", exceptions.BadRequest),
    ],
)
def test_a_bad_query_has_bigquerys_status(sql: str, refusal: type[Exception], client: bigquery.Client) -> None:
    with pytest.raises(refusal):
        client.query_and_wait(sql)
    with pytest.raises(refusal):
        client.query(sql, job_config=bigquery.QueryJobConfig(dry_run=True))


def test_legacy_sql_is_refused(client: bigquery.Client) -> None:
    with pytest.raises(exceptions.BadRequest, match="Legacy SQL"):
        client.query_and_wait("SELECT 1", job_config=bigquery.QueryJobConfig(use_legacy_sql=True))


def test_what_exists_cannot_be_made_again(client: bigquery.Client) -> None:
    with pytest.raises(exceptions.Conflict):
        client.create_dataset("ds")
    with pytest.raises(exceptions.Conflict):
        client.create_table(bigquery.Table(f"{PROJECT}.ds.t", schema=SCHEMA))
    with pytest.raises(exceptions.NotFound):
        client.get_table(f"{PROJECT}.ds.zzz")


def test_a_table_keeps_its_partitioning_clustering_and_descriptions(client: bigquery.Client) -> None:
    table = bigquery.Table(f"{PROJECT}.scratch.kept", schema=SCHEMA)
    table.description = "Kept"
    table.time_partitioning = bigquery.TimePartitioning(type_="DAY", field="ts")
    table.clustering_fields = ["id", "n"]
    client.create_table(table)
    found = client.get_table(f"{PROJECT}.scratch.kept")
    assert (found.description, found.time_partitioning.field, found.clustering_fields) == ("Kept", "ts", ["id", "n"])
    assert found.schema == SCHEMA
    assert "kept" in [item.table_id for item in client.list_tables("scratch")]
    client.delete_table(found)
    assert "kept" not in [item.table_id for item in client.list_tables("scratch")]


def test_rows_page_and_list(client: bigquery.Client) -> None:
    rows = client.query("SELECT id FROM ds.t ORDER BY id").result(page_size=1)
    assert ([row.id for row in rows], rows.total_rows) == (["r1", "r2"], 2)
    listed = client.list_rows(f"{PROJECT}.ds.t", page_size=1)
    assert {row["id"] for row in listed} == {"r1", "r2"}


def test_information_schema_describes_the_columns(query: Query) -> None:
    sql = "SELECT column_name, data_type, is_nullable FROM `ds.INFORMATION_SCHEMA.COLUMNS` WHERE table_name = 't' {}"
    rows = query(sql.format("ORDER BY ordinal_position"))
    assert rows[0] == ("id", "STRING", "NO")
    assert rows[13] == ("recs", "ARRAY<STRUCT<k STRING, v NUMERIC>>", "YES")
    assert query("SELECT table_name FROM ds.INFORMATION_SCHEMA.TABLES") == [("t",)]
    paths = "SELECT description FROM ds.INFORMATION_SCHEMA.COLUMN_FIELD_PATHS WHERE field_path = 'id'"
    assert query(paths) == [("Identity",)]


def test_a_bad_row_stops_the_others(client: bigquery.Client, table: str) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "a"},
        {"id": "b", "nope": 1},
        {"n": 1},
        {"id": "c", "n": "x"},
        {"id": "d", "d": "2026-13-01"},
    ]
    errors = {error["index"]: error["errors"][0] for error in client.insert_rows_json(table, rows)}
    assert [errors[i]["reason"] for i in range(5)] == ["stopped", "invalid", "invalid", "invalid", "invalid"]
    assert [errors[i]["location"] for i in range(1, 5)] == ["nope", "id", "n", "d"]
    assert client.get_table(table).num_rows == 0


def test_good_rows_are_kept_where_invalid_ones_are_skipped(client: bigquery.Client, table: str) -> None:
    errors = client.insert_rows_json(table, [{"id": "a"}, {"nope": 1}], skip_invalid_rows=True)
    assert [error["index"] for error in errors] == [1]
    assert client.get_table(table).num_rows == 1


def test_a_repeated_insert_id_is_stored_once(client: bigquery.Client, table: str) -> None:
    for _ in range(2):
        assert client.insert_rows_json(table, [{"id": "a"}, {"id": "b"}], row_ids=["1", "2"]) == []
    assert client.get_table(table).num_rows == 2


def test_dml_counts_the_rows_it_changes(client: bigquery.Client, table: str) -> None:
    def affected(sql: str) -> int:
        job = client.query(sql.format(t=f"`{table}`"))
        job.result()
        return job.num_dml_affected_rows or 0

    assert affected("INSERT INTO {t} (id, n, num) VALUES ('a', 1, 1.5), ('b', 2, NULL)") == 2
    assert affected("INSERT INTO {t} (id, n) SELECT CONCAT(id, 'x'), n FROM {t}") == 2
    assert affected("UPDATE {t} SET n = n + 1 WHERE id IN ('a', 'b')") == 2
    assert affected("UPDATE {t} AS x SET n = s.m FROM (SELECT 'b' AS k, 9 AS m) s WHERE x.id = s.k") == 1
    assert affected("DELETE FROM {t} WHERE ENDS_WITH(id, 'x')") == 2
    merge = """MERGE {t} AS t USING (SELECT 'b' AS id, 8 AS n UNION ALL SELECT 'z', 5) AS s ON t.id = s.id
        WHEN MATCHED AND s.n > 100 THEN DELETE WHEN MATCHED THEN UPDATE SET n = s.n
        WHEN NOT MATCHED THEN INSERT (id, n) VALUES (s.id, s.n)"""
    assert affected(merge) == 2
    rows = client.query(f"SELECT id, n, num FROM `{table}` ORDER BY id").result()
    assert [tuple(row.values()) for row in rows] == [("a", 2, Decimal("1.5")), ("b", 8, None), ("z", 5, None)]


def test_dml_cannot_leave_a_required_column_empty(client: bigquery.Client, table: str) -> None:
    with pytest.raises(exceptions.BadRequest, match="id cannot be null"):
        client.query_and_wait(f"INSERT INTO `{table}` (n) VALUES (1)")
