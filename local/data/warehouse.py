"""Datasets, tables and bulk loads through the real BigQuery client, alike on an emulator and a project."""

import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import IO

from google.api_core.exceptions import NotFound
from google.cloud import bigquery

from common.warehouse import schema
from common.warehouse.schema import Dataset, TableSchema
from local.data.rows import Row, to_json

SHARED = "organizations"
CATALOG = "catalog"
COSTS = "cost_data_standard_1_3"
USAGE = "genai_usage_daily_unified"
# Where a table says which data it was loaded with, so that it is not loaded again.
MARK = "local_data"
FIRST_PAUSE, LONGEST_PAUSE = 0.01, 1.0
# The column by which demo rows of a shared table are known: their ids begin with "demo-".
DEMO_ID_COLUMNS = {
    "org_api_keys": "org_api_key_id",
    "org_integration_credentials": "credential_id",
    "org_chat_settings": "setting_id",
    "org_notification_rules": "rule_id",
    "org_alert_history": "alert_history_id",
    "org_usage_quotas": "usage_id",
    "org_meta_pipeline_runs": "pipeline_logging_id",
    "org_subscriptions": "subscription_id",
    "org_budgets": "budget_id",
    "org_budget_allocations": "allocation_id",
    "org_hierarchy": "id",
}


def tenant_dataset(org: str) -> str:
    """Return the dataset of an organisation's own tables."""
    return f"{org}_prod"


def create(client: bigquery.Client, orgs: Iterable[str]) -> None:
    """Create the shared, the catalogue's and each organisation's dataset with their tables, and new columns."""
    _create_dataset(client, SHARED, "organizations")
    _create_dataset(client, CATALOG, "catalog")
    for org in orgs:
        _create_dataset(client, tenant_dataset(org), "tenant")


def create_shared(client: bigquery.Client, dataset_id: str, catalog_id: str = CATALOG) -> None:
    """Create the shared dataset, the catalogue's and their tables, as Terraform does in a project."""
    _create_dataset(client, dataset_id, "organizations")
    _create_dataset(client, catalog_id, "catalog")


def create_tenant(client: bigquery.Client, org: str, shared: str, readers: Iterable[str] = ()) -> None:
    """Create an organisation's dataset and tables where the shared dataset is, encrypted as that is, for its readers.

    What is there stays, and gets the columns that it lacks. Raises NotFound where there is no shared dataset.
    """
    model = client.get_dataset(f"{client.project}.{shared}")
    dataset = bigquery.Dataset(f"{client.project}.{tenant_dataset(org)}")
    dataset.location = model.location
    dataset.default_encryption_configuration = model.default_encryption_configuration
    dataset.labels = {"org": org}
    client.create_dataset(dataset, exists_ok=True)
    _create_tables(client, tenant_dataset(org), "tenant")
    let_read(client, org, readers)


def let_read(client: bigquery.Client, org: str, readers: Iterable[str]) -> None:
    """Let readers (an e-mail address, or group: and one) read an organisation's dataset. Raises NotFound without one.

    A change by somebody else meanwhile makes it fail, by the dataset's etag.
    """
    dataset = client.get_dataset(f"{client.project}.{tenant_dataset(org)}")
    known = {(entry.role, entry.entity_id) for entry in dataset.access_entries}
    wanted = {reader.removeprefix("group:"): reader.startswith("group:") for reader in readers}
    entries = [
        bigquery.AccessEntry("READER", "groupByEmail" if is_group else "userByEmail", email)
        for email, is_group in wanted.items()
        if ("READER", email) not in known
    ]
    if entries:
        dataset.access_entries = [*dataset.access_entries, *entries]
        client.update_dataset(dataset, ["access_entries"])


def let_read_no_longer(client: bigquery.Client, org: str, readers: Iterable[str]) -> None:
    """Take from readers what ``let_read`` gave them; without the dataset there is nothing to take."""
    gone = {("READER", reader.removeprefix("group:")) for reader in readers}
    with suppress(NotFound):
        dataset = client.get_dataset(f"{client.project}.{tenant_dataset(org)}")
        kept = [entry for entry in dataset.access_entries if (entry.role, entry.entity_id) not in gone]
        if len(kept) < len(dataset.access_entries):
            dataset.access_entries = kept
            client.update_dataset(dataset, ["access_entries"])


def append_table(client: bigquery.Client, table_id: str, table: TableSchema, ndjson: IO[bytes]) -> bigquery.LoadJob:
    """Start one load job that adds rows to a table; see ``wait_for``."""
    return _load(client, table_id, table, ndjson, bigquery.WriteDisposition.WRITE_APPEND)


def wait_for(job: bigquery.LoadJob) -> None:
    """Return when a load job is done, raising what it failed with."""
    pause = FIRST_PAUSE
    # The client's own result() first looks again after a whole second.
    while not job.done():
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
    job.result()


def replace_rows(client: bigquery.Client, table_id: str, table: TableSchema, rows: Iterable[Row]) -> bigquery.LoadJob:
    """Start one load job that replaces all rows of a table by ``rows``; see ``wait_for``."""
    with tempfile.TemporaryFile() as file:
        write_ndjson(file, rows)
        return _load(client, table_id, table, file, bigquery.WriteDisposition.WRITE_TRUNCATE)


def replace_demo_rows(client: bigquery.Client, org: str, table_name: str, rows: Iterable[Row]) -> None:
    """Replace an organisation's demo rows of a shared table; rows of other organisations and of users stay."""
    table_id = f"{client.project}.{SHARED}.{table_name}"
    condition = "org_slug = @org"
    if table_name != "org_profiles":
        condition += f" AND STARTS_WITH({DEMO_ID_COLUMNS[table_name]}, 'demo-')"
    client.query_and_wait(
        f"DELETE FROM `{table_id}` WHERE {condition}",
        job_config=bigquery.QueryJobConfig(query_parameters=[bigquery.ScalarQueryParameter("org", "STRING", org)]),
    )
    with tempfile.TemporaryFile() as file:
        if write_ndjson(file, rows):
            append = bigquery.WriteDisposition.WRITE_APPEND
            wait_for(_load(client, table_id, schema.load("organizations", table_name), file, append))


def write_ndjson(file: IO[bytes], rows: Iterable[Row]) -> int:
    """Write rows as newline-delimited JSON and return how many there were."""
    count = 0
    for count, row in enumerate(rows, start=1):  # noqa: B007  # the last number is the answer
        file.write(to_json(row).encode() + b"\n")
    return count


def has_rows(client: bigquery.Client, table_id: str) -> bool:
    """Say whether a table exists and has rows."""
    with suppress(NotFound):
        return bool(client.get_table(table_id).num_rows)
    return False


def mark(client: bigquery.Client, table_id: str) -> str | None:
    """Return what a table was last marked as loaded with, None where it was not or does not exist."""
    with suppress(NotFound):
        value: str | None = client.get_table(table_id).labels.get(MARK)
        return value
    return None


def set_mark(client: bigquery.Client, table_id: str, value: str) -> None:
    """Mark a table as loaded with ``value`` (lower-case letters, digits, - and _; at most 63)."""
    table = client.get_table(table_id)
    table.labels = {**table.labels, MARK: value}
    client.update_table(table, ["labels"])


def bigquery_fields(table: TableSchema) -> list[bigquery.SchemaField]:
    """Return a table's columns as the BigQuery client wants them."""
    return [
        bigquery.SchemaField(field.name, field.type, mode=field.mode, description=field.description)
        for field in table.fields
    ]


def _create_dataset(client: bigquery.Client, dataset_id: str, dataset: Dataset) -> None:
    client.create_dataset(f"{client.project}.{dataset_id}", exists_ok=True)
    _create_tables(client, dataset_id, dataset)


def _create_tables(client: bigquery.Client, dataset_id: str, dataset: Dataset) -> None:
    existing = {item.table_id for item in client.list_tables(f"{client.project}.{dataset_id}")}
    for name in schema.tables(dataset):
        described = schema.load(dataset, name)
        if name in existing:
            add_columns(client, f"{client.project}.{dataset_id}.{name}", described)
        else:
            table = bigquery.Table(f"{client.project}.{dataset_id}.{name}", schema=bigquery_fields(described))
            table.description = described.description
            table.time_partitioning = _partitioning(described)
            table.clustering_fields = list(described.clustering) or None
            client.create_table(table, exists_ok=True)


def add_columns(client: bigquery.Client, table_id: str, described: TableSchema) -> None:
    """Give a table made by an earlier version the columns that have come since."""
    table = client.get_table(table_id)
    present = {field.name for field in table.schema}
    if added := [field for field in bigquery_fields(described) if field.name not in present]:
        table.schema = [*table.schema, *added]
        client.update_table(table, ["schema"])


def _load(
    client: bigquery.Client, table_id: str, table: TableSchema, ndjson: IO[bytes], disposition: str
) -> bigquery.LoadJob:
    return client.load_table_from_file(
        ndjson,
        table_id,
        rewind=True,
        job_config=bigquery.LoadJobConfig(
            source_format=bigquery.SourceFormat.NEWLINE_DELIMITED_JSON,
            schema=bigquery_fields(table),
            time_partitioning=_partitioning(table),
            clustering_fields=list(table.clustering) or None,
            write_disposition=disposition,
            create_disposition=bigquery.CreateDisposition.CREATE_NEVER,
        ),
    )


def _partitioning(table: TableSchema) -> bigquery.TimePartitioning | None:
    partitioning = table.time_partitioning
    if partitioning is None:
        return None
    return bigquery.TimePartitioning(type_=partitioning.type, field=partitioning.field)
