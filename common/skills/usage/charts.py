"""Charts of the usage tools."""

from collections.abc import Sequence

from common.charts import drawings
from common.charts.money import about, of_one_currency, total
from common.charts.values import Heading, Label, Measure, Spec, Time, largest
from common.skills.usage.genai_sql import TIMES
from common.tools.result import ToolResult

_TOKENS = (
    Measure("total_tokens", "Tokens"),
    Measure("input_tokens", "Input"),
    Measure("output_tokens", "Output"),
    Measure("cached_tokens", "Cached"),
    Measure("requests", "Requests"),
)


def genai_usage(result: ToolResult) -> Spec | None:
    """Tokens as time goes on, or of those that use most and of the rest. Tokens have no currency."""
    groups = result.summary["group_by"]
    if not isinstance(groups, str):
        return _of_two(result, groups)
    by = groups
    # A group that is billed in several currencies has its tokens in one row alone.
    rows = [row for row in result.rows if row["total_tokens"] is not None]
    if by in TIMES:
        cut = ("Later days are cut off",) if result.truncated else ()
        time = Time(by, by.capitalize(), "month" if by == "month" else "day")
        return drawings.line(Heading(f"GenAI tokens per {by}", (*about(result.summary), *cut)), rows, time, *_TOKENS)
    ordered = sorted(rows, key=lambda row: row["total_tokens"], reverse=True)
    shown = largest(ordered, by, "total_tokens", result.summary["usage"]["total_tokens"])
    return drawings.bars(
        Heading(f"GenAI tokens by {by}", about(result.summary)), shown, Label(by, by.capitalize()), *_TOKENS
    )


def _of_two(result: ToolResult, groups: Sequence[str]) -> Spec | None:
    """The pairs of groups that use most tokens."""
    rows = [row for row in result.rows if row["total_tokens"] is not None]
    named = [{**row, "pair": ", ".join(str(row[group]) for group in groups)} for row in rows]
    ordered = sorted(named, key=lambda row: row["total_tokens"], reverse=True)
    shown = largest(ordered, "pair", "total_tokens", result.summary["usage"]["total_tokens"])
    title = " and ".join(groups)
    heading = Heading(f"GenAI tokens by {title}", about(result.summary))
    return drawings.bars(heading, shown, Label("pair", title.capitalize()), *_TOKENS)


def top_consumers(result: ToolResult) -> Spec | None:
    """Draw the largest costs, and the rest."""
    by = str(result.summary["dimension"])
    rows, currency, notes = of_one_currency(result.rows)
    shown = largest(rows, by, "billed_cost", total(result, currency, "billed_cost"))
    return drawings.bars(
        Heading(f"Billed cost by {by}", (*about(result.summary), *notes)),
        shown,
        Label(by, by.capitalize()),
        Measure("billed_cost", "Billed cost", currency),
        Measure("total_tokens", "GenAI tokens"),
        Measure("requests", "GenAI requests"),
    )


def chat_usage(result: ToolResult) -> Spec | None:
    """Draw the estimated cost of the chat: of each day, or of those that cost most; tokens where no price is known."""
    by, priced = result.summary["by"], result.summary["totals"]["estimated_cost_usd"] is not None
    measures = (
        *([Measure("estimated_cost_usd", "Estimated cost", "USD")] if priced else []),
        Measure("total_tokens", "Tokens"),
        Measure("turns", "Turns"),
    )
    whose = "the organisation" if result.summary["scope"] == "organization" else "you"
    heading = Heading(f"Use of this chat by {by}", (f"{result.summary['month']}, {whose}",))
    if by == "day":
        return drawings.line(heading, result.rows, Time("day", "Day", "day"), *measures)
    name = {"model": "model_id", "user": "user_id", "agent": "agent_name", "channel": "channel"}[by]
    field = measures[0].field
    rows = sorted((row for row in result.rows if row[field] is not None), key=lambda row: row[field] or 0, reverse=True)
    shown = largest([{**row, name: row[name] or "none"} for row in rows], name, field, result.summary["totals"][field])
    return drawings.bars(heading, shown, Label(name, by.capitalize()), *measures)


def quotas(result: ToolResult) -> Spec | None:
    """Draw the used share of each quota that has a limit."""
    rows = [row for row in result.rows if row["percent"] is not None]
    return drawings.bars(
        Heading("Pipeline quotas used", (f"As of {result.summary['as_of']:%Y-%m-%d %H:%M} UTC",) if rows else ()),
        rows,
        Label("quota", "Quota"),
        Measure("percent", "Used", "%", whole=100),
        Measure("used", "Runs"),
        Measure("limit", "Limit"),
    )
