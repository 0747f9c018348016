"""Refuses a catalogue that would rank wrongly: what real sources get wrong, one rule each."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from local.data.catalog.reading import Catalog
from local.data.rows import Row

SHOWN = 20
# A provider or table that lost so much of its rows was not read whole, and a price that moved so far is an error.
LEAST_KEPT = Decimal("0.5")
PRICE_JUMP = 10
_ROUNDING = Decimal("0.02")
# More than ten times the dearest machine of 2026.
MOST_HOURLY = 5_000
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Gpu:
    """An accelerator: the sizes of its memory in GiB, bfloat16, and a price per hour that none is rented below."""

    sizes: tuple[int, ...]
    bfloat16: bool
    least_usd: Decimal


GPUS: Mapping[str, Gpu] = {
    name: Gpu(sizes, bfloat16, Decimal(least))
    for name, sizes, bfloat16, least in (
        ("A10", (24,), True, "0.35"),
        ("A10G", (24,), True, "0.35"),
        ("A100", (40, 80), True, "0.9"),
        ("B200", (180,), True, "1.8"),
        ("B300", (270,), True, "2.5"),
        ("H100", (80,), True, "1"),
        ("H200", (141,), True, "1.2"),
        ("L4", (24,), True, "0.25"),
        ("L40S", (48,), True, "0.5"),
        ("MI300X", (192,), True, "1.5"),
        ("RTX-PRO-4500", (32,), True, "0.6"),
        ("RTX-PRO-6000", (96,), True, "1"),
        ("T4", (16,), False, "0.15"),
        ("T4G", (16,), False, "0.12"),
        ("V100", (16, 32), False, "0.7"),
    )
}
# Machines that get a part of an accelerator, whatever their source says.
_PARTS = re.compile(r"Standard_NV(6|12|18)ads_A10_v5|gr?6f\.\w+")
RELEASE = re.compile(r"v?\d+\.\d+\.\d+(-rc\.?\d+)?(\+[\w.]+)?")
_KEYS = {
    "instances": ("provider", "instance_type", "region"),
    "helm_charts": ("name", "repository"),
    "models": ("model_id",),
}


def problems(catalog: Catalog, before: Catalog | None = None) -> list[str]:
    """Return a sentence for each thing that is wrong, by itself or beside the catalogue ``before``."""
    found = [*_twice(catalog)]
    for row in catalog["instances"]:
        found += (f"{_called(row)}: {said}" for said in _of_instance(row))
    found += (f"chart {row['name']}: {said}" for row in catalog["helm_charts"] for said in _of_chart(row))
    found += (f"model {row['model_id']}: {said}" for row in catalog["models"] for said in _of_model(row))
    return [*found, *_lost(catalog, before), *_jumps(catalog, before)] if before else found


def told(found: Sequence[str]) -> str:
    """The first problems as lines, and how many more there are."""
    more = [f"… and {len(found) - SHOWN:,} more"] if len(found) > SHOWN else []
    return "\n".join([*found[:SHOWN], *more])


def _of_instance(row: Row) -> Iterator[str]:
    if row["price_hourly"] < 0:
        yield f"{row['price_hourly']} is no price."
    if row["price_hourly"] == 0:
        yield "a price of 0 says that it is not sold there; leave the row out."
    if row["price_hourly"] > MOST_HOURLY:
        yield f"{row['price_hourly']} is no price of an hour: the most is {MOST_HOURLY:,}."
    if not re.fullmatch(r"[A-Z]{3}", row["currency"]):
        yield f"{row['currency']!r} is no currency."
    elif row["currency"] != "USD":
        yield f"its price is in {row['currency']}, where prices are in USD, so that they can be compared."
    if row["price_date"] > datetime.now(UTC).date():
        yield f"price_date {row['price_date']} is ahead."
    if row["arch"] not in (None, "amd64", "arm64"):
        yield f"arch {row['arch'][:20]!r} is neither amd64 nor arm64."
    yield from (f"{name} is {row[name]}." for name in ("vcpus", "memory_gib") if row[name] <= 0)
    if not all(_NAME.fullmatch(row[name]) for name in _KEYS["instances"]):
        yield "its provider, type or region has characters that no name of one has."
    name, count, each, total = (row[key] for key in ("gpu_name", "gpu_count", "gpu_memory_gib", "gpu_memory_total_gib"))
    if name is None:
        if count or each or total:
            yield "it has GPUs, or memory of some, without a name."
        return
    gpu = GPUS.get(name)
    if gpu is None:
        yield f"{name} is an unknown GPU; add it to the table of GPUs."
        return
    yield from _of_gpu(row, gpu)


def _of_gpu(row: Row, gpu: Gpu) -> Iterator[str]:
    count, each, total = row["gpu_count"], row["gpu_memory_gib"], row["gpu_memory_total_gib"]
    if count <= 0:
        yield f"it has {row['gpu_name']}, but no count or part of one."
        return
    if _PARTS.fullmatch(row["instance_type"]) and count >= 1:
        yield f"it gets a part of one {row['gpu_name']}, not {count}."
    size = each if count >= 1 else each / count
    if not any(abs(size - known) <= known * _ROUNDING for known in gpu.sizes):
        sizes = " or ".join(map(str, gpu.sizes))
        yield f"gpu_memory_gib {each} is not that of {count} {row['gpu_name']}: one has {sizes} GiB."
    if abs(total - each * max(count, 1)) > total * _ROUNDING:
        yield f"gpu_memory_total_gib {total} is not {count} times gpu_memory_gib {each}."
    if row["bfloat16"] is not gpu.bfloat16:
        yield f"bfloat16 must be {str(gpu.bfloat16).lower()} for {row['gpu_name']}."
    if row["currency"] == "USD" and 0 < row["price_hourly"] < gpu.least_usd * count:
        yield f"{row['price_hourly']} USD an hour cannot have {count} {row['gpu_name']} in it."


def _of_chart(row: Row) -> Iterator[str]:
    if row["released"] is not bool(RELEASE.fullmatch(row["version"])):
        yield f"released is {str(row['released']).lower()} for version {row['version']!r}."
    if not re.fullmatch(r"(https|oci)://[\w./-]+", row["repository_url"]):
        yield f"{row['repository_url'][:60]!r} is no address that helm reads."
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", row["name"]) or not re.fullmatch(r"[\w.+-]+", row["version"]):
        yield "its name or version has characters that no chart has."


def _of_model(row: Row) -> Iterator[str]:
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", row["model_id"]):
        yield "its name is not author/name."
    yield from (
        f"{name} is {row[name]}."
        for name in ("parameters", "active_parameters", "layers", "kv_heads", "head_dim")
        if row[name] is not None and row[name] <= 0
    )


def _twice(catalog: Catalog) -> Iterator[str]:
    for table, key in _KEYS.items():
        counted = Counter(" ".join(row[name] for name in key) for row in catalog[table])
        yield from (f"{table}: {each} is there {count} times." for each, count in counted.items() if count > 1)


def _lost(catalog: Catalog, before: Catalog) -> Iterator[str]:
    groups = {"instances": "provider", "helm_charts": None, "models": "source"}
    for table, column in groups.items():
        # Of a source "name version" the name is the same from day to day.
        now, then = (
            Counter(row[column].split()[0] if column else "" for row in rows[table]) for rows in (catalog, before)
        )
        for group, count in sorted(then.items()):
            if now[group] < count * LEAST_KEPT:
                yield f"{table}{' of ' + group if group else ''}: {now[group]:,} rows, where {count:,} were before."


def _jumps(catalog: Catalog, before: Catalog) -> Iterator[str]:
    known: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in before["instances"]:
        known[tuple(row[name] for name in _KEYS["instances"])].append(row)
    for row in catalog["instances"]:
        for old in known[tuple(row[name] for name in _KEYS["instances"])]:
            new, was = row["price_hourly"], old["price_hourly"]
            if old["currency"] == row["currency"] and was and not was / PRICE_JUMP < new < was * PRICE_JUMP:
                yield f"{_called(row)}: {new} on {row['price_date']}, where it was {was} on {old['price_date']}."


def _called(row: Row) -> str:
    return f"{row['provider']} {row['instance_type']} in {row['region']}"
