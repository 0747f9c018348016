"""Demo notification rules and the alerts they raised; the figures in an alert are those of the demo costs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from local.data import calendar
from local.data.operations import DailyCosts, runs_of_day
from local.data.organizations import Organization
from local.data.rows import Row, cents

ALERT_DAYS = 60
MOST_ALERTS = 40
# A day is anomalous when it costs this many percent more than the average of the seven days before.
ANOMALY_PERCENT = 60


@dataclass(frozen=True, slots=True)
class Rule:
    """One notification rule; ``kind`` is the kind of cost it watches, empty for all or none."""

    key: str
    name: str
    priority: str
    category: str
    type: str
    kind: str
    conditions: Mapping[str, object]
    channels: tuple[str, ...]


RULES = (
    Rule("genai-anomaly", "GenAI spend anomaly", "critical", "cost", "anomaly_percent_change", "genai",
         {"percent": ANOMALY_PERCENT, "baseline_days": 7}, ("slack-finops", "email-finops")),
    Rule("cloud-anomaly", "Cloud spend anomaly", "high", "cost", "anomaly_percent_change", "cloud",
         {"percent": ANOMALY_PERCENT, "baseline_days": 7}, ("slack-finops",)),
    Rule("daily-total", "Daily spend above the usual", "medium", "cost", "absolute_threshold", "",
         {"factor_of_average": 1.15, "baseline_days": 30}, ("email-finops",)),
    Rule("budget-80", "80 % of the month's budget used", "medium", "cost", "budget_percent", "",
         {"percent": 80}, ("email-finops",)),
    Rule("pipeline-failed", "A pipeline failed", "high", "pipeline", "pipeline_failure", "",
         {"failures": 1}, ("slack-data",)),
    Rule("credential-expiring", "A credential expires soon", "low", "integration", "credential_expiry", "",
         {"days_before": 14}, ("email-admin",)),
)  # fmt: skip


def rules(organization: Organization) -> list[Row]:
    """Return the organisation's notification rules."""
    return [
        {
            "rule_id": _rule_id(organization, rule),
            "org_slug": organization.slug,
            "name": rule.name,
            "description": f"{rule.name}: raised by {rule.type.replace('_', ' ')}.",
            "is_active": rule.key != "credential-expiring",
            "priority": rule.priority,
            "rule_category": rule.category,
            "rule_type": rule.type,
            "conditions": json.dumps(rule.conditions),
            "provider_filter": ["openai", "anthropic", "gemini"] if rule.kind == "genai" else [],
            "service_filter": [],
            "notify_channel_ids": list(rule.channels),
            "escalate_after_mins": 60 if rule.priority == "critical" else None,
            "escalate_to_channel_ids": ["pager-finops"] if rule.priority == "critical" else [],
            "cooldown_minutes": 720,
            "quiet_hours_start": "22:00" if rule.priority == "medium" else None,
            "quiet_hours_end": "06:00" if rule.priority == "medium" else None,
            "quiet_hours_timezone": organization.timezone if rule.priority == "medium" else None,
            "trigger_count_today": 0,
            "created_at": organization.created_at + timedelta(days=2),
            "created_by": "demo-admin",
        }
        for rule in RULES
    ]


def history(organization: Organization, today: date, costs: DailyCosts) -> list[Row]:
    """Return the alerts of the last two months, the newest ``MOST_ALERTS`` of them."""
    rows = []
    for day in calendar.days(today - timedelta(days=ALERT_DAYS), today - timedelta(days=1)):
        for rule in RULES:
            seen = _observed(organization, rule, day, costs)
            if seen:
                rows.append(_alert(organization, rule, day, seen))
    return rows[-MOST_ALERTS:]


def _observed(organization: Organization, rule: Rule, day: date, costs: DailyCosts) -> Row | None:
    """Return the figures that made a rule fire on a day, or None where it did not."""
    if rule.type == "pipeline_failure":
        failed = [run.pipeline for run in runs_of_day(organization.slug, day) if run.failure]
        return {"failures": len(failed), "pipelines": failed, "threshold": 1, "value": len(failed)} if failed else None
    if rule.type == "anomaly_percent_change":
        cost, usual = _cost(costs, day, rule.kind), _average(costs, day, rule.kind, 7)
        percent = float(100 * (cost - usual) / usual) if usual else 0.0
        if percent < ANOMALY_PERCENT:
            return None
        return _figures(organization, day, cost, usual) | {"threshold": ANOMALY_PERCENT, "value": round(percent, 1)}
    if rule.type == "absolute_threshold":
        cost, usual = _cost(costs, day, ""), _average(costs, day, "", 30)
        limit = cents(usual * Decimal("1.15"))
        if not usual or cost < limit:
            return None
        return _figures(organization, day, cost, usual) | {"threshold": float(limit), "value": float(cents(cost))}
    return None


def _figures(organization: Organization, day: date, cost: Decimal, usual: Decimal) -> Row:
    return {
        "date": day.isoformat(),
        "billed_cost": float(cents(cost)),
        "baseline": float(cents(usual)),
        "currency": organization.currency,
    }


def _alert(organization: Organization, rule: Rule, day: date, seen: Row) -> Row:
    raised_at = calendar.midnight(day + timedelta(days=1)) + timedelta(minutes=10)
    chance = calendar.random_of(organization.slug, f"alert-{rule.key}", day).random()
    status = "FAILED" if chance < 0.06 else "SUPPRESSED" if chance < 0.16 and rule.priority != "critical" else "SENT"
    recipients = list(rule.channels) if status == "SENT" else []
    met = {"type": rule.type, "threshold": seen["threshold"], "value": seen["value"], "met": True}
    return {
        "alert_history_id": f"demo-{organization.slug}-{rule.key}-{day:%Y%m%d}",
        "alert_id": _rule_id(organization, rule),
        "org_slug": organization.slug,
        "status": status,
        "severity": rule.priority,
        "trigger_data": json.dumps(seen),
        "condition_results": json.dumps([met]),
        "recipients": recipients,
        "recipient_count": len(recipients),
        "sent_at": raised_at + timedelta(seconds=4) if status == "SENT" else None,
        "error_message": "The channel did not answer" if status == "FAILED" else None,
        "created_at": raised_at,
    }


def _rule_id(organization: Organization, rule: Rule) -> str:
    return f"demo-{organization.slug}-{rule.key}"


def _cost(costs: DailyCosts, day: date, kind: str) -> Decimal:
    kinds = (kind,) if kind else ("cloud", "genai", "subscription")
    return sum((costs.get((day, each), Decimal(0)) for each in kinds), Decimal(0))


def _average(costs: DailyCosts, day: date, kind: str, days: int) -> Decimal:
    return sum((_cost(costs, day - timedelta(days=back), kind) for back in range(1, days + 1)), Decimal(0)) / days
