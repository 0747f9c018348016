"""Amounts in charts: one currency shares an axis, and headings say the period and the filters."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from common.charts.values import Row
from common.tools.result import ToolResult


def of_one_currency(rows: Sequence[Row], field: str = "currency") -> tuple[Sequence[Row], str | None, tuple[str, ...]]:
    """Return the rows of the most frequent currency, that currency, and a note if other currencies are left out."""
    ranked = Counter(row[field] for row in rows if row[field] is not None).most_common()
    if not ranked:
        return (), None, ()
    drawn, others = ranked[0][0], [currency for currency, _ in ranked[1:]]
    left_out = f"{drawn} only: {', '.join(others)} cannot share its axis"
    return [row for row in rows if row[field] == drawn], drawn, (left_out,) if others else ()


def total(result: ToolResult, currency: str | None, field: str) -> Any:
    """The total of a currency over all groups, including those that no row shows."""
    return next((each[field] for each in result.summary["totals"] if each["currency"] == currency), 0)


def about(summary: Mapping[str, Any]) -> tuple[str, ...]:
    """The period, and what it was narrowed to."""
    filters = summary.get("filters") or {}
    narrowed = ", ".join(f"{named(name)}: {value}" for name, value in filters.items())
    return (days(summary["period"]), narrowed) if narrowed else (days(summary["period"]),)


def days(period: Mapping[str, Any]) -> str:
    """The first and the last day of a period."""
    return f"{period['start_date']} to {period['end_date']}"


def named(name: str) -> str:
    """The name of a column or dimension as a heading says it."""
    return name.replace("_", " ")
