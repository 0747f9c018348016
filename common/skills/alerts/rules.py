"""The meaning of a stored notification rule: its status at a moment, its threshold, and the id of one to be made."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from common.skills.alerts.conditions import (
    STALE_DAYS,
    RuleType,
    cooldown_of,
    problem_of,
    read_object,
    read_silence,
)
from common.skills.alerts.sql import Severity
from common.skills.alerts.windows import AlertPeriod
from common.tenant import Principal
from common.warehouse.json_values import json_safe

Status = Literal["active", "paused", "disabled"]

_SENTENCES: Mapping[str, str] = {
    "absolute_threshold": "the {period} {cost} passes {threshold}",
    "anomaly_percent_change": "the {period} {cost} rises by {percent} % or more",
    "budget_percent": "{percent} % of a budget{scope} is spent",
    "budget_forecast": "the projection reaches {percent} % of a budget{scope}",
    "anomaly": "a day of the {cost} is unusually high",
    "data_stopped": "there is no new {cost} for more than {days} days",
}
SEVERITY_MEANS = "severity is the priority of the rule in words: critical; warning for high and medium; info for low."
# The unit of a figure where an alert does not say it itself.
_UNITS: Mapping[str, str] = {"failures": "failed runs", "percent": "percent"}
_RULE_IDS = uuid.UUID("6f7c3f0e-5f0a-5c52-9d0e-5a3f6d1f8b21")


@dataclass(frozen=True, slots=True)
class Wanted:
    """An alert that somebody asked for, in the terms in which it will be stored."""

    name: str
    threshold: Decimal | None
    currency: str | None
    provider: str | None
    severity: Severity
    entity_id: str | None
    entity_name: str | None
    entity_path: str | None
    period: AlertPeriod
    type: RuleType = "absolute_threshold"
    percent: Decimal | None = None
    filters: tuple[Mapping[str, Any], ...] = ()
    quiet: tuple[str, str] | None = None
    zone: str | None = None

    @property
    def conditions(self) -> str:
        """The rule's conditions, as the JSON text that the table holds. Equal rules have equal texts."""
        told: dict[str, Any] = {}
        if self.type == "absolute_threshold":
            told["threshold"] = self.threshold
        if self.percent is not None:
            told["percent"] = self.percent
        if self.currency is not None:
            told["currency"] = self.currency
        if self.type in ("absolute_threshold", "anomaly_percent_change"):
            told["period"] = self.period
        if self.filters:
            told["filters"] = list(self.filters)
        return json.dumps(json_safe(told))

    def rule_id(self, principal: Principal, scope: str) -> str:
        """The id of an alert: the same for the same alert of the same caller within one answer."""
        said = (
            principal.org_slug, principal.user_id, scope, self.name, self.conditions, self.type,
            self.provider, self.severity, self.entity_id, self.period,
        )  # fmt: skip
        return f"rule-{uuid.uuid5(_RULE_IDS, json.dumps(said))}"

    def as_stored(self, rule_id: str, now: datetime) -> dict[str, Any]:
        """The row that the rule will be, as far as evaluation reads it."""
        quiet = self.quiet or (None, None)
        return {
            "rule_id": rule_id, "name": self.name, "rule_type": self.type, "priority": "medium",
            "conditions": self.conditions, "provider_filter": [self.provider] if self.provider else [],
            "service_filter": [], "hierarchy_entity_id": self.entity_id, "notify_channel_ids": [],
            "cooldown_minutes": 0, "quiet_hours_start": quiet[0], "quiet_hours_end": quiet[1],
            "quiet_hours_timezone": self.zone, "last_triggered_at": None, "created_at": now,
        }  # fmt: skip


def describe(row: Mapping[str, Any], entity_name: str | None = None) -> str:
    """Say in a sentence when a stored rule fires, with the unit of its figure."""
    conditions = read_object(row["conditions"])
    of = f" of {', '.join(row['provider_filter'])}" if row["provider_filter"] else ""
    entity = entity_name or row["hierarchy_entity_id"]
    by = f" for {entity}" if entity else ""
    filtered = f", filtered by {json.dumps(json_safe(conditions['filters']))}" if conditions.get("filters") else ""
    what = _SENTENCES.get(row["rule_type"], "the platform's pipelines raise it ({type})").format_map(
        _Known(
            type=row["rule_type"],
            period=conditions.get("period") or "daily",
            threshold=_amount(conditions),
            percent=_plain(conditions.get("percent")),
            days=_plain(conditions.get("stale_days") or STALE_DAYS),
            cost=f"billed cost{of}{by}{filtered}",
            scope=f"{of}{by}",
        )
    )
    return f"Raised when {what}."


class _Known(dict[str, Any]):
    """The words of a sentence; one that a rule's conditions lack is said to be."""

    def __missing__(self, key: str) -> str:
        return "(not set)"


def _amount(conditions: Mapping[str, Any]) -> str:
    if conditions.get("threshold") is None and conditions.get("factor_of_average"):
        return f"{_plain(conditions['factor_of_average'])} times the average of the days before"
    return f"{_plain(conditions.get('threshold'))} {conditions.get('currency') or ''}".strip()


def _plain(value: object) -> str:
    number = _number(value)
    return f"{Decimal(number).normalize():f}" if number is not None else "(not set)"


def status_of(rule: Mapping[str, Any], now: datetime, zone: str | None = None) -> tuple[Status, str | None]:
    """A rule's status now, and what pauses it.

    disabled: switched off. paused: switched on, but silent at this moment, in its quiet hours or in the cooldown after
    it last fired. active: switched on, and it would notify now. ``zone`` is of quiet hours that name none.
    """
    if not rule["is_active"]:
        return "disabled", None
    if read_silence(rule, read_object(rule["conditions"]), zone).is_quiet(now):
        return "paused", "quiet hours"
    fired = rule["last_triggered_at"]
    if fired is not None and now < fired + cooldown_of(rule):
        return "paused", "cooldown"
    return "active", None


def as_row(rule: Mapping[str, Any], now: datetime, zone: str | None = None) -> dict[str, Any]:
    """A stored rule as the tools show it. The figures of its conditions are None where it has no such condition."""
    status, paused_by = status_of(rule, now, zone)
    conditions = read_object(rule["conditions"])
    return {
        "rule_id": rule["rule_id"],
        "name": rule["name"],
        "status": status,
        "paused_by": paused_by,
        "severity": rule["severity"],
        "rule_category": rule["rule_category"],
        "rule_type": rule["rule_type"],
        "threshold": _number(conditions.get("threshold")),
        "currency": _text(conditions.get("currency")),
        "percent": _number(conditions.get("percent")),
        "fires_when": describe(rule),
        "problem": problem_of(rule),
        "muted_until": _text(conditions.get("muted_until")),
        "period": _text(conditions.get("period")),
        "conditions": rule["conditions"],
        "provider_filter": list(rule["provider_filter"] or ()),
        "hierarchy_entity_id": rule["hierarchy_entity_id"],
        "notify_channel_ids": list(rule["notify_channel_ids"] or ()),
        "quiet_hours": _quiet_hours(rule, conditions, zone),
        "last_triggered_at": rule["last_triggered_at"],
        "acknowledged_at": rule["acknowledged_at"],
        "acknowledged_by": rule["acknowledged_by"],
        "created_at": rule["created_at"],
        "updated_at": rule["updated_at"],
        "created_by": rule["created_by"],
    }


def _quiet_hours(rule: Mapping[str, Any], conditions: Mapping[str, Any], zone: str | None) -> str | None:
    """The hours and days at which a rule says nothing, in words, with their zone."""
    start, end, days = rule["quiet_hours_start"], rule["quiet_hours_end"], conditions.get("quiet_days")
    told = [f"{start} to {end}"] if start and end else []
    told += [str(day) for day in days] if isinstance(days, list) else []
    return f"{', '.join(told)} {rule['quiet_hours_timezone'] or zone or 'UTC'}" if told else None


def _number(value: object) -> Decimal | int | None:
    return value if isinstance(value, Decimal | int) and not isinstance(value, bool) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def figure_of(trigger_data: str | None) -> dict[str, Any]:
    """The figure that made an alert fire beside its threshold, both with their unit."""
    told = read_object(trigger_data or "{}")
    unit = _text(told.get("unit")) or next((unit for name, unit in _UNITS.items() if name in told), None)
    # An alert of long ago says no unit: what is about as large as the cost is money, and anything else is percent.
    if unit is None and "currency" in told:
        unit = _text(told["currency"]) if told.get("value") == told.get("billed_cost") else "percent"
    return {"value": _number(told.get("value")), "threshold": _number(told.get("threshold")), "unit": unit}
