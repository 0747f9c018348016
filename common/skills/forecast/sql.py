"""The SQL of the forecast: one text, put together from constants, with every value bound."""

from collections.abc import Iterator
from string import Template

from common.cost_query.dimensions import BoundDimension, bind_dimension
from common.cost_query.filters import OPS, Filters
from common.focus.calendar import FiscalCalendar
from common.focus.dimensions import DIMENSIONS
from common.focus.metrics import METRICS, MetricName

OTHER = "(other)"
MONEY: tuple[MetricName, ...] = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")

_HISTORY = Template("""
WITH daily AS (
  SELECT
    $expression AS name,
    BillingCurrency AS currency,
    DATE(ChargePeriodStart) AS day,
    $metric AS cost
  FROM {own.cost_data_standard_1_3}
  WHERE ChargePeriodStart >= @start
    AND ChargePeriodStart < @end_exclusive
    AND $conditions
  GROUP BY name, currency, day
),
ranked AS (
  SELECT name, currency, ROW_NUMBER() OVER (PARTITION BY currency ORDER BY SUM(ABS(cost)) DESC, name) AS place
  FROM daily
  GROUP BY name, currency
),
folded AS (
  SELECT
    IF(ranked.place <= @max_groups, ranked.name, '(other)') AS name,
    daily.currency,
    LEAST(ranked.place, @max_groups + 1) AS place,
    daily.day,
    SUM(daily.cost) AS cost
  FROM daily
  JOIN ranked
    ON ranked.name = daily.name
    AND ranked.currency = daily.currency
  GROUP BY name, currency, place, day
)
SELECT name, currency, place, ARRAY_AGG(day ORDER BY day) AS days, ARRAY_AGG(cost ORDER BY day) AS costs
FROM folded
GROUP BY name, currency, place
ORDER BY currency, place
""")

TYPES = {"start": "TIMESTAMP", "end_exclusive": "TIMESTAMP", "max_groups": "INT64"}


def history(metric: MetricName, dimension: BoundDimension | None, filters: Filters) -> str:
    """Daily costs per currency and value of the dimension, the largest first, the rest as "(other)"."""
    expression = f"CAST({dimension.expression} AS STRING)" if dimension else "'Total'"
    return _HISTORY.substitute(expression=expression, metric=METRICS[metric].sql, conditions=filters.where())


def every_query() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Every kind of text that the forecast can send: its name, the text, and the GoogleSQL types of its parameters."""
    calendar = FiscalCalendar(4)
    for metric in MONEY:
        yield f"history of {metric}", history(metric, None, Filters()), TYPES
    for name in (*DIMENSIONS, "department", "level:2", "tag:team"):
        bound = bind_dimension(name, "g0", calendar)
        if not bound.is_time:
            types = TYPES | {key: each.type for key, each in bound.bound}
            yield f"history by {name}", history("BilledCost", bound, Filters()), types
    for op in OPS:
        filters = Filters.parse([{"dimension": "service", "op": op, "values": ["a", "b"]}])
        types = TYPES | {key: f"ARRAY<{each.type}>" for key, each in filters.parameters().items()}
        yield f"history, {op}", history("BilledCost", None, filters), types
