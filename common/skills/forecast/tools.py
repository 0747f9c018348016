"""The forecast tool: what is still to come, beside what is there already. History is summed by BigQuery."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal, localcontext
from typing import Annotated, Any, Literal, cast

from pydantic import Field

from common import limits
from common.cost_query.arguments import DimensionName, FilterList
from common.cost_query.asking import Asked, QuestionScope, ask
from common.cost_query.caveats import describe_question, notes
from common.cost_query.dimensions import BoundDimension, all_parameters, bind_dimension
from common.cost_query.filters import Filters
from common.cost_query.periods import NamedPeriod
from common.cost_query.reading import read_filters
from common.focus.metrics import describe_basis
from common.skills.costs.availability import find_available
from common.skills.forecast import charts, projection, sql
from common.skills.forecast.landing import Costs, Landing, land
from common.skills.forecast.reconcile import reconcile
from common.skills.forecast.span import ForecastSpan, span_until
from common.tenant import Principal
from common.tools.context import WarehouseContext
from common.tools.periods import Period
from common.tools.registry import Tool, tool
from common.tools.result import ToolError, ToolResult, format_parameters
from common.warehouse.query import Parameter

FORECAST_HISTORY_DAYS = 400
FORECAST_GROUPS = 20
FORECAST_MOST_GROUPS = 100
# Days that are rows of their own if nothing else is asked for; beyond them, months. And days that a chart shows.
FORECAST_DAY_ROWS = 45
FORECAST_CHART_DAYS = 92
FORECAST_DRAWN_DAYS = 28

_Rows = Literal["day", "month"]


async def cost_forecast(
    principal: Principal,
    context: WarehouseContext,
    *,
    horizon_days: Annotated[
        int,
        Field(ge=1, le=limits.MAX_HORIZON_DAYS, description="Days, the first tomorrow."),
    ] = 30,
    until: Annotated[
        str,
        Field(
            max_length=40,
            description="Instead of horizon_days: end_of_month, end_of_quarter, end_of_year, end_of_fiscal_quarter, "
            "end_of_fiscal_year or YYYY-MM-DD, at most 400 days ahead.",
        ),
    ]
    | None = None,
    start_date: Annotated[
        date, Field(strict=True, description="With until: total from this day, past or future (next quarter).")
    ]
    | None = None,
    filters: FilterList = (),  # type: ignore[assignment]
    metric: Annotated[
        Literal["BilledCost", "EffectiveCost", "ListCost", "ContractedCost"], Field(description="Which cost.")
    ] = "BilledCost",
    dimension: DimensionName | None = None,
    limit: Annotated[
        int, Field(ge=1, le=FORECAST_MOST_GROUPS, description="Values of the dimension; the rest is (other).")
    ] = FORECAST_GROUPS,
    rows: Annotated[_Rows, Field(description="Default: day; beyond 45 days, month.")] | None = None,
) -> ToolResult:
    """Project costs per currency: where a month or year lands (until), or the coming days.

    With until, period_total is actual_to_date + today_so_far + rest_of_today + projected_total. Rows are days, months,
    or values of the dimension. Say the interval, the confidence and any change of level; level_changes [] is none.
    """
    if dimension and dimension.strip().lower() in ("day", "month"):
        rows, dimension = cast(_Rows, dimension.strip().lower()), None
    today = context.today
    span = span_until(until, start_date, today, context.calendar) if until else _horizon(horizon_days, today)
    narrowed = read_filters(context, filters)
    parts = _divide(dimension, context)
    divided = next(iter(parts), None)
    read = Period(min(span.period.start, today - timedelta(days=FORECAST_HISTORY_DAYS)), today)
    bound = {**read.bounds(), **all_parameters(parts), "max_groups": Parameter("INT64", limit)}
    asked = await ask(principal, context, narrowed, read, lambda each: (sql.history(metric, parts, each), bound))
    series = [_Series(row["name"], row["currency"], _costs(row)) for row in asked.rows]
    scope = _scope_of_yesterday(narrowed, context)
    said = [*notes(scope, asked, (each.currency for each in series)), *note_folded(asked.rows, parts, limit)]
    if not any(day < today for each in series for day in each.costs):
        raise await _without_history(principal, context, asked, read, said)
    known = _known(series, today)
    made = await asyncio.to_thread(_forecast_all, series, known, span)
    kind = rows or ("month" if _projected_days(span) > FORECAST_DAY_ROWS else "day")
    listed = _grouped_rows(made, divided.name) if divided else _time_rows(made, span, kind)
    summary: dict[str, Any] = {
        **({} if until else {"horizon_days": horizon_days}),
        **_describe(scope, asked, span, counts_so_far=until is not None),
        "period": span.period.as_dict(),
        "forecasts": [each.summary(span, period_asked=until is not None) for each in made],
        "history": {**known.as_dict(), "days": known.days},
        **({"dimension": divided.name} if divided else {"rows": kind}),
        "method": projection.METHOD,
        "notes": said,
        **describe_basis(metric),
    }
    shown, bound_values = tuple(listed[: limits.MAX_RESULT_ROWS]), format_parameters(asked.parameters)
    background = () if divided else (*_actual_rows(made, span), *_drawn_days(made, span, kind))
    return ToolResult(asked.found, shown, summary, bound_values, len(shown) < len(listed), background)


def _scope_of_yesterday(filters: Filters, context: WarehouseContext) -> QuestionScope:
    """The notes on the data say whether yesterday is there; the history may begin at any day."""
    yesterday = context.today - timedelta(days=1)
    return QuestionScope(NamedPeriod(Period(yesterday, yesterday)), filters, context.calendar, context.today)


def _describe(scope: QuestionScope, asked: Asked, span: ForecastSpan, *, counts_so_far: bool) -> dict[str, Any]:
    """The question and its data; today is included only in a span that has begun and counts what was spent so far."""
    described = describe_question(scope, asked)
    if described["data"]:
        so_far = counts_so_far and span.has_begun and described["data"]["last_day"] >= scope.today
        described["data"]["today_included"] = so_far
    return described


def note_folded(rows: Sequence[Mapping[str, Any]], dimensions: Sequence[BoundDimension], shown: int) -> list[str]:
    """Say which values stand together as "(other)", for they are as good as hidden there."""
    names = " and ".join(each.name for each in dimensions)
    counts = {row["currency"]: row["group_count"] for row in rows}
    return [
        f"There are {count} values of {names} in {currency}: the {shown} largest stand alone, the other "
        f"{count - shown} together as (other)."
        for currency, count in sorted(counts.items())
        if count > shown
    ]


TOOLS: tuple[Tool, ...] = (tool("costs", cost_forecast, draws=charts.forecast),)


@dataclass(frozen=True, slots=True)
class _Series:
    name: str
    currency: str
    costs: Costs


@dataclass(frozen=True, slots=True)
class _Made:
    """The landing of a series. ``parts`` are the values that it is divided into; each is one part of itself."""

    name: str
    currency: str
    costs: Costs
    known: Period
    landing: Landing
    parts: tuple["_Made", ...] = ()

    def summary(self, span: ForecastSpan, *, period_asked: bool) -> dict[str, Any]:
        landing, made = self.landing, self.landing.forecast
        told: dict[str, Any] = {"currency": self.currency}
        if period_asked:
            told |= {
                "period_total": landing.total,
                "period_lower": landing.lower,
                "period_upper": landing.upper,
            }
        if period_asked and span.has_begun:
            told |= {
                "actual_to_date": landing.actual,
                "today_so_far": landing.today_so_far,
                "rest_of_today": landing.rest_of_today,
                **({"rest_of_today_reason": reason} if (reason := landing.why_nothing_more) else {}),
                **({"days_not_loaded_yet": landing.gap} if landing.gap else {}),
            }
        return told | {
            "avg_daily": made.average_since(span.period.start),
            "history_avg_daily": made.history_avg_daily,
            "last_30_days": self.last_days(),
            "projected_total": made.total,
            "lower": made.lower,
            "upper": made.upper,
            "confidence": made.confidence,
            "confidence_reason": made.confidence_reason,
            "level_changes": list(made.changes),
        }

    def last_days(self) -> dict[str, Any]:
        """The average of the newest complete days: thirty, or as many as there are."""
        last = Period(max(self.known.start, self.known.end - timedelta(days=29)), self.known.end)
        total = sum((cost for day, cost in self.costs.items() if last.start <= day <= last.end), Decimal())
        with localcontext(prec=60):
            return {**last.as_dict(), "avg_daily": (total / last.days).quantize(self.landing.forecast.today)}


def _horizon(days: int, today: date) -> ForecastSpan:
    return ForecastSpan(Period(today + timedelta(days=1), today + timedelta(days=days)), today)


def _divide(dimension: str | None, context: WarehouseContext) -> tuple[BoundDimension, ...]:
    if dimension is None:
        return ()
    bound = bind_dimension(dimension, "g0", context.calendar)
    if bound.is_time:
        raise ToolError(
            "invalid_arguments",
            f"A forecast is not divided by {bound.name}: its rows are days or months. Leave dimension out.",
        )
    return (bound,)


def _costs(row: Mapping[str, Any]) -> Costs:
    return dict(zip(row["days"], row["costs"], strict=True))


async def _without_history(
    principal: Principal, context: WarehouseContext, asked: Asked, read: Period, said: Sequence[str]
) -> ToolError:
    """Make the error for nothing to forecast from, with the days that have data."""
    found = (await find_available(principal, context, asked.filters))["available"]
    where = f"Data is there from {found['start_date']} to {found['end_date']}." if found else "There is none at all."
    last = read.end - timedelta(days=1)
    sentences = (f"There are no costs from {read.start} to {last} to forecast from.", *said, where)
    return ToolError("not_enough_history", f"{' '.join(sentences)} Use query_costs for days that are over.")


def _known(series: Sequence[_Series], today: date) -> Period:
    """The days before today that have costs."""
    days = [day for each in series for day in each.costs if day < today]
    return Period(min(days), max(days))


def _forecast_all(series: Sequence[_Series], known: Period, span: ForecastSpan) -> list[_Made]:
    """A forecast for each currency, with one for each value of the dimension within it."""
    made: list[_Made] = []
    for currency in sorted({each.currency for each in series}):
        group = [each for each in series if each.currency == currency]
        total: dict[date, Decimal] = {}
        for each in group:
            for day, cost in each.costs.items():
                total[day] = total.get(day, Decimal()) + cost
        if not any(day < span.today for day in total):
            continue
        whole = _forecast_one(_Series("Total", currency, total), known, span)
        parts = [_forecast_one(each, known, span) for each in group] if len(group) > 1 else [whole]
        named = [replace(part, name=each.name) for part, each in zip(parts, group, strict=True)]
        made.append(replace(whole, parts=tuple(_reconcile(whole, named))))
    return made


def _forecast_one(series: _Series, known: Period, span: ForecastSpan) -> _Made:
    return _Made(series.name, series.currency, series.costs, known, land(series.costs, known.end, span))


def _reconcile(whole: _Made, parts: Sequence[_Made]) -> list[_Made]:
    """The parts, with projections that add up to the whole's."""
    of, of_whole = [part.landing for part in parts], whole.landing
    widths = [each.forecast.upper - each.forecast.lower for each in of]
    totals = reconcile([each.forecast.total for each in of], of_whole.forecast.total, widths)
    rests = reconcile([each.rest_of_today for each in of], of_whole.rest_of_today, widths)
    gaps = reconcile([each.gap for each in of], of_whole.gap, widths)
    made = []
    for part, total, rest, gap in zip(parts, totals, rests, gaps, strict=True):
        forecast = projection.move(part.landing.forecast, total)
        made.append(replace(part, landing=replace(part.landing, forecast=forecast, rest_of_today=rest, gap=gap)))
    return made


def _projected_days(span: ForecastSpan) -> int:
    return (span.period.end - max(span.period.start, span.today + timedelta(days=1))).days + 1


def _time_rows(made: Sequence[_Made], span: ForecastSpan, kind: _Rows) -> list[dict[str, Any]]:
    """A row for each projected day, or for each month, with how many of its days are projected."""
    rows = []
    for each in made:
        points = each.landing.forecast.points_since(span.period.start)
        days = Counter(point.day.replace(day=1) for point in points)
        shown = projection.monthly(points, each.landing.forecast) if kind == "month" else points
        rows += [
            {
                "date": point.day,
                **({"projected_days": days[point.day]} if kind == "month" else {}),
                "projected_cost": point.projected,
                "lower": point.lower,
                "upper": point.upper,
                "currency": each.currency,
            }
            for point in shown
        ]
    return rows


def _drawn_days(made: Sequence[_Made], span: ForecastSpan, kind: _Rows) -> list[dict[str, Any]]:
    """The projected days that a chart shows where the rows are months."""
    drawn = kind == "month" and _projected_days(span) <= FORECAST_CHART_DAYS
    return _time_rows(made, span, "day") if drawn else []


def _grouped_rows(made: Sequence[_Made], name: str) -> list[dict[str, Any]]:
    return [
        {
            name: part.name,
            "cost_so_far": part.landing.actual + part.landing.today_so_far,
            "still_to_come": part.landing.total - part.landing.actual - part.landing.today_so_far,
            "period_total": part.landing.total,
            "lower": part.landing.lower,
            "upper": part.landing.upper,
            "confidence": part.landing.forecast.confidence,
            "currency": each.currency,
        }
        for each in made
        for part in each.parts
    ]


def _actual_rows(made: Sequence[_Made], span: ForecastSpan) -> list[dict[str, Any]]:
    """The days before the projection, for the eye to compare: those of the period, at least four weeks."""
    first = min(span.period.start, span.today - timedelta(days=FORECAST_DRAWN_DAYS))
    days = [first + timedelta(days=number) for number in range((span.today - first).days)]
    return [
        {"date": day, "actual_cost": each.costs[day], "currency": each.currency}
        for each in made
        for day in days[-FORECAST_CHART_DAYS:]
        if day in each.costs
    ]
