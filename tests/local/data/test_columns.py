"""A local warehouse of an earlier version: the columns that came since are added, and what is in it stays."""

import pytest
from google.api_core.exceptions import GoogleAPICallError
from google.cloud import bigquery

from common.warehouse import schema
from local.data import warehouse
from local.data.__main__ import emulated_bigquery
from tests.conftest import Cloud

NAME = "org_chat_messages"


def rows_of(client: bigquery.Client, table_id: str) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in client.query_and_wait(f"SELECT message_id, finish FROM `{table_id}`")]


def test_a_table_gets_the_columns_that_it_lacks_and_keeps_its_rows(
    cloud: Cloud,
) -> None:
    client = emulated_bigquery(cloud.environment)
    dataset = f"{client.project}.earlier_version"
    table_id = f"{dataset}.{NAME}"
    fields = warehouse.bigquery_fields(schema.load("organizations", NAME))
    earlier = [field for field in fields if field.name != "finish"]
    assert fields[:-1] == earlier, "a column that came later stands last"
    client.create_dataset(dataset)
    try:
        client.create_table(bigquery.Table(table_id, schema=earlier))
        old = {"message_id": "m1", "conversation_id": "c1", "org_slug": "o", "role": "user", "content": "hi",
               "created_at": "2026-01-01T00:00:00Z"}  # fmt: skip
        client.load_table_from_json([old], table_id, job_config=bigquery.LoadJobConfig(schema=earlier)).result()
        for _ in range(2):
            warehouse.add_columns(client, table_id, schema.load("organizations", NAME))
            assert [field.name for field in client.get_table(table_id).schema] == [field.name for field in fields]
            assert rows_of(client, table_id) == [("m1", None)]
        new = {**old, "message_id": "m2", "finish": "length"}
        client.load_table_from_json([new], table_id, job_config=bigquery.LoadJobConfig(schema=fields)).result()
        assert sorted(rows_of(client, table_id)) == [("m1", None), ("m2", "length")]
    finally:
        client.delete_dataset(dataset, delete_contents=True)
        client.close()


@pytest.mark.parametrize("kind", ["a required column", "another type", "a column less"])
def test_no_other_change_of_columns_is_made(cloud: Cloud, kind: str) -> None:
    client = emulated_bigquery(cloud.environment)
    dataset = f"{client.project}.changed_columns"
    client.create_dataset(dataset, exists_ok=True)
    try:
        fields = [bigquery.SchemaField("a", "STRING"), bigquery.SchemaField("b", "INTEGER")]
        table = client.create_table(bigquery.Table(f"{dataset}.t", schema=fields))
        table.schema = {
            "a required column": [*fields, bigquery.SchemaField("c", "STRING", mode="REQUIRED")],
            "another type": [fields[0], bigquery.SchemaField("b", "STRING")],
            "a column less": fields[:1],
        }[kind]
        with pytest.raises(GoogleAPICallError):
            client.update_table(table, ["schema"])
        assert [field.name for field in client.get_table(table).schema] == ["a", "b"]
    finally:
        client.delete_dataset(dataset, delete_contents=True)
        client.close()
