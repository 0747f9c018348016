"""The SQL of the forecast: one text, put together from constants, with every value bound."""

from collections.abc import Iterator
from string import Template

from common.cost_query.composing import RANGE_TYPES, compose, filter_types
from common.cost_query.dimensions import BoundDimension, bind_dimension
from common.cost_query.filters import OPS, Filters
from common.focus.calendar import FiscalCalendar
from common.focus.dimensions import DIMENSIONS
from common.focus.metrics import METRICS, MetricName

MONEY: tuple[MetricName, ...] = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")

_COLUMNS = Template("""$expression AS name,
    BillingCurrency AS currency,
    DATE(ChargePeriodStart) AS day,
    $metric AS cost""")
_STEPS = """
daily AS (
  SELECT name, currency, day, SUM(cost) AS cost
  FROM charges
  WHERE counted
  GROUP BY name, currency, day
),
ranked AS (
  SELECT name, currency, ROW_NUMBER() OVER (PARTITION BY currency ORDER BY SUM(ABS(cost)) DESC, name) AS place
  FROM daily
  GROUP BY name, currency
),
folded AS (
  SELECT
    IF(ranked.place <= @max_groups, ranked.name, '(other)') AS label,
    daily.currency,
    LEAST(ranked.place, @max_groups + 1) AS place_or_rest,
    daily.day,
    SUM(daily.cost) AS cost
  FROM daily
  JOIN ranked
    ON ranked.name = daily.name
    AND ranked.currency = daily.currency
  GROUP BY label, daily.currency, place_or_rest, daily.day
),
answer AS (
  SELECT
    label AS name,
    currency,
    ARRAY_AGG(day ORDER BY day) AS days,
    ARRAY_AGG(cost ORDER BY day) AS costs,
    ROW_NUMBER() OVER (ORDER BY currency, place_or_rest) AS position
  FROM folded
  GROUP BY label, currency, place_or_rest
)
"""


def history(metric: MetricName, dimension: BoundDimension | None, filters: Filters) -> str:
    """Daily costs per currency and value of the dimension, the largest first, the rest as "(other)"."""
    expression = f"CAST({dimension.expression} AS STRING)" if dimension else "'Total'"
    return compose(_COLUMNS.substitute(expression=expression, metric=METRICS[metric].name), _STEPS, filters)


def every_query() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Every kind of text that the forecast can send: its name, the text, and the GoogleSQL types of its parameters."""
    calendar, types = FiscalCalendar(4), RANGE_TYPES | {"max_groups": "INT64"}
    for metric in MONEY:
        yield f"history of {metric}", history(metric, None, Filters()), types
    for name in (*DIMENSIONS, "department", "level:2", "tag:team"):
        bound = bind_dimension(name, "g0", calendar)
        if not bound.is_time:
            own = {key: each.type for key, each in bound.bound}
            yield f"history by {name}", history("BilledCost", bound, Filters()), types | own
    for op in OPS:
        filters = Filters.parse([{"dimension": "service", "op": op, "values": ["a", "b"]}])
        yield f"history, {op}", history("BilledCost", None, filters), types | filter_types(filters)
