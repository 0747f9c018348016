"""``python -m local catalog``: build a catalogue of prices, charts and models, check it, and load it into BigQuery."""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from google.api_core.exceptions import GoogleAPICallError, NotFound
from google.cloud import bigquery

from common.errors import EmbeddingUnavailable
from common.knowledge.embedding.operators import OperatorsEmbedders
from common.settings import Settings
from local.data import warehouse
from local.data.__main__ import warehouse_of
from local.data.catalog import cards
from local.data.catalog.building import build, stale, unproven, write_provenance
from local.data.catalog.checking import problems, told
from local.data.catalog.loading import start
from local.data.catalog.reading import SMALL, TABLES, Catalog, CatalogFileError, read_folder, write_folder
from local.data.catalog.sources import Downloads, SourceError
from local.data.rows import Row
from local.embedding import WEIGHTS
from local.running import NotRunningError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True)
    build = actions.add_parser("build", help="fetch the public sources, hold them to the rules and write the files")
    build.add_argument("--out", type=Path, required=True, help="the folder that the files are written into")
    build.add_argument("--sources", type=Path, help="keep what is fetched here (a folder that is gone afterwards)")
    build.add_argument("--offline", action="store_true", help="fetch nothing: read what --sources has already")
    build.add_argument("--before", type=Path, default=SMALL, help="the catalogue of an earlier day (ours)")
    build.add_argument("--small", action="store_true", help="machines without GPUs of five regions only, as ours")
    build.add_argument("--force", action="store_true", help="write it although it is old, lost rows or prices moved")
    check = actions.add_parser("check", help="only read the files, hold them to the rules and say what is wrong")
    embed = actions.add_parser("embed", help="make the vectors of a folder's models, for the search by meaning")
    embed.add_argument("folder", type=Path, help="the folder that build has written")
    embed.add_argument("--space", choices=("local", "vertex_ai"), default="vertex_ai", help="whose vectors (vertex_ai)")
    embed.add_argument("--project", help="vertex_ai: the project that is asked, as this account")
    embed.add_argument("--location", default="us-central1", help="vertex_ai: where it is asked (us-central1)")
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
        if options.action == "build":
            return _build(options)
        catalog = read_folder(options.folder)
        if options.action == "embed":
            return _embed(options, catalog)
        if options.action == "check":
            return _check(options, catalog)
        return _load(options, catalog)
    except (CatalogFileError, SourceError, NotRunningError) as error:
        print(error, file=sys.stderr)
        return 1 if isinstance(error, NotRunningError) else 2
    except EmbeddingUnavailable as error:
        print(f"No vectors could be made: {error.detail}", file=sys.stderr)
        return 1
    except GoogleAPICallError as error:
        print(f"BigQuery refused: {error.message}", file=sys.stderr)
        return 1


def _build(options: argparse.Namespace) -> int:
    if options.offline and options.sources is None:
        raise CatalogFileError("--offline reads what --sources FOLDER has: name the folder.")
    before = read_folder(options.before)
    with tempfile.TemporaryDirectory() as gone:
        downloads = Downloads(options.sources or Path(gone), fetches=not options.offline)
        built = build(downloads, before, small=options.small)
    found = problems(built.catalog, None if options.force else before)
    if not options.force:
        found += stale(built.catalog, datetime.now(UTC).date())
    if found:
        print(f"{told(found)}\nNothing was written.", file=sys.stderr)
        return 2
    write_folder(options.out, built.catalog)
    write_provenance(options.out, built, before)
    print(f"{_counted(built.catalog)} written to {options.out}; the oldest price is of {_oldest(built.catalog)}.")
    return 0


def _check(options: argparse.Namespace, catalog: Catalog) -> int:
    before = read_folder(options.before) if options.before else None
    if found := [*problems(catalog, before), *unproven(catalog, options.folder)]:
        print(told(found), file=sys.stderr)
        return 2
    print(f"{_counted(catalog)} as they should be; the oldest price is of {_oldest(catalog)}.")
    return 0


def _embed(options: argparse.Namespace, catalog: Catalog) -> int:
    if options.space == "vertex_ai" and not options.project:
        raise CatalogFileError("--space vertex_ai asks a project: name it with --project.")
    lines = asyncio.run(_embedded(options, catalog["models"]))
    cards.write(options.folder, lines)
    print(f"{len(lines):,} vectors of {lines[0][1]} written to {options.folder / cards.FILE}.")
    return 0


async def _embedded(options: argparse.Namespace, models: Sequence[Row]) -> list[tuple[str, str, str]]:
    """The lines of the vectors, made as the functions make a query's."""
    settings = Settings(
        gcp_project_id=options.project or "local-dev-project", vertex_location=options.location,
        default_embedding=options.space, local_embedding_weights=WEIGHTS,
    )  # fmt: skip
    embedders = OperatorsEmbedders(settings)
    try:
        return await cards.embed(models, embedders.shared)
    finally:
        await embedders.close()


def _load(options: argparse.Namespace, catalog: Catalog) -> int:
    client = warehouse_of(options.project, options.state)
    before = None if options.force else _stored(client, options.dataset)
    if found := [*problems(catalog, before), *unproven(catalog, options.folder)]:
        print(f"{told(found)}\nNothing was loaded.", file=sys.stderr)
        return 2
    for job in start(client, options.dataset, catalog, cards.read(options.folder)):
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
            for table in TABLES
        }
    except NotFound as error:
        raise CatalogFileError(f"There is no dataset {dataset} with its tables: terraform apply makes it.") from error
    return stored if all(stored.values()) else None


def _counted(catalog: Catalog) -> str:
    return ", ".join(f"{len(rows):,} {table.replace('_', ' ')}" for table, rows in sorted(catalog.items()))


def _oldest(catalog: Catalog) -> str:
    return str(min((row["price_date"] for row in catalog["instances"]), default="no day"))
