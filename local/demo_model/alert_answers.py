"""Answers about alerts, from the results of the alert tools."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from local.demo_model import payloads
from local.demo_model.formatting import both, counted, decimal, instant, label, money, plain_number, span, table, text
from local.demo_model.payloads import Payload, Row
from local.demo_model.tasks import Task
from local.demo_model.transcript import ToolResult

_SEVERITIES = ("critical", "warning", "info")


def list_alerts(result: ToolResult, payload: Payload, task: Task | None) -> list[str]:
    """The rules there are, with what makes each fire."""
    summary, rows = payloads.summary(payload), payloads.rows(payload)
    status = payloads.mapping(summary.get("filters")).get("status") or result.arguments.get("status")
    states = both([f"{plain_number(number)} {text(name)}" for name, number in _counts(summary, "by_status")])
    of_all = f"of {counted(summary.get('total'), 'alert rule')}" + (f" ({states})" if states else "")
    shown = _kept(rows, task)
    if status:
        headline = f"**{plain_number(summary.get('matching'))}** {of_all} are {text(status)}."
    else:
        headline = f"There are **{counted(summary.get('total'), 'alert rule')}**" + (f": {states}." if states else ".")
    if not rows:
        return [headline]
    cells = [
        [
            text(row.get("name")),
            text(row.get("status")) + (f" ({text(row['paused_by'])})" if row.get("paused_by") else ""),
            text(row.get("severity")),
            _threshold(row),
            _watched(row),
            instant(row.get("last_triggered_at")) if row.get("last_triggered_at") else "never",
        ]
        for row in shown
    ]
    return [
        headline,
        _narrowed(rows, shown, task, "rules"),
        table(["Alert", "Status", "Severity", "Fires when", "Watches", "Last fired"], cells, numeric_from=6)
        if cells
        else "",
        _cut(payload, "rules"),
        f"_Status as of {instant(summary.get('as_of'))}; "
        f"{f'filter: status {text(status)}' if status else 'no filters'}._",
    ]


def create_alert(_: ToolResult, payload: Payload, __: Task | None) -> list[str]:
    """The rule as it was stored."""
    summary, rows = payloads.summary(payload), payloads.rows(payload)
    if not rows:
        return ['The tool did not say what it stored; "List my alerts" shows whether the alert is there.']
    row = rows[0]
    name = f"**{text(row.get('name'))}**"
    headline = (
        f"The alert {name} is set up."
        if summary.get("created")
        else f"The alert {name} was there already; it stays one."
    )
    said = f" {text(summary['description'])}" if summary.get("description") else ""
    cells = [
        [
            text(row.get("name")),
            text(row.get("status")),
            text(row.get("severity")),
            _threshold(row),
            _watched(row),
        ]
    ]
    return [
        headline + said,
        table(["Alert", "Status", "Severity", "Fires when", "Watches"], cells, numeric_from=5),
        text(summary["note"]) if summary.get("note") else "",
        f"_Rule id {text(summary.get('rule_id') or row.get('rule_id'))}; costs are BilledCost._",
    ]


def alert_history(result: ToolResult, payload: Payload, task: Task | None) -> list[str]:
    """What fired in a range of days."""
    summary, rows = payloads.summary(payload), payloads.rows(payload)
    period = span(summary.get("period") or result.arguments)
    severity = payloads.mapping(summary.get("filters")).get("severity") or result.arguments.get("severity")
    kind = f"{text(severity)} " if severity else ""
    if not rows:
        available = payloads.mapping(summary.get("available"))
        has = (
            f" There are alerts from {text(available['start_date'])} to {text(available['end_date'])}."
            if (available.get("start_date") and available.get("end_date"))
            else " No alert has fired on any other day either."
            if "available" in summary
            else ""
        )
        return [f"No {kind}alert fired in {period}.{has}"]
    by_severity = [f"{plain_number(number)} {text(name)}" for name, number in _counts(summary, "by_severity") if number]
    acknowledged = summary.get("acknowledged")
    details = [*([] if severity else by_severity)]
    if acknowledged is not None:
        details.append(f"{plain_number(acknowledged)} acknowledged")
    headline = f"In {period} **{counted(summary.get('total'), f'{kind}alert')}** fired" + (
        f": {both(details)}." if details else "."
    )
    shown = _kept(rows, task)
    cells = [
        [
            instant(row.get("created_at")),
            text(row.get("rule_name") or row.get("rule_id")),
            text(row.get("severity")),
            text(row.get("status")),
            _observed(row.get("trigger_data")),
            text(row.get("alert_history_id")),
        ]
        for row in shown
    ]
    headings = ["Fired (UTC)", "Alert", "Severity", "State", "Observed", "Id"]
    return [
        headline,
        _narrowed(rows, shown, task, "alerts"),
        table(headings, cells, numeric_from=len(headings)) if cells else "",
        _cut(payload, "alerts"),
        f"_Period {period}; {f'filter: severity {text(severity)}' if severity else 'no filters'}; newest first._",
    ]


def acknowledge_alert(result: ToolResult, payload: Payload, _: Task | None) -> list[str]:
    """Who acknowledged what and when."""
    summary, rows = payloads.summary(payload), payloads.rows(payload)
    row = rows[0] if rows else {}
    name = text(row.get("rule_name") or "The alert")
    alert_id = text(row.get("alert_history_id") or result.arguments.get("alert_history_id"))
    who = summary.get("acknowledged_by")
    if summary.get("acknowledged"):
        headline = f"**{name}** ({alert_id}) is acknowledged"
        headline += f" by {text(who)} at {instant(summary.get('acknowledged_at'))}." if who else "."
    else:
        headline = f"**{name}** ({alert_id}) was acknowledged before; nothing was changed."
    return [
        headline,
        text(summary["note"]) if summary.get("note") else "",
        f"_Fired {instant(row.get('created_at'))}; severity {text(row.get('severity'))}; "
        f"state {text(row.get('status'))}._"
        if row
        else "",
    ]


def _counts(summary: Mapping[str, Any], name: str) -> list[tuple[str, Any]]:
    return list(payloads.mapping(summary.get(name)).items())


def _kept(rows: list[Row], task: Task | None) -> list[Row]:
    kept = task.kept if task else ()
    return [row for row in rows if all(each.holds(row) for each in kept)]


def _narrowed(rows: list[Row], shown: list[Row], task: Task | None, things: str) -> str:
    if not task or not task.kept:
        return ""
    asked = both([f"{each.column} {'' if each.wanted else 'other than '}{each.value}" for each in task.kept])
    if not shown:
        return f"None of the {len(rows)} {things} listed has {asked}."
    return f"Shown are the {len(shown)} of {len(rows)} {things} that your question is about: {asked}."


def _cut(payload: Payload, things: str) -> str:
    return f"The list is cut: there are more {things} than were asked for." if payload.get("truncated") else ""


def _threshold(row: Row) -> str:
    """The threshold with its currency and period, else the rule's kind."""
    threshold = decimal(row.get("threshold"))
    if threshold is None:
        return label(str(row.get("rule_type") or "other condition")).lower()
    period = f"{text(row['period'])} " if row.get("period") else ""
    if row.get("currency"):
        return f"{period}cost above {money(threshold, row['currency'])}"
    return f"{label(str(row.get('rule_type') or 'value')).lower()}, threshold {plain_number(threshold)}"


def _watched(row: Row) -> str:
    providers = [text(name) for name in payloads.names(row.get("provider_filter"))]
    entity = row.get("hierarchy_entity_id")
    parts = [*([both(providers)] if providers else []), *([text(entity)] if entity else [])]
    return ", ".join(parts) or "everything"


def _observed(data: Any) -> str:
    """The figures that made an alert fire: its cost where it has one, else the value seen and the threshold."""
    try:
        seen = json.loads(data, parse_float=Decimal) if isinstance(data, str) else data
    except ValueError:
        return text(data)
    if not isinstance(seen, Mapping):
        return text(data)
    if seen.get("billed_cost") is not None:
        usual = f" (usual {money(seen['baseline'], seen.get('currency'))})" if seen.get("baseline") is not None else ""
        return f"{money(seen['billed_cost'], seen.get('currency'))}{usual}"
    if seen.get("value") is not None:
        limit = f" (threshold {plain_number(seen['threshold'])})" if seen.get("threshold") is not None else ""
        return f"{plain_number(seen['value'])}{limit}"
    return text(", ".join(f"{name} {value}" for name, value in seen.items()))
