"""Changing alert rules: the one that the user just made, or one that is named; of the caller's organisation only."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import Field

from common.skills.alerts import changes_sql, rules
from common.skills.alerts.arguments import (
    Action,
    Currency,
    Name,
    Percent,
    PeriodOf,
    SeverityOf,
    Threshold,
    WhichRule,
)
from common.skills.alerts.conditions import read_object, read_zone
from common.skills.alerts.sql import PRIORITIES
from common.skills.alerts.telling import AlertContext, DestinationNames, ids_of, told_by
from common.tenant import Principal
from common.tools.context import WarehouseContext
from common.tools.result import ToolError, ToolResult, of_shared_tables
from common.warehouse.json_values import json_safe
from common.warehouse.query import Parameter, fixed
from common.warehouse.result import QueryResult

# A rule that was made or changed so long ago is not meant by "it".
JUST_MADE_HOURS = 24
MUTED = {
    "note": "Only this rule is muted. What it raises until then is recorded, and nobody is sent a message of it, then "
    "or later; days in a row are one alert. Messages that are on their way still arrive."
}
_OF_KIND = {"threshold": ("absolute_threshold",), "percent": ("anomaly_percent_change", "budget_percent",
            "budget_forecast"), "period": ("absolute_threshold", "anomaly_percent_change")}  # fmt: skip


async def update_alert(
    principal: Principal,
    context: AlertContext,
    *,
    rule: WhichRule | None = None,
    name: Name | None = None,
    threshold: Threshold | None = None,
    currency: Currency | None = None,
    percent: Percent | None = None,
    period: PeriodOf | None = None,
    severity: SeverityOf | None = None,
    destinations: DestinationNames | None = None,
) -> ToolResult:
    """Change an alert rule: its figure, currency, period, severity, name or destinations. This changes data.

    "Make it 45,000 and critical" after an alert was made is this tool without rule. The row is the rule as it is
    stored now; the summary has what changed, before and after. A changed rule is evaluated anew.
    """
    before = await _find(principal, context, rule)
    conditions = read_object(before["conditions"])
    given = {"threshold": threshold, "percent": percent, "period": period, "currency": currency}
    for key, value in given.items():
        if value is None:
            continue
        if before["rule_type"] not in _OF_KIND.get(key, (before["rule_type"],)):
            raise ToolError("invalid_arguments", f"The rule {before['name']!r} has no {key}: {rules.describe(before)}")
        conditions[key] = value
    after = {
        **before,
        "name": name or before["name"],
        "priority": PRIORITIES[severity] if severity is not None else before["priority"],
        "conditions": json.dumps(json_safe(conditions)) if any(given.values()) else before["conditions"],
    }
    if destinations is not None:
        after["notify_channel_ids"] = await ids_of(context, principal.tenant, destinations)
    told = await told_by(context, principal.tenant, after["notify_channel_ids"] or ())
    return await _store(principal, context, before, after, "update_alert", told)


async def manage_alert(
    principal: Principal,
    context: WarehouseContext,
    *,
    action: Annotated[
        Action,
        Field(
            description="pause: it fires no more until resume. mute: it fires and is recorded, and nobody is sent a "
            "message until unmute or until. delete: the rule is gone, and its history stays."
        ),
    ],
    rule: WhichRule | None = None,
    until: Annotated[datetime, Field(description="With mute: when it ends, ISO 8601. Without: until unmute.")]
    | None = None,
) -> ToolResult:
    """Pause, resume, mute, unmute or delete one alert rule. This changes data.

    Call it only for a rule that the user named or just made. The row is the rule as it is stored, or as it was.
    """
    before = await _find(principal, context, rule)
    if action == "delete":
        parameters = {"rule_id": Parameter("STRING", before["rule_id"])}
        written = await context.run(fixed(principal.tenant, changes_sql.DELETE_RULE, parameters))
        summary = {"action": "manage_alert", "deleted": written.affected_rows != 0, "rule_id": before["rule_id"]}
        return of_shared_tables(principal, written, (_shown(context, before),), summary, parameters)
    conditions = read_object(before["conditions"])
    after = dict(before)
    match action:
        case "pause" | "resume":
            after["is_active"] = action == "resume"
        case "mute":
            conditions["muted_until"] = _moment(until, context).isoformat() if until is not None else "forever"
            after["conditions"] = json.dumps(json_safe(conditions))
        case "unmute":
            conditions.pop("muted_until", None)
            after["conditions"] = json.dumps(json_safe(conditions))
    return await _store(principal, context, before, after, "manage_alert", MUTED if action == "mute" else None)


async def _store(
    principal: Principal,
    context: WarehouseContext,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    action: str,
    told: Mapping[str, Any] | None = None,
) -> ToolResult:
    names = ("name", "priority", "conditions")
    parameters = {
        **{name: Parameter("STRING", after[name]) for name in names},
        "description": Parameter("STRING", rules.describe(after)),
        "is_active": Parameter("BOOL", after["is_active"]),
        "destinations": Parameter("STRING", tuple(after["notify_channel_ids"] or ())),
        "rule_id": Parameter("STRING", before["rule_id"]),
        "read_at": Parameter("TIMESTAMP", before["updated_at"] or before["created_at"]),
        "now": Parameter("TIMESTAMP", context.now.astimezone(UTC)),
    }
    written = await context.run(fixed(principal.tenant, changes_sql.UPDATE_RULE, parameters))
    if not written.affected_rows:
        raise ToolError(
            "changed_meanwhile", "Somebody else changed the rule meanwhile. Read it again, and then change it."
        )
    stored = await _named(principal, context, before["rule_id"])
    shown, was = _shown(context, stored.rows[0]), _shown(context, before)
    changed = {key: {"before": was[key], "after": shown[key]} for key in shown if shown[key] != was[key]}
    summary = {
        "action": action,
        "rule_id": before["rule_id"],
        "changed": changed,
        "description": rules.describe(stored.rows[0]),
        **(told or {}),
    }
    return of_shared_tables(principal, replace(written, columns=stored.columns), (shown,), summary, parameters)


def _shown(context: WarehouseContext, rule: Mapping[str, Any]) -> dict[str, Any]:
    return rules.as_row(rule, context.now, context.calendar.zone)


def _moment(until: datetime, context: WarehouseContext) -> datetime:
    """The end of a mute, in the organisation's zone where it names none. Raises ToolError for one that is past."""
    try:
        aware = until if until.tzinfo is not None else until.replace(tzinfo=read_zone(context.calendar.zone))
        moment = aware.astimezone(UTC)
    except OverflowError:
        raise ToolError("invalid_arguments", "until is no moment that a calendar has.") from None
    if moment <= context.now:
        raise ToolError("invalid_arguments", f"until is over: it is {context.now.astimezone(UTC):%Y-%m-%d %H:%M} UTC.")
    return moment


async def _find(principal: Principal, context: WarehouseContext, rule: str | None) -> Mapping[str, Any]:
    """The rule that is meant. Another organisation's and one that is not there are the same ToolError."""
    if rule is None:
        since = context.now.astimezone(UTC) - timedelta(hours=JUST_MADE_HOURS)
        given = {"created_by": Parameter("STRING", principal.user_id), "since": Parameter("TIMESTAMP", since)}
        latest = (await context.run(fixed(principal.tenant, changes_sql.LATEST, given))).rows
        if not latest:
            raise ToolError("which_rule", "The user made no rule lately. Name one: list_alerts has their rule_ids.")
        return latest[0]
    found = (await _named(principal, context, rule)).rows
    if not found:
        raise ToolError("not_found", "There is no rule of this id or name. Take one from list_alerts.")
    if len(found) > 1 and found[0]["rule_id"] != rule:
        ids = ", ".join(each["rule_id"] for each in found)
        raise ToolError("ambiguous_rule", f"Several rules have this name: {ids}. Call again with one rule_id.")
    return found[0]


async def _named(principal: Principal, context: WarehouseContext, rule: str) -> QueryResult:
    return await context.run(fixed(principal.tenant, changes_sql.NAMED, {"rule": Parameter("STRING", rule)}))
