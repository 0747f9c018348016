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
  service_filter,
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
  updated_at,
  created_by"""


def rule_columns() -> str:
    """The columns of a rule that every tool reads."""
    return _RULE_COLUMNS


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

# An alert of a rule that is gone has the rule's name as it was; only rules about costs have windows.
_NAME = "COALESCE(rule.name, JSON_VALUE(alert.trigger_data, '$.rule'))"
_CATEGORY = "COALESCE(rule.rule_category, IF(alert.window_key IS NULL, NULL, 'cost'))"
# The words of a filter, and its condition.
_CONDITIONS: Mapping[str, str] = {
    "severity": f"{_severity('alert.severity')} = @severity",
    "category": f"{_CATEGORY} = @category",
    "rule": f"(alert.alert_id = @rule OR LOWER({_NAME}) = LOWER(@rule))",
    "alert_history_id": "alert.alert_history_id = @alert_history_id",
}
FILTERS = tuple(_CONDITIONS)
# A message that was sent after the alert was made is told by its time: the status is whoever acknowledges it to change.
_STATUS = """CASE
    WHEN alert.status = 'PENDING' AND alert.sent_at IS NOT NULL THEN 'SENT'
    WHEN alert.status = 'PENDING' AND alert.error_message IS NOT NULL THEN 'FAILED'
    ELSE alert.status
  END"""
_COUNTS = Template("""
SELECT $name AS rule_name, $category AS category, alert.alert_id AS rule_id, COUNT(*) AS rule_count
FROM {shared.org_alert_history} AS alert
LEFT JOIN {shared.org_notification_rules} AS rule
  ON rule.org_slug = @org_slug
  AND rule.rule_id = alert.alert_id
WHERE alert.org_slug = @org_slug
  AND alert.created_at >= @start
  AND alert.created_at < @end_exclusive$condition
GROUP BY rule_name, category, rule_id
ORDER BY rule_count DESC, rule_id
LIMIT 100
""")

_HISTORY = Template("""
SELECT
  alert.alert_history_id,
  alert.created_at,
  $name AS rule_name,
  alert.alert_id AS rule_id,
  $severity AS severity,
  $category AS category,
  $status AS status,
  alert.trigger_data,
  alert.condition_results,
  alert.window_key,
  alert.resolved_at,
  alert.acknowledged_by,
  alert.acknowledged_note,
  alert.recipient_count,
  alert.sent_at,
  COUNT(*) OVER () AS alert_count,
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
LEFT JOIN {shared.org_notification_rules} AS rule
  ON rule.org_slug = @org_slug
  AND rule.rule_id = alert.alert_id
WHERE alert.org_slug = @org_slug$condition
""")

ALERT = Template("""
SELECT
  alert.alert_history_id,
  alert.created_at,
  $name AS rule_name,
  alert.alert_id AS rule_id,
  $severity AS severity,
  alert.status,
  COALESCE(alert.acknowledged_at, rule.acknowledged_at) AS acknowledged_at,
  COALESCE(alert.acknowledged_by, rule.acknowledged_by) AS acknowledged_by,
  alert.acknowledged_note,
  alert.acknowledged_by IS NOT NULL AS is_own,
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
""").substitute(severity=_severity("alert.severity"), name=_NAME)

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
SET status = 'ACKNOWLEDGED', acknowledged_at = @now, acknowledged_by = @acknowledged_by, acknowledged_note = @note
WHERE alert.org_slug = @org_slug
  AND alert.alert_history_id = @alert_history_id
  AND alert.created_at = @created_at
  AND alert.status != 'ACKNOWLEDGED'
"""


@cache
def history(filters: frozenset[str]) -> str:
    """The newest alerts of a range, each with the counts over the whole range."""
    named = {"severity": _severity("alert.severity"), "status": _STATUS, "name": _NAME, "category": _CATEGORY}
    return _HISTORY.substitute(named, condition=_where(filters))


@cache
def counts(filters: frozenset[str]) -> str:
    """The number of alerts of a range that each rule raised, most first."""
    return _COUNTS.substitute(name=_NAME, category=_CATEGORY, condition=_where(filters))


@cache
def available(filters: frozenset[str]) -> str:
    """Which days have alerts at all."""
    return _AVAILABLE.substitute(condition=_where(filters))


def _where(filters: frozenset[str]) -> str:
    return "".join(f"\n  AND {_CONDITIONS[name]}" for name in FILTERS if name in filters)


def every_query() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Every text that the alert tools can send: its name, the text, and the GoogleSQL types of its parameters."""
    bounds = {"start": "TIMESTAMP", "end_exclusive": "TIMESTAMP", "limit": "INT64"}
    one = {"alert_history_id": "STRING"}
    acknowledging = {**one, "created_at": "TIMESTAMP"}
    seen = {"now": "TIMESTAMP", "acknowledged_by": "STRING"}
    yield "rules", RULES, {"limit": "INT64"}
    yield "rule", RULE, {"rule_id": "STRING"}
    yield "entity", ENTITY, {"entity": "STRING", "limit": "INT64"}
    yield "entities", ENTITIES, {"limit": "INT64"}
    for names in (), ("severity",), ("severity", "category", "rule", "alert_history_id"):
        filters, label = dict.fromkeys(names, "STRING"), "+".join(names) or "all"
        chosen = frozenset(names)
        yield f"history, {label}", history(chosen), {**bounds, **filters}
        yield f"counts, {label}", counts(chosen), {"start": "TIMESTAMP", "end_exclusive": "TIMESTAMP", **filters}
        yield f"available alerts, {label}", available(chosen), filters
    yield "alert", ALERT, one
    yield "acknowledge rule", ACKNOWLEDGE_RULE, {**acknowledging, **seen}
    yield "acknowledge alert", ACKNOWLEDGE_ALERT, {**acknowledging, **seen, "note": "STRING"}
