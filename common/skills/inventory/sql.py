"""The SQL of data_status: how far each provider's costs reach, and what their rows hold."""

STATUS = """
WITH daily AS (
  SELECT
    ServiceProviderName AS provider,
    DATE(ChargePeriodStart) AS day,
    COUNT(*) AS line_items,
    COUNTIF(Tags IS NOT NULL) AS with_tags,
    COUNTIF(x_hierarchy_entity_name IS NOT NULL) AS with_team,
    COUNTIF(AvailabilityZone IS NOT NULL) AS with_zone,
    MAX(x_ingested_at) AS last_load,
    MAX(BillingPeriodStart) AS billing_period
  FROM {own.cost_data_standard_1_3}
  WHERE ChargePeriodStart < @end_exclusive
  GROUP BY provider, day
),
money AS (
  SELECT ServiceProviderName AS provider, ARRAY_AGG(DISTINCT BillingCurrency ORDER BY BillingCurrency) AS currencies
  FROM {own.cost_data_standard_1_3}
  WHERE ChargePeriodStart < @end_exclusive
  GROUP BY provider
),
recent AS (
  SELECT provider, ARRAY_AGG(day ORDER BY day) AS days, ARRAY_AGG(line_items ORDER BY day) AS day_line_items
  FROM daily
  WHERE day >= @recent_day
  GROUP BY provider
),
totals AS (
  SELECT
    provider,
    MIN(day) AS first_day,
    MAX(day) AS last_day,
    SUM(line_items) AS line_items,
    SUM(with_tags) AS with_tags,
    SUM(with_team) AS with_team,
    SUM(with_zone) AS with_zone,
    MAX(last_load) AS last_load,
    MAX(billing_period) AS billing_period
  FROM daily
  GROUP BY provider
)
SELECT totals.*, money.currencies, recent.days, recent.day_line_items
FROM totals
JOIN money
  ON money.provider = totals.provider
LEFT JOIN recent
  ON recent.provider = totals.provider
ORDER BY totals.line_items DESC, totals.provider
LIMIT 200
"""
