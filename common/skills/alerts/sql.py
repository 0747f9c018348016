"""The SQL of the alert tools: fixed texts over the shared tables of rules and alerts, each held to one organisation.

Severities are the caller's words for the priorities that the tables hold: critical is critical, warning is high or
medium, info is low.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from string import Template
from typing import Literal

Severity = Literal["info", "warning", "critical"]

# What a rule made with a severity is stored as.
PRIORITIES: Mapping[Severity, str] = {"info": "low", "warning": "medium", "critical": "critical"}
ACKNOWLEDGED = "ACKNOWLEDGED"


def _severity(column: str) -> str:
    return f"CASE LOWER({column}) WHEN 'critical' THEN 'critical' WHEN 'low' THEN 'info' ELSE 'warning' END"


_RULE_COLUMNS = f"""rule_id,
  name,
  is_active,
  {_severity("priority")} AS severity,
  priority,
  rule_category,
  rule_type,
  conditions,
  provider_filter,
  hierarchy_entity_id,
  notify_channel_ids,
  cooldown_minutes,
  quiet_hours_start,
  quiet_hours_end,
  quiet_hours_timezone,
  last_triggered_at,
  acknowledged_at,
  acknowledged_by,
  created_at,
  created_by"""


def _of_rules(text: str) -> str:
    return Template(text).substitute(columns=_RULE_COLUMNS)


RULES = _of_rules("""
SELECT
  $columns
FROM {shared.org_notification_rules}
WHERE org_slug = @org_slug
ORDER BY created_at DESC, rule_id
LIMIT @limit
""")

RULE = _of_rules("""
SELECT
  $columns
FROM {shared.org_notification_rules}
WHERE org_slug = @org_slug
  AND rule_id = @rule_id
LIMIT 1
""")

# Nothing is updated, so a rule that is there already stays as it is. Nothing is added to as many rules as there may be.
CREATE_RULE = """
MERGE INTO {shared.org_notification_rules} AS rule
USING (
  SELECT @rule_id AS rule_id
  FROM (SELECT COUNT(*) AS rule_count FROM {shared.org_notification_rules} WHERE org_slug = @org_slug)
  WHERE rule_count < @most
) AS wanted
ON rule.org_slug = @org_slug AND rule.rule_id = wanted.rule_id
WHEN NOT MATCHED THEN
  INSERT (
    rule_id, org_slug, name, description, is_active, priority, rule_category, rule_type, conditions, provider_filter,
    service_filter, hierarchy_entity_id, hierarchy_path, notify_channel_ids, escalate_to_channel_ids, cooldown_minutes,
    trigger_count_today, created_at, created_by
  )
  VALUES (
    @rule_id, @org_slug, @name, @description, TRUE, @priority, 'cost', 'absolute_threshold', @conditions, @providers,
    ARRAY<STRING>[], @entity_id, @entity_path, ARRAY<STRING>[], ARRAY<STRING>[], @cooldown_minutes,
    0, @created_at, @created_by
  )
"""

ENTITY = """
SELECT entity_id, entity_name, level_code, path
FROM {shared.org_hierarchy}
WHERE org_slug = @org_slug
  AND is_active
  AND end_date IS NULL
  AND (LOWER(entity_id) = LOWER(@entity) OR LOWER(entity_name) = LOWER(@entity))
QUALIFY ROW_NUMBER() OVER (PARTITION BY entity_id ORDER BY version DESC) = 1
ORDER BY entity_id
LIMIT @limit
"""

ENTITIES = """
SELECT entity_id, entity_name
FROM {shared.org_hierarchy}
WHERE org_slug = @org_slug
  AND is_active
  AND end_date IS NULL
QUALIFY ROW_NUMBER() OVER (PARTITION BY entity_id ORDER BY version DESC) = 1
ORDER BY path
LIMIT @limit
"""

_IN_SEVERITY = f"{_severity('alert.severity')} = @severity"

_HISTORY = Template("""
SELECT
  alert.alert_history_id,
  alert.created_at,
  rule.name AS rule_name,
  alert.alert_id AS rule_id,
  $severity AS severity,
  alert.severity AS priority,
  alert.status,
  alert.trigger_data,
  alert.recipient_count,
  alert.sent_at,
  COUNT(*) OVER () AS alert_count,
  COUNT(*) OVER (PARTITION BY alert.alert_id) AS rule_count,
  COUNTIF($severity = 'critical') OVER () AS critical_count,
  COUNTIF($severity = 'warning') OVER () AS warning_count,
  COUNTIF($severity = 'info') OVER () AS info_count,
  COUNTIF(alert.status = 'ACKNOWLEDGED') OVER () AS acknowledged_count
FROM {shared.org_alert_history} AS alert
LEFT JOIN {shared.org_notification_rules} AS rule
  ON rule.org_slug = @org_slug
  AND rule.rule_id = alert.alert_id
WHERE alert.org_slug = @org_slug
  AND alert.created_at >= @start
  AND alert.created_at < @end_exclusive$condition
ORDER BY alert.created_at DESC, alert.alert_history_id
LIMIT @limit
""")

_AVAILABLE = Template("""
SELECT MIN(DATE(alert.created_at)) AS first_day, MAX(DATE(alert.created_at)) AS last_day, COUNT(*) AS alert_count
FROM {shared.org_alert_history} AS alert
WHERE alert.org_slug = @org_slug$condition
""")

ALERT = Template("""
SELECT
  alert.alert_history_id,
  alert.created_at,
  rule.name AS rule_name,
  alert.alert_id AS rule_id,
  $severity AS severity,
  alert.status,
  rule.acknowledged_at,
  rule.acknowledged_by,
  (
    SELECT COUNT(*)
    FROM {shared.org_alert_history} AS other
    WHERE other.org_slug = @org_slug
      AND other.alert_id = alert.alert_id
      AND other.status = 'ACKNOWLEDGED'
      AND other.alert_history_id != @alert_history_id
  ) AS other_acknowledged
FROM {shared.org_alert_history} AS alert
LEFT JOIN {shared.org_notification_rules} AS rule
  ON rule.org_slug = @org_slug
  AND rule.rule_id = alert.alert_id
WHERE alert.org_slug = @org_slug
  AND alert.alert_history_id = @alert_history_id
LIMIT 1
""").substitute(severity=_severity("alert.severity"))

# First the rule, then the alert: whoever comes back after a crash between the two finds the alert still open.
ACKNOWLEDGE_RULE = """
UPDATE {shared.org_notification_rules} AS rule
SET acknowledged_at = @now, acknowledged_by = @acknowledged_by, updated_at = @now
WHERE rule.org_slug = @org_slug
  AND rule.rule_id IN (
    SELECT alert.alert_id
    FROM {shared.org_alert_history} AS alert
    WHERE alert.org_slug = @org_slug
      AND alert.alert_history_id = @alert_history_id
      AND alert.created_at = @created_at
      AND alert.status != 'ACKNOWLEDGED'
  )
"""

ACKNOWLEDGE_ALERT = """
UPDATE {shared.org_alert_history} AS alert
SET status = 'ACKNOWLEDGED'
WHERE alert.org_slug = @org_slug
  AND alert.alert_history_id = @alert_history_id
  AND alert.created_at = @created_at
  AND alert.status != 'ACKNOWLEDGED'
"""


@cache
def history(*, by_severity: bool) -> str:
    """The newest alerts of a range, each with the counts over the whole range."""
    condition = f"\n  AND {_IN_SEVERITY}" if by_severity else ""
    return _HISTORY.substitute(severity=_severity("alert.severity"), condition=condition)


@cache
def available(*, by_severity: bool) -> str:
    """Which days have alerts at all."""
    return _AVAILABLE.substitute(condition=f"\n  AND {_IN_SEVERITY}" if by_severity else "")


def every_query() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Every text that the alert tools can send: its name, the text, and the GoogleSQL types of its parameters."""
    bounds = {"start": "TIMESTAMP", "end_exclusive": "TIMESTAMP", "limit": "INT64"}
    one = {"alert_history_id": "STRING"}
    acknowledging = {**one, "created_at": "TIMESTAMP"}
    yield "rules", RULES, {"limit": "INT64"}
    yield "rule", RULE, {"rule_id": "STRING"}
    yield (
        "create rule",
        CREATE_RULE,
        {
            **dict.fromkeys(
                ("rule_id", "name", "description", "priority", "conditions", "entity_id", "entity_path", "created_by"),
                "STRING",
            ),
            "providers": "ARRAY<STRING>",
            "cooldown_minutes": "INT64",
            "most": "INT64",
            "created_at": "TIMESTAMP",
        },
    )
    yield "entity", ENTITY, {"entity": "STRING", "limit": "INT64"}
    yield "entities", ENTITIES, {"limit": "INT64"}
    for filters in {}, {"severity": "STRING"}:
        label = "+".join(filters) or "all"
        yield f"history, {label}", history(by_severity=bool(filters)), {**bounds, **filters}
        yield f"available alerts, {label}", available(by_severity=bool(filters)), filters
    yield "alert", ALERT, one
    yield "acknowledge rule", ACKNOWLEDGE_RULE, {**acknowledging, "now": "TIMESTAMP", "acknowledged_by": "STRING"}
    yield "acknowledge alert", ACKNOWLEDGE_ALERT, acknowledging
