"""Costs summed again, from the rows alone, in plain Python: what the tools' figures are held against."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

Row = Mapping[str, Any]
GENAI_VENDORS = {
    "openai",
    "anthropic",
    "google gemini",
    "gemini",
    "google ai",
    "deepseek",
    "mistral",
    "mistral ai",
    "cohere",
}
# What is in the name of a service that sells models, also where a cloud sells them.
GENAI_WORDS = ("bedrock", "openai", "vertex ai", "generative ai", "gemini", "claude", "gpt-", "llama", "mistral")


@dataclass(frozen=True, slots=True)
class Sums:
    billed: Decimal
    effective: Decimal
    items: int


def day_of(row: Row) -> date:
    start: datetime = row["ChargePeriodStart"]
    return start.astimezone(UTC).date()


def is_fee(row: Row) -> bool:
    """Whether a charge comes once in a while, whatever was used."""
    return row.get("ChargeCategory") in ("Purchase", "Tax") or row.get("ChargeFrequency") in ("Recurring", "One-Time")


def cost_type(row: Row) -> str:
    if row.get("x_genai_provider") or row.get("x_genai_cost_type"):
        return "genai"
    words = f"{row['ServiceName']} {row.get('SkuMeter') or ''}".lower()
    if row.get("ServiceSubcategory") == "Generative AI" or any(word in words for word in GENAI_WORDS):
        return "genai"
    if row["ServiceProviderName"].lower() in GENAI_VENDORS:
        return "genai"
    return "subscription" if row.get("x_service_model") == "SaaS" and not row.get("x_cloud_provider") else "cloud"


def key(row: Row, name: str) -> str:
    """What a row counts under, as JSON shows it."""
    day = day_of(row)
    match name:
        case "provider":
            value = row["ServiceProviderName"]
        case "service":
            value = row["ServiceName"]
        case "service_category":
            value = row["ServiceCategory"]
        case "cost_type":
            value = cost_type(row)
        case "team":
            value = row.get("x_hierarchy_entity_name") or "Unallocated"
        case "region":
            value = row.get("RegionId") or row.get("RegionName") or "No region"
        case "model":
            value = row.get("x_genai_model") or "No model"
        case "day":
            value = day.isoformat()
        case "week":
            value = (day - timedelta(days=day.isoweekday() - 1)).isoformat()
        case "month":
            value = f"{day.year:04}-{day.month:02}"
        case _:
            raise ValueError(name)
    return str(value)


def between(rows: Iterable[Row], start: date, end: date) -> list[Row]:
    """The rows of the days from start to end, both included."""
    return [row for row in rows if start <= day_of(row) <= end]


def add(rows: Iterable[Row]) -> Sums:
    billed, effective, items = Decimal(), Decimal(), 0
    for row in rows:
        billed += row["BilledCost"]
        effective += row["EffectiveCost"]
        items += 1
    return Sums(billed, effective, items)


def grouped(rows: Iterable[Row], *names: str) -> dict[tuple[str, ...], Sums]:
    """Sums per (value of each name…, currency)."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault((*(key(row, name) for name in names), row["BillingCurrency"]), []).append(row)
    return {group: add(members) for group, members in groups.items()}


def per_currency(rows: Iterable[Row]) -> dict[str, Sums]:
    return {group[0]: sums for group, sums in grouped(rows).items()}
