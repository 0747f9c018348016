"""The SQL of the usage tools: tokens beside what they cost, consumers, quotas and pipeline runs.

Tokens and costs are summed apart and joined group by group, so that no row counts twice. A group that is billed in
several currencies has a row for each; its tokens stand in the row of its largest cost alone.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from string import Template
from typing import Literal, get_args

from common.focus.dimensions import EXPRESSIONS

UsageGroup = Literal["model", "provider", "team", "day", "week", "month"]
Consumer = Literal["model", "service", "provider", "team"]
UsageFilter = Literal["provider", "model"]
RunStatus = Literal["pending", "running", "completed", "failed", "cancelled"]
RunFilter = Literal["provider", "status"]

TIMES = frozenset({"day", "week", "month"})

# A cost row's GenAI provider under the name that usage rows give it.
_PROVIDER = """LOWER(COALESCE(
      x_genai_provider,
      IF(LOWER(ServiceProviderName) IN ('google gemini', 'google ai'), 'gemini', ServiceProviderName)
    ))"""
_GENAI = f"({EXPRESSIONS['cost_type']}) = 'genai'"

_USAGE_EXPRESSIONS: Mapping[str, str] = {
    "model": "COALESCE(model, 'No model')",
    "provider": "LOWER(provider)",
    "team": "COALESCE(x_hierarchy_entity_name, 'Unallocated')",
    "day": "usage_date",
    "week": "DATE_TRUNC(usage_date, WEEK(MONDAY))",
    "month": "FORMAT_DATE('%Y-%m', usage_date)",
}
_COST_EXPRESSIONS: Mapping[str, str] = {**EXPRESSIONS, "provider": _PROVIDER}
_USAGE_CONDITIONS: Mapping[UsageFilter, str] = {
    "provider": "LOWER(provider) IN UNNEST(@providers)",
    "model": "LOWER(model) = LOWER(@model)",
}
_COST_CONDITIONS: Mapping[UsageFilter, str] = {
    "provider": f"{_PROVIDER} IN UNNEST(@providers)",
    "model": "LOWER(x_genai_model) = LOWER(@model)",
}

_TOKENS = """SUM(request_count) AS requests,
    SUM(input_tokens) AS input_tokens,
    SUM(output_tokens) AS output_tokens,
    SUM(cached_tokens) AS cached_tokens,
    SUM(total_tokens) AS total_tokens"""

_GENAI_USAGE = Template("""
WITH used AS (
  SELECT
    $usage_expression AS name,
    $tokens
  FROM {own.genai_usage_daily_unified}
  WHERE usage_date >= @start_day
    AND usage_date < @end_day_exclusive$usage_conditions
  GROUP BY name
),
spent AS (
  SELECT $cost_expression AS name, BillingCurrency AS currency, SUM(BilledCost) AS billed_cost
  FROM {own.cost_data_standard_1_3}
  WHERE ChargePeriodStart >= @start
    AND ChargePeriodStart < @end_exclusive
    AND $genai$cost_conditions
  GROUP BY name, currency
),
placed AS (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY name ORDER BY billed_cost DESC, currency) AS place
  FROM spent
),
joined AS (
  SELECT
    COALESCE(placed.name, used.name) AS name,
    placed.currency,
    placed.billed_cost,
    COALESCE(placed.place, 1) = 1 AS has_tokens,
    used.requests,
    used.input_tokens,
    used.output_tokens,
    used.cached_tokens,
    used.total_tokens
  FROM used
  FULL OUTER JOIN placed
    ON placed.name = used.name
),
ranked AS (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY currency ORDER BY $order) AS currency_place
  FROM joined
),
everything AS (
  SELECT
    FALSE AS is_total,
    name,
    currency,
    billed_cost,
    has_tokens,
    requests,
    input_tokens,
    output_tokens,
    cached_tokens,
    total_tokens,
    ROW_NUMBER() OVER (ORDER BY $position, currency, name) AS position,
    COUNT(*) OVER () AS group_count
  FROM ranked
  UNION ALL
  SELECT TRUE, NULL, NULL, NULL, TRUE, $sums, 0, COUNT(*)
  FROM used
  UNION ALL
  SELECT TRUE, NULL, currency, SUM(billed_cost), FALSE, NULL, NULL, NULL, NULL, NULL, 1, COUNT(*)
  FROM spent
  GROUP BY currency
)
SELECT *
FROM everything
ORDER BY is_total DESC, position, currency
LIMIT @max_rows
""")
_SUMS = "SUM(requests), SUM(input_tokens), SUM(output_tokens), SUM(cached_tokens), SUM(total_tokens)"

_AVAILABLE = Template("""
WITH days AS (
  SELECT usage_date AS day, LOWER(provider) AS provider, model
  FROM {own.genai_usage_daily_unified}
  UNION ALL
  SELECT DATE(ChargePeriodStart) AS day, $provider AS provider, x_genai_model AS model
  FROM {own.cost_data_standard_1_3}
  WHERE $genai
)
SELECT
  MIN(IF($condition, day, NULL)) AS first_match,
  MAX(IF($condition, day, NULL)) AS last_match,
  MIN(day) AS first_day,
  MAX(day) AS last_day,
  ARRAY_AGG(DISTINCT provider IGNORE NULLS ORDER BY provider LIMIT 50) AS providers,
  ARRAY_AGG(DISTINCT model IGNORE NULLS ORDER BY model LIMIT 100) AS models
FROM days
""")

# Usage rows do not say who sold a model. Where one provider's model was billed under one name only, it is that one.
_SOLD = Template("""sold AS (
  SELECT LOWER(x_genai_provider) AS provider, x_genai_model AS model, MIN($expression) AS name
  FROM {own.cost_data_standard_1_3}
  WHERE ChargePeriodStart >= @start
    AND ChargePeriodStart < @end_exclusive
    AND x_genai_provider IS NOT NULL
  GROUP BY provider, model
  HAVING COUNT(DISTINCT $expression) = 1
),
used AS (
  SELECT
    sold.name,
    $tokens
  FROM {own.genai_usage_daily_unified} AS usage
  JOIN sold
    ON sold.provider = LOWER(usage.provider)
    AND COALESCE(sold.model, '') = COALESCE(usage.model, '')
  WHERE usage.usage_date >= @start_day
    AND usage.usage_date < @end_day_exclusive
  GROUP BY sold.name
)""")
_OWN_NAME = Template("""used AS (
  SELECT
    $expression AS name,
    $tokens
  FROM {own.genai_usage_daily_unified}
  WHERE usage_date >= @start_day
    AND usage_date < @end_day_exclusive
  GROUP BY name
)""")

_CONSUMERS = Template("""
WITH $used,
spent AS (
  SELECT
    $expression AS name,
    BillingCurrency AS currency,
    SUM(BilledCost) AS billed_cost,
    COUNT(*) AS line_items
  FROM {own.cost_data_standard_1_3}
  WHERE ChargePeriodStart >= @start
    AND ChargePeriodStart < @end_exclusive$condition
  GROUP BY name, currency
),
ranked AS (
  SELECT
    *,
    ROW_NUMBER() OVER (PARTITION BY currency ORDER BY billed_cost DESC, name) AS place,
    ROW_NUMBER() OVER (PARTITION BY name ORDER BY billed_cost DESC, currency) = 1 AS has_tokens,
    SUM(billed_cost) OVER (PARTITION BY currency) AS currency_billed_cost,
    SUM(line_items) OVER (PARTITION BY currency) AS currency_line_items,
    COUNT(*) OVER () AS group_count
  FROM spent
),
placed AS (
  SELECT *, ROW_NUMBER() OVER (ORDER BY place, currency) AS position
  FROM ranked
)
SELECT
  placed.*,
  used.requests,
  used.total_tokens
FROM placed
LEFT JOIN used
  ON used.name = placed.name
WHERE placed.position <= @limit OR placed.place = 1  -- the first of each currency carries that currency's totals
ORDER BY IF(placed.place = 1, 0, 1), placed.position
""")

_CONSUMERS_AVAILABLE = Template("""
SELECT MIN(DATE(ChargePeriodStart)) AS first_day, MAX(DATE(ChargePeriodStart)) AS last_day
FROM {own.cost_data_standard_1_3}
WHERE TRUE$condition
""")

QUOTA = """
SELECT
  usage_date,
  pipelines_run_today,
  pipelines_run_month,
  concurrent_pipelines_running,
  daily_limit,
  monthly_limit,
  concurrent_limit,
  last_updated
FROM {shared.org_usage_quotas}
WHERE org_slug = @org_slug
ORDER BY usage_date DESC, last_updated DESC
LIMIT 1
"""

_PIPELINE = "LOWER(COALESCE(JSON_VALUE(parameters, '$.provider'), SPLIT(pipeline_id, '-')[SAFE_OFFSET(0)]))"
_RUN_CONDITIONS: Mapping[RunFilter, str] = {
    "provider": f"{_PIPELINE} IN UNNEST(@providers)",
    "status": "UPPER(status) = UPPER(@status)",
}


_RUN_COUNTS = ",\n  ".join(
    f"COUNTIF(UPPER(status) = '{status.upper()}') OVER () AS {status}_count" for status in get_args(RunStatus)
)
_RUNS = Template("""
SELECT
  pipeline_logging_id,
  pipeline_id,
  $pipeline AS provider,
  status,
  trigger_type,
  start_time,
  end_time,
  duration_ms,
  run_date,
  JSON_VALUE(error_context, '$$.error_class') AS reported_class,
  SUBSTR(error_message, 1, @message_chars) AS error_message,
  COUNT(*) OVER () AS run_count,
  $counts
FROM {shared.org_meta_pipeline_runs}
WHERE org_slug = @org_slug
  AND start_time >= @start
  AND start_time < @end_exclusive$conditions
ORDER BY start_time DESC, pipeline_logging_id
LIMIT @limit
""")

RUNS_AVAILABLE = Template("""
SELECT
  MIN(DATE(start_time)) AS first_day,
  MAX(DATE(start_time)) AS last_day,
  ARRAY_AGG(DISTINCT $pipeline IGNORE NULLS ORDER BY $pipeline LIMIT 50) AS providers
FROM {shared.org_meta_pipeline_runs}
WHERE org_slug = @org_slug
""").substitute(pipeline=_PIPELINE)


@cache
def genai_usage(group_by: UsageGroup, filters: tuple[UsageFilter, ...]) -> str:
    """Tokens and GenAI costs per group, after the totals: one of the tokens, one of each currency's cost."""
    time = group_by in TIMES
    return _GENAI_USAGE.substitute(
        usage_expression=_USAGE_EXPRESSIONS[group_by],
        cost_expression=_COST_EXPRESSIONS[group_by],
        tokens=_TOKENS,
        sums=_SUMS,
        genai=_GENAI,
        usage_conditions="".join(f"\n    AND {_USAGE_CONDITIONS[name]}" for name in filters),
        cost_conditions="".join(f"\n    AND {_COST_CONDITIONS[name]}" for name in filters),
        order="name" if time else "billed_cost DESC, total_tokens DESC, name",
        position="name" if time else "IF(currency IS NULL, 1, 0), currency_place",
    )


@cache
def usage_available(filters: tuple[UsageFilter, ...]) -> str:
    """Which days have GenAI usage or costs, which of them the filters match, and of which providers and models."""
    condition = " AND ".join(_USAGE_CONDITIONS[name] for name in filters) or "TRUE"
    return _AVAILABLE.substitute(provider=_PROVIDER, genai=_GENAI, condition=condition)


@cache
def consumers(dimension: Consumer) -> str:
    """What cost most, largest first within each currency, with the tokens that can be told to be its own."""
    expression = EXPRESSIONS[dimension]
    if dimension in _USAGE_EXPRESSIONS and dimension != "provider":
        used = _OWN_NAME.substitute(expression=_USAGE_EXPRESSIONS[dimension], tokens=_TOKENS)
    else:
        used = _SOLD.substitute(expression=expression, tokens=_TOKENS)
    return _CONSUMERS.substitute(used=used, expression=expression, condition=_having(dimension))


@cache
def consumers_available(dimension: Consumer) -> str:
    """Which days have costs that count for this dimension."""
    return _CONSUMERS_AVAILABLE.substitute(condition=_having(dimension))


def _having(dimension: Consumer) -> str:
    return "\n    AND x_genai_model IS NOT NULL" if dimension == "model" else ""


@cache
def runs(filters: tuple[RunFilter, ...]) -> str:
    """The newest pipeline runs, each with the counts over all that match."""
    conditions = "".join(f"\n  AND {_RUN_CONDITIONS[name]}" for name in filters)
    return _RUNS.substitute(pipeline=_PIPELINE, counts=_RUN_COUNTS, conditions=conditions)


def every_query() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Every text that the usage tools can send: its name, the text, and the GoogleSQL types of its parameters."""
    instants = {"start": "TIMESTAMP", "end_exclusive": "TIMESTAMP"}
    both = {**instants, "start_day": "DATE", "end_day_exclusive": "DATE"}
    types = {"provider": {"providers": "ARRAY<STRING>"}, "model": {"model": "STRING"}, "status": {"status": "STRING"}}
    usage_filters: tuple[tuple[UsageFilter, ...], ...] = ((), ("provider",), ("model",), ("provider", "model"))
    for filters in usage_filters:
        bound = {name: kind for each in filters for name, kind in types[each].items()}
        label = "+".join(filters) or "all"
        for group_by in get_args(UsageGroup):
            yield (
                f"usage by {group_by}, {label}",
                genai_usage(group_by, filters),
                {**both, **bound, "max_rows": "INT64"},
            )
        yield f"available usage, {label}", usage_available(filters), bound
    for dimension in get_args(Consumer):
        yield f"consumers by {dimension}", consumers(dimension), {**both, "limit": "INT64"}
        yield f"available consumers by {dimension}", consumers_available(dimension), {}
    yield "quota", QUOTA, {}
    run_filters: tuple[tuple[RunFilter, ...], ...] = ((), ("provider",), ("status",), ("provider", "status"))
    for chosen in run_filters:
        bound = {name: kind for each in chosen for name, kind in types[each].items()}
        kinds = {**instants, **bound, "limit": "INT64", "message_chars": "INT64"}
        yield f"runs, {'+'.join(chosen) or 'all'}", runs(chosen), kinds
    yield "available runs", RUNS_AVAILABLE, {}
