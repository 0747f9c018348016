"""What happened besides costs: the demo's rows of the shared tables, and an organisation with awkward GenAI usage."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from common.warehouse import schema
from local.data import alerts, demo, drivers, operations, warehouse
from local.data.organizations import DEMO
from local.data.prepare import DailyTotals
from tests.skills import costs_made

Row = dict[str, Any]
TODAY = date(2026, 3, 31)
MIXED = "mixed_inc"
_DAY = datetime(2026, 3, 10, 12, tzinfo=UTC)
_GPT = {"x_genai_provider": "openai", "x_genai_model": "gpt-5", "x_genai_cost_type": "payg", "x_cloud_provider": None}
_CLAUDE = {**_GPT, "x_genai_provider": "anthropic", "x_genai_model": "claude"}
_OPENAI = {"ServiceProviderName": "OpenAI", "ServiceName": "OpenAI API"}
_AZURE = {"ServiceProviderName": "Microsoft", "ServiceName": "Azure OpenAI"}
_GEMINI = {"ServiceProviderName": "Google Gemini", "ServiceName": "Gemini API", "x_cloud_provider": None}
_ANTHROPIC = {"ServiceProviderName": "Anthropic", "ServiceName": "Claude API"}


@cache
def demo_costs(org: str) -> tuple[Row, ...]:
    """Every cost row of a demo organisation."""
    return tuple(demo.cost_rows(org, TODAY))


@cache
def shared_rows(org: str) -> dict[str, list[Row]]:
    """A demo organisation's rows of the shared tables that the tools read."""
    organization = DEMO[org]
    totals = DailyTotals(organization.currency)
    for _ in totals.watch(demo_costs(org)):
        pass
    return {
        "org_hierarchy": operations.hierarchy_rows(organization),
        "org_usage_quotas": operations.quotas(organization, TODAY),
        "org_subscriptions": operations.subscription(organization),
        "org_meta_pipeline_runs": operations.pipeline_runs(organization, TODAY),
        "org_notification_rules": alerts.rules(organization),
        "org_alert_history": alerts.history(organization, TODAY, totals.by_day),
    }


@cache
def usage_rows(org: str) -> tuple[Row, ...]:
    """Every GenAI usage row of an organisation."""
    return tuple(_mixed_usage()) if org == MIXED else tuple(demo.usage_rows(org, TODAY))


@cache
def mixed_costs() -> tuple[Row, ...]:
    """gpt-5 from two sellers in two currencies, a model without usage, a subscription; and the edges of March."""
    return (
        costs_made.row(_DAY, "10.10", **_GPT, **_OPENAI),
        costs_made.row(_DAY, "20.20", **_GPT, **_AZURE, x_hierarchy_entity_name="Platform"),
        costs_made.row(_DAY, "7.70", **_GPT, **_AZURE, BillingCurrency="EUR"),
        costs_made.row(_DAY, "3.03", **_CLAUDE, **_ANTHROPIC),
        costs_made.row(_DAY, "1.01", **{**_GPT, "x_genai_model": "free-of-usage"}, **_OPENAI),
        costs_made.row(
            _DAY, "5.50", ServiceProviderName="Google Gemini", ServiceName="Gemini API", x_cloud_provider=None
        ),
        costs_made.row(_DAY, "99", ServiceProviderName="AWS"),
        costs_made.row(datetime(2026, 3, 1, tzinfo=UTC), "2.02", **_CLAUDE, **_ANTHROPIC),
        costs_made.row(datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC), "4.04", **_CLAUDE, **_ANTHROPIC),
    )


def _mixed_usage() -> Iterator[Row]:
    yield _used(_DAY.date(), "openai", "gpt-5", 1_000, 2_000_000, 300_000, 50_000)
    yield _used(_DAY.date(), "openai", "gpt-5", 10, 7, 5, 3, "Platform")
    yield _used(_DAY.date(), "anthropic", "claude", 4, 400, 40, 4)
    yield _used(date(2026, 3, 1), "anthropic", "claude", 1, 100, 10, 1)
    yield _used(date(2026, 2, 28), "anthropic", "claude", 9, 900, 90, 9)
    yield _used(_DAY.date(), "mistral", "without-costs", 2, 20, 2, 0)
    yield {**_used(_DAY.date(), "openai", "gpt-5", 0, 0, 0, 0), **dict.fromkeys(_COUNTED), "cost_type": "commitment"}


_COUNTED = ("request_count", "input_tokens", "output_tokens", "cached_tokens", "total_tokens")


def _used(
    day: date, provider: str, model: str, requests: int, sent: int, written: int, cached: int, team: str | None = None
) -> Row:
    return {
        "usage_date": day,
        "cost_type": "payg",
        "provider": provider,
        "model": model,
        "input_tokens": sent,
        "output_tokens": written,
        "cached_tokens": cached,
        "total_tokens": sent + written + cached,
        "request_count": requests,
        "x_hierarchy_entity_name": team,
        "x_ingestion_id": f"{day}-{provider}-{model}-{team}",
        "x_ingestion_date": day,
        "x_org_slug": MIXED,
        "x_genai_provider": provider,
        "x_pipeline_id": "made",
        "x_credential_id": "made",
        "x_pipeline_run_date": day,
        "x_run_id": "made",
        "x_ingested_at": _DAY,
    }


def client_of(url: str, project: str) -> bigquery.Client:
    return bigquery.Client(project=project, credentials=AnonymousCredentials(), client_options={"api_endpoint": url})


def load(client: bigquery.Client) -> None:
    """Fill the shared tables and the usage tables; the demo organisations' costs are there already."""
    warehouse.create(client, [MIXED])
    for org in (*demo.ORGS, MIXED):
        _replace(client, org, warehouse.USAGE, usage_rows(org))
    _replace(client, MIXED, warehouse.COSTS, mixed_costs())
    for org in demo.ORGS:
        _replace(client, org, drivers.TABLE, tuple(drivers.demo_rows(org, TODAY)))
        for table, rows in shared_rows(org).items():
            warehouse.replace_demo_rows(client, org, table, rows)


def _replace(client: bigquery.Client, org: str, table: str, rows: tuple[Row, ...]) -> None:
    name = f"{client.project}.{warehouse.tenant_dataset(org)}.{table}"
    warehouse.wait_for(warehouse.replace_rows(client, name, schema.load("tenant", table), rows))
