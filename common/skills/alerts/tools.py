"""The alert tools: which rules watch the costs, what they raised, a new rule, and the word that somebody has seen it.

Writes are parameterised statements on the caller's organisation's rows alone, and each may be sent twice.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema

from common import limits
from common.focus.currencies import parse_currency
from common.focus.providers import provider_key
from common.skills.alerts import rules, sql
from common.skills.alerts.rules import Status, Wanted
from common.skills.alerts.sql import ACKNOWLEDGED, PRIORITIES, Severity
from common.skills.alerts.windows import AlertPeriod
from common.tenant import WRITE_ALERTS, Principal
from common.tools import periods
from common.tools.context import WarehouseContext
from common.tools.periods import EndDate, StartDate
from common.tools.registry import Tool, tool
from common.tools.result import ToolError, ToolResult, of_shared_tables
from common.warehouse.query import Parameter, fixed
from common.warehouse.result import QueryResult

ALERT_COOLDOWN_MINUTES = 720

_STATUSES: tuple[Status, ...] = ("active", "paused", "disabled")
_NO_CHANNEL = (
    "No notification channel is attached: the alert shows in alert_history, and nobody is sent a message until a "
    "channel is chosen in the notification settings."
)
_TOO_MANY = (
    "The organisation has {most} alert rules, and may not have more. Nothing was changed: have one removed in the "
    "notification settings first."
)
_SHOWN = ("alert_history_id", "created_at", "rule_name", "rule_id", "severity", "status")


def _is_number(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("give a number, such as 5000")
    return value


Threshold = Annotated[
    Decimal,
    BeforeValidator(_is_number),
    Field(gt=0, max_digits=15, decimal_places=3),
    WithJsonSchema(
        {
            "type": "number",
            "exclusiveMinimum": 0,
            "description": "The amount of money that must be passed, in units of the currency, e.g. 5000.",
        }
    ),
]
Currency = Annotated[
    str,
    StringConstraints(min_length=3, max_length=3),
    AfterValidator(parse_currency),
    Field(description="ISO 4217 code of the threshold's currency, e.g. USD. Costs in other currencies do not count."),
]
SeverityFilter = Annotated[Severity, Field(description="Only alerts of this severity. Leave out for all.")]
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
    conditions, providers or team it is limited to, and who acknowledged its latest alert. The summary counts all rules
    by status, whatever the filter and limit. For alerts that fired, use alert_history.
    """
    parameters = {"limit": Parameter("INT64", limits.MAX_ALERT_RULES)}
    found = await context.run(fixed(principal.tenant, sql.RULES, parameters))
    every = [rules.as_row(rule, context.now) for rule in found.rows]
    chosen = [rule for rule in every if status in (None, rule["status"])]
    summary = {
        "as_of": context.now,
        "filters": {"status": status} if status else {},
        "matching": len(chosen),
        "total": len(every),
        "by_status": {each: sum(rule["status"] == each for rule in every) for each in _STATUSES},
    }
    rows = tuple(chosen[:limit])
    truncated = found.truncated or len(rows) < len(chosen)
    return of_shared_tables(principal, found, rows, summary, parameters, truncated=truncated)


async def create_alert(
    principal: Principal,
    context: WarehouseContext,
    *,
    name: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=limits.ALERT_NAME_CHARS),
        Field(description="A short name that says what the alert watches."),
    ],
    threshold: Threshold,
    currency: Currency,
    provider: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=100),
        Field(description="Watch only this provider's costs, e.g. AWS or OpenAI. Leave out for all costs."),
    ]
    | None = None,
    severity: Annotated[Severity, Field(description="How urgent an alert of this rule is.")] = "warning",
    hierarchy_entity: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
        Field(
            description="Watch only the costs of this department, project or team: its name or entity id in the "
            "hierarchy. Leave out for everything."
        ),
    ]
    | None = None,
    period: Annotated[
        AlertPeriod, Field(description="The costs of a calendar day, week or month are held against the threshold.")
    ] = "monthly",
) -> ToolResult:
    """Set up an alert that fires when the billed cost of a day, week or month passes an amount. This changes data.

    Call it only when the user asked for an alert and its amount, currency and scope are clear; ask first where they are
    not. The row is the rule as it is stored. Where the same alert was made before in this answer, it stays one rule
    and the summary says created false.
    """
    entity = await _entity(principal, context, hierarchy_entity) if hierarchy_entity is not None else {}
    wanted = Wanted(
        name=name,
        threshold=threshold,
        currency=currency,
        provider=provider_key(provider) if provider is not None else None,
        severity=severity,
        entity_id=entity.get("entity_id"),
        entity_name=entity.get("entity_name"),
        entity_path=entity.get("path"),
        period=period,
    )
    parameters = _rule_parameters(principal, context, wanted)
    written = await context.run(fixed(principal.tenant, sql.CREATE_RULE, parameters))
    rule_id = {"rule_id": parameters["rule_id"]}
    stored = await context.run(fixed(principal.tenant, sql.RULE, rule_id))
    if not stored.rows:
        raise ToolError("too_many_alert_rules", _TOO_MANY.format(most=limits.MAX_ALERT_RULES))
    rule = rules.as_row(stored.rows[0], context.now)
    summary = {
        "action": "create_alert",
        "created": written.affected_rows != 0,
        "rule_id": rule["rule_id"],
        "description": wanted.description,
        **({} if rule["notify_channel_ids"] else {"note": _NO_CHANNEL}),
    }
    return of_shared_tables(principal, _of_write(written, stored), (rule,), summary, parameters)


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
) -> ToolResult:
    """List the alerts that fired in a range of days, newest first, with the figures that made them fire.

    Rows have the alert_history_id that acknowledge_alert takes, the rule's name, severity, the state (PENDING, SENT,
    FAILED, SUPPRESSED or ACKNOWLEDGED) and trigger_data with the observed figures. The summary counts the whole range
    by severity, and by each rule among the rows, whatever the limit. Where nothing fired it says which days have some.
    """
    period = periods.requested(start_date, end_date, context.today)
    filters = {"severity": Parameter("STRING", severity)} if severity is not None else {}
    parameters = {**period.bounds(), **filters, "limit": Parameter("INT64", limit)}
    found = await context.run(fixed(principal.tenant, sql.history(by_severity=bool(filters)), parameters))
    counts = found.rows[0] if found.rows else {}
    summary = {
        "period": period.as_dict(),
        "filters": {"severity": severity} if severity else {},
        "total": counts.get("alert_count", 0),
        "by_severity": {each: counts.get(f"{each}_count", 0) for each in ("critical", "warning", "info")},
        "by_rule": count_by_rule(found.rows),
        "acknowledged": counts.get("acknowledged_count", 0),
        "available": None if found.rows else await _available(principal, context, filters),
    }
    names = (*_SHOWN, "priority", "trigger_data", "recipient_count", "sent_at")
    rows = tuple({name: row[name] for name in names} for row in found.rows)
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
) -> ToolResult:
    """Mark one alert that fired as seen, in the name of the user. This changes data.

    Call it only for an alert that the user named or chose. The row is the alert as it is stored, with who acknowledged
    it and when. An alert that was acknowledged before stays as it is, and the summary says so.
    """
    parameters = {"alert_history_id": Parameter("STRING", alert_history_id)}
    found = query = await _alert(principal, context, parameters)
    acknowledged = False
    if found.rows[0]["status"] != ACKNOWLEDGED:
        written, parameters = await _acknowledge(principal, context, parameters, found.rows[0]["created_at"])
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
    shown = {name: row[name] for name in (*_SHOWN, "acknowledged_at", "acknowledged_by")}
    return of_shared_tables(principal, query, (shown,), summary, parameters)


TOOLS: tuple[Tool, ...] = (
    tool("alerts", list_alerts),
    tool("alerts", create_alert, writes=WRITE_ALERTS),
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


def _rule_parameters(principal: Principal, context: WarehouseContext, wanted: Wanted) -> dict[str, Parameter]:
    return {
        "rule_id": Parameter("STRING", wanted.rule_id(principal, context.idempotency_key)),
        "name": Parameter("STRING", wanted.name),
        "description": Parameter("STRING", wanted.description),
        "priority": Parameter("STRING", PRIORITIES[wanted.severity]),
        "conditions": Parameter("STRING", wanted.conditions),
        "providers": Parameter("STRING", (wanted.provider,) if wanted.provider is not None else ()),
        "entity_id": Parameter("STRING", wanted.entity_id),
        "entity_path": Parameter("STRING", wanted.entity_path),
        "cooldown_minutes": Parameter("INT64", ALERT_COOLDOWN_MINUTES),
        "most": Parameter("INT64", limits.MAX_ALERT_RULES),
        "created_at": Parameter("TIMESTAMP", context.now.astimezone(UTC)),
        "created_by": Parameter("STRING", principal.user_id),
    }


async def _entity(principal: Principal, context: WarehouseContext, asked: str) -> dict[str, Any]:
    """The one current entity of that name or id. Raises ToolError with the entities that there are."""
    most = Parameter("INT64", limits.MAX_ENTITIES_NAMED)
    parameters = {"entity": Parameter("STRING", asked), "limit": most}
    found = (await context.run(fixed(principal.tenant, sql.ENTITY, parameters))).rows
    if len(found) == 1:
        return found[0]
    if found:
        named = "; ".join(f"{each['entity_id']} ({each['level_code']}, {each['path']})" for each in found)
        raise ToolError(
            "ambiguous_entity", f"Several entities are named {asked!r}: {named}. Call again with one entity id."
        )
    known = (await context.run(fixed(principal.tenant, sql.ENTITIES, {"limit": most}))).rows
    listed = "; ".join(f"{each['entity_id']} ({each['entity_name']})" for each in known) or "none"
    raise ToolError(
        "unknown_entity",
        f"The hierarchy has no current entity {asked!r}. It has, among others: {listed}. Call again with one of these "
        "entity ids, or ask the user which team is meant; query_costs by team shows the teams that have costs.",
    )


async def _available(principal: Principal, context: WarehouseContext, filters: dict[str, Parameter]) -> Any:
    """Which days have alerts: those that the filter matches, or else any."""
    for tried in (filters, {}) if filters else ({},):
        text = sql.available(by_severity=bool(tried))
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
    principal: Principal, context: WarehouseContext, one: dict[str, Parameter], created_at: datetime
) -> tuple[QueryResult, dict[str, Parameter]]:
    """Write who has seen the alert, and then that it was seen."""
    which = {**one, "created_at": Parameter("TIMESTAMP", created_at)}
    seen = {
        "now": Parameter("TIMESTAMP", context.now.astimezone(UTC)),
        "acknowledged_by": Parameter("STRING", principal.user_id),
    }
    await context.run(fixed(principal.tenant, sql.ACKNOWLEDGE_RULE, {**which, **seen}))
    return await context.run(fixed(principal.tenant, sql.ACKNOWLEDGE_ALERT, which)), which


def _whose(row: dict[str, Any]) -> str:
    """The person who acknowledged an alert before, as exactly as it is
    known: a rule keeps its latest acknowledgement only."""
    if row["acknowledged_by"] is None:
        return "This alert was acknowledged before; by whom and when is not recorded."
    who = f"{row['acknowledged_by']} at {row['acknowledged_at']:%Y-%m-%d %H:%M} UTC"
    if row["other_acknowledged"]:
        return f"This alert was acknowledged before. The latest acknowledgement of an alert of this rule is by {who}."
    return f"This alert was acknowledged before, by {who}. Nothing was changed."


def _of_write(written: QueryResult, stored: QueryResult) -> QueryResult:
    """The statement that changed something, with the columns of the row that was read back."""
    return replace(written, columns=stored.columns)
