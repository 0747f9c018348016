"""The common fields of demo cost rows, and rows as newline-delimited JSON."""

import base64
import json
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any

from common.warehouse import schema
from local.data import calendar
from local.data.organizations import Entity, Organization, entities

Row = dict[str, Any]
NINE_PLACES = Decimal("0.000000001")
CENTS = Decimal("0.01")
ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
EMPTY: Row = dict.fromkeys(field.name for field in schema.load("tenant", "cost_data_standard_1_3").fields)
NO_HIERARCHY: Row = {
    "x_hierarchy_entity_id": None,
    "x_hierarchy_entity_name": None,
    "x_hierarchy_level_code": None,
    "x_hierarchy_path": None,
    "x_hierarchy_path_names": None,
}


def numeric(value: Decimal) -> Decimal:
    """Round as BigQuery's NUMERIC does: half away from zero, to nine decimals."""
    return value.quantize(NINE_PLACES, ROUND_HALF_UP)


def cents(value: Decimal) -> Decimal:
    """Round to the cent, as an invoice does."""
    return value.quantize(CENTS, ROUND_HALF_UP)


def hierarchy(entity: Entity | None) -> Row:
    """Return the hierarchy columns of a row attributed to ``entity``, all NULL for an unallocated one."""
    if entity is None:
        return NO_HIERARCHY
    return {
        "x_hierarchy_entity_id": entity.entity_id,
        "x_hierarchy_entity_name": entity.name,
        "x_hierarchy_level_code": entity.level_code,
        "x_hierarchy_path": entity.path,
        "x_hierarchy_path_names": " / ".join(entity.path_names),
    }


def template(organization: Organization, provider: str, pipeline: str, team: str) -> Row:
    """Return a cost row with everything that does not change from day to day for one provider and team."""
    entity = entities(organization.slug)[team] if team else None
    return EMPTY | {
        "BillingAccountId": f"{pipeline}-{organization.slug}",
        "BillingAccountName": organization.company_name,
        "BillingAccountType": "Billing Account",
        "BillingCurrency": organization.currency,
        "PricingCurrency": organization.currency,
        "ChargeCategory": "Usage",
        "ChargeFrequency": "Usage-Based",
        "HostProviderName": provider,
        "InvoiceIssuerName": provider,
        "PricingCategory": "Standard",
        "ProviderName": provider,
        "PublisherName": provider,
        "ServiceProviderName": provider,
        "x_source_system": f"{pipeline}-export",
        "x_amortization_class": "None",
        "x_cost_allocation_key": entity.cost_centre if entity else None,
        "x_exchange_rate_used": 1.0,
        "x_original_currency": organization.currency,
        "x_org_slug": organization.slug,
        "x_org_name": organization.company_name,
        "x_org_owner_email": organization.admin_email,
        "x_org_default_currency": organization.currency,
        "x_org_default_timezone": organization.timezone,
        "x_org_default_country": organization.country,
        "x_org_subscription_plan": organization.plan,
        "x_org_subscription_status": "ACTIVE",
        "x_pipeline_id": f"{pipeline}-cost-daily",
        "x_credential_id": f"demo-{organization.slug}-{pipeline}",
        "x_data_quality_score": 1.0 if entity else 0.9,
        **hierarchy(entity),
    }


def dated(organization: Organization, pipeline: str, day: date, today: date) -> Row:
    """Return the columns that say when a charge of ``day`` arose, was billed and was ingested."""
    ingested_on = min(day + timedelta(days=1), today)
    ingested_at = calendar.midnight(ingested_on) + timedelta(minutes=5)
    return {
        "BillingPeriodStart": calendar.midnight(day.replace(day=1)),
        "BillingPeriodEnd": calendar.midnight(calendar.months_before(day, -1)),
        "ChargePeriodStart": calendar.midnight(day),
        "ChargePeriodEnd": calendar.midnight(day + timedelta(days=1)),
        "InvoiceId": f"{pipeline}-{organization.slug}-{day:%Y-%m}",
        "x_ingestion_date": ingested_on,
        "x_pipeline_run_date": day,
        "x_run_id": f"demo-run-{organization.slug}-{pipeline}-{ingested_on:%Y%m%d}",
        "x_ingested_at": ingested_at,
        "x_created_at": ingested_at,
        "x_updated_at": ingested_at,
        "x_hierarchy_validated_at": ingested_at,
    }


def costs(listed: Decimal, contracted: Decimal, billed: Decimal, effective: Decimal) -> Row:
    """Return the four costs of a charge, each rounded as it will be stored."""
    billed = numeric(billed)
    return {
        "ListCost": numeric(listed),
        "ContractedCost": numeric(contracted),
        "BilledCost": billed,
        "EffectiveCost": numeric(effective),
        "x_original_cost": billed,
    }


def to_json(row: Mapping[str, Any]) -> str:
    """Return a row as one line of JSON that a BigQuery load job reads; NULL columns are left out."""
    columns = [
        _repeated(name, value) if type(value) in _REPEATING else f'"{name}":{_written(value)}'
        for name, value in row.items()
        if value is not None
    ]
    return "{" + ",".join(columns) + "}"


@lru_cache(maxsize=65_536)
def _repeated(name: str, value: str | datetime | date) -> str:
    """Most of a row is the same in many rows: its text is kept, which halves the time of writing."""
    return f'"{name}":{ENCODER.encode(value if isinstance(value, str) else str(value))}'


_REPEATING = frozenset({str, datetime, date})


def _written(value: object) -> str:
    if isinstance(value, Decimal):
        return f'"{value:f}"'
    if isinstance(value, bytes):
        return f'"{base64.b64encode(value).decode("ascii")}"'
    return ENCODER.encode(value)
