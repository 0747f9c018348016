"""A bill made at random for property tests, and its rows read by plain Python: what every dimension says of a row."""

import json
import random
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.skills import costs_made, ledger

Row = Mapping[str, Any]
FIRST, LAST = date(2023, 11, 1), date(2024, 4, 30)
_EDGES = ("2023-12-31T23:00", "2024-01-01T00:00", "2024-01-31T23:59", "2024-02-29T00:00", "2024-02-29T23:00",
          "2024-03-01T00:00", "2024-03-31T22:00", "2024-04-01T00:00")  # fmt: skip
_SERVICES = (
    ("AWS", "Amazon Elastic Compute Cloud", "Compute", "Virtual Machines"),
    ("AWS", "Amazon Simple Storage Service", "Storage", "Object Storage"),
    ("AWS", "Amazon Bedrock", "AI and Machine Learning", None),
    ("AWS", "Tax", "Other", None),
    ("Microsoft Azure", "Azure OpenAI Service", "AI and Machine Learning", "Generative AI"),
    ("Google Cloud", "Google Kubernetes Engine", "Compute", "Containers"),
    ("Google Cloud", "BigQuery", "Databases", None),
    ("OpenAI", "OpenAI API", "AI and Machine Learning", "Generative AI"),
    ("GitHub", "GitHub Enterprise", "Developer Tools", None),
)
_TAGS: tuple[dict[str, Any] | None, ...] = (
    None,
    {},
    {"environment": "prod", "team": {"lead": "ann", "name": "Core"}},
    {"environment": "dev", "cost.center": "CC-1"},
    {"environment": "", "a b": "x'y"},
    {"team": {"name": "Edge"}, "cost": {"center": "CC-2"}, "size": 5},
)
_PLACES = (
    (None, None, None, None),
    ("T1", "Platform", "/D1/T1", "Engineering / Platform"),
    ("T2", "R&D, Köln", "/D1/T2", "Engineering / R&D, Köln"),
    ("T3", "Search", "/D2/P1/T3", "Product / Discovery / Search"),
    ("D1", "Engineering", "/D1", "Engineering"),
)


def bill(count: int = 700, seed: int = 14) -> list[dict[str, Any]]:
    """Rows of three currencies: hours and month ends, credits and corrections, with and without tags and teams."""
    chance = random.Random(seed)
    return [_row(chance, number) for number in range(count)]


def _row(chance: random.Random, number: int) -> dict[str, Any]:
    provider, service, category, subcategory = chance.choice(_SERVICES)
    start = _instant(chance)
    entity_id, entity, path, names = chance.choice(_PLACES)
    invoiced = start.replace(day=1, hour=0, minute=0)
    correction = chance.random() < 0.1
    period = (invoiced + timedelta(days=32)).replace(day=1) if correction else invoiced
    amount = Decimal(chance.randint(-5_000, 100_000)).scaleb(chance.choice((-9, -4, -2)))
    quantity = chance.choice((None, Decimal(chance.randint(1, 9_000)).scaleb(-2)))
    zone = chance.choice((None, "us-east-1a", "us-east-1b"))
    commitment = chance.choice((None, None, ("sp-1", "Savings Plan"), ("ri-1", None)))
    account = chance.choice((None, ("111", "production"), ("222", "222"), ("333", "production")))
    category_of_charge = chance.choice(("Usage", "Usage", "Usage", "Tax", "Credit", "Purchase"))
    return costs_made.row(
        start,
        str(amount),
        BillingAccountId=f"payer-{number % 2}",
        BillingAccountName="Main",
        SubAccountId=account and account[0],
        SubAccountName=account and account[1],
        BillingPeriodStart=period,
        BillingPeriodEnd=(period + timedelta(days=32)).replace(day=1),
        BillingCurrency=chance.choice(("USD", "USD", "EUR", "JPY")),
        EffectiveCost=(amount / 2).quantize(Decimal("0.000000001")),
        ListCost=amount * 2,
        ContractedCost=amount + 1,
        ServiceProviderName=provider,
        PublisherName=chance.choice((None, provider, "Acme Market")),
        HostProviderName=provider,
        InvoiceIssuerName=chance.choice((provider, "Reseller")),
        ServiceName=service,
        ServiceCategory=category,
        ServiceSubcategory=subcategory,
        RegionId=chance.choice((None, "us-east-1", "eu-west-1")),
        RegionName=chance.choice((None, "US East")),
        AvailabilityZone=zone,
        ResourceId=chance.choice((None, "i-1", "i-2")),
        ResourceName=chance.choice((None, "web", "db")),
        ResourceType=chance.choice((None, "Instance")),
        SkuId=chance.choice((None, "sku-1", "sku-2")),
        SkuMeter=chance.choice((None, "Data Transfer Out", "Compute Usage")),
        SkuPriceId=chance.choice((None, "price-1")),
        ChargeCategory=category_of_charge,
        ChargeClass="Correction" if correction else None,
        ChargeFrequency=chance.choice((None, "Usage-Based", "Recurring")),
        ChargeDescription=chance.choice((None, "a charge")),
        PricingCategory=chance.choice((None, "Standard", "Committed")),
        PricingCurrency=chance.choice((None, "USD")),
        PricingUnit=chance.choice((None, "Hours")),
        PricingQuantity=quantity,
        ConsumedUnit=None if quantity is None else chance.choice(("Hours", "GB")),
        ConsumedQuantity=quantity,
        ListUnitPrice=chance.choice((None, Decimal("0.25"))),
        ContractedUnitPrice=chance.choice((None, Decimal("0.2"))),
        CommitmentDiscountId=commitment and commitment[0],
        CommitmentDiscountName=commitment and commitment[1],
        CommitmentDiscountType=commitment and "Savings Plan",
        CommitmentDiscountCategory=commitment and "Spend",
        CommitmentDiscountStatus=commitment and chance.choice(("Used", "Unused")),
        CapacityReservationId=chance.choice((None, "cr-1")),
        CapacityReservationStatus=chance.choice((None, "Unused")),
        InvoiceId=chance.choice((None, f"inv-{period:%Y-%m}")),
        Tags=chance.choice(_TAGS),
        x_hierarchy_entity_id=entity_id,
        x_hierarchy_entity_name=entity,
        x_hierarchy_path=path,
        x_hierarchy_path_names=names,
        x_genai_model=chance.choice((None, "gpt-5")) if provider == "OpenAI" else None,
        x_service_model="SaaS" if provider == "GitHub" else None,
        x_cloud_provider=None if provider in ("GitHub", "OpenAI") else "a cloud",
    )


def _instant(chance: random.Random) -> datetime:
    if chance.random() < 0.3:
        return datetime.fromisoformat(chance.choice(_EDGES)).replace(tzinfo=UTC)
    day = FIRST + timedelta(days=chance.randrange((LAST - FIRST).days + 1))
    return datetime(day.year, day.month, day.day, chance.randrange(24), tzinfo=UTC)


# Dimension -> the columns that say it, the first that is there, and the label of a row that has none of them.
_COLUMNS: Mapping[str, tuple[tuple[str, ...], str | None]] = {
    "provider": (("ServiceProviderName",), None),
    "publisher": (("PublisherName", "ServiceProviderName"), None),
    "host_provider": (("HostProviderName",), None),
    "invoice_issuer": (("InvoiceIssuerName",), None),
    "service": (("ServiceName",), None),
    "service_category": (("ServiceCategory",), None),
    "service_subcategory": (("ServiceSubcategory",), "No subcategory"),
    "region": (("RegionId", "RegionName"), "No region"),
    "availability_zone": (("AvailabilityZone",), "No zone"),
    "resource": (("ResourceName", "ResourceId"), "No resource"),
    "resource_id": (("ResourceId",), "No resource"),
    "resource_type": (("ResourceType",), "No resource type"),
    "sku": (("SkuId",), "No SKU"),
    "sku_meter": (("SkuMeter",), "No meter"),
    "sku_price": (("SkuPriceId",), "No price"),
    "charge_category": (("ChargeCategory",), None),
    "charge_class": (("ChargeClass",), "Regular"),
    "charge_frequency": (("ChargeFrequency",), "Not stated"),
    "charge_description": (("ChargeDescription",), "Not stated"),
    "pricing_category": (("PricingCategory",), "Not stated"),
    "pricing_currency": (("PricingCurrency",), "Not stated"),
    "pricing_unit": (("PricingUnit",), "No unit"),
    "consumed_unit": (("ConsumedUnit",), "No unit"),
    "list_unit_price": (("ListUnitPrice",), "Not stated"),
    "contracted_unit_price": (("ContractedUnitPrice",), "Not stated"),
    "commitment": (("CommitmentDiscountName", "CommitmentDiscountId"), "No commitment"),
    "commitment_id": (("CommitmentDiscountId",), "No commitment"),
    "commitment_type": (("CommitmentDiscountType",), "No commitment"),
    "commitment_category": (("CommitmentDiscountCategory",), "No commitment"),
    "commitment_status": (("CommitmentDiscountStatus",), "No commitment"),
    "capacity_reservation": (("CapacityReservationId",), "No reservation"),
    "capacity_status": (("CapacityReservationStatus",), "No reservation"),
    "invoice": (("InvoiceId",), "No invoice"),
    "currency": (("BillingCurrency",), None),
    "team": (("x_hierarchy_entity_name",), "Unallocated"),
    "entity": (("x_hierarchy_entity_name",), "Unallocated"),
    "model": (("x_genai_model",), "No model"),
}
_ALSO = {
    "region": ("RegionId", "RegionName"),
    "resource": ("ResourceId", "ResourceName"),
    "billing_account": ("BillingAccountId", "BillingAccountName"),
    "sub_account": ("SubAccountId", "SubAccountName"),
    "commitment": ("CommitmentDiscountId", "CommitmentDiscountName"),
}
NAMES = (
    *_COLUMNS,
    *("cost_type", "billing_account", "sub_account", "billing_period", "hour", "day", "weekday", "week", "month"),
    *("quarter", "year", "fiscal_quarter", "fiscal_year", "department", "level:1", "level:2", "level:3"),
    *("tag:environment", "tag:team", "tag:team.name", "tag:cost.center", "tag:size", "tag:a b", "tag:none"),
)


def instant_of(row: Row, basis: str) -> datetime:
    """The time by which a row counts."""
    value: datetime = row["ChargePeriodStart" if basis == "charge" else "BillingPeriodStart"]
    return value


def value_of(row: Row, name: str, basis: str = "charge", fiscal: int = 1) -> str | None:
    """What a dimension says of a row; None where it says nothing."""
    if name in _COLUMNS:
        return next((_text(row[column]) for column in _COLUMNS[name][0] if row.get(column) is not None), None)
    if name.startswith("tag:"):
        return _tag(row.get("Tags"), name.removeprefix("tag:"))
    if name == "department" or name.startswith("level:"):
        names = (row.get("x_hierarchy_path_names") or "").split(" / ")
        level = 1 if name == "department" else int(name[-1])
        return names[level - 1] if row.get("x_hierarchy_path_names") and level <= len(names) else None
    match name:
        case "cost_type":
            return ledger.cost_type(row)
        case "billing_account" | "sub_account":
            known, called = row.get(_ALSO[name][0]), row.get(_ALSO[name][1])
            return known if known is None or called in (None, known) else f"{called} ({known})"
        case "billing_period":
            return f"{row['BillingPeriodStart']:%Y-%m}"
    return _time(instant_of(row, basis), name, fiscal)


def _time(moment: datetime, name: str, fiscal: int) -> str:
    day = moment.date()
    match name:
        case "hour":
            return f"{moment:%Y-%m-%d %H:00}"
        case "day":
            return day.isoformat()
        case "weekday":
            return f"{day:%A}"
        case "week":
            return (day - timedelta(days=day.weekday())).isoformat()
        case "month":
            return f"{day:%Y-%m}"
        case "quarter":
            return f"{day.year}-Q{(day.month + 2) // 3}"
        case "year":
            return str(day.year)
    begun = day.year if day.month >= fiscal else day.year - 1
    year = f"FY{begun}" if fiscal == 1 else f"FY{begun}/{(begun + 1) % 100:02}"
    return year if name == "fiscal_year" else f"{year} Q{(day.month - fiscal) % 12 // 3 + 1}"


def _text(value: Any) -> str:
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)


def _tag(tags: Mapping[str, Any] | None, key: str) -> str | None:
    there: Any = tags or {}
    if key not in there:
        for part in key.split("."):
            there = there.get(part) if isinstance(there, Mapping) else None
    else:
        there = there[key]
    if there is None or isinstance(there, str):
        return there
    # Objects are shown as BigQuery writes JSON; of a nested one only the whole key is.
    return json.dumps(there, separators=(",", ":"), sort_keys=True)


def label_of(row: Row, name: str, basis: str = "charge", fiscal: int = 1) -> str:
    """What a row counts under."""
    value = value_of(row, name, basis, fiscal)
    if value is not None:
        return value
    if name in _COLUMNS:
        return str(_COLUMNS[name][1])
    if name.startswith("tag:"):
        return "untagged"
    return {"billing_account": "No billing account", "sub_account": "No sub account"}.get(name, "Unallocated")


def meets(row: Row, name: str, op: str, values: Iterable[str], fiscal: int = 1) -> bool:
    """Whether a row meets a filter, given names as the data has them."""
    if op in ("is_null", "not_null"):
        return (value_of(row, name, fiscal=fiscal) is None) == (op == "is_null")
    also = [_text(row[column]) for column in _ALSO.get(name, ()) if row.get(column)]
    texts = [label_of(row, name, fiscal=fiscal), *also]
    if name == "entity":
        for column, between in (("x_hierarchy_path_names", " / "), ("x_hierarchy_path", "/")):
            texts += (row.get(column) or "").split(between)
    texts = [text.lower() for text in texts]
    asked = [value.lower() for value in values]
    if op == "contains":
        return any(value in text for value in asked for text in texts)
    return any(text in asked for text in texts) == (op == "in")
