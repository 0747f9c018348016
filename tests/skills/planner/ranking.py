"""The rankings of the three searches over the catalogue's rows, written anew in Python without the product."""

import math
import re
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

Row = Mapping[str, Any]
HOURS = 730


def monthly(row: Row) -> Decimal:
    """The price of 730 hours to the cent."""
    price: Decimal = row["price_hourly"]
    return (price * HOURS).quantize(Decimal("0.01"), ROUND_HALF_UP)


def instances(rows: Sequence[Row], asked: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The keys of the instances that fit, in their order."""

    def fits(row: Row) -> bool:
        gpus, memory = row["gpu_count"], row["gpu_memory_total_gib"]
        return all(
            (
                row["price_hourly"] > 0,
                asked.get("gpu_needed") in (None, gpus > 0),
                asked.get("gpu_name") is None or str(row["gpu_name"]).upper() == asked["gpu_name"].upper(),
                memory >= asked.get("min_vram_gb", 0),
                row["gpu_memory_gib"] >= asked.get("min_gpu_memory_gb", 0),
                asked.get("bfloat16") in (None, bool(row["bfloat16"])),
                asked.get("provider") in (None, row["provider"]),
                asked.get("region") in (None, row["region"]),
                row["vcpus"] >= asked.get("min_vcpu", 0),
                row["memory_gib"] >= asked.get("min_ram_gb", 0),
                monthly(row) <= asked.get("max_price_monthly", Decimal("Infinity")),
            )
        )

    def order(row: Row) -> tuple[Any, ...]:
        return (
            row["price_hourly"], -row["gpu_memory_total_gib"], -row["gpu_count"], row["provider"],
            row["instance_type"], row["region"],
        )  # fmt: skip

    found = sorted(filter(fits, rows), key=order)
    if asked.get("cheapest_region"):
        types: dict[tuple[str, str], Row] = {}
        for row in sorted(found, key=lambda each: (each["price_hourly"], each["region"])):
            types.setdefault((row["provider"], row["instance_type"]), row)
        found = sorted(types.values(), key=order)
    found = found[: asked["top_k"]]
    return [(row["provider"], row["instance_type"], row["region"]) for row in found]


def charts(rows: Sequence[Row], query: str, top_k: int) -> list[tuple[str, str]]:
    """The charts that a query finds, in their order."""
    wanted = " ".join(query.lower().split())

    def rank(row: Row) -> int | None:
        name = row["name"].lower()
        rest = f"{row['description'] or ''}|{row['keywords'] or ''}".lower()
        hits = (
            name == wanted,
            name.startswith(wanted),
            wanted in name,
            wanted in rest,
            all(word in f"{name}|{rest}" for word in wanted.split()),
        )
        return hits.index(True) if True in hits else None

    ranked = [(rank(row), row) for row in rows]
    found = sorted(
        ((place, row) for place, row in ranked if place is not None),
        key=lambda each: (
            each[0],
            -(each[1]["stars"] or 0),
            not each[1]["official"],
            each[1]["name"],
            each[1]["repository"],
        ),
    )
    return [(row["name"], row["repository"]) for _, row in found[:top_k]]


def models(
    rows: Sequence[Row],
    words: Sequence[str],
    tag: str | None,
    licenses: Sequence[str],
    top_k: int,
    nearness: Mapping[str, float] | None = None,
) -> list[tuple[str, float]]:
    """The models that words find, each with its score, in their order; ``nearness`` is the cosine of each card."""
    tokens = {
        row["model_id"]: set(
            re.findall(
                r"[a-z0-9.]+",
                " ".join(
                    str(row[name] or "") for name in ("model_id", "pipeline_tag", "architecture", "capabilities")
                ).lower(),
            )
        )
        for row in rows
    }
    weights = {word: math.log((len(rows) + 1) / (sum(word in each for each in tokens.values()) + 1)) for word in words}
    allowed = [
        row
        for row in rows
        if (tag is None or row["pipeline_tag"] == tag)
        and (not licenses or (row["license"] or "").lower() in {each.lower() for each in licenses})
    ]
    fame = {
        row["model_id"]: math.log((row["downloads"] or 0) + 1) + math.log((row["likes"] or 0) + 1) for row in allowed
    }
    near = {name: max((nearness or {}).get(name, 0.0), 0.0) for name in fame}
    nearest = max(near.values(), default=0.0)
    best, total = max(fame.values(), default=0), sum(weights.values())
    scored = []
    for row in allowed:
        name = row["model_id"]
        matched = sum(weight for word, weight in weights.items() if word in tokens[name])
        relevance = round(matched / total, 6) if total else 0.0
        if nearness is not None:
            meaning = round(near[name] / nearest, 6) if nearest and name in nearness else 0.0
            relevance = round(0.5 * relevance + 0.5 * meaning, 6)
        popularity = round(fame[name] / best, 6) if best else 0.0
        if relevance > 0:
            scored.append((round(0.6 * relevance + 0.4 * popularity, 6), row["downloads"] or 0, name))
    scored.sort(key=lambda each: (-each[0], -each[1], each[2]))
    return [(name, score) for score, _, name in scored[:top_k]]
