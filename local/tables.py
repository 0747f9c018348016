"""``python -m local tables``: hold the tables to the columns that this version uses, and add those that they lack."""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from google.api_core.exceptions import GoogleAPICallError, NotFound
from google.cloud import bigquery

from common.errors import ServiceError
from common.tenant import parse_org_slug
from common.warehouse import schema
from common.warehouse.schema import Dataset, TableSchema
from local.data.__main__ import warehouse_of
from local.data.warehouse import bigquery_fields, tenant_dataset
from local.running import NotRunningError

# BigQuery answers with the older names of some types.
_TYPES = {"FLOAT": "FLOAT64", "INTEGER": "INT64", "BOOLEAN": "BOOL", "STRUCT": "RECORD"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--org", action="append", default=[], help="an organisation whose own dataset is looked at too")
    parser.add_argument("--add", action="store_true", help="add the columns that are missing; nothing else is changed")
    parser.add_argument("--project", help="a real project; without it, the running make run")
    parser.add_argument("--organizations-dataset", default="organizations", help="the shared dataset (organizations)")
    parser.add_argument("--catalog-dataset", default="catalog", help="the catalogue's dataset (catalog)")
    parser.add_argument("--state", type=Path, default=Path(".local"), help="where make run keeps its data (.local)")


@dataclass(frozen=True, slots=True)
class Compared:
    """One table beside its file: the columns that it lacks, and why it cannot be used as it is."""

    table: str
    lacks: tuple[bigquery.SchemaField, ...] = ()
    differs: tuple[str, ...] = ()


def run(options: argparse.Namespace) -> int:
    """Print a line for each table that differs and return 0 if an apply leaves none, else 1."""
    try:
        datasets: dict[str, Dataset] = {
            options.organizations_dataset: "organizations",
            options.catalog_dataset: "catalog",
        }
        datasets |= {tenant_dataset(parse_org_slug(org)): "tenant" for org in options.org}
        client = warehouse_of(options.project, options.state)
    except (NotRunningError, ServiceError) as error:
        print(error.detail if isinstance(error, ServiceError) else error, file=sys.stderr)
        return 1
    wrong = count = 0
    try:
        for dataset_id, dataset in datasets.items():
            for name in schema.tables(dataset):
                count += 1
                wanted = schema.load(dataset, name)
                wrong += not _hold(client, f"{client.project}.{dataset_id}.{name}", wanted, options.add)
    except GoogleAPICallError as error:
        print(f"BigQuery refused: {error.message}", file=sys.stderr)
        return 1
    print(f"{count} tables; {wrong} in the way of this version.")
    return 1 if wrong else 0


def compare(table: bigquery.Table, described: TableSchema) -> Compared:
    """Return what the table lacks of its schema and what is of another type; columns that only it has are its own."""
    wanted = bigquery_fields(described)
    known = {field.name: field for field in table.schema}
    lacks = tuple(_nullable(field) for field in wanted if field.name not in known)
    differs = tuple(
        sentence for field in wanted if field.name in known for sentence in _differences(field, known[field.name])
    )
    return Compared(f"{table.dataset_id}.{table.table_id}", lacks, differs)


def _hold(client: bigquery.Client, name: str, described: TableSchema, add: bool) -> bool:
    try:
        table = client.get_table(name)
    except NotFound:
        # Columns are added before an apply, and the first apply makes the tables.
        print(f"{name.partition('.')[2]} is not there: terraform apply makes it.")
        return add
    found = compare(table, described)
    for sentence in found.differs:
        print(f"{found.table}: {sentence}")
    if found.lacks and add:
        # An etag makes a change that somebody else makes at the same time fail, not vanish.
        table.schema = [*table.schema, *found.lacks]
        client.update_table(table, ["schema"])
    if found.lacks:
        columns = ", ".join(f"{field.name} ({field.field_type})" for field in found.lacks)
        print(f"{found.table} {'has got' if add else 'lacks'} {columns}.")
    return not found.differs and (add or not found.lacks)


def _nullable(field: bigquery.SchemaField) -> bigquery.SchemaField:
    """Return the column as a table with rows can take it: it has no value for them."""
    if field.mode == "REPEATED":
        return field
    return bigquery.SchemaField.from_api_repr({**field.to_api_repr(), "mode": "NULLABLE"})


def _differences(wanted: bigquery.SchemaField, found: bigquery.SchemaField) -> Iterator[str]:
    if _type(wanted) != _type(found):
        yield f"{wanted.name} is {_type(found)}, and must be {_type(wanted)}."
    elif (wanted.mode == "REPEATED") != (found.mode == "REPEATED"):
        yield f"{wanted.name} is {found.mode}, and must be {wanted.mode}."


def _type(field: bigquery.SchemaField) -> str:
    return _TYPES.get(field.field_type, field.field_type)
