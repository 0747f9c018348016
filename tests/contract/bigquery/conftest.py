"""One emulator for the contract tests, and the real client that talks to it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from local.emulators.bigquery import BigQueryEmulator

PROJECT = "contract"
Field = bigquery.SchemaField
SCHEMA = [
    Field("id", "STRING", "REQUIRED", description="Identity"),
    Field("n", "INTEGER"),
    Field("f", "FLOAT"),
    Field("num", "NUMERIC"),
    Field("ok", "BOOLEAN"),
    Field("ts", "TIMESTAMP"),
    Field("d", "DATE"),
    Field("dtm", "DATETIME"),
    Field("tm", "TIME"),
    Field("b", "BYTES"),
    Field("j", "JSON"),
    Field("tags", "STRING", "REPEATED"),
    Field("rec", "RECORD", fields=[Field("a", "INTEGER"), Field("t", "TIMESTAMP")]),
    Field("recs", "RECORD", "REPEATED", fields=[Field("k", "STRING"), Field("v", "NUMERIC")]),
]
ROW: dict[str, Any] = {
    "id": "r1",
    "n": 9007199254740993,
    "f": 1.5,
    "num": "1234567.123456789",
    "ok": True,
    "ts": "2026-03-05T10:11:12.345678Z",
    "d": "2026-03-05",
    "dtm": "2026-03-05T10:11:12",
    "tm": "10:11:12",
    "b": "AP8=",
    "j": '{"a":[1,2]}',
    "tags": ["x", "y"],
    "rec": {"a": 1, "t": "2026-03-05T00:00:00Z"},
    "recs": [{"k": "p", "v": "1.5"}, {"k": "q", "v": "2"}],
}


@contextmanager
def connect(url: str) -> Iterator[bigquery.Client]:
    """The real client, unmodified, on the emulator's address."""
    client = bigquery.Client(project=PROJECT, credentials=AnonymousCredentials(), client_options={"api_endpoint": url})
    try:
        yield client
    finally:
        client.close()


@pytest.fixture(scope="session")
def bigquery_emulator() -> Iterator[BigQueryEmulator]:
    with BigQueryEmulator(PROJECT) as emulator:
        yield emulator


@pytest.fixture(scope="session")
def client(bigquery_emulator: BigQueryEmulator) -> Iterator[bigquery.Client]:
    with connect(bigquery_emulator.url) as client:
        client.create_dataset("ds")
        client.create_table(bigquery.Table(f"{PROJECT}.ds.t", schema=SCHEMA))
        assert client.insert_rows_json(f"{PROJECT}.ds.t", [ROW, {"id": "r2"}]) == []
        client.create_dataset("scratch")
        yield client


Query = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def query(client: bigquery.Client) -> Query:
    """Run SQL with parameters; the rows as tuples."""

    def run(sql: str, *parameters: Any, **options: Any) -> list[tuple[Any, ...]]:
        config = bigquery.QueryJobConfig(query_parameters=list(parameters), **options)
        return [tuple(row.values()) for row in client.query(sql, job_config=config).result()]

    return run


@pytest.fixture
def table(client: bigquery.Client, request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty table of its own for one test, as `project.dataset.table`."""
    name = f"{PROJECT}.scratch.t{abs(hash(request.node.nodeid))}"
    client.create_table(bigquery.Table(name, schema=SCHEMA))
    yield name
    client.delete_table(name)
