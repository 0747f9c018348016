"""Load jobs through the real client: multipart and resumable, all rows or none."""

import io
import json
from decimal import Decimal
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import bigquery

from tests.contract.bigquery.conftest import ROW, SCHEMA, Query

NDJSON = bigquery.SourceFormat.NEWLINE_DELIMITED_JSON


def load(client: bigquery.Client, table: str, rows: list[dict[str, Any]], disposition: str = "WRITE_APPEND") -> Any:
    config = bigquery.LoadJobConfig(source_format=NDJSON, write_disposition=disposition, schema=SCHEMA)
    job = client.load_table_from_json(rows, table, job_config=config)
    return job.result()


def test_nested_rows_load(client: bigquery.Client, table: str) -> None:
    assert load(client, table, [ROW, {"id": "r2"}]).output_rows == 2
    kept = client.query(f"SELECT * FROM `{table}` ORDER BY id").result()
    streamed = client.query("SELECT * FROM ds.t ORDER BY id").result()
    assert [dict(row) for row in kept] == [dict(row) for row in streamed]


def test_dispositions_append_truncate_and_want_it_empty(client: bigquery.Client, table: str) -> None:
    load(client, table, [{"id": "a"}])
    load(client, table, [{"id": "b"}])
    assert client.get_table(table).num_rows == 2
    load(client, table, [{"id": "c"}], "WRITE_TRUNCATE")
    assert client.get_table(table).num_rows == 1
    with pytest.raises(exceptions.Conflict):
        load(client, table, [{"id": "d"}], "WRITE_EMPTY")


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ({"id": "b", "num": "abc"}, r"row 2\).*Field: num; Value: abc"),
        ({"id": "b", "n": 1.5}, r"row 2\).*Field: n"),
        ({"n": 1}, r"row 2\).*Missing required field: id"),
        ({"id": None}, r"row 2\).*Missing required field: id"),
        ({"id": "b", "nope": 1}, r"row 2\).*no such field: nope"),
        ({"id": {"x": 1}}, r"row 2\).*id"),
        ({"id": "b", "d": "2026-01-01 10:00:00"}, r"row 2\).*Field: d"),
        ({"id": "b", "ts": "soon"}, r"row 2\).*Field: ts"),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_loaded(
    bad: dict[str, Any], sentence: str, client: bigquery.Client, table: str
) -> None:
    load(client, table, [{"id": "before"}])
    with pytest.raises(exceptions.BadRequest, match=sentence):
        load(client, table, [{"id": "a"}, bad, {"id": "c"}], "WRITE_TRUNCATE")
    assert [row["id"] for row in client.list_rows(table)] == ["before"]


def test_numeric_rounds_half_away_from_zero(client: bigquery.Client, table: str) -> None:
    load(
        client,
        table,
        [{"id": "a", "num": "0.0000000005"}, {"id": "b", "num": "-0.0000000005"}, {"id": "c", "num": 1.25}],
    )
    rows = client.query(f"SELECT num FROM `{table}` ORDER BY id").result()
    assert [row.num for row in rows] == [Decimal("1E-9"), Decimal("-1E-9"), Decimal("1.25")]


def test_text_that_looks_like_json_stays_text(client: bigquery.Client, table: str) -> None:
    load(client, table, [{"id": '{"a": 1}', "j": {"a": 1}}])
    (row,) = client.list_rows(table)
    assert (row["id"], row["j"]) == ('{"a": 1}', {"a": 1})


def test_field_names_ignore_case(client: bigquery.Client, table: str, query: Query) -> None:
    load(client, table, [{"ID": "a", "Num": "1"}])
    assert query(f"SELECT id, NUM FROM `{table}`") == [("a", Decimal(1))]


def test_a_large_file_goes_up_in_chunks(client: bigquery.Client, table: str) -> None:
    count = 120_000
    data = "\n".join(json.dumps({"id": f"row {i}", "num": "0.1", "ts": "2026-01-01T00:00:00Z"}) for i in range(count))
    assert len(data) > 6 * 2**20
    config = bigquery.LoadJobConfig(source_format=NDJSON)
    job = client.load_table_from_file(io.BytesIO(data.encode()), table, job_config=config)
    job.result()
    assert job.output_rows == count
    (row,) = client.query(f"SELECT COUNT(DISTINCT id) AS n, SUM(num) AS total FROM `{table}`").result()
    assert (row.n, row.total) == (count, Decimal(count) / 10)


def test_a_table_is_made_from_the_jobs_schema(client: bigquery.Client) -> None:
    load(client, "contract.scratch.made", [{"id": "a"}])
    assert client.get_table("contract.scratch.made").num_rows == 1
    client.delete_table("contract.scratch.made")


def test_csv_is_refused(client: bigquery.Client, table: str) -> None:
    config = bigquery.LoadJobConfig(source_format=bigquery.SourceFormat.CSV)
    with pytest.raises(exceptions.MethodNotImplemented, match="load jobs of CSV"):
        client.load_table_from_file(io.BytesIO(b"id\na\n"), table, job_config=config, num_retries=0).result()


VECTORS = [
    bigquery.SchemaField("id", "STRING", mode="REQUIRED"),
    bigquery.SchemaField("vector", "FLOAT64", mode="REPEATED"),
]


@pytest.fixture
def vectors(client: bigquery.Client, table: str) -> str:
    name = f"{table}_vectors"
    client.delete_table(name, not_found_ok=True)
    client.create_table(bigquery.Table(name.strip("`"), VECTORS))
    return name


def test_arrays_of_numbers_load_whole(client: bigquery.Client, vectors: str) -> None:
    rows: list[dict[str, Any]] = [{"id": "a", "vector": [1, -0.5, 1e-9]}, {"id": "b", "vector": []}, {"id": "c"}]
    config = bigquery.LoadJobConfig(source_format=NDJSON, schema=VECTORS)
    client.load_table_from_json(rows, vectors, job_config=config).result()
    kept = {row["id"]: row["vector"] for row in client.query(f"SELECT * FROM `{vectors}`").result()}
    assert kept == {"a": [1.0, -0.5, 1e-9], "b": [], "c": []}


@pytest.mark.parametrize("wrong", [[1, None], ["much"], 7, {"a": 1}])
def test_an_array_with_what_is_no_number_is_refused_whole(client: bigquery.Client, vectors: str, wrong: object) -> None:
    config = bigquery.LoadJobConfig(source_format=NDJSON, schema=VECTORS)
    rows: list[dict[str, Any]] = [{"id": "a", "vector": [1]}, {"id": "b", "vector": wrong}]
    with pytest.raises(exceptions.BadRequest):
        client.load_table_from_json(rows, vectors, job_config=config).result()
    assert client.get_table(vectors).num_rows == 0
