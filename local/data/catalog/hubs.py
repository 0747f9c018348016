"""Refreshes charts from their repositories' indexes, and models from the facts that one source carries of the hub."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import yaml

from local.data.catalog.checking import RELEASE
from local.data.catalog.sources import Fetched, Source, SourceError
from local.data.rows import Row

LEAST_DOWNLOADS = 2_000
# Others' weights in another packing, and models for tests or for adults.
_LEFT_OUT = re.compile(
    r"gguf|gptq|awq|mlx|exl2|bnb|-4bit|-8bit|int4|int8|fp8|nvfp4|w4a16|w8a8|quantized|tiny-random|tiny-dummy|testing"
    r"|unit-test|nsfw|uncensored|abliterated|porn|erotic",
    re.IGNORECASE,
)
_UNKNOWN = ("", "unknown", "other")


def indexes(charts: Iterable[Row]) -> list[Source]:
    """The index of each repository of charts that has one; registries of images have none."""
    known = {row["repository"]: row for row in charts if row["repository_url"].startswith("https://")}
    return [
        Source(name, "index.yaml", row["license"] or "as the repository says", f"{row['repository_url']}/index.yaml")
        for name, row in sorted(known.items())
    ]


def of_charts(charts: Iterable[Row], fetched: Sequence[Fetched]) -> Iterator[Row]:
    """Yield the charts with the versions of their repositories' indexes; their words stay as they are.

    Charts of a registry of images stay whole, with the day that they had. Raises SourceError.
    """
    known = {each.source.repository: _index(each) for each in fetched}
    for row in charts:
        if row["repository"] not in known:
            yield row
            continue
        day, entries = known[row["repository"]]
        versions = entries.get(row["name"]) or []
        newest = next((each for each in versions if RELEASE.fullmatch(str(each.get("version")))), None)
        if newest is None:
            # The repository has no such chart any more.
            continue
        yield row | {
            "version": str(newest["version"]),
            "app_version": str(newest["appVersion"]) if newest.get("appVersion") else None,
            "kube_version": newest.get("kubeVersion"),
            "deprecated": bool(newest.get("deprecated", False)),
            "released": True,
            "snapshot_date": day,
        }


def _index(fetched: Fetched) -> tuple[date, Mapping[str, Any]]:
    try:
        said = yaml.load(fetched.text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  # both are safe
        generated, entries = said["generated"], said["entries"]
        moment = generated if isinstance(generated, datetime) else datetime.fromisoformat(str(generated))
        assert isinstance(entries, dict)
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AssertionError) as error:
        raise SourceError(f"{fetched.source.place}: it is no index of charts with a day.") from error
    return moment.date(), entries


def of_models(models: Sequence[Row], fetched: Fetched) -> Iterator[Row]:
    """Yield the models that the source carries, and those of other sources as they are. Raises SourceError."""
    name = fetched.source.repository.rpartition("/")[2]
    if fetched.day is None or fetched.commit is None:
        raise SourceError(f"{fetched.source.place}: it has no date, so its facts cannot be told from old ones.")
    before = {row["model_id"]: row for row in models}
    taken = set()
    for each in _listed(fetched):
        row = _model(each, before.get(each["name"], {}), fetched.day, f"{name} {fetched.commit[:12]}")
        if row is not None and row["model_id"] not in taken:
            taken.add(row["model_id"])
            yield row
    yield from (row for row in models if row["source"].split()[0] != name and row["model_id"] not in taken)


def _listed(fetched: Fetched) -> list[dict[str, Any]]:
    try:
        listed = json.loads(fetched.text)
        assert isinstance(listed, list)
        assert all(isinstance(each, dict) and isinstance(each.get("name"), str) for each in listed)
    except (ValueError, AssertionError) as error:
        raise SourceError(f"{fetched.source.place}: it is no list of models with names.") from error
    return listed


def _model(said: Mapping[str, Any], known: Mapping[str, Any], day: date, source: str) -> Row | None:
    """The row of a model. Returns None for one that few use, another's in other packing, and one for tests."""
    name = said["name"]
    downloads, size = said.get("hf_downloads") or 0, said.get("parameters_raw") or 0
    if downloads < LEAST_DOWNLOADS or _LEFT_OUT.search(name) or not re.fullmatch(r"[\w.-]+/[\w.-]+", name) or size <= 0:
        return None
    told = {
        "pipeline_tag": said.get("pipeline_tag"),
        "license": said.get("license"),
        "architecture": said.get("architecture"),
        "capabilities": "|".join(said.get("capabilities") or ()),
    }
    # What the source does not say now stays as it was known.
    facts = {key: value if value not in (None, *_UNKNOWN) else known.get(key) for key, value in told.items()}
    shape = {
        "layers": said.get("num_hidden_layers"),
        "kv_heads": said.get("num_key_value_heads"),
        "head_dim": said.get("head_dim"),
    }
    return {
        "model_id": name,
        "author": name.partition("/")[0],
        **facts,
        "parameters": size,
        "active_parameters": said.get("active_parameters"),
        **{key: value or known.get(key) for key, value in shape.items()},
        "precision": known.get("precision"),
        "downloads": downloads,
        "likes": said.get("hf_likes") or 0,
        "release_date": _day(said.get("release_date")) or known.get("release_date"),
        "snapshot_date": day,
        "source": source,
    }


def _day(text: object) -> date | None:
    try:
        return date.fromisoformat(str(text)[:10])
    except ValueError:
        return None
