"""A small bill that never changes: one organisation with costs, usage, alerts and runs, and one with nothing."""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from google.cloud import bigquery

from local.data import warehouse
from tests.skills import costs_made

ORG, OTHER = "fixed_inc", "other_inc"
ADMIN_KEY, MEMBER_KEY, EXPIRED_KEY, OTHER_KEY = (
    f"fixed-{name}-key" for name in ("admin", "member", "expired", "other")
)
# The shared tables' rows, by table.
SHARED = Path(__file__).with_name("shared_rows.json")
FIRST_DAY, DAYS = date(2025, 5, 1), 48
_MADE = "2025-01-01T00:00:00+00:00"
_GENAI = {
    "ServiceProviderName": "OpenAI",
    "ServiceName": "OpenAI API",
    "ServiceCategory": "AI and Machine Learning",
    "x_cloud_provider": None,
    "x_genai_provider": "openai",
    "x_genai_model": "gpt-5",
    "x_genai_cost_type": "payg",
}
_BUCKETS = {"ServiceName": "Amazon S3", "ServiceCategory": "Storage", "RegionId": "us-east-1", "RegionName": "US East"}
_SEATS = {
    "ServiceProviderName": "GitHub",
    "ServiceName": "GitHub Teams",
    "ServiceCategory": "Developer Tools",
    "x_service_model": "SaaS",
    "x_cloud_provider": None,
    "BillingCurrency": "EUR",
}
Row = dict[str, Any]


def load(client: bigquery.Client) -> None:
    """Create the datasets and fill the tables that the requests read."""
    warehouse.create(client, (ORG, OTHER))
    tables: dict[str, list[Row]] = {
        f"{ORG}_prod.{warehouse.COSTS}": list(_costs()),
        f"{ORG}_prod.{warehouse.USAGE}": list(_usage()),
        **{f"organizations.{table}": rows for table, rows in json.loads(SHARED.read_text("utf-8")).items()},
        "organizations.org_profiles": [_profile(ORG, "Fixed Ltd"), _profile(OTHER, "Other Ltd")],
        "organizations.org_api_keys": list(_keys()),
    }
    jobs = [
        client.load_table_from_json([_plain(row) for row in rows], f"{client.project}.{table}")
        for table, rows in tables.items()
    ]
    for job in jobs:
        job.result()


def _costs() -> Iterator[Row]:
    """Three services a day, dearer at the end of a week, and a subscription in another currency once a month."""
    for number in range(DAYS):
        day = FIRST_DAY + timedelta(days=number)
        start = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        yield costs_made.row(start, f"{100 + 7 * (number % 7)}.25", x_hierarchy_entity_name="Platform")
        yield costs_made.row(start, f"{20 + number}.5", **_BUCKETS)
        yield costs_made.row(start, f"{3 + number % 5}.125", **_GENAI)
        if day.day == 1:
            yield costs_made.row(start, "49", **_SEATS)


def _usage() -> Iterator[Row]:
    for number in range(DAYS):
        day = FIRST_DAY + timedelta(days=number)
        sent, written, cached = 1_000_000 + 1_000 * number, 100_000 + 100 * number, 50_000
        yield {
            "usage_date": day,
            "cost_type": "payg",
            "provider": "openai",
            "model": "gpt-5",
            "input_tokens": sent,
            "output_tokens": written,
            "cached_tokens": cached,
            "total_tokens": sent + written + cached,
            "request_count": 100 + number,
            "x_ingestion_id": f"made-{number}",
            "x_ingestion_date": day,
            "x_org_slug": ORG,
            "x_genai_provider": "openai",
            "x_pipeline_id": "made",
            "x_credential_id": "made",
            "x_pipeline_run_date": day,
            "x_run_id": "made",
            "x_ingested_at": _MADE,
        }


def _profile(org: str, name: str) -> Row:
    return {
        "org_slug": org,
        "company_name": name,
        "admin_email": "admin@fixed.example",
        "org_dataset_id": f"{org}_prod",
        "status": "ACTIVE",
        "subscription_plan": "ENTERPRISE",
        "default_currency": "USD",
        "default_country": "US",
        "default_language": "en-US",
        "default_timezone": "UTC",
        "fiscal_year_start_month": 1,
        "created_at": _MADE,
    }


def _keys() -> Iterator[Row]:
    reading = ["chat:read", "chat:write", "alerts:write"]
    writing = [*reading, "settings:write"]
    for org, key, scopes, until in (
        (ORG, ADMIN_KEY, writing, None),
        (ORG, MEMBER_KEY, reading, None),
        (ORG, EXPIRED_KEY, writing, _MADE),
        (OTHER, OTHER_KEY, writing, None),
    ):
        yield {
            "org_api_key_id": f"{key}-id",
            "org_slug": org,
            "org_api_key_hash": hashlib.sha256(key.encode()).hexdigest(),
            "scopes": scopes,
            "is_active": True,
            "created_at": _MADE,
            "expires_at": until,
        }


def _plain(row: Row) -> Row:
    """The row as JSON has it; amounts and moments as text."""
    return {
        name: value if isinstance(value, str | int | list | dict) else str(value)
        for name, value in row.items()
        if value is not None
    }
