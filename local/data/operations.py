"""The events of a demo organisation besides costs: pipeline runs, quotas, alerts, budgets and its hierarchy."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from local.data import calendar
from local.data.organizations import Entity, Organization, entities
from local.data.rows import Row

PIPELINES = ("aws", "gcp", "azure", "openai", "anthropic", "gemini", "saas")
RUN_DAYS = 28
QUOTA_DAYS = 90
LIMITS = {
    # plan: (monthly runs, concurrent runs, seats, providers)
    "ENTERPRISE": (1000, 8, 250, 20),
    "PROFESSIONAL": (600, 4, 100, 10),
}
# (class, message, step, whether a retry may help, how often)
FAILURES = (
    ("RateLimited", "The provider asked to slow down", "extract", True),
    ("Timeout", "The export was not ready within 15 minutes", "extract", True),
    ("CredentialExpired", "The credential was refused by the provider", "authenticate", False),
    ("SchemaMismatch", "The export has a column of an unexpected type", "transform", False),
)
FAILURE_RATE = 0.06

# Daily billed cost in the organisation's currency, by day and kind (cloud, genai, subscription).
DailyCosts = Mapping[tuple[date, str], Decimal]


@dataclass(frozen=True, slots=True)
class Run:
    """One scheduled run of one pipeline, and how it failed if it did; a failed run is retried once and succeeds."""

    pipeline: str
    started_at: datetime
    duration_ms: int
    failure: tuple[str, str, str, bool] | None


def runs_of_day(org: str, day: date) -> list[Run]:
    """Return the scheduled runs of one day, one per pipeline."""
    random = calendar.random_of(org, "runs", day)
    runs = []
    for position, pipeline in enumerate(PIPELINES):
        failure = random.choice(FAILURES) if random.random() < FAILURE_RATE else None
        started_at = calendar.midnight(day) + timedelta(minutes=5, seconds=20 * position + random.randint(0, 15))
        runs.append(Run(pipeline, started_at, random.randint(18_000, 240_000), failure))
    return runs


def pipeline_runs(organization: Organization, today: date) -> list[Row]:
    """Return the runs of the last four weeks, failed ones with their retries."""
    rows = []
    for day in calendar.days(today - timedelta(days=RUN_DAYS - 1), today):
        for run in runs_of_day(organization.slug, day):
            run_id = f"demo-run-{organization.slug}-{run.pipeline}-{day:%Y%m%d}"
            if run.failure:
                rows.append(_run_row(organization, run, f"{run_id}-failed", day, run.started_at, run.failure))
                retried_at = run.started_at + timedelta(minutes=45)
                rows.append(_run_row(organization, run, run_id, day, retried_at, None) | {"trigger_type": "retry"})
            else:
                rows.append(_run_row(organization, run, run_id, day, run.started_at, None))
    return rows


def quotas(organization: Organization, today: date) -> list[Row]:
    """Return the usage of the last ninety days beside the plan's limits."""
    monthly, concurrent, seats, providers = LIMITS[organization.plan]
    rows = []
    first = today - timedelta(days=QUOTA_DAYS - 1)
    month_total = 0
    for day in calendar.days(first.replace(day=1), today):
        runs = runs_of_day(organization.slug, day)
        failed = sum(1 for run in runs if run.failure)
        started = len(runs) + failed
        month_total = started if day.day == 1 else month_total + started
        if day < first:
            continue
        completed_at = max(run.started_at for run in runs) + timedelta(minutes=50)
        rows.append(
            {
                "usage_id": f"demo-{organization.slug}-{day:%Y%m%d}",
                "org_slug": organization.slug,
                "usage_date": day,
                "pipelines_run_today": started,
                "pipelines_succeeded_today": len(runs),
                "pipelines_failed_today": failed,
                "pipelines_run_month": month_total,
                "concurrent_pipelines_running": 0,
                "daily_limit": organization.daily_runs,
                "monthly_limit": monthly,
                "concurrent_limit": concurrent,
                "seat_limit": seats,
                "providers_limit": providers,
                "max_concurrent_reached": min(concurrent, 2 + failed),
                "last_pipeline_completed_at": completed_at,
                "last_updated": completed_at,
                "created_at": calendar.midnight(day),
                "updated_at": completed_at,
            }
        )
    return rows


def profile(organization: Organization, team_tag: str | None = None) -> list[Row]:
    """Return the organisation's profile; ``team_tag`` is the tag that its bills' teams are read from."""
    return [
        {
            "org_slug": organization.slug,
            "company_name": organization.company_name,
            "admin_email": organization.admin_email,
            "org_dataset_id": organization.dataset_id,
            "status": "ACTIVE",
            "subscription_plan": organization.plan,
            "default_currency": organization.currency,
            "default_country": organization.country,
            "default_language": organization.language,
            "default_timezone": organization.timezone,
            "fiscal_year_start_month": organization.fiscal_year_start_month,
            "created_at": organization.created_at,
            "team_tag": team_tag,
        }
    ]


def subscription(organization: Organization) -> list[Row]:
    """Return the organisation's subscription to the platform."""
    monthly, concurrent, seats, providers = LIMITS[organization.plan]
    return [
        {
            "subscription_id": f"demo-{organization.slug}-subscription",
            "org_slug": organization.slug,
            "plan_name": organization.plan,
            "status": "ACTIVE",
            "daily_limit": organization.daily_runs,
            "monthly_limit": monthly,
            "concurrent_limit": concurrent,
            "seat_limit": seats,
            "providers_limit": providers,
            "trial_end_date": organization.created_at.date() + timedelta(days=14),
            "created_at": organization.created_at,
        }
    ]


def hierarchy_rows(organization: Organization) -> list[Row]:
    """Return the organisation's departments and teams."""
    return [
        {
            "id": f"demo-{organization.slug}-{entity.entity_id}",
            "org_slug": organization.slug,
            "entity_id": entity.entity_id,
            "entity_name": entity.name,
            "level": len(entity.path_ids),
            "level_code": entity.level_code,
            "parent_id": entity.parent_id,
            "path": entity.path,
            "path_ids": entity.path_ids,
            "path_names": entity.path_names,
            "depth": len(entity.path_ids) - 1,
            "owner_id": f"demo-{entity.owner_email.split('@')[0]}",
            "owner_name": entity.owner_name,
            "owner_email": entity.owner_email,
            "metadata": {"cost_centre": entity.cost_centre},
            "sort_order": position,
            "is_active": True,
            "created_at": organization.created_at + timedelta(days=1),
            "created_by": "demo-admin",
            "version": 1,
        }
        for position, entity in enumerate(entities(organization.slug).values(), start=1)
    ]


def budgets(organization: Organization, today: date) -> list[Row]:
    """Return this month's budgets: one per department and team over all costs, and one for GenAI of the whole."""
    rows = [_budget(organization, entity, today) for entity in entities(organization.slug).values()]
    genai = sum((e.monthly_budget for e in entities(organization.slug).values() if not e.parent_id), Decimal(0)) / 4
    rows.append(
        _budget(organization, next(iter(entities(organization.slug).values())), today)
        | {
            "budget_id": f"demo-{organization.slug}-genai-{today:%Y%m}",
            "hierarchy_entity_id": organization.slug,
            "hierarchy_entity_name": organization.company_name,
            "hierarchy_path": None,
            "hierarchy_level_code": "organization",
            "category": "genai",
            "budget_amount": float(genai),
            "notes": "All GenAI providers together",
        }
    )
    return rows


def budget_allocations(organization: Organization, today: date) -> list[Row]:
    """Return how each department's budget is shared out among its teams."""
    known = entities(organization.slug)
    return [
        {
            "allocation_id": f"demo-{organization.slug}-{entity.entity_id}-{today:%Y%m}",
            "org_slug": organization.slug,
            "parent_budget_id": _budget_id(organization, known[entity.parent_id], today),
            "child_budget_id": _budget_id(organization, entity, today),
            "allocated_amount": float(entity.monthly_budget),
            "allocation_percentage": round(
                float(100 * entity.monthly_budget / known[entity.parent_id].monthly_budget), 2
            ),
            "created_at": calendar.midnight(today.replace(day=1)),
        }
        for entity in known.values()
        if entity.parent_id
    ]


def _budget_id(organization: Organization, entity: Entity, today: date) -> str:
    return f"demo-{organization.slug}-{entity.entity_id}-{today:%Y%m}"


def _budget(organization: Organization, entity: Entity, today: date) -> Row:
    first = today.replace(day=1)
    return {
        "budget_id": _budget_id(organization, entity, today),
        "org_slug": organization.slug,
        "hierarchy_entity_id": entity.entity_id,
        "hierarchy_entity_name": entity.name,
        "hierarchy_path": entity.path,
        "hierarchy_level_code": entity.level_code,
        "category": "total",
        "budget_type": "monetary",
        "budget_amount": float(entity.monthly_budget),
        "currency": organization.currency,
        "period_type": "monthly",
        "period_start": first,
        "period_end": calendar.months_before(today, -1) - timedelta(days=1),
        "is_active": True,
        "created_by": "demo-admin",
        "created_at": calendar.midnight(first),
    }


def _run_row(
    organization: Organization,
    run: Run,
    run_id: str,
    day: date,
    started_at: datetime,
    failure: tuple[str, str, str, bool] | None,
) -> Row:
    ended_at = started_at + timedelta(milliseconds=run.duration_ms)
    row: Row = {
        "pipeline_logging_id": run_id,
        "org_slug": organization.slug,
        "pipeline_id": f"{run.pipeline}-cost-daily",
        "status": "FAILED" if failure else "COMPLETED",
        "trigger_type": "scheduler",
        "trigger_by": "cloud-scheduler",
        "start_time": started_at,
        "end_time": ended_at,
        "duration_ms": run.duration_ms,
        "run_date": day - timedelta(days=1),
        "parameters": {"date": (day - timedelta(days=1)).isoformat(), "provider": run.pipeline},
        "created_at": started_at,
    }
    if failure:
        error_class, message, step, retryable = failure
        row["error_message"] = message
        row["error_context"] = {"error_class": error_class, "step": step, "retryable": retryable}
    else:
        row["run_metadata"] = {"rows_written": 20 + run.duration_ms % 60}
    return row
