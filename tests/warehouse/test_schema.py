"""The schema files: complete, described, and laid out in ways BigQuery accepts."""

import json
from pathlib import Path

import pytest

from common.warehouse import schema
from common.warehouse.schema import Dataset

REFERENCE = Path(__file__).parents[3] / "shared" / "reference" / "schemas" / "tables.json"
EVERY_TABLE = [(dataset, table) for dataset in ("organizations", "tenant") for table in schema.tables(dataset)]
PARTITION_TYPES = {"DATE", "TIMESTAMP"}
CLUSTER_TYPES = {"STRING", "INTEGER", "NUMERIC", "BOOLEAN", "DATE", "TIMESTAMP"}
STORED_TYPES = {"STRING", "INTEGER", "FLOAT", "BOOLEAN", "TIMESTAMP", "DATE", "NUMERIC", "JSON", "BYTES"}


# Tables that the reference does not have.
OURS = {"org_chat_access", "org_chat_feedback", "org_chat_usage", "business_drivers_daily"}


@pytest.mark.skipif(not REFERENCE.exists(), reason="the reference schemas are not beside this checkout")
def test_names_order_types_and_modes_are_those_of_the_reference() -> None:
    for name, dataset in (("organizations", "organizations"), ("{org_slug}_prod", "tenant")):
        reference = json.loads(REFERENCE.read_text())[name]
        assert set(schema.tables(dataset)) - reference.keys() <= OURS
        for table, columns in reference.items():
            ours = [[field.name, field.type, field.mode] for field in schema.load(dataset, table).fields]
            assert ours[: len(columns)] == columns, table
            # Columns of later versions stand last, and a table with rows can take them.
            assert {mode for _, _, mode in ours[len(columns) :]} <= {"NULLABLE"}, table


def test_there_are_eighteen_shared_tables_and_two_of_each_tenant() -> None:
    assert len(schema.tables("organizations")) == 18
    assert schema.tables("tenant") == (
        "business_drivers_daily",
        "cost_data_standard_1_3",
        "genai_usage_daily_unified",
    )


@pytest.mark.parametrize(("dataset", "table"), EVERY_TABLE)
def test_a_table_and_each_of_its_columns_are_described(dataset: Dataset, table: str) -> None:
    loaded = schema.load(dataset, table)
    texts = [loaded.description, *(field.description for field in loaded.fields)]
    assert all(text.strip() == text and 10 <= len(text) <= 1024 for text in texts)


@pytest.mark.parametrize(("dataset", "table"), EVERY_TABLE)
def test_no_two_columns_describe_themselves_alike(dataset: Dataset, table: str) -> None:
    descriptions = [field.description for field in schema.load(dataset, table).fields]
    assert len(set(descriptions)) == len(descriptions)


@pytest.mark.parametrize(("dataset", "table"), EVERY_TABLE)
def test_columns_have_known_types_and_distinct_names(dataset: Dataset, table: str) -> None:
    fields = schema.load(dataset, table).fields
    assert {field.type for field in fields} <= STORED_TYPES
    assert {field.mode for field in fields} <= {"REQUIRED", "NULLABLE", "REPEATED"}
    assert len({field.name.lower() for field in fields}) == len(fields)


@pytest.mark.parametrize(("dataset", "table"), EVERY_TABLE)
def test_partition_and_cluster_columns_exist_and_have_types_bigquery_allows(dataset: Dataset, table: str) -> None:
    loaded = schema.load(dataset, table)
    if loaded.time_partitioning:
        assert loaded.field(loaded.time_partitioning.field).type in PARTITION_TYPES
        assert loaded.field(loaded.time_partitioning.field).mode == "REQUIRED"
    assert len(loaded.clustering) <= 4
    for name in loaded.clustering:
        assert loaded.field(name).type in CLUSTER_TYPES
        assert loaded.field(name).mode != "REPEATED"


@pytest.mark.parametrize(
    ("dataset", "table", "partition", "clustering"),
    [
        ("organizations", "org_chat_conversations", "created_at", ("org_slug", "user_id", "status")),
        ("organizations", "org_chat_messages", "created_at", ("org_slug", "conversation_id", "role")),
        ("organizations", "org_chat_tool_calls", "created_at", ("org_slug", "conversation_id", "tool_name")),
        ("organizations", "org_chat_feedback", "created_at", ("org_slug", "conversation_id", "rating")),
        ("organizations", "org_chat_usage", "created_at", ("org_slug", "provider", "model_id")),
        ("organizations", "org_chat_settings", None, ("org_slug", "is_active")),
        (
            "tenant",
            "cost_data_standard_1_3",
            "ChargePeriodStart",
            ("ServiceProviderName", "ServiceCategory", "x_hierarchy_entity_id"),
        ),
    ],
)
def test_the_agreed_layouts_are_kept(
    dataset: Dataset, table: str, partition: str | None, clustering: tuple[str, ...]
) -> None:
    loaded = schema.load(dataset, table)
    assert (loaded.time_partitioning.field if loaded.time_partitioning else None) == partition
    assert loaded.time_partitioning is None or loaded.time_partitioning.type == "DAY"
    assert loaded.clustering == clustering


def test_an_unknown_table_or_column_is_refused_by_name() -> None:
    with pytest.raises(KeyError, match="no_such_table"):
        schema.load("tenant", "no_such_table")
    with pytest.raises(KeyError, match="billedcost"):
        schema.load("tenant", "cost_data_standard_1_3").field("billedcost")


def test_a_path_in_a_table_name_reads_no_file_outside_the_schemas() -> None:
    with pytest.raises(KeyError):
        schema.load("tenant", "../organizations/org_profiles")
