"""The usage tools: tokens and what they cost, quotas, the largest consumers, and the pipelines that bring the data."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from common import limits
from common.focus.providers import provider_names
from common.skills.usage import charts, quotas, sql
from common.skills.usage.chat_usage import chat_usage
from common.skills.usage.genai import genai_usage, usage_bounds
from common.skills.usage.run_failures import failure_class
from common.skills.usage.sql import Consumer, RunFilter, RunStatus
from common.skills.usage.subscriptions import subscriptions
from common.tenant import Principal
from common.tools import periods
from common.tools.context import WarehouseContext
from common.tools.periods import EndDate, StartDate
from common.tools.registry import Tool, tool
from common.tools.result import ToolResult, format_parameters, of_shared_tables
from common.warehouse.query import Parameter, fixed
from common.warehouse.result import QueryRefused, QueryResult

PIPELINE_RUN_DAYS = 366
PIPELINE_MESSAGE_CHARS = 500

_COST_BASIS = "BilledCost"


async def quota_status(principal: Principal, context: WarehouseContext) -> ToolResult:
    """Say how much of the pipeline quotas is used: runs today, runs this month, and runs at the same time.

    Rows have used, limit, left, percent and when the quota resets; a limit of null is unlimited. The summary says when
    the counters last changed.
    """
    found = await context.run(fixed(principal.tenant, sql.QUOTA))
    latest = found.rows[0] if found.rows else None
    rows = quotas.quota_rows(latest, context.now) if latest else ()
    summary = {
        "as_of": latest["last_updated"] if latest else None,
        "counted_day": latest["usage_date"] if latest else None,
        "nearly_used_up": [row["quota"] for row in rows if row["percent"] is not None and row["percent"] >= 80],
    }
    if latest is None:
        summary["note"] = "No usage has been counted for this organisation yet, so its limits are not known here."
    else:
        changed = f"The counters last changed on {latest['last_updated']:%Y-%m-%d at %H:%M} UTC."
        counted = f" They are of {latest['usage_date']}; no run has been counted today."
        summary["note"] = changed if latest["usage_date"] == context.today else f"{changed}{counted}"
    return of_shared_tables(principal, found, rows, summary, {})


async def top_consumers(
    principal: Principal,
    context: WarehouseContext,
    *,
    dimension: Annotated[
        Consumer,
        Field(
            description="What is ranked. model: GenAI models only. service, provider, team: all costs, cloud and "
            "subscriptions included."
        ),
    ],
    start_date: StartDate | None = None,
    end_date: EndDate | None = None,
    limit: Annotated[int, Field(ge=1, le=limits.MAX_CONSUMERS, description="At most this many rows.")] = 10,
) -> ToolResult:
    """Rank what consumes most in a range of days: by billed cost, with GenAI requests and tokens where there are any.

    The largest of each currency come first; currencies are never compared or added. Tokens are null where a row has no
    GenAI usage, or where it cannot be told which seller's service the usage was. The summary has the totals of all.
    """
    period = periods.requested(start_date, end_date, context.today)
    parameters = {**usage_bounds(period), "limit": Parameter("INT64", limit)}
    found = await context.run(fixed(principal.tenant, sql.consumers(dimension), parameters))
    ordered = sorted(found.rows, key=lambda row: row["position"])
    rows = tuple(
        {
            dimension: row["name"],
            "billed_cost": row["billed_cost"],
            "currency": row["currency"],
            "requests": row["requests"] if row["has_tokens"] else None,
            "total_tokens": row["total_tokens"] if row["has_tokens"] else None,
        }
        for row in ordered[:limit]
    )
    available = None if rows else await _where_consumers_are(principal, context, dimension)
    groups = found.rows[0]["group_count"] if found.rows else 0
    summary = {
        "dimension": dimension,
        "period": period.as_dict(),
        "totals": _consumer_totals(found.rows),
        "groups": groups,
        "available": available,
        "cost_basis": _COST_BASIS,
    }
    return ToolResult(found, rows, summary, format_parameters(parameters), truncated=groups > len(rows))


async def pipeline_runs(
    principal: Principal,
    context: WarehouseContext,
    *,
    provider: Annotated[
        str,
        StringConstraints(min_length=1, max_length=100),
        Field(description="Only the pipelines of this provider, e.g. aws, gcp, openai, saas. Leave out for all."),
    ]
    | None = None,
    status: Annotated[RunStatus, Field(description="Only runs in this state. Leave out for all.")] | None = None,
    start_date: Annotated[date, Field(strict=True, description="First day of start, YYYY-MM-DD (UTC).")] | None = None,
    end_date: Annotated[date, Field(strict=True, description="Last day of start. Default: today.")] | None = None,
    limit: Annotated[
        int, Field(ge=1, le=limits.MAX_PIPELINE_RUNS, description="At most this many runs, newest first.")
    ] = 20,
) -> ToolResult:
    """List the newest runs of the pipelines that load cost and usage data: when, how long, started by what, how ended.

    duration_ms is null while a run is in progress. error_class names the kind of failure, and is null where there was
    none; next_run_id and next_status are what ran next for the same pipeline and day of data, a failed run's retry. The
    summary counts exactly the runs that match, by status and by pipeline, whatever the limit.
    """
    if start_date is None:
        last = end_date or context.today
        start_date, end_date = last - timedelta(days=PIPELINE_RUN_DAYS - 1), last
    period = periods.requested(start_date, end_date, context.today)
    names: list[RunFilter] = []
    filters: dict[str, Parameter] = {}
    if provider is not None:
        names.append("provider")
        filters["providers"] = Parameter("STRING", provider_names(provider))
    if status is not None:
        names.append("status")
        filters["status"] = Parameter("STRING", status)
    parameters = {
        **period.bounds(),
        **filters,
        "limit": Parameter("INT64", limit),
        "message_chars": Parameter("INT64", PIPELINE_MESSAGE_CHARS),
    }
    found = await context.run(fixed(principal.tenant, sql.runs(tuple(names)), parameters))
    counts = found.rows[0] if found.rows else {}
    summary = {
        "period": period.as_dict(),
        "filters": {name: value for name, value in (("provider", provider), ("status", status)) if value is not None},
        "total": counts.get("run_count", 0),
        "by_status": {
            each: counts.get(f"{each}_count", 0) for each in ("pending", "running", "completed", "failed", "cancelled")
        },
        "by_pipeline": {each["pipeline_id"]: each["runs"] for each in counts.get("pipelines") or ()},
        "not_recovered": counts.get("not_recovered_count", 0),
        **({"available": None} if found.rows else await _where_runs_are(principal, context)),
    }
    rows = tuple(_run_row(row) for row in found.rows)
    truncated = counts.get("run_count", 0) > len(rows)
    return of_shared_tables(principal, found, rows, summary, parameters, truncated=truncated)


TOOLS: tuple[Tool, ...] = tuple(
    tool("usage", function, draws=draws)
    for function, draws in (
        (genai_usage, charts.genai_usage),
        (quota_status, charts.quotas),
        (top_consumers, charts.top_consumers),
        (pipeline_runs, None),
        (subscriptions, None),
        (chat_usage, charts.chat_usage),
    )
)


def _consumer_totals(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    first = {row["currency"]: row for row in rows if row["place"] == 1}
    return [
        {
            "currency": currency,
            "billed_cost": row["currency_billed_cost"],
            "line_items": row["currency_line_items"],
        }
        for currency, row in sorted(first.items())
    ]


def _run_row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "run_id": row["pipeline_logging_id"],
        "pipeline_id": row["pipeline_id"],
        "provider": row["provider"],
        "status": row["status"],
        "trigger": row["trigger_type"],
        "start_time": row["start_time"],
        "end_time": row["end_time"],
        "duration_ms": row["duration_ms"],
        "run_date": row["run_date"],
        "next_run_id": row["next_run_id"],
        "next_status": row["next_status"],
        "error_class": failure_class(row["status"], row["reported_class"], row["error_message"]),
    }


async def _where_consumers_are(principal: Principal, context: WarehouseContext, dimension: Consumer) -> Any:
    row = await _only(principal, context, sql.consumers_available(dimension), {})
    return periods.format_days(row["first_day"], row["last_day"]) if row else None


async def _where_runs_are(principal: Principal, context: WarehouseContext) -> dict[str, Any]:
    row = await _only(principal, context, sql.RUNS_AVAILABLE, {})
    if row is None:
        return {"available": None}
    return {
        "available": periods.format_days(row["first_day"], row["last_day"]),
        "known_providers": list(row["providers"] or ()),
    }


async def _only(
    principal: Principal, context: WarehouseContext, text: str, parameters: Mapping[str, Parameter]
) -> Mapping[str, Any] | None:
    """The one row of a look-up that is only a hint; None where it is too costly."""
    try:
        found: QueryResult = await context.run(fixed(principal.tenant, text, parameters))
    except QueryRefused:
        return None
    return found.rows[0]
