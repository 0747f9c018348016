"""The SQL of the planner: three searches of the catalogue, and the organisation's own bill."""

from collections.abc import Iterator, Mapping
from string import Template

from common.skills.budgets.sql import STANDING_OF_COSTS

# Every answer has one row at least: it says how many rows the catalogue has, and of which day its oldest price is.
_NAME = r"REGEXP_REPLACE(LOWER($of), r'^standard[_ ]|[^a-z0-9]', '')"
_INSTANCES = Template("""
WITH named AS (
  SELECT
    *,
    (@instance_type IS NULL OR $name = $asked) AS is_named,
    (@region_count = 0 OR region IN UNNEST(@regions) OR CONCAT(provider, '/', region) IN UNNEST(@regions)) AS is_there,
    (@provider IS NULL OR provider = @provider) AND provider NOT IN UNNEST(@not_providers) AS is_offered,
    (@gpu_needed IS NULL OR (gpu_count > 0) = @gpu_needed) AS is_kind
  FROM {catalog.instances}
),
known AS (
  SELECT
    COUNT(*) AS known_rows,
    MIN(price_date) AS oldest,
    COUNTIF(is_named) AS known_named,
    COUNTIF(is_there AND is_offered AND is_kind) AS known_there,
    ARRAY_AGG(DISTINCT provider ORDER BY provider) AS known_providers,
    ARRAY_AGG(DISTINCT IF(is_offered AND is_kind, CONCAT(provider, '/', region), NULL) IGNORE NULLS ORDER BY
      IF(is_offered AND is_kind, CONCAT(provider, '/', region), NULL)) AS known_regions,
    ARRAY_AGG(DISTINCT IF(is_there AND is_kind, CONCAT(provider, '/', region), NULL) IGNORE NULLS ORDER BY
      IF(is_there AND is_kind, CONCAT(provider, '/', region), NULL)) AS known_others
  FROM named
),
fitting AS (
  SELECT
    provider, instance_type, region, vcpus, memory_gib, arch, gpu_name, gpu_count, gpu_memory_gib,
    gpu_memory_total_gib, bfloat16, price_hourly, currency, price_date, source,
    ROW_NUMBER() OVER (PARTITION BY provider, instance_type ORDER BY price_hourly, region) AS nth_region
  FROM named
  WHERE price_hourly > 0
    AND currency = 'USD'
    AND is_named AND is_there AND is_offered AND is_kind
    AND (@gpu_name IS NULL OR UPPER(gpu_name) = UPPER(@gpu_name))
    AND (@min_gpus IS NULL OR gpu_count >= @min_gpus)
    AND (@min_vram_gb IS NULL OR gpu_memory_total_gib >= @min_vram_gb)
    AND (@min_gpu_memory_gb IS NULL OR gpu_memory_gib >= @min_gpu_memory_gb)
    AND (@bfloat16 IS NULL OR IFNULL(bfloat16, FALSE) = @bfloat16)
    AND (@min_vcpu IS NULL OR vcpus >= @min_vcpu)
    AND (@min_ram_gb IS NULL OR memory_gib >= @min_ram_gb)
    AND (@arch IS NULL OR arch = @arch)
),
found AS (
  SELECT *, ROUND(price_hourly * 730, 2) AS price_monthly
  FROM fitting
  WHERE (NOT @cheapest_region OR nth_region = 1)
    AND (@max_price_monthly IS NULL OR ROUND(price_hourly * 730, 2) <= @max_price_monthly)
  ORDER BY price_hourly, gpu_memory_total_gib DESC, gpu_count DESC, provider, instance_type, region
  LIMIT @top_k
)
SELECT
  known.known_rows, known.oldest, known.known_named, known.known_there, known.known_providers,
  IF(found.provider IS NULL, known.known_regions, NULL) AS known_regions,
  IF(found.provider IS NULL, known.known_others, NULL) AS known_others,
  found.provider, found.instance_type, found.region, found.vcpus, found.memory_gib, found.arch, found.gpu_name,
  found.gpu_count, found.gpu_memory_gib, found.gpu_memory_total_gib, found.bfloat16, found.price_hourly,
  found.price_monthly, found.currency, found.price_date, found.source
FROM known
LEFT JOIN found ON TRUE
ORDER BY found.price_hourly, found.gpu_memory_total_gib DESC, found.gpu_count DESC, found.provider,
  found.instance_type, found.region
""")
INSTANCES = _INSTANCES.substitute(
    name=_NAME.replace("$of", "instance_type"), asked=_NAME.replace("$of", "@instance_type")
)

# 0 the name itself, 1 its beginning, 2 in the name, 3 in the description or a keyword, 4 every word somewhere.
CHARTS = """
WITH known AS (
  SELECT COUNT(*) AS known_rows FROM {catalog.helm_charts}
),
ranked AS (
  SELECT
    *,
    CASE
      WHEN LOWER(name) = @query THEN 0
      WHEN STARTS_WITH(LOWER(name), @query) THEN 1
      WHEN STRPOS(LOWER(name), @query) > 0 THEN 2
      WHEN STRPOS(LOWER(CONCAT(IFNULL(description, ''), '|', IFNULL(keywords, ''))), @query) > 0 THEN 3
      WHEN (
        SELECT COUNT(*) FROM UNNEST(@words) AS word
        WHERE STRPOS(LOWER(CONCAT(name, '|', IFNULL(description, ''), '|', IFNULL(keywords, ''))), word) > 0
      ) = @word_count THEN 4
    END AS match_rank
  FROM {catalog.helm_charts}
),
found AS (
  SELECT * FROM ranked
  WHERE match_rank IS NOT NULL
  ORDER BY match_rank, IFNULL(stars, 0) DESC, official DESC, name, repository
  LIMIT @top_k
)
SELECT
  known.known_rows, found.match_rank, found.name, found.repository, found.repository_url, found.publisher,
  found.version, found.app_version, found.description, found.home, found.license, found.official, found.stars,
  found.deprecated, found.kube_version, found.images_restricted, found.released, found.snapshot_date
FROM known
LEFT JOIN found ON TRUE
ORDER BY found.match_rank, IFNULL(found.stars, 0) DESC, found.official DESC, found.name, found.repository
"""

# A word counts by its rarity among all models: LN((models + 1) / (models with the word + 1)). Popularity is that of
# the most popular model that passes the filters. Scores are rounded, so that no last digit of a sum decides an order.
_MODELS = Template("""
WITH every AS (
  SELECT
    *,
    ARRAY(
      SELECT DISTINCT token FROM UNNEST(REGEXP_EXTRACT_ALL(
        LOWER(CONCAT(model_id, ' ', IFNULL(pipeline_tag, ''), ' ', IFNULL(architecture, ''), ' ',
          IFNULL(capabilities, ''))),
        r'[a-z0-9.]+')) AS token
    ) AS tokens
  FROM {catalog.models}
),
counted AS (
  SELECT word, LN(((SELECT COUNT(*) FROM every) + 1) / (COUNTIF(word IN UNNEST(every.tokens)) + 1)) AS weight
  FROM UNNEST(@words) AS word
  CROSS JOIN every
  GROUP BY word
),
allowed AS (
  SELECT *, LN(IFNULL(downloads, 0) + 1) + LN(IFNULL(likes, 0) + 1) AS fame
  FROM every
  WHERE (@pipeline_tag IS NULL OR pipeline_tag = @pipeline_tag)
    AND (@license_count = 0 OR LOWER(IFNULL(license, '')) IN UNNEST(@licenses))
    AND (@max_parameters IS NULL OR parameters <= @max_parameters)
    AND (@min_parameters IS NULL OR parameters >= @min_parameters)
    AND (NOT @sized OR parameters IS NOT NULL)
),
weighed AS (
  SELECT allowed.model_id, SUM(IF(counted.word IN UNNEST(allowed.tokens), counted.weight, 0)) AS matched,
    SUM(counted.weight) AS total
  FROM allowed
  CROSS JOIN counted
  GROUP BY allowed.model_id
),
${near}scored AS (
  SELECT
    allowed.*,
    $relevance AS relevance,
    ROUND(IFNULL(SAFE_DIVIDE(allowed.fame, (SELECT MAX(fame) FROM allowed)), 0), 6) AS popularity
  FROM allowed
  LEFT JOIN weighed ON weighed.model_id = allowed.model_id$join_near
),
found AS (
  SELECT *, ROUND(0.6 * relevance + 0.4 * popularity, 6) AS score
  FROM scored
  WHERE relevance > 0 OR @word_count = 0
  ORDER BY score DESC, IFNULL(downloads, 0) DESC, model_id
  LIMIT @top_k
),
known AS (
  SELECT
    COUNT(*) AS known_rows,
    ARRAY_AGG(DISTINCT pipeline_tag IGNORE NULLS ORDER BY pipeline_tag) AS known_tags,
    $known_cards AS known_cards
  FROM every
)
SELECT
  known.known_rows, known.known_tags, known.known_cards,
  found.model_id, found.author, found.pipeline_tag, found.license, found.parameters, found.active_parameters,
  found.architecture, found.layers, found.kv_heads, found.head_dim, found.precision, found.downloads, found.likes,
  found.release_date, found.score, found.relevance, found.popularity, found.source, found.snapshot_date
FROM known
LEFT JOIN found ON TRUE
ORDER BY found.score DESC, IFNULL(found.downloads, 0) DESC, found.model_id
""")
_BY_WORDS = "ROUND(IFNULL(SAFE_DIVIDE(weighed.matched, weighed.total), 0), 6)"
# The half of relevance that is meaning: how near a card is to the question, as a part of the nearest card's nearness.
_NEAR = """cards AS (
  SELECT model_id, embedding FROM {catalog.model_cards} WHERE space = @space
),
near AS (
  SELECT cards.model_id, GREATEST(1 - COSINE_DISTANCE(cards.embedding, @vector), 0) AS nearness
  FROM cards
  JOIN allowed ON allowed.model_id = cards.model_id
),
"""
_BY_BOTH = Template("""IF(
      (SELECT COUNT(*) FROM cards) = 0,
      $words,
      ROUND(0.5 * $words
        + 0.5 * ROUND(IFNULL(SAFE_DIVIDE(near.nearness, (SELECT MAX(nearness) FROM near)), 0), 6), 6)
    )""").substitute(words=_BY_WORDS)
_JOIN_NEAR = """
  LEFT JOIN near ON near.model_id = allowed.model_id"""
MODELS = _MODELS.substitute(near="", relevance=_BY_WORDS, join_near="", known_cards="0")
MODELS_BY_MEANING = _MODELS.substitute(
    near=_NEAR, relevance=_BY_BOTH, join_near=_JOIN_NEAR, known_cards="(SELECT COUNT(*) FROM cards)"
)

# Charts by their repository and name, such as qdrant/qdrant-helm/qdrant.
STACK = """
SELECT
  name, repository, repository_url, version, app_version, license, official, deprecated, kube_version,
  images_restricted, released, snapshot_date
FROM {catalog.helm_charts}
WHERE CONCAT(repository, '/', name) IN UNNEST(@charts)
ORDER BY repository, name
"""

# Computing that is used, at its list and its contracted price, by provider and currency, of the months that are over;
# and the budgets in force today, as the budgets' own tools hold them against costs.
BILL = Template("""
WITH $standing,
items AS (
  SELECT
    names.provider,
    BillingCurrency AS currency,
    ChargePeriodStart AS started,
    ChargePeriodStart < @months_end
      AND ChargeCategory = 'Usage'
      AND ServiceCategory = 'Compute'
      AND COALESCE(PricingCategory, '') != 'Dynamic'
      AND COALESCE(CommitmentDiscountStatus, '') != 'Unused' AS computing,
    ChargePeriodStart >= @month_start AND ChargePeriodStart < @months_end AS in_last_month,
    COALESCE(CommitmentDiscountStatus, '') = 'Unused' AS unused,
    ListCost AS list_cost,
    ContractedCost AS contracted_cost,
    EffectiveCost AS effective_cost,
    BilledCost AS billed_cost,
    IF(
      UPPER(x_original_currency) = 'USD' AND BillingCurrency != 'USD' AND x_exchange_rate_used > 0
        AND ChargePeriodStart >= @rate_start,
      x_exchange_rate_used,
      NULL
    ) AS usd_rate
  FROM {own.cost_data_standard_1_3}
  LEFT JOIN names
    ON names.name = LOWER(ServiceProviderName)
  WHERE ChargePeriodStart >= @bill_start
    AND ChargePeriodStart < @bill_end
),
bill AS (
  SELECT
    provider,
    currency,
    COUNTIF(computing) AS line_items,
    COUNT(DISTINCT IF(computing, DATE(started), NULL)) AS days_with_data,
    SUM(IF(computing, list_cost, 0)) AS list_cost,
    SUM(IF(computing, contracted_cost, 0)) AS contracted_cost,
    SUM(IF(computing, effective_cost, 0)) AS effective_cost,
    SUM(IF(in_last_month AND unused, effective_cost, 0)) AS unused_cost,
    SUM(IF(in_last_month, billed_cost, 0)) AS billed_last_month,
    ARRAY_AGG(usd_rate IGNORE NULLS ORDER BY started DESC, usd_rate DESC LIMIT 1)[SAFE_OFFSET(0)] AS usd_rate,
    MAX(IF(usd_rate IS NOT NULL, started, NULL)) AS usd_rate_day
  FROM items
  GROUP BY provider, currency
)
SELECT
  'bill' AS part, provider, currency, line_items, days_with_data, list_cost, contracted_cost, effective_cost,
  unused_cost, billed_last_month, usd_rate, usd_rate_day,
  CAST(NULL AS STRING) AS budget_id, CAST(NULL AS STRING) AS hierarchy_entity_id,
  CAST(NULL AS STRING) AS hierarchy_entity_name, CAST(NULL AS STRING) AS hierarchy_path,
  CAST(NULL AS STRING) AS hierarchy_level_code, CAST(NULL AS STRING) AS category,
  CAST(NULL AS STRING) AS budget_type, CAST(NULL AS FLOAT64) AS budget_amount, CAST(NULL AS DATE) AS period_start,
  CAST(NULL AS DATE) AS period_end, CAST(NULL AS ARRAY<DATE>) AS days, CAST(NULL AS ARRAY<NUMERIC>) AS amounts,
  CAST(NULL AS NUMERIC) AS actual, CAST(NULL AS DATE) AS last_day
FROM bill
UNION ALL
SELECT
  'budget', budgets.provider, budgets.currency, NULL, NULL, NULL, NULL, NULL,
  NULL, NULL, NULL, NULL,
  budgets.budget_id, hierarchy_entity_id, hierarchy_entity_name, hierarchy_path,
  hierarchy_level_code, category, budget_type, budget_amount, period_start,
  period_end, series.days, series.amounts, COALESCE(series.actual, 0), reached.last_day
FROM budgets
CROSS JOIN reached
LEFT JOIN series
  ON series.budget_id = budgets.budget_id
WHERE budget_type = 'monetary'
  AND category IN ('total', 'all', 'cloud')
ORDER BY part, provider, currency, budget_id
LIMIT @max_rows
""").substitute(standing=STANDING_OF_COSTS)

# What machines cost that are tagged with a plan, by month.
TAGGED = """
SELECT
  FORMAT_DATE('%Y-%m', DATE(ChargePeriodStart)) AS month,
  BillingCurrency AS currency,
  SUM(BilledCost) AS billed_cost,
  SUM(EffectiveCost) AS effective_cost,
  COUNT(DISTINCT DATE(ChargePeriodStart)) AS days_with_data,
  MIN(DATE(ChargePeriodStart)) AS first_day,
  MAX(DATE(ChargePeriodStart)) AS last_day
FROM {own.cost_data_standard_1_3}
WHERE ChargePeriodStart >= @start
  AND ChargePeriodStart < @end_exclusive
  AND JSON_VALUE(Tags, '$.plan') = @plan_id
GROUP BY month, currency
ORDER BY month, currency
LIMIT 100
"""

INSTANCE_TYPES: Mapping[str, str] = {
    "gpu_needed": "BOOL",
    "gpu_name": "STRING",
    "min_vram_gb": "NUMERIC",
    "min_gpu_memory_gb": "NUMERIC",
    "bfloat16": "BOOL",
    "instance_type": "STRING",
    "min_gpus": "NUMERIC",
    "provider": "STRING",
    "not_providers": "ARRAY<STRING>",
    "regions": "ARRAY<STRING>",
    "region_count": "INT64",
    "min_vcpu": "NUMERIC",
    "min_ram_gb": "NUMERIC",
    "arch": "STRING",
    "cheapest_region": "BOOL",
    "max_price_monthly": "NUMERIC",
    "top_k": "INT64",
}
BILL_TYPES: Mapping[str, str] = {
    "start": "TIMESTAMP",
    "end_exclusive": "TIMESTAMP",
    "as_of": "DATE",
    "oldest_end": "DATE",
    "max_rows": "INT64",
    "bill_start": "TIMESTAMP",
    "bill_end": "TIMESTAMP",
    "month_start": "TIMESTAMP",
    "months_end": "TIMESTAMP",
    "rate_start": "TIMESTAMP",
    "provider_names": "ARRAY<STRING>",
    "provider_keys": "ARRAY<STRING>",
}
CHART_TYPES: Mapping[str, str] = {"query": "STRING", "words": "ARRAY<STRING>", "word_count": "INT64", "top_k": "INT64"}
MODEL_TYPES: Mapping[str, str] = {
    "words": "ARRAY<STRING>",
    "word_count": "INT64",
    "pipeline_tag": "STRING",
    "licenses": "ARRAY<STRING>",
    "license_count": "INT64",
    "min_parameters": "INT64",
    "max_parameters": "INT64",
    "sized": "BOOL",
    "top_k": "INT64",
}

MEANING_TYPES: Mapping[str, str] = {**MODEL_TYPES, "space": "STRING", "vector": "ARRAY<FLOAT64>"}


def every_query() -> Iterator[tuple[str, str, Mapping[str, str]]]:
    """Yield the name, the text and the types of the parameters of each query."""
    yield "catalog instances", INSTANCES, INSTANCE_TYPES
    yield "catalog charts", CHARTS, CHART_TYPES
    yield "catalog models", MODELS, MODEL_TYPES
    yield "catalog models by meaning", MODELS_BY_MEANING, MEANING_TYPES
    yield "catalog stack", STACK, {"charts": "ARRAY<STRING>"}
    yield "bill of a plan", BILL, BILL_TYPES
    yield "costs of a plan", TAGGED, {"start": "TIMESTAMP", "end_exclusive": "TIMESTAMP", "plan_id": "STRING"}
