"""The alert tools: which rules watch the costs, what they raised, a new rule, and the word that somebody has seen it.

Writes are parameterised statements on the caller's organisation's rows alone, and each may be sent twice.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from common import limits
from common.skills.alerts import rules, sql
from common.skills.alerts.changing import manage_alert, update_alert
from common.skills.alerts.making import create_alert, preview_alert
from common.skills.alerts.rules import SEVERITY_MEANS, Status, figure_of
from common.skills.alerts.sql import ACKNOWLEDGED, Severity
from common.tenant import WRITE_ALERTS, Principal
from common.tools import periods
from common.tools.context import WarehouseContext
from common.tools.periods import EndDate, StartDate
from common.tools.registry import Tool, tool
from common.tools.result import ToolError, ToolResult, of_shared_tables
from common.warehouse.query import Parameter, fixed
from common.warehouse.result import QueryResult

_STATUSES: tuple[Status, ...] = ("active", "paused", "disabled")
NOT_INCLUDED = (
    "Figures are those of the moment at which an alert fired: costs that came or were corrected later are not in them.",
    "Rules are evaluated every 15 minutes, and an alert is listed about a minute later: the latest may be missing.",
    "What waits for the end of quiet hours or of a cooldown is listed once it fires. Rules that are switched off or "
    "have a problem (list_alerts) raise nothing.",
)
_SHOWN = ("alert_history_id", "created_at", "rule_name", "rule_id", "severity", "status")


SeverityFilter = Annotated[Severity, Field(description="Only alerts of this severity. Leave out for all.")]
CategoryFilter = Annotated[
    Literal["cost", "pipeline", "integration", "subscription", "system"],
    Field(description="Only alerts of this subject: cost for spend, budgets and anomalies. Leave out for all."),
]
RuleFilter = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=limits.ALERT_ID_CHARS),
    Field(description="Only alerts of the rule of this rule_id or name."),
]
AlertFilter = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=limits.ALERT_ID_CHARS),
    Field(description="Only this alert; without dates, of the last three years."),
]
StatusFilter = Annotated[
    Status,
    Field(
        description="active: switched on. paused: switched on, but silent at the moment because of its quiet hours or "
        "its cooldown. disabled: switched off. Leave out for all."
    ),
]


async def list_alerts(
    principal: Principal,
    context: WarehouseContext,
    *,
    status: StatusFilter | None = None,
    limit: Annotated[int, Field(ge=1, le=limits.MAX_ALERTS, description="At most this many rules.")] = 50,
) -> ToolResult:
    """List the alert rules that are set up, newest first, with what makes each fire and whether it is on.

    Rows have the status at this moment, severity, threshold with currency and period where the rule has them, the raw
    conditions, providers or team it is limited to, and who acknowledged its latest alert. A rule with a problem never
    fires: say so. The summary counts all rules by status, whatever the filter and limit. For alerts that fired, use
    alert_history.
    """
    parameters = {"limit": Parameter("INT64", limits.MAX_ALERT_RULES)}
    found = await context.run(fixed(principal.tenant, sql.RULES, parameters))
    every = [rules.as_row(rule, context.now, context.calendar.zone) for rule in found.rows]
    chosen = [rule for rule in every if status in (None, rule["status"])]
    summary = {
        "as_of": context.now,
        "filters": {"status": status} if status else {},
        "matching": len(chosen),
        "total": len(every),
        "severity_means": SEVERITY_MEANS,
        "by_status": {each: sum(rule["status"] == each for rule in every) for each in _STATUSES},
        "never_evaluated": sum(rule["problem"] is not None for rule in every),
    }
    rows = tuple(chosen[:limit])
    truncated = found.truncated or len(rows) < len(chosen)
    return of_shared_tables(principal, found, rows, summary, parameters, truncated=truncated)


async def alert_history(
    principal: Principal,
    context: WarehouseContext,
    *,
    start_date: StartDate | None = None,
    end_date: EndDate | None = None,
    limit: Annotated[
        int, Field(ge=1, le=limits.MAX_ALERTS, description="At most this many alerts, newest first.")
    ] = 50,
    severity: SeverityFilter | None = None,
    category: CategoryFilter | None = None,
    rule: RuleFilter | None = None,
    alert_history_id: AlertFilter | None = None,
) -> ToolResult:
    """List the alerts that fired in a range of days, newest first, with the figures that made them fire.

    Rows have the alert_history_id that acknowledge_alert takes, the rule's name, severity, the state (PENDING, SENT,
    FAILED, SUPPRESSED, HELD, RECORDED or ACKNOWLEDGED), value and threshold with their unit, when it was over, and
    condition_results with the SQL. The summary counts the whole range by severity, category and rule, whatever the
    limit: use category cost where pipeline failures bury what costs raised. Where nothing fired it says which days
    have alerts. not_included says what the history does not take into account.
    """
    if alert_history_id is not None and start_date is None and end_date is None:
        start_date = context.today - timedelta(days=limits.MAX_RANGE_DAYS - 1)
    period = periods.requested(start_date, end_date, context.today)
    given = {"severity": severity, "category": category, "rule": rule, "alert_history_id": alert_history_id}
    filters = {name: Parameter("STRING", value) for name, value in given.items() if value is not None}
    chosen = frozenset(filters)
    parameters = {**period.bounds(), **filters, "limit": Parameter("INT64", limit)}
    counting = {name: each for name, each in parameters.items() if name != "limit"}
    found, counted = await asyncio.gather(
        context.run(fixed(principal.tenant, sql.history(chosen), parameters)),
        context.run(fixed(principal.tenant, sql.counts(chosen), counting)),
    )
    counts = found.rows[0] if found.rows else {}
    summary = {
        "period": period.as_dict(),
        "filters": {name: value for name, value in given.items() if value is not None},
        "total": counts.get("alert_count", 0),
        "by_severity": {each: counts.get(f"{each}_count", 0) for each in ("critical", "warning", "info")},
        "by_category": _by_category(counted.rows),
        "by_rule": count_by_rule(counted.rows),
        "severity_means": SEVERITY_MEANS,
        "acknowledged": counts.get("acknowledged_count", 0),
        "available": None if found.rows else await _available(principal, context, filters),
        "not_included": NOT_INCLUDED,
    }
    names = (*_SHOWN, "category", "window_key", "resolved_at", "acknowledged_by", "acknowledged_note", "trigger_data",
             "condition_results", "recipient_count", "sent_at")  # fmt: skip
    rows = tuple({name: row[name] for name in names} | figure_of(row["trigger_data"]) for row in found.rows)
    truncated = len(rows) < counts.get("alert_count", 0)
    return of_shared_tables(principal, found, rows, summary, parameters, truncated=truncated)


async def acknowledge_alert(
    principal: Principal,
    context: WarehouseContext,
    *,
    alert_history_id: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=limits.ALERT_ID_CHARS),
        Field(description="The alert_history_id of one alert, as alert_history shows it."),
    ],
    note: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=limits.FEEDBACK_COMMENT_CHARS),
        Field(description="What the user said about it, in their words. Leave out if nothing."),
    ]
    | None = None,
) -> ToolResult:
    """Mark one alert that fired as seen, in the name of the user, with a note. This changes data.

    Call it only for an alert that the user named or chose. The row is the alert as it is stored, with who acknowledged
    it and when. An alert that was acknowledged before stays as it is, and the summary says so.
    """
    parameters = {"alert_history_id": Parameter("STRING", alert_history_id)}
    found = query = await _alert(principal, context, parameters)
    acknowledged = False
    if found.rows[0]["status"] != ACKNOWLEDGED:
        written, parameters = await _acknowledge(principal, context, parameters, found.rows[0], note)
        # Nothing was left to change where somebody else came first.
        acknowledged = written.affected_rows != 0
        found = await _alert(principal, context, {"alert_history_id": parameters["alert_history_id"]})
        query = _of_write(written, found)
    row = found.rows[0]
    summary = {
        "action": "acknowledge_alert",
        "acknowledged": acknowledged,
        "already_acknowledged": not acknowledged,
        "acknowledged_by": row["acknowledged_by"],
        "acknowledged_at": row["acknowledged_at"],
        **({} if acknowledged else {"note": _whose(row)}),
    }
    shown = {name: row[name] for name in (*_SHOWN, "acknowledged_at", "acknowledged_by", "acknowledged_note")}
    return of_shared_tables(principal, query, (shown,), summary, parameters)


TOOLS: tuple[Tool, ...] = (
    tool("alerts", list_alerts),
    tool("alerts", preview_alert),
    tool("alerts", create_alert, writes=WRITE_ALERTS),
    tool("alerts", update_alert, writes=WRITE_ALERTS),
    tool("alerts", manage_alert, writes=WRITE_ALERTS),
    tool("alerts", alert_history),
    tool("alerts", acknowledge_alert, writes=WRITE_ALERTS),
)


def count_by_rule(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return how often the rules of these alerts fired, by name; rules of one name count together."""
    rules = {row["rule_id"]: (row["rule_name"] or row["rule_id"], row["rule_count"]) for row in rows}
    counts: Counter[str] = Counter()
    for name, count in rules.values():
        counts[name] += count
    return [{"rule_name": name, "alerts": count} for name, count in counts.most_common()]


async def _available(principal: Principal, context: WarehouseContext, filters: dict[str, Parameter]) -> Any:
    """Which days have alerts: those that the filter matches, or else any."""
    for tried in (filters, {}) if filters else ({},):
        text = sql.available(frozenset(tried))
        row = (await context.run(fixed(principal.tenant, text, tried))).rows[0]
        if row["alert_count"]:
            return periods.format_days(row["first_day"], row["last_day"])
    return None


async def _alert(principal: Principal, context: WarehouseContext, one: dict[str, Parameter]) -> QueryResult:
    """The alert with its rule. Another organisation's id and an id of nothing are the same ToolError."""
    found = await context.run(fixed(principal.tenant, sql.ALERT, one))
    if not found.rows:
        raise ToolError("not_found", "There is no alert with this alert_history_id. Take one from alert_history.")
    return found


async def _acknowledge(
    principal: Principal,
    context: WarehouseContext,
    one: dict[str, Parameter],
    alert: Mapping[str, Any],
    note: str | None,
) -> tuple[QueryResult, dict[str, Parameter]]:
    """Write who has seen the alert, and then that it was seen."""
    which = {**one, "created_at": Parameter("TIMESTAMP", alert["created_at"])}
    seen = {
        "now": Parameter("TIMESTAMP", context.now.astimezone(UTC)),
        "acknowledged_by": Parameter("STRING", principal.name or principal.user_id),
    }
    await context.run(fixed(principal.tenant, sql.ACKNOWLEDGE_RULE, {**which, **seen}))
    parameters = {**which, **seen, "note": Parameter("STRING", note)}
    return await context.run(fixed(principal.tenant, sql.ACKNOWLEDGE_ALERT, parameters)), parameters


def _whose(row: dict[str, Any]) -> str:
    """The person who acknowledged an alert before, as exactly as it is
    known: a rule keeps its latest acknowledgement only."""
    if row["acknowledged_by"] is None:
        return "This alert was acknowledged before; by whom and when is not recorded."
    who = f"{row['acknowledged_by']} at {row['acknowledged_at']:%Y-%m-%d %H:%M} UTC"
    if row["other_acknowledged"] and not row["is_own"]:
        return f"This alert was acknowledged before. The latest acknowledgement of an alert of this rule is by {who}."
    return f"This alert was acknowledged before, by {who}. Nothing was changed."


def _by_category(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for row in rows:
        counts[row["category"] or "deleted rule"] += row["rule_count"]
    return dict(counts)


def _of_write(written: QueryResult, stored: QueryResult) -> QueryResult:
    """The statement that changed something, with the columns of the row that was read back."""
    return replace(written, columns=stored.columns)
