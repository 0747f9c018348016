"""What the tools share that read what happened: ranges of days, the values they bind, and what they show of both."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from common.skills.costs import sql as cost_sql
from common.tenant import Principal
from common.tools import periods
from common.tools.periods import Period
from common.tools.result import ToolError, ToolResult, json_safe
from common.warehouse.query import Parameter
from common.warehouse.result import QueryResult

# Names under which pipelines, usage rows and alert rules know a provider.
_KEYS = ("aws", "gcp", "azure", "oracle", "openai", "anthropic", "gemini")


def requested(start: date | None, end: date | None, today: date) -> Period:
    """The period that a caller asked for, the last 30 days by default. Raises ToolError("invalid_range")."""
    if start is not None and end is None and start > today:
        raise ToolError(
            "invalid_range",
            f"start_date {start} is after today, {today}: nothing is recorded yet. Give an earlier day.",
        )
    return periods.requested(start, end, today)


def instants(period: Period) -> dict[str, Parameter]:
    """The half-open bounds of a period as @start and @end_exclusive."""
    return {
        "start": Parameter("TIMESTAMP", period.start_instant),
        "end_exclusive": Parameter("TIMESTAMP", period.end_exclusive),
    }


def shown(parameters: Mapping[str, Parameter]) -> dict[str, Any]:
    """The bound values as JSON holds them."""
    return {name: json_safe(parameter.value) for name, parameter in parameters.items()}


def of_shared(
    principal: Principal,
    found: QueryResult,
    rows: tuple[Mapping[str, Any], ...],
    summary: Mapping[str, Any],
    parameters: Mapping[str, Parameter],
    *,
    truncated: bool = False,
) -> ToolResult:
    """The answer of a query of shared tables: with the @org_slug that it binds, and without its bytes.

    How large a table is that all organisations' rows are in, nobody is told.
    """
    bound = {"org_slug": principal.org_slug, **shown(parameters)}
    return ToolResult(replace(found, bytes_processed=0), rows, summary, bound, truncated)


def days(first: date | None, last: date | None) -> Mapping[str, date] | None:
    """The days from first to last as a summary shows them; None where there are none."""
    return Period(first, last).as_dict() if first is not None and last is not None else None


def provider_key(asked: str) -> str:
    """The one lower-case name of a provider that goes by several: Google Cloud is gcp, Claude is anthropic."""
    names = cost_sql.provider_names(asked)
    return next((key for key in _KEYS if key in names), " ".join(asked.lower().split()))
