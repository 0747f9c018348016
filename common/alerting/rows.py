"""An alert as a row of org_alert_history: when a rule fired, and once that is over."""

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from common.focus.calendar import FiscalCalendar
from common.skills.alerts.conditions import BUDGET_TYPES, AlertRule
from common.skills.alerts.evaluation import Ended, Fired
from common.skills.alerts.figures import compose_alone
from common.skills.alerts.readings import Reading
from common.tenant import OrgSlug
from common.warehouse.json_values import json_safe

_ALERT_IDS = uuid.UUID("0c5f5f0a-61a5-5b3e-8f60-2a9ab5f2c7d4")
_SQL_CHARS = 4_000


def alert_id(org_slug: OrgSlug, rule_id: str, fingerprint: str, subject: str, window: str) -> str:
    """The id of the one alert that a rule raises for a window, whoever computes it and how often."""
    said = json.dumps([org_slug, rule_id, fingerprint, subject, window])
    return f"alert-{uuid.uuid5(_ALERT_IDS, said)}"


def fired_row(
    org_slug: OrgSlug, rule: AlertRule, fired: Fired, moment: datetime, calendar: FiscalCalendar, *, told: bool
) -> dict[str, Any]:
    """The row of a new alert; ``told`` where a message goes to somebody."""
    reading = fired.reading
    at = moment.astimezone(UTC).isoformat()
    status = "SUPPRESSED" if fired.suppressed else "PENDING" if told else "RECORDED"
    return {
        "alert_history_id": alert_id(org_slug, rule.rule_id, rule.fingerprint, fired.subject, reading.window),
        "alert_id": rule.rule_id,
        "org_slug": org_slug,
        "status": status,
        "severity": rule.priority,
        "trigger_data": json.dumps(_figures(rule, reading), ensure_ascii=False),
        "condition_results": json.dumps([_condition(rule, reading, calendar)], ensure_ascii=False),
        "recipients": [],
        "recipient_count": 0,
        "sent_at": None,
        "error_message": None,
        "created_at": at,
        "window_key": reading.window,
        "resolved_at": None,
        "updated_at": at,
    }


def ended_row(row: Mapping[str, Any], ended: Ended | None, moment: datetime) -> dict[str, Any]:
    """The row of an alert that is over, with the figure that ended it if one did."""
    at = moment.astimezone(UTC).isoformat()
    figures = json.loads(row["trigger_data"])
    if ended is not None and ended.reading is not None:
        figures["value_when_over"] = json_safe(ended.reading.value)
    return {**row, "trigger_data": json.dumps(figures, ensure_ascii=False), "resolved_at": at, "updated_at": at}


def _figures(rule: AlertRule, reading: Reading) -> dict[str, Any]:
    told: dict[str, Any] = {
        "value": reading.value,
        "threshold": reading.limit,
        "unit": reading.unit,
        "date": reading.period.start,
        "period_start": reading.period.start,
        "period_end": reading.period.end,
        "cost_basis": rule.metric,
        "rule": rule.name,
        **reading.detail,
    }
    return {name: json_safe(value) for name, value in told.items()}


def _condition(rule: AlertRule, reading: Reading, calendar: FiscalCalendar) -> dict[str, Any]:
    told: dict[str, Any] = {
        "type": rule.type,
        "threshold": json_safe(reading.limit),
        "value": json_safe(reading.value),
        "unit": reading.unit,
        "met": True,
    }
    if rule.type not in BUDGET_TYPES:
        sql, bound = compose_alone(rule, calendar)
        told["sql"] = sql.strip()[:_SQL_CHARS]
        told["parameters"] = {name: json_safe(each.value) for name, each in bound.items()}
        told["parameters"] |= {"start": reading.period.start_instant.isoformat(),
                               "end_exclusive": reading.period.end_exclusive.isoformat()}  # fmt: skip
    return told
