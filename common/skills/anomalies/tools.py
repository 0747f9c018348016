"""The anomaly tool: days that cost far more or less than usual, what that came to, and where it came from."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field

from common.cost_query.amounts import percent_of
from common.cost_query.arguments import FirstDay, LastDay
from common.cost_query.asking import Asked, ask
from common.cost_query.caveats import describe_question, notes
from common.cost_query.dimensions import BoundDimension, all_parameters, bind_dimensions
from common.cost_query.reading import read_filters, read_scope
from common.focus.metrics import describe_basis
from common.skills.anomalies import charts, sql
from common.skills.anomalies.detection import Oddity, find_oddities
from common.skills.costs.shape import name_groups
from common.skills.forecast import sql as forecast_sql
from common.skills.forecast.tools import note_folded
from common.skills.optimizer.schemas import NamedDays, NarrowingFilters, OneOrMoreDimensions
from common.tenant import Principal
from common.tools.context import WarehouseContext
from common.tools.periods import Period
from common.tools.registry import Tool, tool
from common.tools.result import ToolError, ToolResult, format_parameters
from common.warehouse.query import Parameter, fixed

ANOMALY_DAYS = 400
ANOMALY_HISTORY_DAYS = 120
ANOMALY_GROUPS = 100
MAX_ANOMALIES = 30
ANOMALY_CAUSES = 3
ANOMALY_LINES = 5

METHOD = (
    "Each value's days are held against the days around them at the same level, their weekday and monthly charges; a "
    "day is unusual from 5 robust standard deviations on. On costs without anomalies fewer than 1 day in 1,000 is "
    "flagged. Causes: what differed most from the 28 days before. Today is not over and is left out. The excess of a "
    "new level or a new cost is that of its first day alone. Impact is net: above and below are its two parts."
)
_SMALL = Decimal("0.005")  # of what all values cost a day: a smaller excess is not told unless asked for


async def find_anomalies(
    principal: Principal,
    context: WarehouseContext,
    *,
    dimension: OneOrMoreDimensions = ("service",),  # type: ignore[assignment]
    filters: NarrowingFilters = (),  # type: ignore[assignment]
    period: NamedDays | None = None,
    start_date: FirstDay | None = None,
    end_date: LastDay | None = None,
    min_impact: Annotated[float, Field(ge=0, le=1e12, description="Least difference. Default: 0.5 % of a day's total.")]
    | None = None,
) -> ToolResult:
    """Find unusual days per value of the dimensions: cost, expected cost, impact, and the path to the cause.

    Weekdays, monthly fees and lasting level changes are understood; a new level is told once.
    """
    given = read_filters(context, filters)
    scope = read_scope(context, given, period, start_date, end_date)
    looked_at = _days_to_judge(scope.period, context.today)
    left_out = scope.period.end >= context.today
    scope = replace(scope, named=replace(scope.named, period=looked_at))
    divided = _divide(dimension, context)
    read = Period(looked_at.start - timedelta(days=ANOMALY_HISTORY_DAYS), looked_at.end)
    bound = {
        **read.bounds(),
        **all_parameters(divided),
        "max_groups": Parameter("INT64", ANOMALY_GROUPS),
    }
    asked = await ask(
        principal, context, given, read, lambda narrowed: (forecast_sql.history("BilledCost", divided, narrowed), bound)
    )
    found = await asyncio.to_thread(_find_all, asked, read, looked_at, min_impact)
    shown = found[:MAX_ANOMALIES]
    causes = await _find_causes(principal, context, asked, divided, shown) if shown else {}
    rows = tuple(_row(each, divided, causes.get(each.key, ())) for each in shown)
    currencies = sorted({row["currency"] for row in asked.rows})
    summary: dict[str, Any] = {
        **describe_question(scope, asked),
        "dimension": name_groups(divided),
        "anomalies": len(found),
        "impact": [_impact(each, [one.oddity.excess for one in found if one.currency == each]) for each in currencies],
        "values_looked_at": len(asked.rows),
        "notes": [
            *notes(scope, asked, currencies),
            *note_folded(asked.rows, divided, ANOMALY_GROUPS),
            *([f"Today, {context.today}, is not over and is left out."] if left_out else []),
        ],
        "method": METHOD,
        **describe_basis("BilledCost"),
    }
    bound_values, background = format_parameters(asked.parameters), _daily(asked, shown, looked_at, divided)
    return ToolResult(asked.found, rows, summary, bound_values, len(found) > len(rows), background)


def _divide(names: Sequence[str], context: WarehouseContext) -> tuple[BoundDimension, ...]:
    divided = bind_dimensions(names, "g", context.calendar)
    if time := next((each.name for each in divided if each.is_time), None):
        raise ToolError("invalid_arguments", f"Days are judged already; {time} is no dimension here.")
    return divided


def _impact(currency: str, excesses: Sequence[Decimal]) -> dict[str, Any]:
    """The difference of all unusual days, and what of it was above and below the expected."""
    above = sum((each for each in excesses if each > 0), Decimal())
    below = sum((each for each in excesses if each < 0), Decimal())
    return {"currency": currency, "excess": above + below, "above": above, "below": below}


def _days_to_judge(period: Period, today: date) -> Period:
    """The complete days of a period. Raises ToolError if there are none, or too many."""
    judged = Period(period.start, min(period.end, today - timedelta(days=1)))
    if judged.end < judged.start:
        raise ToolError("invalid_range", "Today is not over, so its cost cannot be judged. Give an earlier start_date.")
    if judged.days > ANOMALY_DAYS:
        raise ToolError("invalid_range", f"Anomalies of at most {ANOMALY_DAYS} days. Narrow the dates.")
    return judged


TOOLS: tuple[Tool, ...] = (tool("costs", find_anomalies, draws=charts.anomalies),)


@dataclass(frozen=True, slots=True)
class _Found:
    name: str
    currency: str
    oddity: Oddity

    @property
    def key(self) -> tuple[str, str, date]:
        return self.name, self.currency, self.oddity.day


def _find_all(asked: Asked, read: Period, period: Period, least: float | None) -> list[_Found]:
    """The unusual days of every value, the largest impact first."""
    bounds = {each: _least(asked, each, read) for each in {row["currency"] for row in asked.rows}}
    found = []
    for row in asked.rows:
        bound = bounds[row["currency"]] if least is None else Decimal(str(least))
        costs = dict(zip(row["days"], row["costs"], strict=True))
        oddities = find_oddities(costs, read, period)
        found += [_Found(row["name"], row["currency"], each) for each in oddities if abs(each.excess) >= bound]
    return sorted(found, key=lambda each: (-abs(each.oddity.excess), each.key))


def _least(asked: Asked, currency: str, read: Period) -> Decimal:
    total = sum((abs(cost) for row in asked.rows if row["currency"] == currency for cost in row["costs"]), Decimal())
    return _SMALL * total / read.days


async def _find_causes(
    principal: Principal,
    context: WarehouseContext,
    asked: Asked,
    divided: Sequence[BoundDimension],
    found: Sequence[_Found],
) -> dict[tuple[str, str, date], list[Mapping[str, Any]]]:
    """Find the causes of each day's difference, by a second query of the days around those found."""
    days = [each.oddity.day for each in found]
    around = Period(min(days) - timedelta(days=28), max(days))
    text = sql.causes("BilledCost", divided, asked.filters)
    parameters = {
        **around.bounds(),
        **all_parameters(divided),
        **asked.filters.parameters(),
        "days": Parameter("DATE", tuple(days)),
        "names": Parameter("STRING", tuple(each.name for each in found)),
        "currencies": Parameter("STRING", tuple(each.currency for each in found)),
        "max_causes": Parameter("INT64", ANOMALY_CAUSES),
    }
    result = await context.run(fixed(principal.tenant, text, parameters))
    causes: dict[tuple[str, str, date], list[Mapping[str, Any]]] = {}
    for row in result.rows:
        causes.setdefault((row["flagged_name"], row["flagged_currency"], row["flagged_day"]), []).append(row)
    return causes


def _row(each: _Found, divided: Sequence[BoundDimension], causes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    oddity = each.oddity
    same = [cause for cause in causes if (cause["excess"] > 0) is (oddity.excess > 0)]
    first = same[0] if same else None
    return {
        "date": oddity.day,
        **_name(each.name, divided),
        "kind": oddity.kind,
        "actual": oddity.actual,
        "expected": oddity.expected,
        "excess": oddity.excess,
        "excess_pct": percent_of(oddity.excess, abs(oddity.expected)) if oddity.expected else None,
        "cause": " > ".join(str(first[f"path_{name}"]) for name in sql.PATH) if first else None,
        "cause_excess": first["excess"] if first else None,
        "currency": each.currency,
    }


def _name(name: str, divided: Sequence[BoundDimension]) -> dict[str, str]:
    """The value of each dimension; what is folded has the same word for all of them."""
    values = json.loads(name) if len(divided) > 1 and name.startswith("[") else [name] * len(divided)
    return {each.name: value for each, value in zip(divided, values, strict=True)}


def _daily(
    asked: Asked, found: Sequence[_Found], period: Period, divided: Sequence[BoundDimension]
) -> tuple[dict[str, Any], ...]:
    """The daily costs of the values that had an unusual day, for a chart to mark it in."""
    names = list(dict.fromkeys((each.name, each.currency) for each in found))[:ANOMALY_LINES]
    return tuple(
        {
            "date": day,
            "name": " / ".join(_name(row["name"], divided).values()),
            "cost": cost,
            "currency": row["currency"],
        }
        for row in asked.rows
        if (row["name"], row["currency"]) in names
        for day, cost in zip(row["days"], row["costs"], strict=True)
        if period.start <= day <= period.end
    )
