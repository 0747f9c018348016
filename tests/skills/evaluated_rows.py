"""The few rows over which the emulator and Google's evaluator answer the same queries."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from common.tenant import OrgSlug, Tenant
from common.warehouse import schema
from local.data import drivers, warehouse
from local.data.catalog.reading import SMALL, read_folder
from tests import googlesql
from tests.skills import costs_made, operations_made
from tests.skills.evaluator import Made

PROJECT, MINE, THEIRS = "local-dev-project", "acme_inc", "globex_inc"
TENANT = Tenant(OrgSlug(MINE), PROJECT, "organizations")
NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)


def _filled(dataset: schema.Dataset, table: str, **columns: Any) -> dict[str, Any]:
    """A row of a table: what is required and not given holds a plain value, everything else is NULL or empty."""
    plain: dict[str, Any] = {"STRING": "made", "INTEGER": 0, "BOOLEAN": True, "TIMESTAMP": NOW, "DATE": NOW.date()}
    fields = schema.load(dataset, table).fields
    return {
        field.name: plain[field.type] for field in fields if field.mode == "REQUIRED" and field.name not in columns
    } | columns


def costs() -> list[dict[str, Any]]:
    """Every fifth of the awkward rows, so that each kind and each instant is among them, and March's GenAI."""
    rows = [*list(costs_made.edges())[::5], *operations_made.mixed_costs()]
    tags = (
        None,
        {"environment": "prod", "team": {"name": "core"}, "plan": "plan-0123456789ab"},
        {"a b": "it's", "environment": None},
    )
    places = ((None, None), ("/D/T", "Engineering / Platform"), ("/D", "Engineering"))
    return [
        {
            **row,
            "x_run_id": f"run-{number:03}",
            "Tags": tags[number % 3],
            "x_hierarchy_path": places[number % 3][0],
            "x_hierarchy_path_names": places[number % 3][1],
        }
        for number, row in enumerate(rows)
    ]


def _usage() -> list[dict[str, Any]]:
    march = list(operations_made.usage_rows(operations_made.MIXED))
    leap = {"usage_date": date(2024, 2, 29), "model": None}
    made = [*march, {**march[0], **leap}, {**march[2], **leap, "input_tokens": None}]
    return [{**row, "x_ingestion_id": f"usage-{number:02}"} for number, row in enumerate(made)]


def _rules(org: str) -> Iterator[dict[str, Any]]:
    made: dict[str, Any] = {"org_slug": org, "conditions": '{"threshold": 5}', "created_by": "u1"}
    made["created_at"] = datetime(2024, 2, 29, tzinfo=UTC)
    table = "org_notification_rules"
    yield _filled("organizations", table, **made, rule_id="rule-1", name=f"{org} köln", priority="critical")
    yield _filled(
        "organizations", table, **made, rule_id="rule-2", name=f"{org} low", priority="LOW", provider_filter=["a", "b"]
    )
    seen = {"acknowledged_at": NOW, "acknowledged_by": "u1", "quiet_hours_start": "22:00", "cooldown_minutes": 60}
    made["created_at"] = NOW
    yield _filled("organizations", table, **made, **seen, rule_id="rule-3", name=f"{org} high", priority="high")


def _alerts(org: str) -> Iterator[dict[str, Any]]:
    instants = (datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC), NOW)
    severities = ("critical", "HIGH", "medium", "low")
    for number in range(12):
        yield _filled(
            "organizations",
            "org_alert_history",
            org_slug=org,
            alert_history_id=f"alert-{number:02}",
            alert_id=f"rule-{number % 3 + 1}" if number != 7 else "a rule that went away",
            status=("SENT", "ACKNOWLEDGED")[number % 5 == 0 or number == 6],
            severity=severities[number % 4],
            recipient_count=number,
            trigger_data='{"current": "12.50"}' if number % 2 else None,
            sent_at=NOW if number % 3 else None,
            created_at=instants[number % 3],
        )


def _hierarchy(org: str) -> Iterator[dict[str, Any]]:
    names = ("R&D, Köln", "apple", "Äpfel", "Zürich")
    for number, name in enumerate(names):
        made = {"org_slug": org, "entity_id": f"team-{number}", "path": f"/{name}", "entity_name": name}
        for version in (1, 2):
            label = f"{org}-{number}-{version}"
            yield _filled("organizations", "org_hierarchy", **made, id=label, version=version, level_code=f"v{version}")
    gone = {"org_slug": org, "entity_name": names[0], "version": 9, "path": "/gone"}
    yield _filled("organizations", "org_hierarchy", **gone, id="x", entity_id="ended", end_date=NOW)
    yield _filled("organizations", "org_hierarchy", **gone, id="y", entity_id="asleep", is_active=False)


def _runs(org: str) -> Iterator[dict[str, Any]]:
    first = datetime(2024, 2, 29, 23, 30, tzinfo=UTC)
    for number in range(10):
        yield _filled(
            "organizations",
            "org_meta_pipeline_runs",
            org_slug=org,
            pipeline_logging_id=f"{org}-{number}",
            pipeline_id=("aws-cost-daily", "OpenAI-usage", "subscriptions")[number % 3],
            status=("COMPLETED", "FAILED", "Failed", "RUNNING")[number % 4],
            start_time=first + timedelta(hours=number // 2) if number < 4 else NOW - timedelta(days=number // 2),
            end_time=NOW if number % 2 else None,
            duration_ms=number * 1000 if number % 2 else None,
            run_date=date(2024, 2, 29) if number < 4 else None,
            parameters={"provider": "Gemini", "dates": [1, 2]} if number % 4 == 1 else None,
            error_context={"error_class": "Timeout" if number % 3 else None} if number % 2 else None,
            error_message="Zeitüberschreitung" if number % 2 else None,
        )


def _quotas(org: str) -> Iterator[dict[str, Any]]:
    for number, day in enumerate((date(2024, 2, 29), date(2026, 3, 30), date(2026, 3, 31), date(2026, 3, 31))):
        at = datetime.combine(day, time(number + 1), UTC)
        made = {"org_slug": org, "usage_date": day, "last_updated": at, "pipelines_run_today": number}
        yield _filled("organizations", "org_usage_quotas", **made, usage_id=f"{org}-{number}", concurrent_limit=2)


def _budgets(org: str) -> Iterator[dict[str, Any]]:
    places = (("/ENG", "team", "Total"), (None, "organization", "genai"), ("/ENG/API", "team", "cloud"))
    for number, (path, level, category) in enumerate(places):
        yield _filled(
            "organizations",
            "org_budgets",
            org_slug=org,
            budget_id=f"{org}-budget-{number}",
            hierarchy_path=path,
            hierarchy_level_code=level,
            category=category,
            budget_type="monetary" if number < 2 else "token",
            budget_amount=100.5,
            currency="usd",
            provider="Claude" if number == 1 else None,
            period_start=date(2024, 1, 1),
            period_end=date(2026, 3, 31),
        )


def _allocations(org: str) -> Iterator[dict[str, Any]]:
    made = {"parent_budget_id": f"{org}-budget-0", "child_budget_id": f"{org}-budget-2", "allocated_amount": 10.25}
    yield _filled("organizations", "org_budget_allocations", org_slug=org, allocation_id=f"{org}-1", **made)


def _subscriptions(org: str) -> Iterator[dict[str, Any]]:
    made = {"org_slug": org, "plan_name": "ENTERPRISE", "seat_limit": 25, "subscription_end_date": date(2026, 12, 31)}
    yield _filled("organizations", "org_subscriptions", **made)


def _chat(org: str) -> Iterator[dict[str, Any]]:
    """What the chat used: two models, one of no known price, turns of two rows, and a call over MCP of none."""
    instants = (datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC), NOW)
    for number in range(9):
        mcp = number == 8
        yield _filled(
            "organizations",
            "org_chat_usage",
            org_slug=org,
            usage_id=f"use-{number}",
            user_id=f"user-{number % 2}",
            message_id=f"turn-{number // 2}",
            agent_name=None if mcp else "CostAnalyst",
            channel="mcp" if mcp else ("send", "stream")[number % 2],
            provider=None if mcp else "openai",
            model_id=None if mcp else ("gpt-5", "own")[number % 2],
            input_tokens=1000 * number,
            output_tokens=7 * number,
            tokens_estimated=number == 3,
            estimated_cost_usd=None if number % 2 else Decimal(f"0.00{number}25"),
            created_at=instants[number % 3],
        )


def _drivers() -> Iterator[dict[str, Any]]:
    for number, day in enumerate((date(2024, 2, 29), date(2026, 3, 1), date(2026, 3, 10))):
        made = {"driver_date": day, "driver_name": "Orders", "quantity": Decimal(4 + number), "aggregation": "sum"}
        yield _filled("tenant", drivers.TABLE, **made)


def tables() -> dict[str, Made]:
    """The tables that the tools read, by ``dataset.table``; the shared ones hold two organisations' rows."""
    shared = {
        "org_notification_rules": _rules,
        "org_alert_history": _alerts,
        "org_hierarchy": _hierarchy,
        "org_meta_pipeline_runs": _runs,
        "org_usage_quotas": _quotas,
        "org_budgets": _budgets,
        "org_budget_allocations": _allocations,
        "org_subscriptions": _subscriptions,
        "org_chat_usage": _chat,
    }
    catalog = {name: kept[:: max(1, len(kept) // 40)] for name, kept in read_folder(SMALL).items()}
    rows = {
        f"{TENANT.dataset}.{warehouse.COSTS}": costs(),
        f"{TENANT.dataset}.{warehouse.USAGE}": _usage(),
        f"{TENANT.dataset}.{drivers.TABLE}": list(_drivers()),
        **{f"catalog.{name}": kept for name, kept in catalog.items()},
        "catalog.model_cards": [
            {"model_id": row["model_id"], "space": space, "embedding": [1.0, -1.0, 1.0 if number % 2 else -1.0]}
            for number, row in enumerate(catalog["models"][::2])
            for space in ("local:made:3", "another:made:3")
        ],
        **{f"organizations.{name}": [row for org in (THEIRS, MINE) for row in of(org)] for name, of in shared.items()},
    }
    fields = googlesql.product_tables(TENANT.dataset)
    return {name: Made(fields[name], made) for name, made in rows.items()}
