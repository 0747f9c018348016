"""Answers about usage, from the results of the usage tools."""

from collections.abc import Mapping, Sequence
from typing import Any

from local.demo_model import payloads
from local.demo_model.formatting import (
    both,
    count,
    counted,
    decimal,
    duration,
    instant,
    label,
    money,
    percent,
    plain_number,
    span,
    table,
    text,
)
from local.demo_model.payloads import Payload, Row
from local.demo_model.tasks import Task
from local.demo_model.transcript import ToolResult

_TOKENS = ("requests", "input_tokens", "output_tokens", "cached_tokens", "total_tokens")
_SUPERLATIVES = frozenset({"most", "highest", "biggest", "largest", "top", "which", "who"})


def genai_usage(result: ToolResult, payload: Payload, task: Task | None) -> list[str]:
    """Tokens and requests with what they cost."""
    summary, rows = payloads.summary(payload), payloads.rows(payload)
    period = span(summary.get("period") or result.arguments)
    key = str(summary.get("group_by") or result.arguments.get("group_by") or "model")
    if not rows:
        return [_nothing("GenAI usage", period, result, summary)]
    usage = payloads.mapping(summary.get("usage"))
    totals = payloads.items(summary.get("totals"))
    costs = [
        f"**{money(total.get('billed_cost'), total.get('currency'))}**"
        + (
            f" ({money(total['cost_per_million_tokens'], total.get('currency'))} per million tokens)"
            if total.get("cost_per_million_tokens") is not None
            else ""
        )
        for total in totals
    ]
    headline = (
        f"For {period} there were **{count(usage.get('total_tokens'))} tokens** (input "
        f"{count(usage.get('input_tokens'))}, output {count(usage.get('output_tokens'))}, cached "
        f"{count(usage.get('cached_tokens'))}) in {counted(usage.get('requests'), 'request')}"
        if usage
        else f"This is the GenAI usage for {period}"
    )
    headline += f", with a billed cost of {both(costs)}." if costs else "."
    cells = [
        [
            text(row.get(key)),
            *(count(row.get(name)) for name in _TOKENS),
            money(row.get("billed_cost"), row.get("currency")),
            money(row["cost_per_million_tokens"], row.get("currency"))
            if row.get("cost_per_million_tokens") is not None
            else "n/a",
        ]
        for row in rows
    ]
    unmeasured = any(row.get("total_tokens") is None for row in rows)
    headings = [label(key), "Requests", "Input", "Output", "Cached", "Total tokens", "Billed cost", "Per million"]
    return [
        " ".join(filter(None, [headline, _most(rows, key, task, payload)])),
        table(headings, cells),
        "n/a: not measured, or the tokens stand in the row of another currency." if unmeasured else "",
        _cut(payload, "groups"),
        _closing(period, result, summary),
    ]


def quota_status(_: ToolResult, payload: Payload, __: Task | None) -> list[str]:
    """What is left of the quotas, and when each begins again."""
    summary, rows = payloads.summary(payload), payloads.rows(payload)
    note = text(summary["note"]) if summary.get("note") else ""
    if not rows:
        return [note or "No quotas are known for this organisation."]
    left = [
        f"**{plain_number(row.get('left'))}** of {plain_number(row.get('limit'))} {text(row.get('quota'))}"
        for row in rows
        if row.get("limit") is not None
    ]
    unlimited = [text(row.get("quota")) for row in rows if row.get("limit") is None]
    headline = f"Left of the pipeline runs: {both(left)}." if left else ""
    if unlimited:
        headline += f"{' ' if headline else ''}Unlimited: {both(unlimited)}."
    nearly = [text(name) for name in payloads.names(summary.get("nearly_used_up"))]
    cells = [
        [
            label(str(row.get("quota"))),
            plain_number(row.get("used")),
            "unlimited" if row.get("limit") is None else plain_number(row.get("limit")),
            "unlimited" if row.get("limit") is None else plain_number(row.get("left")),
            percent(row.get("percent")),
            text(row.get("resets")),
        ]
        for row in rows
    ]
    return [
        headline,
        f"Nearly used up: {both(nearly)}." if nearly else "",
        table(["Quota", "Used", "Limit", "Left", "Used %", "Resets"], cells),
        note,
        f"_Pipeline runs, as counted at {instant(summary.get('as_of'))}._" if summary.get("as_of") else "",
    ]


def top_consumers(result: ToolResult, payload: Payload, _: Task | None) -> list[str]:
    """What consumes most, by billed cost."""
    summary, rows = payloads.summary(payload), payloads.rows(payload)
    period = span(summary.get("period") or result.arguments)
    key = str(summary.get("dimension") or result.arguments.get("dimension") or "name")
    if not rows:
        return [_nothing("usage", period, result, summary)]
    totals = [
        f"**{money(total.get('billed_cost'), total.get('currency'))}**"
        for total in payloads.items(summary.get("totals"))
    ]
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(str(row.get("currency")), row)
    leading = [
        f"**{text(row.get(key))}** with {money(row.get('billed_cost'), row.get('currency'))}" for row in first.values()
    ]
    of_all = f" of {both(totals)} billed in all" if totals else ""
    headline = f"For {period} the largest consumer by {label(key).lower()} is {both(leading)}{of_all}."
    cells = [
        [
            text(row.get(key)),
            money(row.get("billed_cost"), row.get("currency")),
            count(row.get("requests")),
            count(row.get("total_tokens")),
        ]
        for row in rows
    ]
    groups = summary.get("groups")
    cut = f"Shown are {len(rows)} of {plain_number(groups)} groups." if payload.get("truncated") and groups else ""
    return [
        headline,
        table([label(key), "Billed cost", "Requests", "Total tokens"], cells),
        "n/a: no GenAI usage, or it cannot be attributed."
        if any(row.get("total_tokens") is None for row in rows)
        else "",
        cut,
        _closing(period, result, summary),
    ]


def pipeline_runs(result: ToolResult, payload: Payload, task: Task | None) -> list[str]:
    """The newest runs, and how they ended."""
    summary, rows = payloads.summary(payload), payloads.rows(payload)
    period = span(summary.get("period"))
    filters = _filters(result, summary)
    if not rows:
        return [_nothing("pipeline runs", period, result, summary)]
    states = payloads.mapping(summary.get("by_status"))
    by_status = [f"{plain_number(number)} {text(name)}" for name, number in states.items() if decimal(number)]
    total = summary.get("total")
    headline = f"**{counted(total, 'pipeline run')}**{f' with {filters}' if filters else ''} from {period}" + (
        f": {both(by_status)}." if by_status else "."
    )
    shown = _of_days(rows, task)
    cells = [
        [
            instant(row.get("start_time")),
            text(row.get("pipeline_id")),
            text(row.get("provider")),
            text(row.get("status")),
            duration(row.get("duration_ms")),
            text(row.get("trigger")),
            text(row["error_class"]) if row.get("error_class") else "none",
        ]
        for row in shown
    ]
    headings = ["Started (UTC)", "Pipeline", "Provider", "Status", "Took", "Trigger", "Error"]
    failed = any(row.get("error_class") for row in shown)
    return [
        headline,
        _days_note(rows, shown, task, payload),
        table(headings, cells, numeric_from=len(headings)) if cells else "",
        "The provider's own message is not shown here; whoever looks after the pipeline can read it in its log."
        if failed
        else "",
        f"_Newest first; {f'filters: {filters}' if filters else 'no filters'}; {len(shown)} of "
        f"{plain_number(total)} runs shown._",
    ]


def _of_days(rows: list[Row], task: Task | None) -> list[Row]:
    """The runs that began in the asked days; the tool gives the newest runs of any day."""
    if not task or not task.periods:
        return rows
    spans = [(period.start.isoformat(), period.end.isoformat()) for period in task.periods]
    return [row for row in rows if any(first <= str(row.get("start_time"))[:10] <= last for first, last in spans)]


def _days_note(rows: list[Row], shown: list[Row], task: Task | None, payload: Payload) -> str:
    if not task or not task.periods:
        return ""
    days = both(
        [span({"start_date": each.start.isoformat(), "end_date": each.end.isoformat()}) for each in task.periods]
    )
    oldest = min(str(row.get("start_time"))[:10] for row in rows)
    reach = ""
    if payload.get("truncated") and oldest >= min(period.start for period in task.periods).isoformat():
        reach = f" The list reaches back to {text(oldest)} only: there may be more."
    return f"Of the newest {len(rows)}, {counted(len(shown), 'run')} began in {days}.{reach}"


def _most(rows: Sequence[Row], key: str, task: Task | None, payload: Payload) -> str:
    """The group with the most tokens, where the question asks which one it is."""
    asked = set(task.text.lower().replace("?", " ").split()) if task else set()
    counts = [(number, row) for row in rows if (number := decimal(row.get("total_tokens"))) is not None]
    if not asked & _SUPERLATIVES or len(counts) < 2 or payload.get("truncated"):
        return ""
    number, row = max(counts, key=lambda each: each[0])
    return f"The most tokens: **{text(row.get(key))}** with {count(number)}."


def _nothing(what: str, period: str, result: ToolResult, summary: Mapping[str, Any]) -> str:
    """Which days were looked at, with which filters, and which days have data."""
    filters = _filters(result, summary)
    looked = f"There is no {what} for {period}" if what != "pipeline runs" else f"There are no {what} for {period}"
    looked += f" with {filters}." if filters else "."
    available = payloads.mapping(summary.get("available"))
    if available.get("start_date"):
        looked += f" Data is available from {text(available['start_date'])} to {text(available.get('end_date'))}."
    elif "available" in summary:
        looked += " None has been loaded at all."
    for name, things in (("known_providers", "providers"), ("known_models", "models")):
        if known := [text(each) for each in payloads.names(summary.get(name))]:
            looked += f" The {things} are {both(known)}."
    return looked


def _filters(result: ToolResult, summary: Mapping[str, Any]) -> str:
    given = payloads.mapping(summary.get("filters")) or result.arguments
    return ", ".join(f"{name} {text(given[name])}" for name in ("provider", "model", "status") if given.get(name))


def _closing(period: str, result: ToolResult, summary: Mapping[str, Any]) -> str:
    filters = _filters(result, summary)
    return f"_Period {period}; {f'filters: {filters}' if filters else 'no filters'}; costs are BilledCost._"


def _cut(payload: Payload, things: str) -> str:
    return f"The list is cut: there are more {things} than fit." if payload.get("truncated") else ""
