"""The meaning of a stored notification rule: its status at a moment, its threshold, and the id of one to be made."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from common.skills.alerts.conditions import read_object, read_silence
from common.skills.alerts.sql import Severity
from common.skills.alerts.windows import AlertPeriod
from common.tenant import Principal
from common.warehouse.json_values import json_safe

Status = Literal["active", "paused", "disabled"]

_RULE_IDS = uuid.UUID("6f7c3f0e-5f0a-5c52-9d0e-5a3f6d1f8b21")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A threshold alert that somebody asked for, in the terms in which it will be stored."""

    name: str
    threshold: Decimal
    currency: str
    provider: str | None
    severity: Severity
    entity_id: str | None
    entity_name: str | None
    entity_path: str | None
    period: AlertPeriod

    @property
    def conditions(self) -> str:
        """The rule's conditions, as the JSON text that the table holds."""
        threshold = json_safe(self.threshold)
        return json.dumps({"threshold": threshold, "currency": self.currency, "period": self.period})

    @property
    def description(self) -> str:
        of = f" of {self.provider}" if self.provider else ""
        by = f" for {self.entity_name}" if self.entity_name else ""
        return (
            f"Raised when the {self.period} billed cost{of}{by} passes {self.threshold.normalize():f} {self.currency}."
        )

    def rule_id(self, principal: Principal, scope: str) -> str:
        """The id of an alert: the same for the same alert of the same caller within one answer."""
        said = (
            principal.org_slug, principal.user_id, scope, self.name, f"{self.threshold.normalize():f}", self.currency,
            self.provider, self.severity, self.entity_id, self.period,
        )  # fmt: skip
        return f"rule-{uuid.uuid5(_RULE_IDS, json.dumps(said))}"


def status_of(rule: Mapping[str, Any], now: datetime) -> tuple[Status, str | None]:
    """A rule's status now, and what pauses it.

    disabled: switched off. paused: switched on, but silent at this moment, in its quiet hours or in the cooldown after
    it last fired. active: switched on, and it would notify now.
    """
    if not rule["is_active"]:
        return "disabled", None
    if read_silence(rule, read_object(rule["conditions"])).is_quiet(now):
        return "paused", "quiet hours"
    fired, minutes = rule["last_triggered_at"], rule["cooldown_minutes"]
    if fired is not None and minutes and now < fired + timedelta(minutes=minutes):
        return "paused", "cooldown"
    return "active", None


def as_row(rule: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """A stored rule as the tools show it. The figures of its conditions are None where it has no such condition."""
    status, paused_by = status_of(rule, now)
    conditions = read_object(rule["conditions"])
    return {
        "rule_id": rule["rule_id"],
        "name": rule["name"],
        "status": status,
        "paused_by": paused_by,
        "severity": rule["severity"],
        "priority": rule["priority"],
        "rule_category": rule["rule_category"],
        "rule_type": rule["rule_type"],
        "threshold": _number(conditions.get("threshold")),
        "currency": _text(conditions.get("currency")),
        "period": _text(conditions.get("period")),
        "conditions": rule["conditions"],
        "provider_filter": list(rule["provider_filter"] or ()),
        "hierarchy_entity_id": rule["hierarchy_entity_id"],
        "notify_channel_ids": list(rule["notify_channel_ids"] or ()),
        "last_triggered_at": rule["last_triggered_at"],
        "acknowledged_at": rule["acknowledged_at"],
        "acknowledged_by": rule["acknowledged_by"],
        "created_at": rule["created_at"],
        "created_by": rule["created_by"],
    }


def _number(value: object) -> Decimal | int | None:
    return value if isinstance(value, Decimal | int) and not isinstance(value, bool) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
