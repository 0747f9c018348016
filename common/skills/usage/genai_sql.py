"""The SQL of GenAI usage: tokens and requests beside what they cost, by up to two groups, under filters.

Tokens and costs are summed apart and joined group by group, so that no row counts twice. A group that is billed in
several currencies has a row for each; its tokens stand in the row of its largest cost alone. What a filter says of the
costs' columns it says of the usage's, whose columns have names of their own.
"""

from collections.abc import Iterator, Mapping, Sequence
from string import Template
from typing import Literal

from common.cost_query.composing import filter_types
from common.cost_query.filters import Filters
from common.focus.dimensions import EXPRESSIONS
from common.focus.genai import PROVIDER

UsageGroup = Literal["model", "provider", "team", "day", "week", "month"]
TIMES = frozenset({"day", "week", "month"})
FILTERED = ("provider", "model", "team", "entity")

GENAI = f"({EXPRESSIONS['cost_type']}) = 'genai'"
USAGE_EXPRESSIONS: Mapping[str, str] = {
    "model": "COALESCE(model, 'No model')",
    "provider": "LOWER(provider)",
    "team": "COALESCE(x_hierarchy_entity_name, 'Unallocated')",
    "day": "usage_date",
    "week": "DATE_TRUNC(usage_date, WEEK(MONDAY))",
    "month": "FORMAT_DATE('%Y-%m', usage_date)",
}
_COST_EXPRESSIONS: Mapping[str, str] = {**EXPRESSIONS, "provider": PROVIDER}

TOKENS = """SUM(request_count) AS requests,
    SUM(input_tokens) AS input_tokens,
    SUM(output_tokens) AS output_tokens,
    SUM(cached_tokens) AS cached_tokens,
    SUM(total_tokens) AS total_tokens"""
COUNTED = ("requests", "input_tokens", "output_tokens", "cached_tokens", "total_tokens")
# What is provisioned has no tokens of its own; what is paid as one goes is told apart by its meter.
_COMMITMENT = "COALESCE(x_genai_cost_type = 'commitment' OR PricingCategory = 'Committed', FALSE)"
_METER = "LOWER(COALESCE(SkuMeter, ChargeDescription, ''))"
PARTS: Mapping[str, str] = {
    "cached_cost": rf"NOT {_COMMITMENT} AND REGEXP_CONTAINS({_METER}, r'cache')",
    "input_cost": rf"NOT {_COMMITMENT} AND NOT REGEXP_CONTAINS({_METER}, r'cache') "
    rf"AND REGEXP_CONTAINS({_METER}, r'\b(input|prompt)')",
    "output_cost": rf"NOT {_COMMITMENT} AND REGEXP_CONTAINS({_METER}, r'\b(output|completion)')",
    "commitment_cost": _COMMITMENT,
}

_TEXT = Template("""
WITH used AS (
  SELECT
    $usage_groups,
    $tokens
  FROM {own.genai_usage_daily_unified}
  WHERE usage_date >= @start_day
    AND usage_date < @end_day_exclusive
    AND $usage_where
  GROUP BY $names
),
spent AS (
  SELECT
    $cost_groups,
    BillingCurrency AS currency,
    SUM(BilledCost) AS billed_cost,
    $parts
  FROM {own.cost_data_standard_1_3}
  WHERE ChargePeriodStart >= @start
    AND ChargePeriodStart < @end_exclusive
    AND $genai
    AND $cost_where
  GROUP BY $names, currency
),
placed AS (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY $names ORDER BY billed_cost DESC, currency) AS place
  FROM spent
),
joined AS (
  SELECT
    $either,
    placed.currency,
    placed.billed_cost,
    $placed_parts,
    COALESCE(placed.place, 1) = 1 AS has_tokens,
    $used_tokens
  FROM used
  FULL OUTER JOIN placed
    ON $equal
),
ranked AS (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY currency ORDER BY $order) AS currency_place
  FROM joined
),
everything AS (
  SELECT
    FALSE AS is_total,
    $names,
    currency,
    billed_cost,
    $part_names,
    has_tokens,
    $token_names,
    ROW_NUMBER() OVER (ORDER BY $position, currency, $names) AS position,
    COUNT(*) OVER () AS group_count
  FROM ranked
  UNION ALL
  SELECT TRUE, $nulls, NULL, NULL, $part_nulls, TRUE, $token_sums, 0, COUNT(*)
  FROM used
  UNION ALL
  SELECT TRUE, $nulls, currency, SUM(billed_cost), $part_sums, FALSE, $token_nulls, 1, COUNT(*)
  FROM spent
  GROUP BY currency
)
SELECT *
FROM everything
ORDER BY is_total DESC, position, currency
LIMIT @max_rows
""")
TYPES = {
    "start": "TIMESTAMP",
    "end_exclusive": "TIMESTAMP",
    "start_day": "DATE",
    "end_day_exclusive": "DATE",
    "max_rows": "INT64",
}


def genai_usage(groups: Sequence[UsageGroup], filters: Filters) -> str:
    """Tokens and GenAI costs per group, after the totals: one of the tokens, one of each currency's cost."""
    names = [f"g{index}" for index in range(len(groups))]
    pairs = list(zip(groups, names, strict=True))
    parts = list(PARTS)
    times = [name for group, name in pairs if group in TIMES]
    costs = [f"{_COST_EXPRESSIONS[group]} AS {name}" for group, name in pairs]
    usage = [f"{USAGE_EXPRESSIONS[group]} AS {name}" for group, name in pairs]
    order = ", ".join([*times, "billed_cost DESC", "total_tokens DESC", *names])
    return _TEXT.substitute(
        usage_groups=",\n    ".join(usage),
        cost_groups=",\n    ".join(costs),
        names=", ".join(names),
        tokens=TOKENS,
        usage_where=usage_condition(filters),
        cost_where=cost_condition(filters),
        genai=GENAI,
        parts=",\n    ".join(f"SUM(IF({PARTS[part]}, BilledCost, 0)) AS {part}" for part in parts),
        either=",\n    ".join(f"COALESCE(placed.{name}, used.{name}) AS {name}" for name in names),
        placed_parts=", ".join(f"placed.{part}" for part in parts),
        used_tokens=", ".join(f"used.{token}" for token in COUNTED),
        equal=" AND ".join(f"placed.{name} = used.{name}" for name in names),
        order=order,
        part_names=", ".join(parts),
        token_names=", ".join(COUNTED),
        position=", ".join(times) if times else "IF(currency IS NULL, 1, 0), currency_place",
        nulls=", ".join("NULL" for _ in names),
        part_nulls=", ".join("NULL" for _ in parts),
        token_nulls=", ".join("NULL" for _ in COUNTED),
        part_sums=", ".join(f"SUM({part})" for part in parts),
        token_sums=", ".join(f"SUM({token})" for token in COUNTED),
    )


def usage_condition(filters: Filters) -> str:
    """The filters as a condition on usage rows."""
    where = filters.where().replace("ServiceProviderName", "provider").replace("x_genai_model", "model")
    return where.replace("ChargePeriodStart", "TIMESTAMP(usage_date)")


def cost_condition(filters: Filters) -> str:
    """The filters as a condition on cost rows, whose provider goes by the name that usage rows give it."""
    return filters.where().replace("ServiceProviderName", PROVIDER)


def every_query() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Every kind of text that genai_usage can send: its name, the text, and the types of its parameters."""
    every: tuple[tuple[UsageGroup, ...], ...] = (
        ("model",), ("provider",), ("team",), ("day",), ("week",), ("month",), ("team", "model"), ("month", "provider"),
    )  # fmt: skip
    for groups in every:
        yield f"usage by {' and '.join(groups)}, all", genai_usage(groups, Filters()), TYPES
    for name in FILTERED:
        for op in ("in", "not_in", "contains", "is_null", "not_null"):
            filters = Filters.parse([{"dimension": name, "op": op, "values": ["Claude"]}])
            yield f"usage where {name} {op}", genai_usage(("model",), filters), TYPES | filter_types(filters)
