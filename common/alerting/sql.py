"""The SQL of the scheduled evaluation: who has rules, the rules themselves, and when each fired last."""

from collections.abc import Iterator

# Only of organisations that may use the product: each organisation's newest profile says so. One whose last rule was
# switched off or deleted is among them while an alert of it is open.
ORGANIZATIONS = """
SELECT rules.org_slug, profile.default_timezone, profile.fiscal_year_start_month
FROM (
  SELECT org_slug
  FROM {shared.org_notification_rules}
  WHERE is_active
    AND rule_type IN UNNEST(@rule_types)
    AND org_slug > @after
  UNION DISTINCT
  SELECT org_slug
  FROM {shared.org_alert_history}
  WHERE created_at >= @open_since
    AND resolved_at IS NULL
    AND window_key IS NOT NULL
    AND org_slug > @after
) AS rules
JOIN (
  SELECT org_slug, default_timezone, fiscal_year_start_month, status
  FROM {shared.org_profiles}
  QUALIFY ROW_NUMBER() OVER (PARTITION BY org_slug ORDER BY created_at DESC) = 1
) AS profile
  ON profile.org_slug = rules.org_slug
WHERE UPPER(TRIM(profile.status)) = 'ACTIVE'
ORDER BY rules.org_slug
LIMIT @limit
"""

RULES = """
SELECT
  org_slug,
  rule_id,
  name,
  priority,
  rule_type,
  conditions,
  provider_filter,
  service_filter,
  hierarchy_entity_id,
  notify_channel_ids,
  cooldown_minutes,
  quiet_hours_start,
  quiet_hours_end,
  quiet_hours_timezone,
  last_triggered_at,
  created_at
FROM {shared.org_notification_rules}
WHERE org_slug IN UNNEST(@org_slugs)
  AND is_active
  AND rule_type IN UNNEST(@rule_types)
  AND CONCAT(org_slug, '/', rule_id) > @after
ORDER BY CONCAT(org_slug, '/', rule_id)
LIMIT @limit
"""

# A moment that is older than what is there changes nothing: it may be sent twice, and late.
TRIGGERED = """
MERGE {shared.org_notification_rules} AS rule
USING (
  SELECT
    JSON_VALUE(row_json, '$.org_slug') AS org_slug,
    JSON_VALUE(row_json, '$.rule_id') AS rule_id,
    CAST(JSON_VALUE(row_json, '$.fired_at') AS TIMESTAMP) AS fired_at
  FROM UNNEST(@rows) AS row_json
) AS fired
ON rule.org_slug IN UNNEST(@org_slugs) AND rule.org_slug = fired.org_slug AND rule.rule_id = fired.rule_id
WHEN MATCHED AND (rule.last_triggered_at IS NULL OR rule.last_triggered_at < fired.fired_at) THEN
  UPDATE SET last_triggered_at = fired.fired_at
"""


def every_query() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Every text of the evaluation: its name, the text, and the GoogleSQL types of its parameters."""
    page = {"rule_types": "ARRAY<STRING>", "after": "STRING", "limit": "INT64"}
    yield "organisations with rules", ORGANIZATIONS, {**page, "open_since": "TIMESTAMP"}
    yield "rules of organisations", RULES, {"org_slugs": "ARRAY<STRING>", **page}
    yield "rules that fired", TRIGGERED, {"org_slugs": "ARRAY<STRING>", "rows": "ARRAY<STRING>"}
