"""Builds a catalogue from its public sources: new prices and versions, and where each of them is from."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from local.data.catalog import hubs, machines, sources
from local.data.catalog.reading import Catalog
from local.data.catalog.sources import Downloads, Fetched
from local.data.rows import Row

PROVENANCE = "provenance.json"
# Prices of an older day are no list prices of today.
MOST_DAYS = 200
# The regions of which a small catalogue has machines without GPUs.
_SMALL = frozenset(
    [
        ("aws", "us-east-1"),
        ("azure", "eastus"),
        ("azure", "westeurope"),
        ("gcp", "europe-west4"),
        ("gcp", "us-central1"),
    ]
)


@dataclass(frozen=True, slots=True)
class Built:
    """A catalogue and where it is from: for each file its repository, commit, day, licence."""

    catalog: Catalog
    provenance: list[dict[str, Any]]


def build(downloads: Downloads, before: Catalog, *, small: bool) -> Built:
    """Build the catalogue from its sources; words and corrections of the one before are kept. Raises SourceError."""
    fetched = {source: downloads.read(source) for source in sources.MACHINES}
    instances = [
        *machines.of_aws(fetched[sources.AWS_PRICES], fetched[sources.AWS_TYPES]),
        *machines.of_azure(fetched[sources.AZURE_PRICES], fetched[sources.AZURE_TYPES]),
        *machines.of_gcp(fetched[sources.GCP_PRICES], fetched[sources.GCP_TYPES]),
        *machines.of_nebius(fetched[sources.NEBIUS]),
    ]
    indexes = [downloads.read(source) for source in hubs.indexes(before["helm_charts"])]
    hub = downloads.read(sources.MODELS)
    catalog = {
        "instances": sorted(_kept(instances, small=small), key=_place),
        "helm_charts": list(hubs.of_charts(before["helm_charts"], indexes)),
        "models": sorted(hubs.of_models(before["models"], hub), key=lambda row: row["model_id"]),
    }
    return Built(catalog, [_told(each) for each in (*fetched.values(), *indexes, hub)])


def stale(catalog: Catalog, today: date) -> list[str]:
    """Return a sentence for each provider whose prices are too old to be built into a catalogue."""
    oldest: dict[str, date] = {}
    for row in catalog["instances"]:
        oldest[row["provider"]] = min(row["price_date"], oldest.get(row["provider"], row["price_date"]))
    return [
        f"instances of {provider}: the prices are of {day}, {(today - day).days} days old; {MOST_DAYS} are the most."
        for provider, day in sorted(oldest.items())
        if (today - day).days > MOST_DAYS
    ]


def unproven(catalog: Catalog, folder: Path) -> list[str]:
    """Return a sentence for each source of rows that no file of the catalogue's folder says anything of.

    Charts name their repository themselves.
    """
    said = "\n".join(
        path.read_text(encoding="utf-8") for path in (folder / PROVENANCE, folder / "README.md") if path.is_file()
    )
    counted = Counter(row["source"] for table in ("instances", "models") for row in catalog[table])
    return [
        f"{source}: {PROVENANCE} does not say where its {count:,} rows are from."
        for source, count in sorted(counted.items())
        if source.split()[0] not in said
    ]


def write_provenance(folder: Path, built: Built, before: Catalog) -> None:
    """Write where each row is from, those that were kept as they were too."""
    told = {each["repository"] for each in built.provenance}
    kept = sorted(
        {row["repository"] for row in before["helm_charts"]} | {row["source"] for row in built.catalog["models"]}
    )
    unchanged = [{"repository": name, "kept": "as it was before"} for name in kept if not _is_told(name, told)]
    text = json.dumps([*built.provenance, *unchanged], indent=1, ensure_ascii=False)
    (folder / PROVENANCE).write_text(f"{text}\n", encoding="utf-8")


def _is_told(name: str, told: Iterable[str]) -> bool:
    return any(name == each or name.split()[0] == each.rpartition("/")[2] for each in told)


def _kept(rows: Iterable[Row], *, small: bool) -> Iterable[Row]:
    return [row for row in rows if not small or row["gpu_name"] or (row["provider"], row["region"]) in _SMALL]


def _place(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["provider"], row["instance_type"], row["region"]


def _told(fetched: Fetched) -> dict[str, Any]:
    source = fetched.source
    return {
        "repository": source.repository,
        "name": source.repository.rpartition("/")[2],
        "file": source.page or source.path,
        "licence": source.licence,
        "commit": fetched.commit,
        "day": None if fetched.day is None else fetched.day.isoformat(),
    }
