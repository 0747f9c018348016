"""``python -m local catalog``: check a catalogue of prices, charts and models, and load it into BigQuery."""

import argparse
import sys
from pathlib import Path

from google.api_core.exceptions import GoogleAPICallError, NotFound
from google.cloud import bigquery

from common.warehouse import schema
from local.data import warehouse
from local.data.__main__ import warehouse_of
from local.data.catalog.checking import problems, told
from local.data.catalog.loading import start
from local.data.catalog.reading import SMALL, Catalog, CatalogFileError, read_folder
from local.running import NotRunningError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True)
    check = actions.add_parser("check", help="only read the files, hold them to the rules and say what is wrong")
    load = actions.add_parser("load", help="replace the catalogue by these files, one table after the other")
    for action in (check, load):
        action.add_argument(
            "folder", type=Path, nargs="?", default=SMALL, help="instances, helm_charts and models as .csv.gz (ours)"
        )
    check.add_argument("--before", type=Path, help="a folder with the catalogue of an earlier day, to compare with")
    load.add_argument("--project", help="a real project; without it, the running make run")
    load.add_argument("--dataset", default=warehouse.CATALOG, help="the catalogue's dataset (catalog)")
    load.add_argument("--force", action="store_true", help="load although it lost rows or prices have moved")
    load.add_argument("--state", type=Path, default=Path(".local"), help="where make run keeps its data (.local)")


def run(options: argparse.Namespace) -> int:
    """Run the action and return the exit code: 1 where nothing was loaded, 2 where the files are refused."""
    try:
        catalog = read_folder(options.folder)
        if options.action == "check":
            return _check(catalog, read_folder(options.before) if options.before else None)
        return _load(options, catalog)
    except (CatalogFileError, NotRunningError) as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, CatalogFileError) else 1
    except GoogleAPICallError as error:
        print(f"BigQuery refused: {error.message}", file=sys.stderr)
        return 1


def _check(catalog: Catalog, before: Catalog | None) -> int:
    if found := problems(catalog, before):
        print(told(found), file=sys.stderr)
        return 2
    print(f"{_counted(catalog)} as they should be; the oldest price is of {_oldest(catalog)}.")
    return 0


def _load(options: argparse.Namespace, catalog: Catalog) -> int:
    client = warehouse_of(options.project, options.state)
    before = None if options.force else _stored(client, options.dataset)
    if found := problems(catalog, before):
        print(f"{told(found)}\nNothing was loaded.", file=sys.stderr)
        return 2
    for job in start(client, options.dataset, catalog):
        warehouse.wait_for(job)
    print(f"{_counted(catalog)} loaded into {options.dataset}; the oldest price is of {_oldest(catalog)}.")
    return 0


def _stored(client: bigquery.Client, dataset: str) -> Catalog | None:
    """The catalogue as it is stored; None where it is not there or has no rows yet."""
    try:
        stored = {
            table: [
                dict(row.items())
                for row in client.query_and_wait(f"SELECT * FROM `{client.project}.{dataset}.{table}`")
            ]
            for table in schema.tables("catalog")
        }
    except NotFound as error:
        raise CatalogFileError(f"There is no dataset {dataset} with its tables: terraform apply makes it.") from error
    return stored if all(stored.values()) else None


def _counted(catalog: Catalog) -> str:
    return ", ".join(f"{len(rows):,} {table.replace('_', ' ')}" for table, rows in sorted(catalog.items()))


def _oldest(catalog: Catalog) -> str:
    return str(min((row["price_date"] for row in catalog["instances"]), default="no day"))
