"""Small FOCUS rows made for the tests: month ends, leap days, currencies, credits, and what has no team or region."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any


def row(start: datetime, billed: str, **columns: Any) -> dict[str, Any]:
    """A row with every required column; EffectiveCost differs from BilledCost unless given."""
    cost = Decimal(billed)
    first = start.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return {
        "BillingAccountId": "account-1",
        "BilledCost": cost,
        "BillingCurrency": "USD",
        "BillingPeriodStart": first,
        "BillingPeriodEnd": (first + timedelta(days=32)).replace(day=1),
        "ChargeCategory": "Credit" if cost < 0 else "Usage",
        "ChargePeriodStart": start,
        "ChargePeriodEnd": start + timedelta(hours=1),
        "ContractedCost": cost,
        "EffectiveCost": (cost * Decimal("0.75")).quantize(Decimal("0.000000001")),
        "HostProviderName": "AWS",
        "InvoiceIssuerName": "AWS",
        "ListCost": cost,
        "ServiceCategory": "Compute",
        "ServiceName": "Amazon EC2",
        "ServiceProviderName": "AWS",
        "x_cloud_provider": "aws",
        "x_ingestion_date": date(2025, 1, 1),
        "x_pipeline_id": "made",
        "x_credential_id": "made",
        "x_pipeline_run_date": date(2025, 1, 1),
        "x_run_id": "made",
        "x_ingested_at": datetime(2025, 1, 1, tzinfo=UTC),
    } | columns


_SAAS = {"ServiceCategory": "Developer Tools", "x_service_model": "SaaS", "x_cloud_provider": None}
_KINDS: tuple[dict[str, Any], ...] = (
    {"RegionId": "us-east-1", "RegionName": "US East", "x_hierarchy_entity_name": "Platform"},
    {"ServiceName": "Amazon S3", "ServiceCategory": "Storage", "RegionName": "US West (Oregon)"},
    {"ServiceProviderName": "Google Cloud", "ServiceName": "BigQuery", "ServiceCategory": "Databases"},
    {"ServiceProviderName": "Microsoft", "ServiceName": "Virtual Machines", "BillingCurrency": "EUR"},
    {"ServiceProviderName": "OpenAI", "ServiceName": "OpenAI API", "x_genai_model": "gpt-5", "x_cloud_provider": None},
    {"ServiceName": "Amazon Bedrock", "x_genai_cost_type": "payg", "x_genai_model": "claude"},
    {"ServiceProviderName": "GitHub", "ServiceName": "GitHub Teams", "x_hierarchy_entity_name": "Platform", **_SAAS},
    {"ServiceProviderName": "GitHub", "ServiceName": "Copilot", "BillingCurrency": "EUR", **_SAAS},
    {"ServiceName": "Marketplace", **_SAAS, "x_cloud_provider": "aws"},
    {"ServiceProviderName": "Straße & Söhne", "ServiceName": "Hosting", "x_hierarchy_entity_name": "R&D, Köln"},
)

_INSTANTS = tuple(
    datetime.fromisoformat(text).replace(tzinfo=UTC)
    for text in (
        "2023-02-28T23:59:59.999999",
        "2023-03-01T00:00:00",
        "2023-12-31T00:00:00",
        "2023-12-31T23:59:59.999999",
        "2024-01-01T00:00:00",
        "2024-01-31T23:00:00",
        "2024-02-01T00:00:00",
        "2024-02-28T12:00:00",
        "2024-02-29T00:00:00",
        "2024-02-29T23:59:59.999999",
        "2024-03-01T00:00:00",
        "2024-03-31T23:30:00",
        "2024-04-01T00:00:00",
        "2024-09-01T23:00:00",
        "2024-09-02T00:00:00",
        "2024-09-30T23:59:59",
        "2024-10-01T00:00:00",
        "2024-12-29T23:59:59",
        "2024-12-30T00:00:00",
        "2024-12-31T23:59:59",
    )
)


def edges() -> Iterator[dict[str, Any]]:
    """Every kind of row at every awkward instant, with awkward amounts, and a currency that adds up to zero."""
    amounts = ("100.10", "0.000000001", "-12.345678901", "7", "0", "33.333333333", "1234567.89")
    number = 0
    for instant in _INSTANTS:
        for kind in _KINDS:
            number += 1
            yield row(instant, amounts[number % len(amounts)], **kind)
        yield row(instant, "500", BillingCurrency="JPY", ServiceName="Refunded", ServiceProviderName="Oracle")
        yield row(instant, "-500", BillingCurrency="JPY", ServiceName="Refund", ServiceProviderName="Oracle")


def many_services(count: int, day: date) -> Iterator[dict[str, Any]]:
    """One row each for ``count`` services in dollars, and three in euros that cost less than any of them."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    for number in range(count):
        yield row(start, str(number + 10), ServiceName=f"service-{number:04}")
    for number in range(3):
        yield row(start, str(number + 1), ServiceName=f"service-{number:04}", BillingCurrency="EUR")


def steady(days: int, end: date) -> Iterator[dict[str, Any]]:
    """Ten dollars a day up to ``end``, and a hundred times as much on the day after it."""
    for number in range(days):
        day = end - timedelta(days=number)
        yield row(datetime(day.year, day.month, day.day, 12, tzinfo=UTC), "10")
    after = end + timedelta(days=1)
    yield row(datetime(after.year, after.month, after.day, 1, tzinfo=UTC), "1000")
