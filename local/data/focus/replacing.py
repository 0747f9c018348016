"""A bill's months put into an organisation's costs: another month adds, the same month again takes its place.

The rows are loaded into a table of their own and change places with the old ones in one statement, so that a load
that fails at any moment leaves the costs as they were. It works alike on an emulator and on a project.
"""

import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from google.api_core.exceptions import NotFound
from google.cloud import bigquery

from local.data.focus.naming import TABLE
from local.data.focus.summary import Month
from local.data.warehouse import wait_for

# A table that a broken-off load left behind goes by itself.
_STAGING_LIVES = timedelta(hours=12)
# The same text as Month.key.
_KEY = (
    "CONCAT(old_row.ServiceProviderName, '|', old_row.BillingAccountId, '|', "
    "FORMAT_TIMESTAMP('%F %T', old_row.BillingPeriodStart))"
)
_MONTHS = f"""
SELECT old_row.ServiceProviderName, old_row.BillingAccountId, old_row.BillingPeriodStart, COUNT(*) AS line_items
FROM `{{table}}` AS old_row WHERE {_KEY} IN UNNEST(@keys) GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""

Watch = Callable[[str, float | None], None]


def replace_months(
    client: bigquery.Client, table_id: str, parts: Sequence[Path], months: Sequence[Month], watch: Watch
) -> list[Month]:
    """Load the Parquet files, remove what the same months held before, and return what that was."""
    staging = _create_staging(client, table_id)
    try:
        for number, part in enumerate(parts):
            watch("Loading the rows", number / len(parts))
            _load(client, staging, part)
        watch("Replacing months", None)
        keys = bigquery.ArrayQueryParameter("keys", "STRING", sorted({month.key for month in months}))
        config = bigquery.QueryJobConfig(query_parameters=[keys])
        found = client.query_and_wait(_MONTHS.format(table=table_id), job_config=config)
        replaced = [Month(*row.values()) for row in found]
        client.query_and_wait(_exchange(table_id, staging), job_config=config)
        watch("Replacing months", 1.0)
        return replaced
    finally:
        client.delete_table(staging, not_found_ok=True)


def run_rows(client: bigquery.Client, table_id: str, run_id: str) -> int:
    """Return how many rows of a table a run brought, 0 where there is no table."""
    config = bigquery.QueryJobConfig(query_parameters=[bigquery.ScalarQueryParameter("run", "STRING", run_id)])
    with suppress(NotFound):
        found = client.query_and_wait(
            f"SELECT COUNT(*) AS n FROM `{table_id}` WHERE x_run_id = @run", job_config=config
        )
        return int(next(iter(found)).n)
    return 0


def _create_staging(client: bigquery.Client, table_id: str) -> str:
    staging = f"{table_id}_load_{uuid.uuid4().hex[:12]}"
    # JSON comes as text in Parquet, and is parsed as the rows change places.
    fields = [
        bigquery.SchemaField(field.name, "STRING" if field.type == "JSON" else field.type) for field in TABLE.fields
    ]
    table = bigquery.Table(staging, schema=fields)
    table.expires = datetime.now(UTC) + _STAGING_LIVES
    client.create_table(table)
    return staging


def _load(client: bigquery.Client, staging: str, part: Path) -> None:
    config = bigquery.LoadJobConfig(
        source_format=bigquery.SourceFormat.PARQUET,
        write_disposition=bigquery.WriteDisposition.WRITE_APPEND,
        create_disposition=bigquery.CreateDisposition.CREATE_NEVER,
    )
    with part.open("rb") as file:
        wait_for(client.load_table_from_file(file, staging, job_config=config))


def _exchange(table_id: str, staging: str) -> str:
    """Return the statement that puts the new rows in and takes the same months' old rows out, all or nothing."""
    columns = ", ".join(field.name for field in TABLE.fields)
    values = ", ".join(
        f"PARSE_JSON(new_row.{field.name})" if field.type == "JSON" else f"new_row.{field.name}"
        for field in TABLE.fields
    )
    # A condition that is never true makes it a plain exchange, without a join.
    return (
        f"MERGE `{table_id}` AS old_row USING `{staging}` AS new_row ON FALSE "
        f"WHEN NOT MATCHED BY TARGET THEN INSERT ({columns}) VALUES ({values}) "
        f"WHEN NOT MATCHED BY SOURCE AND {_KEY} IN UNNEST(@keys) THEN DELETE"
    )
