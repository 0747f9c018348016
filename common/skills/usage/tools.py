"""The usage tools: tokens and what they cost, quotas, the largest consumers, and the pipelines that bring the data."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from common import limits
from common.focus.providers import provider_names
from common.skills.usage import charts, quotas, sql
from common.skills.usage.run_failures import failure_class
from common.skills.usage.sql import Consumer, RunFilter, RunStatus, UsageFilter, UsageGroup
from common.tenant import Principal
from common.tools import periods
from common.tools.context import WarehouseContext
from common.tools.periods import EndDate, Period, StartDate
from common.tools.registry import Tool, tool
from common.tools.result import ToolResult, format_parameters, of_shared_tables
from common.warehouse.query import Parameter, fixed
from common.warehouse.result import QueryRefused, QueryResult

_COST_BASIS = "BilledCost"
_TOKENS = ("requests", "input_tokens", "output_tokens", "cached_tokens", "total_tokens")
_MILLION = 1_000_000

GenAiProvider = Annotated[
    str,
    StringConstraints(min_length=1, max_length=100),
    Field(
        description="Only this GenAI provider, e.g. openai, anthropic, gemini. Case does not matter; other common "
        "names (Claude, Google AI) are understood. Leave out for all."
    ),
]
ModelName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200),
    Field(description="Only this model, by its whole name, e.g. gpt-5-mini. Case does not matter. Leave out for all."),
]


async def genai_usage(
    principal: Principal,
    context: WarehouseContext,
    *,
    start_date: StartDate | None = None,
    end_date: EndDate | None = None,
    provider: GenAiProvider | None = None,
    model: ModelName | None = None,
    group_by: Annotated[
        UsageGroup,
        Field(
            description="One row per value of this. day and week are ISO dates (a week is named by its Monday), month "
            "is YYYY-MM."
        ),
    ] = "model",
) -> ToolResult:
    """Sum the GenAI tokens and requests of a range of days, with what they cost, per model, provider, team or time.

    Rows have requests, input, output, cached and total tokens, billed_cost with its currency, and
    cost_per_million_tokens: all GenAI cost of the row, provisioned capacity included, over its total tokens. A group
    billed in several currencies has a row for each; its tokens stand in one of them and are null in the others.
    input_tokens are those not read from a cache. The summary has the totals over all groups.
    """
    period = periods.requested(start_date, end_date, context.today)
    names: list[UsageFilter] = []
    filters: dict[str, Parameter] = {}
    if provider is not None:
        names.append("provider")
        filters["providers"] = Parameter("STRING", provider_names(provider))
    if model is not None:
        names.append("model")
        filters["model"] = Parameter("STRING", model.strip())
    parameters = {**_bounds(period), **filters, "max_rows": Parameter("INT64", limits.MAX_RESULT_ROWS)}
    found = await context.run(fixed(principal.tenant, sql.genai_usage(group_by, tuple(names)), parameters))
    groups = [row for row in found.rows if not row["is_total"]]
    tokens = next(row for row in found.rows if row["is_total"] and row["has_tokens"])
    summary = {
        "group_by": group_by,
        "period": period.as_dict(),
        "filters": {name: value for name, value in (("provider", provider), ("model", model)) if value is not None},
        "usage": {name: tokens[name] or 0 for name in _TOKENS},
        "totals": [
            {
                "currency": row["currency"],
                "billed_cost": row["billed_cost"],
                "cost_per_million_tokens": per_million(row["billed_cost"], tokens["total_tokens"]),
            }
            for row in found.rows
            if row["is_total"] and not row["has_tokens"]
        ],
        **({"available": None} if groups else await _where_usage_is(principal, context, tuple(names), filters)),
        "cost_basis": _COST_BASIS,
    }
    rows = tuple(_usage_row(row, group_by) for row in groups)
    group_count = groups[0]["group_count"] if groups else 0
    return ToolResult(found, rows, summary, format_parameters(parameters), truncated=group_count > len(rows))


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
    elif latest["usage_date"] != context.today:
        summary["note"] = f"The last counters are of {latest['usage_date']}; no run has been counted today."
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
    parameters = {**_bounds(period), "limit": Parameter("INT64", limit)}
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
    limit: Annotated[
        int, Field(ge=1, le=limits.MAX_PIPELINE_RUNS, description="At most this many runs, newest first.")
    ] = 20,
) -> ToolResult:
    """List the newest runs of the pipelines that load cost and usage data: when, how long, started by what, how ended.

    duration_ms is null while a run is in progress. error_class names the kind of failure, and is null where there was
    none. The summary counts all runs of the period that match by status, whatever the limit.
    """
    first = context.today - timedelta(days=limits.PIPELINE_RUN_DAYS - 1)
    period = Period(first, context.today)
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
        "message_chars": Parameter("INT64", limits.PIPELINE_MESSAGE_CHARS),
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
    )
)


def per_million(cost: Decimal | None, tokens: int | None) -> Decimal | None:
    """The cost of a million tokens, to six decimals; None where there is no cost or no token."""
    if cost is None or not tokens:
        return None
    with localcontext(prec=80):
        return (cost * _MILLION / tokens).quantize(Decimal("0.000001"), ROUND_HALF_UP)


def _bounds(period: Period) -> dict[str, Parameter]:
    """A period for both kinds of table: by the day, and by the instant."""
    return {
        **period.bounds(),
        "start_day": Parameter("DATE", period.start),
        "end_day_exclusive": Parameter("DATE", period.end + timedelta(days=1)),
    }


def _usage_row(row: Mapping[str, Any], group_by: UsageGroup) -> dict[str, Any]:
    return {
        group_by: row["name"],
        **{name: row[name] if row["has_tokens"] else None for name in _TOKENS},
        "billed_cost": row["billed_cost"],
        "cost_per_million_tokens": per_million(row["billed_cost"], row["total_tokens"]),
        "currency": row["currency"],
    }


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
        "error_class": failure_class(row["status"], row["reported_class"], row["error_message"]),
    }


async def _where_usage_is(
    principal: Principal, context: WarehouseContext, names: tuple[UsageFilter, ...], filters: Mapping[str, Parameter]
) -> dict[str, Any]:
    """Which days have GenAI usage, for an answer without rows: what the filters match, or else any."""
    row = await _only(principal, context, sql.usage_available(names), filters)
    if row is None:
        return {"available": None}
    first, last = row["first_match"] or row["first_day"], row["last_match"] or row["last_day"]
    known = {"provider": "known_providers", "model": "known_models"}
    return {
        "available": periods.format_days(first, last),
        **{known[name]: list(row[f"{name}s"] or ()) for name in names},
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
