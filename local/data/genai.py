"""Demo GenAI usage and its cost: tokens per model and team and day, told once and priced from the same numbers."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from random import Random

from local.data import calendar
from local.data.organizations import Organization, entities, table
from local.data.rows import NO_HIERARCHY, Row, cents, costs, dated, hierarchy, template

# vendor: (name as FOCUS's ServiceProviderName, service that is bought)
VENDORS = {
    "openai": ("OpenAI", "OpenAI API"),
    "anthropic": ("Anthropic", "Claude API"),
    "gemini": ("Google Gemini", "Gemini API"),
}
PER_MILLION = Decimal(1_000_000)
# What runs away in the anomaly, and how far: an agent that keeps calling itself.
ANOMALY = {("acme_inc", "openai", "gpt-5", "TEAM-AI"): 14.0}
# Provisioned throughput that acme_inc rents by the day, used or not.
PROVISIONED = {"acme_inc": ("openai", "gpt-5", "TEAM-AI", 50, Decimal("1.20"))}


@dataclass(frozen=True, slots=True)
class Model:
    """The use of one model by one team on a plain day, with the price of a million tokens."""

    vendor: str
    name: str
    team: str
    input_price: Decimal
    cached_price: Decimal
    output_price: Decimal
    daily_requests: float
    input_per_request: float
    output_per_request: float
    cached_share: float
    weekend: float
    growth: float


@dataclass(frozen=True, slots=True)
class Usage:
    """The use of one model by one team on one day. Provisioned units have no tokens of their own."""

    day: date
    vendor: str
    model: str
    team: str
    requests: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    provisioned_units: int | None = None
    used_units: int | None = None

    @property
    def cost_type(self) -> str:
        """``commitment`` for provisioned units, ``payg`` for tokens."""
        return "payg" if self.provisioned_units is None else "commitment"


def models(org: str) -> list[Model]:
    """Return the models a demo organisation uses, one entry per team."""
    return [
        Model(
            vendor=line["vendor"],
            name=line["model"],
            team=line["team"],
            input_price=Decimal(line["input_price"]),
            cached_price=Decimal(line["cached_price"]),
            output_price=Decimal(line["output_price"]),
            **{
                name: float(line[name])
                for name in (
                    "daily_requests",
                    "input_per_request",
                    "output_per_request",
                    "cached_share",
                    "weekend",
                    "growth",
                )
            },
        )
        for line in table("genai_models", org)
    ]


def usage_of_day(org: str, items: list[Model], day: date, today: date) -> list[Usage]:
    """Return everything an organisation used on one day."""
    random = calendar.random_of(org, "genai", day)
    runaway = day in calendar.anomaly_days(today)
    used = [_tokens(org, model, day, runaway, random) for model in items]
    if org in PROVISIONED:
        vendor, name, team, units, _price = PROVISIONED[org]
        busy = calendar.level(day, 0.5, 0.008) * random.gauss(0.62, 0.03)
        used.append(
            Usage(day, vendor, name, team, provisioned_units=units, used_units=min(units, max(1, round(units * busy))))
        )
    return used


def rows_of_day(organization: Organization, items: list[Model], day: date, today: date) -> Iterator[Row]:
    """Yield the cost rows of one day: one per model, team and kind of token."""
    prices = {(model.vendor, model.name, model.team): model for model in items}
    when = {vendor: dated(organization, vendor, day, today) for vendor in VENDORS}
    for usage in usage_of_day(organization.slug, items, day, today):
        if usage.provisioned_units is not None:
            yield _provisioned_row(organization, usage) | when[usage.vendor]
            continue
        model = prices[usage.vendor, usage.model, usage.team]
        for meter, tokens, price in (
            ("Input Tokens", usage.input_tokens, model.input_price),
            ("Cached Input Tokens", usage.cached_tokens, model.cached_price),
            ("Output Tokens", usage.output_tokens, model.output_price),
        ):
            if tokens:
                yield _token_row(organization, usage, meter, tokens, price) | when[usage.vendor]


def usage_row(organization: Organization, usage: Usage, today: date) -> Row:
    """Return the row of genai_usage_daily_unified for one usage."""
    ingested_on = min(usage.day + timedelta(days=1), today)
    ingested_at = calendar.midnight(ingested_on) + timedelta(minutes=5)
    entity = entities(organization.slug)[usage.team] if usage.team else None
    key = f"{usage.day:%Y%m%d}-{usage.vendor}-{usage.model}-{usage.team or 'unallocated'}-{usage.cost_type}"
    is_payg = usage.cost_type == "payg"
    return {
        "usage_date": usage.day,
        "cost_type": usage.cost_type,
        "provider": usage.vendor,
        "model": usage.model,
        "region": "global",
        "input_tokens": usage.input_tokens if is_payg else None,
        "output_tokens": usage.output_tokens if is_payg else None,
        "cached_tokens": usage.cached_tokens if is_payg else None,
        "total_tokens": usage.input_tokens + usage.output_tokens + usage.cached_tokens if is_payg else None,
        "ptu_units": usage.provisioned_units,
        "used_units": usage.used_units,
        "utilization_pct": None
        if is_payg
        else round(100 * (usage.used_units or 0) / (usage.provisioned_units or 1), 2),
        "request_count": usage.requests if is_payg else None,
        "source_table": f"genai_{usage.cost_type}_usage_raw",
        "consolidated_at": ingested_at,
        **(hierarchy(entity) if entity else NO_HIERARCHY),
        "x_hierarchy_validated_at": ingested_at,
        "x_ingestion_id": f"demo-{organization.slug}-{key}",
        "x_ingestion_date": ingested_on,
        "x_org_slug": organization.slug,
        "x_genai_provider": usage.vendor,
        "x_pipeline_id": f"{usage.vendor}-cost-daily",
        "x_credential_id": f"demo-{organization.slug}-{usage.vendor}",
        "x_pipeline_run_date": usage.day,
        "x_run_id": f"demo-run-{organization.slug}-{usage.vendor}-{ingested_on:%Y%m%d}",
        "x_ingested_at": ingested_at,
    }


def _tokens(org: str, model: Model, day: date, runaway: bool, random: Random) -> Usage:
    boost = ANOMALY.get((org, model.vendor, model.name, model.team), 1.0) if runaway else 1.0
    busy = calendar.level(day, model.weekend, model.growth) * max(random.gauss(1, 0.07), 0.5) * boost
    requests = round(model.daily_requests * busy)
    sent = round(requests * model.input_per_request * random.gauss(1, 0.03))
    cached = round(sent * model.cached_share)
    written = round(requests * model.output_per_request * random.gauss(1, 0.03))
    return Usage(day, model.vendor, model.name, model.team, requests, sent - cached, cached, written)


def _base_row(organization: Organization, usage: Usage) -> Row:
    provider, service = VENDORS[usage.vendor]
    project = usage.team.removeprefix("TEAM-").lower() if usage.team else "default"
    return template(organization, provider, usage.vendor, usage.team) | {
        "SubAccountId": f"proj-{organization.slug}-{project}",
        "SubAccountName": project,
        "SubAccountType": "Project",
        "ServiceName": service,
        "ServiceCategory": "AI and Machine Learning",
        "ServiceSubcategory": "Generative AI",
        "RegionId": "global",
        "RegionName": "Global",
        "ResourceId": f"{usage.vendor}/models/{usage.model}",
        "ResourceName": usage.model,
        "ResourceType": "Model",
        "Tags": {"project": project},
        "x_service_model": "API",
        "x_genai_cost_type": usage.cost_type,
        "x_genai_provider": usage.vendor,
        "x_genai_model": usage.model,
    }


def _token_row(organization: Organization, usage: Usage, meter: str, tokens: int, price: Decimal) -> Row:
    cost = Decimal(tokens) * price / PER_MILLION
    sku = f"{usage.model}-{meter}".lower().replace(" ", "-")
    return (
        _base_row(organization, usage)
        | costs(cost, cost, cost, cost)
        | {
            "ChargeDescription": f"{usage.model}: {meter.lower()}",
            "ConsumedQuantity": Decimal(tokens),
            "ConsumedUnit": "Tokens",
            "PricingQuantity": Decimal(tokens) / PER_MILLION,
            "PricingUnit": "1M Tokens",
            "ListUnitPrice": price,
            "ContractedUnitPrice": price,
            "SkuId": sku,
            "SkuMeter": meter,
            "SkuPriceId": f"{sku}.payg",
            "SkuPriceDetails": {"TokenType": meter, "Model": usage.model},
        }
    )


def _provisioned_row(organization: Organization, usage: Usage) -> Row:
    *_key, price = PROVISIONED[organization.slug]
    units = Decimal(usage.provisioned_units or 0)
    cost = cents(units * price)
    return (
        _base_row(organization, usage)
        | costs(cost, cost, cost, cost)
        | {
            "ChargeCategory": "Purchase",
            "ChargeFrequency": "Recurring",
            "ChargeDescription": f"{usage.model}: provisioned throughput, {units} units",
            "PricingCategory": "Committed",
            "PricingQuantity": units,
            "PricingUnit": "Unit-Days",
            "ListUnitPrice": price,
            "ContractedUnitPrice": price,
            "SkuId": f"{usage.model}-provisioned-throughput",
            "SkuMeter": "Provisioned Throughput",
            "SkuPriceId": f"{usage.model}-provisioned-throughput.daily",
        }
    )
