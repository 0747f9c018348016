"""Making alert rules: what is wanted is checked, tried on the days before, and stored once."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date
from decimal import Decimal
from typing import Any

from common import limits
from common.cost_query.filters import Filters
from common.focus.providers import provider_key
from common.skills.alerts import changes_sql, figures, rules, sql
from common.skills.alerts.arguments import (
    Currency,
    EntityOnly,
    Hour,
    Kind,
    KindOf,
    MoreFilters,
    Name,
    Percent,
    PeriodOf,
    ProviderOnly,
    SeverityOf,
    Threshold,
    Zone,
)
from common.skills.alerts.back_test import PREVIEW_DAYS, BackTest, back_test, read_from, tested_days
from common.skills.alerts.conditions import BUDGET_TYPES, AlertRule, RuleType, read_rule, read_zone
from common.skills.alerts.figures import Figures
from common.skills.alerts.readings import Reading
from common.skills.alerts.rules import Wanted
from common.skills.alerts.sql import PRIORITIES
from common.skills.alerts.telling import AlertContext, DestinationNames, ids_of, told_by
from common.skills.budgets import sql as budget_sql
from common.skills.budgets.tools import variance_parameters
from common.tenant import Principal
from common.tools.context import WarehouseContext
from common.tools.periods import Period
from common.tools.result import ToolError, ToolResult, of_shared_tables
from common.warehouse.query import Parameter, fixed
from common.warehouse.result import QueryResult

ALERT_COOLDOWN_MINUTES = 720

_TYPES: Mapping[Kind, RuleType] = {
    "amount": "absolute_threshold",
    "percent_change": "anomaly_percent_change",
    "budget": "budget_percent",
    "budget_forecast": "budget_forecast",
    "anomaly": "anomaly",
    "data_stopped": "data_stopped",
}
_TOO_MANY = (
    "The organisation has {most} alert rules, and may not have more. Nothing was changed: delete one first, or change "
    "one that is there."
)


async def create_alert(
    principal: Principal,
    context: AlertContext,
    *,
    name: Name,
    kind: KindOf = "amount",
    threshold: Threshold | None = None,
    currency: Currency | None = None,
    percent: Percent | None = None,
    provider: ProviderOnly | None = None,
    severity: SeverityOf = "warning",
    hierarchy_entity: EntityOnly | None = None,
    period: PeriodOf = "monthly",
    filters: MoreFilters | None = None,
    quiet_hours_start: Hour | None = None,
    quiet_hours_end: Hour | None = None,
    time_zone: Zone | None = None,
    destinations: DestinationNames | None = None,
) -> ToolResult:
    """Set up an alert rule, which is evaluated every 15 minutes and fires once for each period. This changes data.

    Call it only when the user asked for an alert and its figure, unit and scope are clear; ask first where they are
    not. The row is the rule as it is stored. Where an equal rule is there already, it stays the only one and the
    summary says created false: change that one with update_alert instead.
    """
    wanted = await _wanted(
        principal, context, name, kind, (threshold, currency, percent), provider, severity, hierarchy_entity, period,
        filters, (quiet_hours_start, quiet_hours_end, time_zone),
    )  # fmt: skip
    to = await ids_of(context, principal.tenant, destinations or ())
    parameters = _parameters(principal, context, wanted) | {"destinations": Parameter("STRING", tuple(to))}
    written = await context.run(fixed(principal.tenant, changes_sql.CREATE_RULE, parameters))
    own = ("rule_id", "rule_type", "conditions", "providers", "entity_id")
    stored = await context.run(fixed(principal.tenant, changes_sql.MADE, {each: parameters[each] for each in own}))
    if not stored.rows:
        raise ToolError("too_many_alert_rules", _TOO_MANY.format(most=limits.MAX_ALERT_RULES))
    rule = rules.as_row(stored.rows[0], context.now, context.calendar.zone)
    created = written.affected_rows != 0
    equal = f"An equal rule is there already: {rule['name']!r}. No second one was made."
    summary = {
        "action": "create_alert",
        "created": created,
        "rule_id": rule["rule_id"],
        "description": rules.describe(stored.rows[0], wanted.entity_name),
        **({} if created else {"equal_rule": equal}),
        **await told_by(context, principal.tenant, rule["notify_channel_ids"]),
    }
    return of_shared_tables(principal, replace(written, columns=stored.columns), (rule,), summary, parameters)


async def preview_alert(
    principal: Principal,
    context: AlertContext,
    *,
    kind: KindOf = "amount",
    threshold: Threshold | None = None,
    currency: Currency | None = None,
    percent: Percent | None = None,
    provider: ProviderOnly | None = None,
    hierarchy_entity: EntityOnly | None = None,
    period: PeriodOf = "monthly",
    filters: MoreFilters | None = None,
    destinations: DestinationNames | None = None,
) -> ToolResult:
    """Say how often a rule would have fired in the last 60 days, and whom it will tell. Nothing is set up.

    Call it before create_alert or update_alert, with the same arguments, and pass on what the summary says.
    """
    wanted = await _wanted(
        principal, context, "preview", kind, (threshold, currency, percent), provider, "info", hierarchy_entity, period,
        filters, (None, None, None),
    )  # fmt: skip
    rule = read_rule(wanted.as_stored("preview", context.now))
    to = await ids_of(context, principal.tenant, destinations or ())
    found, tested, parameters = await _test(principal, context, rule)
    rows = tuple(_preview_row(day, fired.reading) for day, fired in tested.fired)
    count = len(rows)
    times = "once" if count == 1 else f"{count} times" if count else "not at all"
    summary = {
        "would_have_fired": count,
        "days": PREVIEW_DAYS,
        "period": tested.days.as_dict(),
        "said": f"It would have fired {times} in the last {PREVIEW_DAYS} days.",
        "description": rules.describe(wanted.as_stored("preview", context.now), wanted.entity_name),
        "now": [_preview_row(context.today, each) for each in tested.now],
        **await told_by(context, principal.tenant, to),
    }
    return of_shared_tables(principal, found, rows, summary, parameters)


async def _test(
    principal: Principal, context: WarehouseContext, rule: AlertRule
) -> tuple[QueryResult, BackTest, dict[str, Parameter]]:
    today = context.today
    if rule.type in BUDGET_TYPES:
        parameters = variance_parameters(today, PREVIEW_DAYS)
        found = await context.run(fixed(principal.tenant, budget_sql.VARIANCE, parameters))
        empty = Figures({}, tested_days(today).start)
        return found, await asyncio.to_thread(back_test, rule, empty, found.rows, today), parameters
    period = Period(read_from(rule, today), today)
    text, bound = figures.compose([rule], context.calendar)
    parameters = {**period.bounds(), **bound}
    found = await context.run(fixed(principal.tenant, text, parameters))
    read = figures.read(found.rows, 0, period)
    return found, await asyncio.to_thread(back_test, rule, read, (), today), parameters


def _preview_row(day: date, reading: Reading) -> dict[str, Any]:
    return {
        "day": day,
        "window": reading.window,
        "value": reading.value,
        "threshold": reading.limit,
        "unit": reading.unit,
        "currency": reading.detail.get("currency"),
        "would_fire": reading.breached,
    }


async def _wanted(
    principal: Principal,
    context: WarehouseContext,
    name: str,
    kind: Kind,
    figure: tuple[Decimal | None, str | None, Decimal | None],
    provider: str | None,
    severity: Any,
    hierarchy_entity: str | None,
    period: Any,
    filters: list[dict[str, Any]] | None,
    quiet: tuple[str | None, str | None, str | None],
) -> Wanted:
    """Check what was asked for. Raises ToolError that says what is missing."""
    threshold, currency, percent = figure
    _check(kind, threshold, currency, percent, quiet)
    Filters.parse(filters or (), context.calendar)
    entity = await _entity(principal, context, hierarchy_entity) if hierarchy_entity is not None else {}
    begin, end, zone = quiet
    return Wanted(
        name=name,
        threshold=threshold if kind == "amount" else None,
        currency=currency,
        provider=provider_key(provider) if provider is not None else None,
        severity=severity,
        entity_id=entity.get("entity_id"),
        entity_name=entity.get("entity_name"),
        entity_path=entity.get("path"),
        period=period,
        type=_TYPES[kind],
        percent=percent or (Decimal(100) if kind == "budget_forecast" else None),
        filters=tuple(filters or ()),
        quiet=(begin, end) if begin and end else None,
        zone=zone,
    )


def _check(
    kind: Kind,
    threshold: Decimal | None,
    currency: str | None,
    percent: Decimal | None,
    quiet: tuple[str | None, str | None, str | None],
) -> None:
    if kind == "amount" and (threshold is None or currency is None):
        raise ToolError(
            "invalid_arguments", "An alert of an amount needs threshold and currency. Ask the user for both."
        )
    if kind in ("percent_change", "budget") and percent is None:
        raise ToolError("invalid_arguments", f"An alert of kind {kind} needs percent. Ask the user for it.")
    if (quiet[0] is None) != (quiet[1] is None):
        raise ToolError("invalid_arguments", "Give both quiet_hours_start and quiet_hours_end, or neither.")
    if quiet[2] is not None and quiet[2] not in ("UTC", "Etc/UTC") and read_zone(quiet[2]) is UTC:
        raise ToolError("invalid_arguments", f"There is no time zone {quiet[2]!r}. Give one such as Europe/Berlin.")


def _parameters(principal: Principal, context: WarehouseContext, wanted: Wanted) -> dict[str, Parameter]:
    rule_id = wanted.rule_id(principal, context.idempotency_key)
    quiet = wanted.quiet or (None, None)
    texts = {
        "rule_id": rule_id,
        "name": wanted.name,
        "description": rules.describe(wanted.as_stored(rule_id, context.now), wanted.entity_name),
        "priority": PRIORITIES[wanted.severity],
        "rule_type": wanted.type,
        "conditions": wanted.conditions,
        "entity_id": wanted.entity_id,
        "entity_path": wanted.entity_path,
        "quiet_start": quiet[0],
        "quiet_end": quiet[1],
        "zone": wanted.zone or (context.calendar.zone if wanted.quiet else None),
        "created_by": principal.user_id,
    }
    return {
        **{name: Parameter("STRING", value) for name, value in texts.items()},
        "providers": Parameter("STRING", (wanted.provider,) if wanted.provider is not None else ()),
        "cooldown_minutes": Parameter("INT64", ALERT_COOLDOWN_MINUTES),
        "most": Parameter("INT64", limits.MAX_ALERT_RULES),
        "created_at": Parameter("TIMESTAMP", context.now.astimezone(UTC)),
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
