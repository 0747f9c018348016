"""The SQL of the usage tools: tokens beside what they cost, consumers, quotas and pipeline runs.

Tokens and costs are summed apart and joined group by group, so that no row counts twice. A group that is billed in
several currencies has a row for each; its tokens stand in the row of its largest cost alone.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from string import Template
from typing import Literal, get_args

from common.cost_query.composing import filter_types
from common.cost_query.filters import Filters
from common.focus.dimensions import EXPRESSIONS
from common.record import usage_sql
from common.skills.usage import genai_sql
from common.skills.usage.availability import available
from common.skills.usage.genai_sql import TOKENS, USAGE_EXPRESSIONS

Consumer = Literal["model", "service", "provider", "team"]
RunStatus = Literal["pending", "running", "completed", "failed", "cancelled"]
RunFilter = Literal["provider", "status"]


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

# What software is subscribed to, by its latest purchase, and the organisation's own plan on this platform.
SUBSCRIPTIONS = Template("""
WITH purchases AS (
  SELECT
    ServiceProviderName AS provider,
    ServiceName AS service,
    JSON_VALUE(SkuPriceDetails, '$$.Plan') AS plan,
    COALESCE(
      SAFE_CAST(JSON_VALUE(SkuPriceDetails, '$$.Seats') AS NUMERIC),
      IF(LOWER(PricingUnit) LIKE '%seat%', PricingQuantity, NULL)
    ) AS seats,
    ContractedUnitPrice AS unit_price,
    BillingCurrency AS currency,
    BilledCost AS last_charge,
    DATE(ChargePeriodStart) AS last_charge_day,
    DATE(ChargePeriodEnd) AS charge_period_end,
    SUM(BilledCost) OVER same AS billed_cost,
    ROW_NUMBER() OVER (
      PARTITION BY ServiceProviderName, ServiceName, SkuMeter, BillingCurrency
      ORDER BY ChargePeriodStart DESC, BilledCost DESC
    ) AS place
  FROM {own.cost_data_standard_1_3}
  WHERE ChargePeriodStart >= @start
    AND ChargePeriodStart < @end_exclusive
    AND ChargeCategory = 'Purchase'
    AND ($cost_type) = 'subscription'
  WINDOW same AS (PARTITION BY ServiceProviderName, ServiceName, SkuMeter, BillingCurrency)
)
SELECT
  'software' AS kind,
  provider,
  service,
  plan,
  seats,
  unit_price,
  currency,
  last_charge,
  last_charge_day,
  IF(DATE_DIFF(charge_period_end, last_charge_day, DAY) > 1, charge_period_end, NULL) AS renewal_date,
  billed_cost,
  CAST(NULL AS STRING) AS status
FROM purchases
WHERE place = 1
UNION ALL
SELECT
  'platform',
  NULL,
  'This platform',
  plan_name,
  CAST(seat_limit AS NUMERIC),
  NULL,
  NULL,
  NULL,
  DATE(created_at),
  COALESCE(subscription_end_date, IF(status = 'TRIAL', trial_end_date, NULL)),
  NULL,
  status
FROM {shared.org_subscriptions}
WHERE org_slug = @org_slug
ORDER BY kind DESC, billed_cost DESC, service
LIMIT 200
""").substitute(cost_type=EXPRESSIONS["cost_type"])

_PIPELINE = "LOWER(COALESCE(JSON_VALUE(parameters, '$.provider'), SPLIT(pipeline_id, '-')[SAFE_OFFSET(0)]))"
_RUN_CONDITIONS: Mapping[RunFilter, str] = {
    "provider": f"{_PIPELINE} IN UNNEST(@providers)",
    "status": "UPPER(status) = UPPER(@status)",
}


_RUN_COUNTS = ",\n  ".join(
    f"COUNTIF(UPPER(status) = '{status.upper()}') OVER () AS {status}_count" for status in get_args(RunStatus)
)
# What ran next for the same pipeline and day of data is looked up before anything is filtered.
_RUNS = Template("""
WITH runs AS (
  SELECT
    *,
    LEAD(pipeline_logging_id) OVER same AS next_run_id,
    LEAD(status) OVER same AS next_status,
    MAX(IF(UPPER(status) = 'COMPLETED', start_time, NULL)) OVER (PARTITION BY pipeline_id, run_date) AS recovered_at
  FROM {shared.org_meta_pipeline_runs}
  WHERE org_slug = @org_slug
    AND start_time >= @start
    AND start_time < @end_exclusive
  WINDOW same AS (PARTITION BY pipeline_id, run_date ORDER BY start_time, pipeline_logging_id)
),
matching AS (
  SELECT *
  FROM runs
  WHERE TRUE$conditions
),
pipelines AS (
  SELECT ARRAY_AGG(STRUCT(pipeline_id, runs) ORDER BY pipeline_id LIMIT 50) AS pipelines
  FROM (
    SELECT pipeline_id, COUNT(*) AS runs
    FROM matching
    GROUP BY pipeline_id
  )
)
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
  next_run_id,
  next_status,
  JSON_VALUE(error_context, '$$.error_class') AS reported_class,
  SUBSTR(error_message, 1, @message_chars) AS error_message,
  pipelines.pipelines,
  COUNT(*) OVER () AS run_count,
  COUNTIF(UPPER(status) = 'FAILED' AND COALESCE(recovered_at < start_time, TRUE)) OVER () AS not_recovered_count,
  $counts
FROM matching
CROSS JOIN pipelines
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
def consumers(dimension: Consumer) -> str:
    """The largest consumers within each currency, with the tokens that are certainly theirs."""
    expression = EXPRESSIONS[dimension]
    if dimension in USAGE_EXPRESSIONS and dimension != "provider":
        used = _OWN_NAME.substitute(expression=USAGE_EXPRESSIONS[dimension], tokens=TOKENS)
    else:
        used = _SOLD.substitute(expression=expression, tokens=TOKENS)
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
    conditions = "".join(f"\n    AND {_RUN_CONDITIONS[name]}" for name in filters)
    return _RUNS.substitute(pipeline=_PIPELINE, counts=_RUN_COUNTS, conditions=conditions)


def every_query() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Every text that the usage tools can send: its name, the text, and the GoogleSQL types of its parameters."""
    instants = {"start": "TIMESTAMP", "end_exclusive": "TIMESTAMP"}
    both = {**instants, "start_day": "DATE", "end_day_exclusive": "DATE"}
    types = {"provider": {"providers": "ARRAY<STRING>"}, "status": {"status": "STRING"}}
    yield from genai_sql.every_query()
    for name in (None, "provider", "model"):
        filters = Filters.parse([{"dimension": name, "values": ["Claude"]}] if name else [])
        yield f"available usage, {name or 'all'}", available(filters), filter_types(filters)
    for dimension in get_args(Consumer):
        yield f"consumers by {dimension}", consumers(dimension), {**both, "limit": "INT64"}
        yield f"available consumers by {dimension}", consumers_available(dimension), {}
    yield "quota", QUOTA, {}
    yield "subscriptions", SUBSCRIPTIONS, instants
    run_filters: tuple[tuple[RunFilter, ...], ...] = ((), ("provider",), ("status",), ("provider", "status"))
    for chosen in run_filters:
        bound = {name: kind for each in chosen for name, kind in types[each].items()}
        kinds = {**instants, **bound, "limit": "INT64", "message_chars": "INT64"}
        yield f"runs, {'+'.join(chosen) or 'all'}", runs(chosen), kinds
    yield "available runs", RUNS_AVAILABLE, {}
    for by in usage_sql.BYS:
        yield f"chat usage by {by}", usage_sql.usage(by), usage_sql.TYPES
