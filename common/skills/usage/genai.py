"""The tool of GenAI usage: tokens and requests with what they cost, each and by kind."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema

from common import limits
from common.cost_query.filters import Filters
from common.cost_query.reading import read_filters
from common.skills.optimizer.schemas import NarrowingFilters
from common.skills.usage import availability, genai_sql
from common.skills.usage.genai_sql import COUNTED, FILTERED, PARTS, UsageGroup
from common.tenant import Principal
from common.tools import periods
from common.tools.context import WarehouseContext
from common.tools.periods import EndDate, Period, StartDate
from common.tools.result import ToolError, ToolResult, format_parameters
from common.warehouse.query import Parameter, fixed

_MILLION = 1_000_000
_KINDS = (("input", "input_tokens"), ("output", "output_tokens"), ("cached", "cached_tokens"))

GenAiProvider = Annotated[
    str,
    StringConstraints(min_length=1, max_length=100),
    Field(description="Only this GenAI provider, e.g. openai, anthropic, gemini; other names (Claude) are understood."),
]
ModelName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200),
    Field(description="Only this model, by its whole name, e.g. gpt-5-mini."),
]


def _listed(given: object) -> object:
    return [part.strip() for part in given.split(",")] if isinstance(given, str) else given


_NAMES = {"type": "string", "enum": ["model", "provider", "team", "day", "week", "month"]}
UsageGroups = Annotated[
    list[UsageGroup],
    BeforeValidator(_listed),
    Field(min_length=1, max_length=2),
    WithJsonSchema(
        {"anyOf": [_NAMES, {"type": "array", "items": _NAMES, "maxItems": 2}], "description": "One or two groups."}
    ),
]


async def genai_usage(
    principal: Principal,
    context: WarehouseContext,
    *,
    start_date: StartDate | None = None,
    end_date: EndDate | None = None,
    provider: GenAiProvider | None = None,
    model: ModelName | None = None,
    filters: NarrowingFilters = (),  # type: ignore[assignment]
    group_by: UsageGroups = ["model"],  # noqa: B006  # never changed
) -> ToolResult:
    """Sum GenAI tokens and requests with what they cost, by one or two of model, provider, team and time.

    Rows have requests, input (not cached), output, cached and total tokens, billed_cost, cost_per_request,
    cost_per_million_tokens over all cost of the row, and the cost of each kind of token per million of its kind.
    commitment_cost is provisioned capacity, within billed_cost. A group billed in several currencies has its tokens in
    one row. filters: on provider, model, team or entity.
    """
    period = periods.requested(start_date, end_date, context.today)
    if len(set(group_by)) < len(group_by):
        raise ToolError("invalid_arguments", "group_by names a group twice. Name each once.")
    given = read_filters(context, filters, provider=provider, model=model)
    check_filters(given)
    parameters = {
        **usage_bounds(period),
        **given.parameters(),
        "max_rows": Parameter("INT64", limits.MAX_RESULT_ROWS),
    }
    found = await context.run(fixed(principal.tenant, genai_sql.genai_usage(tuple(group_by), given), parameters))
    groups = [row for row in found.rows if not row["is_total"]]
    tokens = next(row for row in found.rows if row["is_total"] and row["has_tokens"])
    totals = [row for row in found.rows if row["is_total"] and not row["has_tokens"]]
    summary = {
        "group_by": group_by[0] if len(group_by) == 1 else group_by,
        "period": period.as_dict(),
        "filters": given.as_dict(),
        "usage": {name: tokens[name] or 0 for name in COUNTED},
        "totals": [{"currency": row["currency"], **_costs({**tokens, **_money(row)})} for row in totals],
        **({"available": None} if groups else await availability.where_usage_is(principal, context, given)),
        "cost_basis": "BilledCost",
    }
    rows = tuple(_row(row, group_by) for row in groups)
    group_count = groups[0]["group_count"] if groups else 0
    return ToolResult(found, rows, summary, format_parameters(parameters), truncated=group_count > len(rows))


def check_filters(filters: Filters) -> None:
    """Raise ToolError for a filter on what usage rows do not have."""
    for each in filters.all:
        if each.dimension.name not in FILTERED:
            raise ToolError(
                "invalid_filter",
                f"Usage has no {each.dimension.name}: filter by {', '.join(FILTERED)}. For costs by "
                f"{each.dimension.name} use the CostAnalyst's query_costs.",
            )


def usage_bounds(period: Period) -> dict[str, Parameter]:
    """A period for both kinds of table: by the day, and by the instant."""
    return {
        **period.bounds(),
        "start_day": Parameter("DATE", period.start),
        "end_day_exclusive": Parameter("DATE", period.end + timedelta(days=1)),
    }


def per_million(cost: Decimal | None, tokens: int | None) -> Decimal | None:
    """The cost of a million tokens, to six decimals; None where there is no cost or no token."""
    return _per(cost * _MILLION, tokens, "0.000001") if cost is not None else None


def _per(cost: Decimal | None, count: int | None, unit: str) -> Decimal | None:
    if cost is None or not count:
        return None
    with localcontext(prec=80):
        return (cost / count).quantize(Decimal(unit), ROUND_HALF_UP)


def _row(row: Mapping[str, Any], groups: Sequence[UsageGroup]) -> dict[str, Any]:
    tokens = {name: row[name] if row["has_tokens"] else None for name in COUNTED}
    named: dict[str, Any] = {group: row[f"g{index}"] for index, group in enumerate(groups)}
    return {**named, **tokens, **_costs(row), "currency": row["currency"]}


def _money(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("billed_cost", *PARTS)}


def _costs(row: Mapping[str, Any]) -> dict[str, Any]:
    kinds = {
        f"{kind}_cost_per_million": per_million(row[f"{kind}_cost"], row[tokens]) if row[f"{kind}_cost"] else None
        for kind, tokens in _KINDS
    }
    return {
        "billed_cost": row["billed_cost"],
        "cost_per_million_tokens": per_million(row["billed_cost"], row["total_tokens"]),
        "cost_per_request": _per(row["billed_cost"], row["requests"], "0.000000001"),
        **kinds,
        "commitment_cost": row["commitment_cost"],
    }
