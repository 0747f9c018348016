"""The tool of the chat's own usage: what this chat used of the organisation's models, and what that cost."""

from datetime import date
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from common import limits
from common.record import usage_sql
from common.record.usage_sql import By
from common.tenant import READ_USAGE, Principal
from common.tools.context import WarehouseContext
from common.tools.result import ToolError, ToolResult, of_shared_tables
from common.warehouse.query import Parameter, fixed

_FIGURES = (*usage_sql.COUNTS, usage_sql.COST)

ChatMonth = Annotated[
    str,
    StringConstraints(pattern=usage_sql.MONTH),
    Field(description="A month (UTC), e.g. 2026-11. Default: this month."),
]


async def chat_usage(
    principal: Principal,
    context: WarehouseContext,
    *,
    month: ChatMonth | None = None,
    by: Annotated[By, Field(description="What the rows are.")] = "model",
) -> ToolResult:
    """Sum what this chat itself used of the organisation's models in a month: turns, tokens, estimated cost in USD.

    scope says whose figures they are: own, or the organisation's for keys that may read them. estimated_cost_usd is by
    list prices, null where a price is not known; the provider's bill is in genai_usage. estimated_tokens were not told
    by the provider. Figures of the last minute may be missing.
    """
    first = date.fromisoformat(f"{month}-01") if month else context.today.replace(day=1)
    if first > context.today:
        raise ToolError("invalid_arguments", f"{month} has not begun. The newest month is {context.today:%Y-%m}.")
    everybody = principal.may(READ_USAGE)
    parameters = {
        **usage_sql.bounds(first),
        "user_id": Parameter("STRING", None if everybody else principal.user_id),
        "most": Parameter("INT64", limits.MAX_USAGE_ROWS + 1),
        "skipped": Parameter("INT64", 0),
    }
    found = await context.run(fixed(principal.tenant, usage_sql.usage(by), parameters))
    total, *rows = found.rows
    shown = tuple(_figures(row, by) for row in rows[: limits.MAX_USAGE_ROWS])
    summary = {
        "by": by,
        "month": f"{first:%Y-%m}",
        "scope": "organization" if everybody else "own",
        "totals": {name: total[name] for name in _FIGURES},
        "currency": "USD",
    }
    return of_shared_tables(principal, found, shown, summary, parameters, truncated=len(rows) > len(shown))


def _figures(row: Any, by: By) -> dict[str, Any]:
    return {name: row[name] for name in (*usage_sql.GROUPS[by], *_FIGURES)}
