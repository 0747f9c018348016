"""The SQL that changes alert rules: each statement is held to one organisation and one rule, and may be sent twice."""

from collections.abc import Iterator
from string import Template

from common.skills.alerts.sql import rule_columns

# Rules are equal where they watch the same and fire at the same; their names and severities may differ.
_EQUAL = """is_active
    AND rule_type = @rule_type
    AND conditions = @conditions
    AND TO_JSON_STRING(provider_filter) = TO_JSON_STRING(@providers)
    AND COALESCE(hierarchy_entity_id, '') = COALESCE(@entity_id, '')"""


def _made(text: str) -> str:
    return Template(text).substitute(equal=_EQUAL, columns=rule_columns())


# Nothing is updated, so a rule that is there already stays as it is. Nothing is added to as many rules as there may be.
CREATE_RULE = _made("""
MERGE INTO {shared.org_notification_rules} AS rule
USING (
  SELECT @rule_id AS rule_id
  FROM (
    SELECT
      COUNT(*) AS rule_count,
      COUNTIF($equal) AS equal_count
    FROM {shared.org_notification_rules}
    WHERE org_slug = @org_slug
  )
  WHERE rule_count < @most
    AND equal_count = 0
) AS wanted
ON rule.org_slug = @org_slug AND rule.rule_id = wanted.rule_id
WHEN NOT MATCHED THEN
  INSERT (
    rule_id, org_slug, name, description, is_active, priority, rule_category, rule_type, conditions, provider_filter,
    service_filter, hierarchy_entity_id, hierarchy_path, notify_channel_ids, escalate_to_channel_ids, cooldown_minutes,
    quiet_hours_start, quiet_hours_end, quiet_hours_timezone, trigger_count_today, created_at, created_by
  )
  VALUES (
    @rule_id, @org_slug, @name, @description, TRUE, @priority, 'cost', @rule_type, @conditions, @providers,
    ARRAY<STRING>[], @entity_id, @entity_path, @destinations, ARRAY<STRING>[], @cooldown_minutes,
    @quiet_start, @quiet_end, @zone, 0, @created_at, @created_by
  )
""")

MADE = _made("""
SELECT
  $columns
FROM {shared.org_notification_rules}
WHERE org_slug = @org_slug
  AND (rule_id = @rule_id OR ($equal))
ORDER BY IF(rule_id = @rule_id, 0, 1), created_at
LIMIT 1
""")

NAMED = _made("""
SELECT
  $columns
FROM {shared.org_notification_rules}
WHERE org_slug = @org_slug
  AND (rule_id = @rule OR LOWER(name) = LOWER(@rule))
ORDER BY IF(rule_id = @rule, 0, 1), created_at DESC
LIMIT 20
""")

LATEST = _made("""
SELECT
  $columns
FROM {shared.org_notification_rules}
WHERE org_slug = @org_slug
  AND created_by = @created_by
  AND COALESCE(updated_at, created_at) >= @since
ORDER BY COALESCE(updated_at, created_at) DESC, rule_id
LIMIT 1
""")

# Only as the rule was read: who comes second reads it anew.
UPDATE_RULE = """
UPDATE {shared.org_notification_rules}
SET name = @name, description = @description, priority = @priority, conditions = @conditions, is_active = @is_active,
  notify_channel_ids = @destinations, updated_at = @now
WHERE org_slug = @org_slug
  AND rule_id = @rule_id
  AND (COALESCE(updated_at, created_at) = @read_at OR updated_at = @now)
"""

DELETE_RULE = """
DELETE FROM {shared.org_notification_rules}
WHERE org_slug = @org_slug
  AND rule_id = @rule_id
"""


def every_query() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Every text that changes rules: its name, the text, and the GoogleSQL types of its parameters."""
    equal = {"rule_id": "STRING", "rule_type": "STRING", "conditions": "STRING", "providers": "ARRAY<STRING>",
             "entity_id": "STRING"}  # fmt: skip
    texts = ("name", "description", "priority", "entity_path", "created_by", "quiet_start", "quiet_end", "zone")
    created = {"destinations": "ARRAY<STRING>", "cooldown_minutes": "INT64", "most": "INT64", "created_at": "TIMESTAMP"}
    yield "create rule", CREATE_RULE, {**equal, **dict.fromkeys(texts, "STRING"), **created}
    yield "made rule", MADE, equal
    yield "named rule", NAMED, {"rule": "STRING"}
    yield "latest rule", LATEST, {"created_by": "STRING", "since": "TIMESTAMP"}
    changed = dict.fromkeys(("name", "description", "priority", "conditions", "rule_id"), "STRING")
    to = {"destinations": "ARRAY<STRING>"}
    yield "update rule", UPDATE_RULE, {**changed, "is_active": "BOOL", "now": "TIMESTAMP", "read_at": "TIMESTAMP", **to}
    yield "delete rule", DELETE_RULE, {"rule_id": "STRING"}
