"""A local warehouse of an earlier version: the columns that came since are added, and what is in it stays."""

import pytest
from google.api_core.exceptions import GoogleAPICallError
from google.cloud import bigquery

from common.warehouse import schema
from local.data import warehouse
from local.data.__main__ import emulated_bigquery
from tests.conftest import Cloud

NAME = "org_chat_messages"


def test_a_table_gets_the_column_that_it_lacks_and_keeps_its_rows(cloud: Cloud) -> None:
    client = emulated_bigquery(cloud.environment)
    dataset = f"{client.project}.earlier_version"
    table_id = f"{dataset}.{NAME}"
    described = schema.load("organizations", NAME)
    # Columns that came later stand last.
    *earlier, latest = warehouse.bigquery_fields(described)
    row = {"message_id": "m1", "conversation_id": "c1", "org_slug": "o", "role": "user", "content": "hi",
           "created_at": "2026-01-01T00:00:00Z"}  # fmt: skip
    client.create_dataset(dataset, exists_ok=True)
    try:
        client.create_table(bigquery.Table(table_id, schema=earlier))
        client.load_table_from_json([row], table_id, job_config=bigquery.LoadJobConfig(schema=earlier)).result()
        # The second time, nothing is lacking.
        for _ in range(2):
            warehouse.add_columns(client, table_id, described)
            assert client.get_table(table_id).schema == [*earlier, latest]
        later = {**row, "message_id": "m2"}
        client.load_table_from_json(
            [later], table_id, job_config=bigquery.LoadJobConfig(schema=[*earlier, latest])
        ).result()
        found = client.query_and_wait(f"SELECT message_id, {latest.name} FROM `{table_id}` ORDER BY message_id")
        assert [tuple(each.values()) for each in found] == [("m1", None), ("m2", None)]
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
