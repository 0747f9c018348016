"""The SQL over org_chat_usage: what the chat used in a month, by one group; and what the providers billed beside it.

A turn is one turn, however many models it asked. What has no known price is counted apart, never as nothing.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from string import Template
from typing import Literal, get_args

from common.focus.genai import IS_GENAI, PROVIDER
from common.warehouse.query import Parameter

By = Literal["model", "user", "agent", "day", "channel"]
BYS: tuple[By, ...] = get_args(By)
MONTH = "^20[0-9]{2}-(0[1-9]|1[0-2])$"

# The columns of each group, and the expression of each over a row.
GROUPS: Mapping[By, Mapping[str, str]] = {
    "model": {"provider": "provider", "model_id": "model_id"},
    "user": {"user_id": "user_id"},
    "agent": {"agent_name": "agent_name"},
    "day": {"day": "DATE(created_at)"},
    "channel": {"channel": "channel"},
}
# A statement's lines: what was used at one price.
_LINE = {
    name: name
    for name in (
        "provider", "model_id", "input_price_usd", "cached_input_price_usd", "cache_write_price_usd",
        "output_price_usd",
    )
}  # fmt: skip
COUNTS = (
    "turns", "model_calls", "tool_calls", "input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens",
    "total_tokens", "estimated_tokens", "unpriced_tokens", "bytes_billed",
)  # fmt: skip
COST = "estimated_cost_usd"

_USAGE = Template("""
WITH mine AS (
  SELECT
    $expressions,
    IF(channel IN ('mcp', 'knowledge'), NULL, message_id) AS turn_id,
    model_calls, tool_calls, input_tokens, cached_tokens, cache_write_tokens, output_tokens,
    input_tokens + output_tokens AS tokens, tokens_estimated, estimated_cost_usd, bytes_billed
  FROM {shared.org_chat_usage}
  WHERE org_slug = @org_slug AND created_at >= @start AND created_at < @end
    AND (@user_id IS NULL OR user_id = @user_id)
),
grouped AS (
  SELECT FALSE AS is_total, $names, $sums
  FROM mine
  GROUP BY $names
),
paged AS (
  SELECT *
  FROM grouped
  ORDER BY $order
  LIMIT @most OFFSET @skipped
),
summed AS (
  SELECT TRUE AS is_total, $nothing, $sums
  FROM mine
)
SELECT * FROM summed
UNION ALL
SELECT * FROM paged
ORDER BY is_total DESC, $order
""")
_SUMS = """COUNT(DISTINCT turn_id) AS turns,
    COALESCE(SUM(model_calls), 0) AS model_calls,
    COALESCE(SUM(tool_calls), 0) AS tool_calls,
    COALESCE(SUM(input_tokens), 0) AS input_tokens,
    COALESCE(SUM(cached_tokens), 0) AS cached_tokens,
    COALESCE(SUM(cache_write_tokens), 0) AS cache_write_tokens,
    COALESCE(SUM(output_tokens), 0) AS output_tokens,
    COALESCE(SUM(tokens), 0) AS total_tokens,
    COALESCE(SUM(IF(tokens_estimated, tokens, 0)), 0) AS estimated_tokens,
    COALESCE(SUM(IF(estimated_cost_usd IS NULL, tokens, 0)), 0) AS unpriced_tokens,
    COALESCE(SUM(bytes_billed), 0) AS bytes_billed,
    IF(COUNT(*) = 0, 0, SUM(estimated_cost_usd)) AS estimated_cost_usd"""
_NULLS: Mapping[str, str] = {"day": "DATE", **{name: "NUMERIC" for name in _LINE if name.endswith("_usd")}}

BILL = Template("""
SELECT
  $provider AS provider,
  BillingCurrency AS currency,
  SUM(BilledCost) AS billed_cost,
  MAX(DATE(ChargePeriodStart)) AS last_day
FROM {own.cost_data_standard_1_3}
WHERE ChargePeriodStart >= @start AND ChargePeriodStart < @end AND $is_genai
GROUP BY provider, currency
ORDER BY provider, currency
LIMIT 100
""").substitute(provider=PROVIDER, is_genai=IS_GENAI)


# The GoogleSQL types of the parameters of usage and statement.
TYPES: dict[str, str] = {
    "start": "TIMESTAMP",
    "end": "TIMESTAMP",
    "user_id": "STRING",
    "most": "INT64",
    "skipped": "INT64",
}


def usage(by: By) -> str:
    """The usage by one group: the sum of all first, then a page of groups, the costliest first or day by day."""
    order = "day" if by == "day" else f"estimated_cost_usd DESC NULLS LAST, total_tokens DESC, {', '.join(GROUPS[by])}"
    return _text(GROUPS[by], order)


def statement() -> str:
    """The usage of each model at each price: the sum of all first, then a page of lines."""
    return _text(_LINE, ", ".join(f"{name} NULLS LAST" for name in _LINE))


def line_columns() -> tuple[str, ...]:
    """The columns of a statement's line."""
    return (*_LINE, *COUNTS, COST)


def bounds(month: date) -> dict[str, Parameter]:
    """A month, given by its first day, as an instant and the instant after it (UTC)."""
    start = datetime.fromisoformat(f"{month:%Y-%m}-01T00:00:00+00:00")
    end = (start + timedelta(days=32)).replace(day=1)
    return {"start": Parameter("TIMESTAMP", start), "end": Parameter("TIMESTAMP", end)}


def _text(group: Mapping[str, str], order: str) -> str:
    return _USAGE.substitute(
        expressions=", ".join(f"{expression} AS {name}" for name, expression in group.items()),
        names=", ".join(group),
        nothing=", ".join(f"CAST(NULL AS {_NULLS.get(name, 'STRING')}) AS {name}" for name in group),
        sums=_SUMS,
        order=order,
    )
