"""What a bill's load needs of the warehouse: Parquet, a MERGE that exchanges rows, columns added to a table."""

import io
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import bigquery

FIELDS = [
    bigquery.SchemaField("id", "STRING", mode="REQUIRED"),
    bigquery.SchemaField("cost", "NUMERIC"),
    bigquery.SchemaField("at", "TIMESTAMP"),
]
EXCHANGE = """
MERGE `{target}` AS old_row USING `{source}` AS new_row ON FALSE
WHEN NOT MATCHED BY TARGET THEN INSERT (id, cost, at) VALUES (new_row.id, new_row.cost, new_row.at)
WHEN NOT MATCHED BY SOURCE AND old_row.id IN UNNEST(@gone) THEN DELETE
"""


@pytest.fixture
def tables(client: bigquery.Client) -> Iterator[tuple[str, str]]:
    names = f"{client.project}.ds.exchange_old", f"{client.project}.ds.exchange_new"
    for name in names:
        client.create_table(bigquery.Table(name, schema=FIELDS))
    yield names
    for name in names:
        client.delete_table(name)


def bring(client: bigquery.Client, table: str, folder: Path, select: str) -> bigquery.LoadJob:
    path = folder / "rows.parquet"
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
    config = bigquery.LoadJobConfig(source_format=bigquery.SourceFormat.PARQUET)
    job = client.load_table_from_file(io.BytesIO(path.read_bytes()), table, job_config=config)
    job.result()
    return job


def ids(client: bigquery.Client, table: str) -> list[str]:
    return [row["id"] for row in client.query_and_wait(f"SELECT id FROM `{table}` ORDER BY id")]


def test_parquet_is_loaded_by_the_names_of_its_columns(
    client: bigquery.Client, tables: tuple[str, str], tmp_path: Path
) -> None:
    job = bring(client, tables[0], tmp_path, "SELECT CAST(1.5 AS DECIMAL(38, 9)) AS cost, 'a' AS id")
    assert job.output_rows == 1
    (row,) = client.query_and_wait(f"SELECT id, cost, at FROM `{tables[0]}`")
    assert (row["id"], row["cost"], row["at"]) == ("a", Decimal("1.5"), None)


@pytest.mark.parametrize(
    ("select", "said"),
    [
        ("SELECT 'a' AS id, 1 AS other", "no such field: other"),
        ("SELECT 'a' AS id, 'x' AS cost", "changed type"),
        ("SELECT CAST(NULL AS VARCHAR) AS id", "NOT NULL"),
    ],
)
def test_parquet_that_does_not_fit_is_refused_and_nothing_is_loaded(
    client: bigquery.Client, tables: tuple[str, str], tmp_path: Path, select: str, said: str
) -> None:
    with pytest.raises(BadRequest, match=said):
        bring(client, tables[0], tmp_path, select)
    assert ids(client, tables[0]) == []


def test_rows_are_exchanged_in_one_statement(client: bigquery.Client, tables: tuple[str, str], tmp_path: Path) -> None:
    old, new = tables
    bring(client, old, tmp_path, "SELECT unnest(['a', 'b', 'c']) AS id")
    bring(client, new, tmp_path, "SELECT unnest(['b', 'd']) AS id, CAST(2 AS DECIMAL(38, 9)) AS cost")
    config = bigquery.QueryJobConfig(query_parameters=[bigquery.ArrayQueryParameter("gone", "STRING", ["a", "b"])])
    job = client.query(EXCHANGE.format(target=old, source=new), job_config=config)
    job.result()
    assert ids(client, old) == ["b", "c", "d"]
    assert job.num_dml_affected_rows == 4


def test_an_exchange_that_fails_leaves_the_old_rows(
    client: bigquery.Client, tables: tuple[str, str], tmp_path: Path
) -> None:
    old, new = tables
    bring(client, old, tmp_path, "SELECT unnest(['a', 'b']) AS id")
    bring(client, new, tmp_path, "SELECT 'd' AS id")
    statement = EXCHANGE.format(target=old, source=new).replace(
        "VALUES (new_row.id,", "VALUES (NULLIF(new_row.id, 'd'),"
    )
    config = bigquery.QueryJobConfig(query_parameters=[bigquery.ArrayQueryParameter("gone", "STRING", ["a"])])
    with pytest.raises(BadRequest, match="cannot be null"):
        client.query_and_wait(statement, job_config=config)
    assert ids(client, old) == ["a", "b"]


def test_a_column_is_added_at_the_end_and_none_is_taken(client: bigquery.Client, tables: tuple[str, str]) -> None:
    table = client.get_table(tables[0])
    table.schema = [*FIELDS, bigquery.SchemaField("zone", "STRING", description="where")]
    client.update_table(table, ["schema"])
    assert [field.name for field in client.get_table(tables[0]).schema] == ["id", "cost", "at", "zone"]
    client.query_and_wait(f"INSERT INTO `{tables[0]}` (id, zone) VALUES ('a', 'z')")
    for refused in (FIELDS[:2], [*table.schema, bigquery.SchemaField("more", "STRING", mode="REQUIRED")]):
        table.schema = refused
        with pytest.raises(BadRequest):
            client.update_table(table, ["schema"])
    assert [tuple(row.values()) for row in client.query_and_wait(f"SELECT id, zone FROM `{tables[0]}`")] == [("a", "z")]
