"""Says what was asked and could not be done."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from local.demo_model import vocabulary as words
from local.demo_model.formatting import both
from local.demo_model.periods import unit_of
from local.demo_model.planning import MAX_DAYS, driver_days, horizon
from local.demo_model.questions import Question
from local.demo_model.transcript import ToolResult

CALLED = {
    "query_costs": "cost query",
    "cost_breakdown": "cost breakdown",
    "compare_periods": "comparison",
    "cost_forecast": "forecast",
    "top_cost_drivers": "search for cost drivers",
    "list_alerts": "list of alert rules",
    "create_alert": "new alert",
    "alert_history": "alert history",
    "acknowledge_alert": "acknowledgement",
    "genai_usage": "usage query",
    "quota_status": "quota query",
    "top_consumers": "ranking of consumers",
    "pipeline_runs": "list of pipeline runs",
    "list_org_tables": "list of tables",
    "describe_table": "description of the table",
    "run_read_query": "query",
}

# These list the largest changes, never all of them.
_ALWAYS_THE_LARGEST = ("top_cost_drivers", "compare_periods")


def caveats(result: ToolResult, payload: Mapping[str, Any], question: Question, today: date | None) -> list[str]:
    """What was asked and could not be done, in plain words."""
    notes = []
    if payload.get("truncated") and question.limit is None and result.name not in _ALWAYS_THE_LARGEST:
        notes.append("The list is cut: there are more groups than were asked for.")
    if result.name == "cost_forecast" and today and (wanted := horizon(question, today)) > MAX_DAYS:
        notes.append(
            f"You asked for {wanted} days ahead; a forecast reaches at most {MAX_DAYS} days, so this one stops there."
        )
    if result.name == "top_cost_drivers" and today:
        if (wanted := driver_days(question, today)) > MAX_DAYS:
            notes.append(f"Your period begins {wanted} days ago; this comparison reaches at most {MAX_DAYS} days back.")
        elif question.periods and question.periods[-1].end < today:
            notes.append(
                "This comparison always ends with the latest day, so it covers your period and the days since."
            )
    rows = payload.get("rows") or []
    is_narrowed = result.name == "top_cost_drivers" and len(narrowed(rows, question)) < len(rows)
    if not is_narrowed and (lost := _not_applied(result, question)):
        notes.append(
            f"This {CALLED.get(result.name, 'result')} covers all costs: it cannot be narrowed to {both(lost)}."
        )
    if today and (unfinished := _unfinished(payload, today)):
        notes.append(f"The current {unfinished} is not over, so its figures are not complete.")
    if question.unread_period:
        notes.append(f'I could not read "{question.unread_period}" as a period.')
    if question.excludes:
        notes.append("I cannot leave a provider out of a total: all of them are listed.")
    return notes


def narrowed(rows: Sequence[Mapping[str, Any]], question: Question) -> Sequence[Mapping[str, Any]]:
    """The rows that the question is about, all of them when none can be told apart."""
    if len(question.providers) == 1:
        asked = question.providers[0].lower()
        rows = [row for row in rows if asked in str(row.get("provider")).lower()] or rows
    if question.cost_types == ("genai",):
        rows = [row for row in rows if words.is_ai(str(row.get("provider")), str(row.get("service")))] or rows
    return rows


def _unfinished(payload: Mapping[str, Any], today: date) -> str | None:
    """The unit of time that the result is grouped by and that goes on after today."""
    summary = payload.get("summary") or {}
    unit, period = summary.get("group_by"), summary.get("period") or {}
    if unit not in ("week", "month") or period.get("end_date") != today.isoformat():
        return None
    ends = unit_of(today, unit, "this").end
    return str(unit) if ends > today else None


def _not_applied(result: ToolResult, question: Question) -> list[str]:
    if result.name not in ("compare_periods", "cost_forecast", "top_cost_drivers"):
        return []
    wanted = {
        "provider": list(question.providers),
        "cost_type": [words.COST_TYPE_NAMES[name] for name in question.cost_types],
    }
    lost = [name for key, names in wanted.items() if key not in result.arguments for name in names]
    return lost + ([question.category] if question.category and "service_category" not in result.arguments else [])
