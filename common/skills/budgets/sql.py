"""The SQL of the budget tools: budgets as they are set, and each beside what its own period, path and kind cost.

A budget covers the entity of its path and all below it; ``/ENG-2`` is not below ``/ENG``. Costs are summed once by day,
path, kind, provider and currency, and only then held against the budgets.
"""

from collections.abc import Iterator
from string import Template

from common.focus.dimensions import COST_TYPE

_FIELDS = """budget_id,
    hierarchy_entity_id,
    hierarchy_entity_name,
    hierarchy_path,
    hierarchy_level_code,
    LOWER(category) AS category,
    LOWER(budget_type) AS budget_type,
    budget_amount,
    UPPER(currency) AS currency,
    LOWER(period_type) AS period_type,
    period_start,
    period_end,
    provider,
    notes,
    is_active"""

LIST = Template("""
SELECT
    $fields
FROM {shared.org_budgets}
WHERE org_slug = @org_slug
ORDER BY is_active DESC, period_end DESC, hierarchy_path, category, budget_id
LIMIT @max_rows
""").substitute(fields=_FIELDS)

TREE = """
WITH budgets AS (
  SELECT ARRAY_AGG(
    STRUCT(
      budget_id,
      hierarchy_entity_name,
      hierarchy_path,
      LOWER(category) AS category,
      LOWER(budget_type) AS budget_type,
      budget_amount,
      UPPER(currency) AS currency,
      period_start,
      period_end
    ) ORDER BY hierarchy_path, category, budget_id LIMIT 2000
  ) AS nodes
  FROM {shared.org_budgets}
  WHERE org_slug = @org_slug
    AND is_active
    AND period_start <= @as_of
    AND period_end >= @as_of
),
allocations AS (
  SELECT ARRAY_AGG(
    STRUCT(parent_budget_id, child_budget_id, allocated_amount) ORDER BY parent_budget_id, child_budget_id LIMIT 4000
  ) AS edges
  FROM {shared.org_budget_allocations}
  WHERE org_slug = @org_slug
)
SELECT budgets.nodes, allocations.edges
FROM budgets
CROSS JOIN allocations
"""

# Budgets whose entity has no path are matched by the entity's id anywhere in a row's path; one of the whole
# organisation by its level.
_COVERS = """(
      LOWER(budgets.hierarchy_level_code) IN ('organization', 'organisation', 'company')
      OR spent.path = budgets.hierarchy_path
      OR STARTS_WITH(spent.path, CONCAT(budgets.hierarchy_path, '/'))
      OR (
        budgets.hierarchy_path IS NULL
        AND STRPOS(CONCAT(spent.path, '/'), CONCAT('/', budgets.hierarchy_entity_id, '/')) > 0
      )
    )"""

_TOKENS = """tokens AS (
  SELECT
    usage_date AS day,
    COALESCE(x_hierarchy_path, '') AS path,
    LOWER(provider) AS provider,
    CAST(SUM(total_tokens) AS NUMERIC) AS amount
  FROM {own.genai_usage_daily_unified}
  WHERE usage_date >= @start_day
    AND usage_date < @end_day_exclusive
  GROUP BY day, path, provider
),
"""
_WITH_TOKENS = """
  UNION ALL
  SELECT 'token', day, path, 'genai', provider, NULL, amount
  FROM tokens"""
_STANDING = Template("""budgets AS (
  SELECT
    $fields
  FROM {shared.org_budgets}
  WHERE org_slug = @org_slug
    AND is_active
    AND period_start <= @as_of
    AND period_end >= @oldest_end
),
names AS (
  SELECT name, @provider_keys[SAFE_OFFSET(place)] AS provider
  FROM UNNEST(@provider_names) AS name WITH OFFSET AS place
),
charges AS (
  SELECT
    DATE(ChargePeriodStart) AS day,
    COALESCE(x_hierarchy_path, '') AS path,
    $cost_type AS kind,
    LOWER(ServiceProviderName) AS provider,
    BillingCurrency AS currency,
    SUM(BilledCost) AS amount
  FROM {own.cost_data_standard_1_3}
  WHERE ChargePeriodStart >= @start
    AND ChargePeriodStart < @end_exclusive
  GROUP BY day, path, kind, provider, currency
),
${tokens}spent AS (
  SELECT 'monetary' AS measure, day, path, kind, provider, currency, amount
  FROM charges$with_tokens
),
matched AS (
  SELECT
    budgets.budget_id,
    spent.currency,
    spent.currency IS NULL OR spent.currency = budgets.currency AS own,
    spent.day,
    spent.day >= budgets.period_start AS in_period,
    SUM(spent.amount) AS amount
  FROM budgets
  CROSS JOIN spent
  LEFT JOIN names AS wanted
    ON wanted.name = LOWER(budgets.provider)
  LEFT JOIN names AS given
    ON given.name = spent.provider
  WHERE spent.measure = budgets.budget_type
    AND spent.day <= budgets.period_end
    AND (budgets.category IN ('total', 'all') OR spent.kind = budgets.category)
    AND (
      budgets.provider IS NULL
      OR COALESCE(wanted.provider, LOWER(budgets.provider)) = COALESCE(given.provider, spent.provider)
    )
    AND $covers
  GROUP BY budgets.budget_id, spent.currency, own, spent.day, in_period
),
series AS (
  SELECT
    budget_id,
    ARRAY_AGG(day ORDER BY day) AS days,
    ARRAY_AGG(amount ORDER BY day) AS amounts,
    SUM(IF(in_period, amount, 0)) AS actual
  FROM matched
  WHERE own
  GROUP BY budget_id
),
others AS (
  SELECT budget_id, ARRAY_AGG(STRUCT(currency, amount) ORDER BY currency LIMIT 20) AS other_currencies
  FROM (
    SELECT budget_id, currency, SUM(amount) AS amount
    FROM matched
    WHERE NOT own
      AND in_period
    GROUP BY budget_id, currency
  )
  GROUP BY budget_id
),
reached AS (
  SELECT MAX(IF(day < @as_of, day, NULL)) AS last_day, MAX(day) AS newest_day
  FROM charges
)""")


def _standing(tokens: str, with_tokens: str) -> str:
    parts = {"fields": _FIELDS, "cost_type": COST_TYPE, "covers": _COVERS}
    return _STANDING.substitute(parts, tokens=tokens, with_tokens=with_tokens)


# The CTEs of budgets beside costs alone, for a text that goes on from them: those of tokens have nothing spent.
STANDING_OF_COSTS = _standing("", "")
VARIANCE = Template("""
WITH $standing
SELECT
  budgets.*,
  series.days,
  series.amounts,
  COALESCE(series.actual, 0) AS actual,
  others.other_currencies,
  reached.last_day,
  reached.newest_day
FROM budgets
CROSS JOIN reached
LEFT JOIN series
  ON series.budget_id = budgets.budget_id
LEFT JOIN others
  ON others.budget_id = budgets.budget_id
ORDER BY budgets.period_end, budgets.hierarchy_path, budgets.category, budgets.budget_id
LIMIT @max_rows
""").substitute(standing=_standing(_TOKENS, _WITH_TOKENS))

_VARIANCE_TYPES = {
    "start": "TIMESTAMP",
    "end_exclusive": "TIMESTAMP",
    "start_day": "DATE",
    "end_day_exclusive": "DATE",
    "as_of": "DATE",
    "oldest_end": "DATE",
    "provider_names": "ARRAY<STRING>",
    "provider_keys": "ARRAY<STRING>",
    "max_rows": "INT64",
}


def every_query() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Every text that the budget tools can send: its name, the text, and the GoogleSQL types of its parameters."""
    yield "budgets", LIST, {"max_rows": "INT64"}
    yield "budget tree", TREE, {"as_of": "DATE"}
    yield "budget variance", VARIANCE, _VARIANCE_TYPES
