"""An alert as a row of org_alert_history: when a rule fired, and once that is over."""

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from common.focus.calendar import FiscalCalendar
from common.skills.alerts.conditions import BUDGET_TYPES, AlertRule
from common.skills.alerts.evaluation import Ended, Fired
from common.skills.alerts.figures import compose_alone
from common.skills.alerts.readings import Reading
from common.skills.alerts.windows import LATE_DAYS
from common.skills.budgets import sql as budget_sql
from common.skills.budgets.tools import variance_parameters
from common.tenant import OrgSlug, Tenant
from common.text import shorten
from common.tools.periods import Period
from common.warehouse.json_values import json_safe
from common.warehouse.query import GuardedQuery, fixed

_ALERT_IDS = uuid.UUID("0c5f5f0a-61a5-5b3e-8f60-2a9ab5f2c7d4")
_SQL_CHARS = 20_000


def alert_id(org_slug: OrgSlug, rule_id: str, fingerprint: str, subject: str, window: str) -> str:
    """The id of the one alert that a rule raises for a window, whoever computes it and how often."""
    said = json.dumps([org_slug, rule_id, fingerprint, subject, window])
    return f"alert-{uuid.uuid5(_ALERT_IDS, said)}"


def fired_row(
    tenant: Tenant, rule: AlertRule, fired: Fired, moment: datetime, calendar: FiscalCalendar, *, told: bool
) -> dict[str, Any]:
    """The row of a new alert; ``told`` where a message goes to somebody."""
    reading = fired.reading
    at = moment.astimezone(UTC).isoformat()
    status = "SUPPRESSED" if fired.suppressed else "PENDING" if told else "RECORDED"
    return {
        "alert_history_id": alert_id(tenant.org_slug, rule.rule_id, rule.fingerprint, fired.subject, reading.window),
        "alert_id": rule.rule_id,
        "org_slug": tenant.org_slug,
        "status": status,
        "severity": rule.priority,
        "trigger_data": json.dumps(_figures(rule, reading), ensure_ascii=False),
        "condition_results": json.dumps([_condition(tenant, rule, reading, moment, calendar)], ensure_ascii=False),
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


def _condition(
    tenant: Tenant, rule: AlertRule, reading: Reading, moment: datetime, calendar: FiscalCalendar
) -> dict[str, Any]:
    query = _query(tenant, rule, reading, moment, calendar)
    return {
        "type": rule.type,
        "threshold": json_safe(reading.limit),
        "value": json_safe(reading.value),
        "unit": reading.unit,
        "met": True,
        "sql": shorten(query.sql, _SQL_CHARS),
        "parameters": {name: json_safe(each.value) for name, each in query.parameters.items()},
    }


def _query(
    tenant: Tenant, rule: AlertRule, reading: Reading, moment: datetime, calendar: FiscalCalendar
) -> GuardedQuery:
    """The query behind a figure: the daily costs of its window and of what it is compared with, or the budgets."""
    if rule.type in BUDGET_TYPES:
        return fixed(tenant, budget_sql.VARIANCE, variance_parameters(moment.astimezone(UTC).date(), LATE_DAYS))
    text, bound = compose_alone(rule, calendar)
    read = Period(reading.period.start - timedelta(days=rule.lookback_days), reading.period.end)
    return fixed(tenant, text, {**bound, **read.bounds()})
