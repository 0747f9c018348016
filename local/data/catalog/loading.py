"""Loads a catalogue into BigQuery: one load job a table, which replaces all of its rows at once."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from google.cloud import bigquery

from common.warehouse import schema
from local.data import warehouse
from local.data.catalog import cards
from local.data.catalog.reading import CARDS, SMALL, TABLES, Catalog, read_folder
from local.data.rows import Row


def start(
    client: bigquery.Client, dataset: str, catalog: Catalog, model_cards: Sequence[Row] = ()
) -> list[bigquery.LoadJob]:
    """Start replacing the rows of every table of the catalogue; see ``warehouse.wait_for``."""
    return [
        warehouse.replace_rows(client, f"{client.project}.{dataset}.{table}", schema.load("catalog", table), rows)
        for table, rows in {**catalog, CARDS: model_cards}.items()
    ]


class SmallCut:
    """Brings the local cloud's catalogue to the files beside this module, or sees that they are loaded already."""

    def __init__(self, client: bigquery.Client) -> None:
        self._client = client
        self._marked = f"{client.project}.{warehouse.CATALOG}.{TABLES[0]}"
        self._jobs: list[bigquery.LoadJob] = []

    def start(self) -> None:
        """Start loading what is not loaded."""
        if warehouse.mark(self._client, self._marked) != _generation():
            self._jobs = start(self._client, warehouse.CATALOG, read_folder(SMALL), cards.read(SMALL))

    def finish(self) -> None:
        """Wait for what was started."""
        for job in self._jobs:
            warehouse.wait_for(job)
        if self._jobs:
            # Last, so that a run that was interrupted is done again.
            warehouse.set_mark(self._client, self._marked, _generation())


def _generation() -> str:
    digest = hashlib.sha256()
    for file in sorted([*SMALL.glob("*.csv.gz"), *Path(schema.__file__).parent.glob("schemas/catalog/*.json")]):
        digest.update(file.read_bytes())
    return f"catalog-{digest.hexdigest()[:12]}"
