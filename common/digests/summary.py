"""The text of a digest, from the cost tools' results alone: each amount with its currency, none added to another."""

import asyncio
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from common.focus.calendar import FiscalCalendar
from common.focus.currencies import decimals_of, round_amount
from common.skills.anomalies.tools import find_anomalies
from common.skills.budgets.tools import budget_variance
from common.skills.costs.changes import compare_periods
from common.tenant import Principal
from common.text import one_line
from common.tools.context import WarehouseContext
from common.tools.periods import Period
from common.tools.result import ToolError, ToolResult
from common.warehouse.client import Warehouse
from common.warehouse.json_values import json_safe

MOST_DRIVERS = 5
MOST_ANOMALIES = 5
MOST_BUDGETS = 8
# Both periods' groups of two or three currencies, of which the largest changes are told.
_GROUPS = 20
_SOURCE = "Source: billed cost (BilledCost) in the cost data, whole days in UTC"


@dataclass(frozen=True, slots=True)
class DigestText:
    """A digest's words. ``facts`` are the totals by currency; ``details`` the same figures for a program."""

    title: str
    text: str
    facts: tuple[tuple[str, str], ...]
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DigestQuestion:
    """The costs that a digest is about: a period beside the one before it, a team, and further filters."""

    name: str
    current: Period
    previous: Period
    team: str | None
    filters: Sequence[Mapping[str, Any]]

    @property
    def all_filters(self) -> list[dict[str, Any]]:
        team = [{"dimension": "team", "op": "in", "values": [self.team]}] if self.team else []
        return team + [dict(each) for each in self.filters]


async def compose(
    warehouse: Warehouse, principal: Principal, asked: DigestQuestion, now: datetime, calendar: FiscalCalendar
) -> DigestText:
    """Ask the tools and write what they say. Raises ToolError for filters that cannot be asked for."""
    labels = {"org": principal.org_slug, "purpose": "digest"}
    context = WarehouseContext(labels, now, "digest", warehouse, calendar=calendar)
    filters, period = asked.all_filters, asked.current
    costs, odd, budgets = await asyncio.gather(
        compare_periods(
            principal, context, current=_days(period), previous=_days(asked.previous), group_by=["service"],
            filters=filters, limit=_GROUPS,
        ),
        _or_why(find_anomalies(principal, context, filters=filters, start_date=period.start, end_date=period.end)),
        _or_why(budget_variance(principal, context, hierarchy_entity_id=asked.team, as_of=period.end)),
    )  # fmt: skip
    totals = costs.summary["totals"]
    lines = [
        f"Period: {period} (days in UTC), beside {asked.previous}.",
        *([f"Team: {one_line(asked.team)}."] if asked.team else []),
        *([f"Filters: {one_line(_filters(asked.filters))}."] if asked.filters else []),
        *_section("Spend", _spend(totals)),
        *_section("What changed most", _drivers(costs.rows)),
        *_section("Unusual days", _anomalies(odd)),
        # A budget is a team's or the organisation's: further filters have none.
        *([] if asked.filters else _section(f"Budgets on {period.end}", _budgets(budgets))),
        "",
        f"{_SOURCE}; {_freshness(costs)}.",
        *(note for note in costs.summary["notes"] if "named" in note or "no costs" in note),
    ]
    facts = tuple((f"Spend in {each['currency']}", _amount(each["current_cost"], each["currency"])) for each in totals)
    details = {
        "period_start": period.start,
        "period_end": period.end,
        "previous_start": asked.previous.start,
        "previous_end": asked.previous.end,
        "totals": [{name: each[name] for name in _TOTAL} for each in totals],
    }
    return DigestText(f"{asked.name}: {period}", "\n".join(lines), facts, _json(details))


_TOTAL = ("currency", "current_cost", "previous_cost", "absolute_change", "percent_change")


async def _or_why(asking: Coroutine[Any, Any, ToolResult]) -> ToolResult | str:
    """Return the result of a part without which the others stand, or the sentence that says why there is none."""
    try:
        return await asking
    except ToolError as error:
        return error.message


def _section(heading: str, lines: Iterator[str]) -> list[str]:
    return ["", heading, *(f"- {line}" for line in lines)]


def _spend(totals: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not totals:
        yield "Nothing was billed in either period."
    for each in totals:
        currency = each["currency"]
        yield f"{_amount(each['current_cost'], currency)}, {_change(each, currency)}"


def _drivers(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    moved = [row for row in rows if row["absolute_change"]]
    if not moved:
        yield "Nothing changed."
    for currency in sorted({row["currency"] for row in moved}):
        own = sorted(
            (row for row in moved if row["currency"] == currency), key=lambda row: -abs(row["absolute_change"])
        )
        for row in own[:MOST_DRIVERS]:
            known = f", {row['status']}" if row["status"] in ("new", "gone") else ""
            cost = _amount(row["current_cost"], currency)
            yield f"{one_line(str(row['service']))}: {cost}, {_change(row, currency)}{known}"


def _anomalies(found: ToolResult | str) -> Iterator[str]:
    if isinstance(found, str):
        yield found
        return
    if not found.rows:
        yield "None."
    for row in found.rows[:MOST_ANOMALIES]:
        currency = row["currency"]
        yield (
            f"{row['date']}, {one_line(str(row['service']))}: {_amount(row['actual'], currency)}, "
            f"expected {_amount(row['expected'], currency)}"
        )
    if len(found.rows) > MOST_ANOMALIES:
        yield f"{found.summary['anomalies'] - MOST_ANOMALIES} more."


def _budgets(found: ToolResult | str) -> Iterator[str]:
    if isinstance(found, str):
        yield found
        return
    if not found.rows:
        yield str(found.summary.get("note", "No budget is in force."))
    for row in found.rows[:MOST_BUDGETS]:
        unit = row["currency"]
        scope = one_line(", ".join(filter(None, (row["budget"], row["category"], row["provider"]))))
        if row["actual"] is None:
            yield f"{scope}: {_amount(row['amount'], unit)}, not measured"
            continue
        landing = "" if row["projected"] is None else f", projected {_amount(row['projected'], unit)}"
        yield (
            f"{scope}: {_amount(row['actual'], unit)} of {_amount(row['amount'], unit)} "
            f"({row['percent_used']} %) until {row['period_end']}{landing}, {row['status'].replace('_', ' ').lower()}"
        )
    if len(found.rows) > MOST_BUDGETS:
        yield f"{len(found.rows) - MOST_BUDGETS} more."


def _change(row: Mapping[str, Any], currency: str) -> str:
    change = row["absolute_change"]
    if not change:
        return "as before"
    percent = "" if row["percent_change"] is None else f" ({row['percent_change']:+} %)"
    sign, before = "+" if change > 0 else "-", _amount(row["previous_cost"], currency)
    return f"{sign}{_amount(abs(change), currency)}{percent} from {before}"


def _amount(amount: Decimal, currency: str) -> str:
    """An amount with its currency, at least as many decimals as that has."""
    rounded = round_amount(amount, currency)
    digits = max(decimals_of(currency), -int(rounded.as_tuple().exponent))
    return f"{rounded:,.{digits}f} {currency}"


def _freshness(costs: ToolResult) -> str:
    reach: Mapping[str, Any] | None = costs.summary["data"]
    if reach is None:
        return "there is no data for these days"
    last: date = reach["last_day"]
    late = reach.get("providers_by_last_day")
    return f"the newest data is of {last}" + (f", and of some providers older: {json_safe(late)}" if late else "")


def _filters(filters: Sequence[Mapping[str, Any]]) -> str:
    return "; ".join(f"{each.get('dimension')} {each.get('op', 'in')} {_named(each.get('values'))}" for each in filters)


def _named(values: object) -> str:
    return ", ".join(map(str, values)) if isinstance(values, list) else str(values)


def _days(period: Period) -> str:
    return f"{period.start}..{period.end}"


def _json(told: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: [{key: json_safe(each) for key, each in row.items()} for row in value]
        if isinstance(value, list)
        else json_safe(value)
        for name, value in told.items()
    }
