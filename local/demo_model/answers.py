"""Writes the answer to a question from what the tools returned; every figure comes from a tool's result."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from local.demo_model import alert_answers, explorer_answers, payloads, usage_answers
from local.demo_model import vocabulary as words
from local.demo_model.caveats import CALLED, caveats, narrowed
from local.demo_model.failures import TRY_AGAIN, failed
from local.demo_model.formatting import (
    amount,
    both,
    change,
    count,
    decimal,
    label,
    money,
    percent,
    span,
    table,
    text,
)
from local.demo_model.payloads import Payload, Row
from local.demo_model.questions import Question
from local.demo_model.tasks import Task
from local.demo_model.transcript import TRANSFER, ToolResult

# What rows without a value of the dimension are called: never the answer to "which one".
_NOT_A_NAME = ("", "no model", "no region", "unallocated", "unassigned", "(other)", "none")


def write_answer(
    questions: Sequence[Question], results: Sequence[ToolResult], today: date | None, tasks: Sequence[Task] = ()
) -> str:
    """Markdown from all results of the turn, in the order of the calls, and what is still to be asked."""
    sections = [_section(result, questions, today, tasks) for result in results if result.name != TRANSFER]
    return "\n\n".join([*sections, *(said for task in tasks for said in (task.ask, task.note) if said)])


def _section(result: ToolResult, questions: Sequence[Question], today: date | None, tasks: Sequence[Task] = ()) -> str:
    payload = result.payload
    called = CALLED.get(result.name, text(result.name))
    if payload is None:
        return f"The {called} gave no result that I can read. {TRY_AGAIN}"
    if error := payload.get("error"):
        return failed(result.name, called, error)
    if specialist := _SPECIALISTS.get(result.name):
        task = next((task for task in tasks if task.tool == result.name), None)
        return "\n\n".join(part for part in specialist(result, payload, task) if part)
    question = _asked(result, questions)
    writer = _WRITERS.get(result.name, _any_table)
    parts = [*writer(result, payload, question), *caveats(result, payload, question, today)]
    return "\n\n".join(part for part in parts if part)


def _asked(result: ToolResult, questions: Sequence[Question]) -> Question:
    """Which of the message's questions the call answers."""
    intents = {"compare_periods": ("compare",), "cost_forecast": ("forecast",), "top_cost_drivers": ("drivers",)}
    wanted = intents.get(result.name, ("spend", "breakdown"))
    fitting = [question for question in questions if question.intent in wanted]
    return (fitting or list(questions) or [Question("")])[0]


def _period(result: ToolResult, summary: Mapping[str, Any]) -> Any:
    return summary.get("period") or result.arguments


def _costs(result: ToolResult, payload: Mapping[str, Any], question: Question) -> list[str]:
    summary, rows = payloads.summary(payload), payloads.rows(payload)
    key = str(summary.get("group_by") or result.arguments.get("group_by") or "group")
    if not rows:
        return [_empty(result, summary)]
    totals = [
        f"**{money(total.get('billed_cost'), total.get('currency'))}** "
        f"(effective {money(total.get('effective_cost'), total.get('currency'))})"
        for total in payloads.items(summary.get("totals"))
    ]
    headline = f"For {span(_period(result, summary))} the billed cost was {both(totals)}." if totals else ""
    cells = [
        [
            text(row.get(key)),
            money(row.get("billed_cost"), row.get("currency")),
            money(row.get("effective_cost"), row.get("currency")),
            count(row.get("line_items")),
        ]
        for row in rows
    ]
    sentence = " ".join(
        filter(
            None,
            [headline, _named(rows, key, "billed_cost", question), _extreme(payload, key, "billed_cost", question)],
        )
    )
    return [
        sentence,
        table([label(key), "Billed cost", "Effective cost", "Line items"], cells),
        _closing(result, summary),
    ]


def _breakdown(result: ToolResult, payload: Mapping[str, Any], question: Question) -> list[str]:
    summary, rows = payloads.summary(payload), payloads.rows(payload)
    key = str(summary.get("dimension") or result.arguments.get("dimension") or "group")
    if not rows:
        return [_empty(result, summary)]
    totals = [
        f"**{money(total.get('total'), total.get('currency'))}** "
        f"(effective {money(total.get('effective_cost'), total.get('currency'))})"
        for total in payloads.items(summary.get("totals"))
    ]
    headline = (
        f"For {span(_period(result, summary))} the billed cost of {both(totals)} splits as follows." if totals else ""
    )
    cells = [
        [
            text(row.get(key)),
            money(row.get("total"), row.get("currency")),
            percent(row.get("pct_of_total")),
            money(row.get("effective_cost"), row.get("currency")),
        ]
        for row in (rows[: question.limit] if question.limit else rows)
    ]
    sentence = " ".join(
        filter(None, [headline, _named(rows, key, "total", question), _extreme(payload, key, "total", question)])
    )
    note = "Percentages are of each currency's own total." if len(totals) > 1 else ""
    return [
        sentence,
        table([label(key), "Billed cost", "Share", "Effective cost"], cells),
        note,
        _closing(result, summary),
    ]


def _compared(result: ToolResult, payload: Mapping[str, Any], _: Question) -> list[str]:
    summary, rows = payloads.summary(payload), payloads.rows(payload)
    totals = [
        f"**{money(total.get('current_cost'), total.get('currency'))}**, {_moved(total)} from "
        f"{money(total.get('previous_cost'), total.get('currency'))} "
        f"({change(total.get('absolute_change'), total.get('currency'))}, "
        f"{percent(total.get('percent_change'), signed=True)})"
        for total in payloads.items(summary.get("totals"))
    ]
    kind = text(summary.get("period_type") or result.arguments.get("period_type"))
    current, before = span(summary.get("current")), span(summary.get("previous"))
    if not totals:
        return [f"There are no costs to compare ({kind}): {current} against {before}."]
    headline = f"{kind}: for {current} the billed cost was {both(totals)}."
    basis = text(summary["basis"]) if summary.get("basis") else f"Compared with {before}."
    parts = [headline, basis]
    if rows:
        parts += ["What moved:", _changes(rows)]
    provider = result.arguments.get("provider")
    return [
        *parts,
        f"_{current} against {before}{f'; provider {text(provider)}' if provider else ''}; figures are BilledCost._",
    ]


def _moved(total: Row) -> str:
    moved = decimal(total.get("absolute_change"))
    return "changed" if moved is None else "up" if moved > 0 else "down" if moved < 0 else "unchanged"


def _changes(rows: Sequence[Row]) -> str:
    cells = [
        [
            text(row.get("service")),
            text(row.get("provider")),
            money(row.get("current_cost"), row.get("currency")),
            money(row.get("previous_cost"), row.get("currency")),
            change(row.get("absolute_change"), row.get("currency")),
            percent(row.get("percent_change"), signed=True),
        ]
        for row in rows
    ]
    return table(["Service", "Provider", "Current", "Previous", "Change", "Change %"], cells, numeric_from=2)


def _drivers(_: ToolResult, payload: Mapping[str, Any], question: Question) -> list[str]:
    summary, rows = payloads.summary(payload), payloads.rows(payload)
    current, before = span(summary.get("current")), span(summary.get("previous"))
    if not rows:
        return [f"No cost changed between {before} and {current}, or there are no costs in these days."]
    shown = narrowed(rows, question)
    top = shown[0]
    headline = (
        f"Comparing {current} with {before}, the largest change is **{text(top.get('service'))}** "
        f"({text(top.get('provider'))}): {change(top.get('absolute_change'), top.get('currency'))}, "
        f"{_moved(top)} from "
        f"{money(top.get('previous_cost'), top.get('currency'))} "
        f"to {money(top.get('current_cost'), top.get('currency'))}."
    )
    kept = (
        f"Shown are the {len(shown)} of {len(rows)} drivers that your question is about."
        if len(shown) < len(rows)
        else ""
    )
    return [headline, _changes(shown), kept, f"_{current} against {before}; figures are BilledCost._"]


def _forecast(result: ToolResult, payload: Mapping[str, Any], _: Question) -> list[str]:
    summary, rows = payloads.summary(payload), payloads.rows(payload)
    days = count(summary.get("horizon_days") or result.arguments.get("horizon_days"))
    forecasts = payloads.items(summary.get("forecasts"))
    if not forecasts:
        return [f"There is not enough cost history to forecast the next {days} days."]
    parts = []
    for item in forecasts:
        currency = item.get("currency")
        parts.append(
            f"Over the next {days} days the projected cost is **{money(item.get('projected_total'), currency)}** "
            f"(between {amount(item.get('lower'))} and {amount(item.get('upper'))}), "
            f"{money(item.get('avg_daily'), currency)} a day on average. Confidence: {text(item.get('confidence'))}"
            + (f", because {text(item['confidence_reason']).rstrip('.')}." if item.get("confidence_reason") else ".")
        )
    columns = ("projected_cost", "lower", "upper")
    cells = [[text(row.get("date")), *(money(row.get(name), row.get("currency")) for name in columns)] for row in rows]
    history = summary.get("history")
    closing = f"_From the costs of {span(history)}" + (
        f"; method: {text(summary['method']).rstrip('.')}" if summary.get("method") else ""
    )
    return [
        "\n\n".join(parts),
        table(["Date", "Projected", "Low", "High"], cells) if cells else "",
        f"{closing}; figures are BilledCost._",
    ]


def _any_table(result: ToolResult, payload: Mapping[str, Any], _: Question) -> list[str]:
    """The rows of a tool that has no wording of its own."""
    rows = payloads.rows(payload)
    if not rows:
        return [f"{label(result.name)}: nothing found."]
    headings = list(rows[0])
    cells = [[text(row.get(heading)) for heading in headings] for row in rows]
    return [
        f"{label(result.name)}: {len(rows):,} {'row' if len(rows) == 1 else 'rows'}.",
        table([label(name) for name in headings], cells, numeric_from=len(headings)),
    ]


def _empty(result: ToolResult, summary: Mapping[str, Any]) -> str:
    """Which days were looked at, with which filters, and which days have data."""
    filters = _filters(result, summary)
    looked = f"There are no costs for {span(_period(result, summary))}{f' with {filters}' if filters else ''}."
    available = summary.get("available")
    has = (
        f" Data is available from {text(available['start_date'])} to {text(available['end_date'])}."
        if isinstance(available, Mapping)
        else ""
    )
    if not has and "available" in summary:
        has = " No cost data has been loaded at all."
    known = summary.get("known_providers")
    if isinstance(known, list) and known:
        has += f" The providers are {both([text(name) for name in known])}."
    hint = (
        " Is that name a service rather than a provider? Then ask for spend by service."
        if result.arguments.get("provider")
        else ""
    )
    return looked + has + hint


def _filters(result: ToolResult, summary: Mapping[str, Any]) -> str:
    given = summary.get("filters")
    filters = given if isinstance(given, Mapping) and given else result.arguments
    names = {"provider": "provider", "service_category": "service category", "cost_type": "cost type"}
    return ", ".join(f"{name} {text(filters[key])}" for key, name in names.items() if filters.get(key))


def _closing(result: ToolResult, summary: Mapping[str, Any]) -> str:
    filters = _filters(result, summary)
    narrowed = f"filters: {filters}" if filters else "no filters"
    return f"_Period {span(_period(result, summary))}; {narrowed}; figures are BilledCost._"


def _named(rows: Sequence[Row], key: str, value: str, question: Question) -> str:
    """The rows whose names the question mentions."""
    asked = f" {question.text.lower()} "
    wanted = {name.lower() for name in question.providers} | {str(name) for name in question.cost_types}
    found = [
        row
        for row in rows
        if (name := str(row.get(key) or "").lower())
        and key not in words.TIME_DIMENSIONS
        and (name in wanted or (len(name) > 1 and f" {name}" in asked))
    ]
    if not found or len(found) > 5 or len(rows) == 1:
        return ""
    said = [
        f"{text(row.get(key))}: {money(row.get(value), row.get('currency'))}"
        + (f" ({percent(row.get('pct_of_total'))})" if "pct_of_total" in row else "")
        for row in found
    ]
    return f"{'; '.join(said)}."


def _extreme(payload: Mapping[str, Any], key: str, value: str, question: Question) -> str:
    """The highest or lowest row per currency, when the question asks which one it is."""
    asked = set(question.text.lower().replace("?", " ").split())
    lowest = bool(asked & {"least", "lowest", "cheapest", "smallest"})
    highest = bool(asked & {"most", "highest", "biggest", "largest", "costliest", "top", "which", "peak"})
    rows = payloads.rows(payload)
    if not (lowest or highest) or len(rows) < 2:
        return ""
    if payload.get("truncated") and (lowest or key in words.TIME_DIMENSIONS):
        # The largest groups come first, so a cut list still has the highest; days come in their own order.
        return ""
    best: dict[str, Row] = {}
    for row in rows:
        if str(row.get(key) or "").lower() in _NOT_A_NAME:
            continue
        number, currency = decimal(row.get(value)), str(row.get("currency"))
        other = decimal(best[currency].get(value)) if currency in best else None
        if number is not None and (other is None or (number < other if lowest else number > other)):
            best[currency] = row
    said = [f"**{text(row.get(key))}** with {money(row.get(value), row.get('currency'))}" for row in best.values()]
    return f"The {'lowest' if lowest else 'highest'} is {both(said)}." if said else ""


_WRITERS: dict[str, Callable[[ToolResult, Mapping[str, Any], Question], list[str]]] = {
    "query_costs": _costs,
    "cost_breakdown": _breakdown,
    "compare_periods": _compared,
    "top_cost_drivers": _drivers,
    "cost_forecast": _forecast,
}
_SPECIALISTS: dict[str, Callable[[ToolResult, Payload, Task | None], list[str]]] = {
    "list_alerts": alert_answers.list_alerts,
    "create_alert": alert_answers.create_alert,
    "alert_history": alert_answers.alert_history,
    "acknowledge_alert": alert_answers.acknowledge_alert,
    "genai_usage": usage_answers.genai_usage,
    "quota_status": usage_answers.quota_status,
    "top_consumers": usage_answers.top_consumers,
    "pipeline_runs": usage_answers.pipeline_runs,
    "list_org_tables": explorer_answers.list_org_tables,
    "describe_table": explorer_answers.describe_table,
    "run_read_query": explorer_answers.run_read_query,
}
