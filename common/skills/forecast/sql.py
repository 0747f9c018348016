"""The SQL of the forecast: one text, put together from constants, with every value bound."""

from collections.abc import Iterator, Sequence
from string import Template

from common.cost_query.composing import RANGE_TYPES, compose, filter_types
from common.cost_query.dimensions import BoundDimension, all_parameters, bind_dimension, bind_dimensions
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
  SELECT
    name,
    currency,
    ROW_NUMBER() OVER (PARTITION BY currency ORDER BY SUM(ABS(cost)) DESC, name) AS place,
    COUNT(*) OVER (PARTITION BY currency) AS group_count
  FROM daily
  GROUP BY name, currency
),
folded AS (
  SELECT
    IF(ranked.place <= @max_groups, ranked.name, '(other)') AS label,
    daily.currency,
    LEAST(ranked.place, @max_groups + 1) AS place_or_rest,
    daily.day,
    SUM(daily.cost) AS cost,
    MAX(ranked.group_count) AS group_count
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
    MAX(group_count) AS group_count,
    ROW_NUMBER() OVER (ORDER BY currency, place_or_rest) AS position
  FROM folded
  GROUP BY label, currency, place_or_rest
)
"""


def history(metric: MetricName, dimensions: Sequence[BoundDimension], filters: Filters) -> str:
    """Daily costs per currency and value of the dimensions, the largest first, the rest as "(other)"."""
    columns = _COLUMNS.substitute(expression=name_of(dimensions), metric=METRICS[metric].name)
    return compose(columns, _STEPS, filters)


def name_of(dimensions: Sequence[BoundDimension]) -> str:
    """The expression for a row's name: the value of one dimension, a JSON list of those of several."""
    texts = [f"CAST({each.expression} AS STRING)" for each in dimensions]
    return f"TO_JSON_STRING([{', '.join(texts)}])" if len(texts) > 1 else next(iter(texts), "'Total'")


def every_query() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Every kind of text that the forecast can send: its name, the text, and the GoogleSQL types of its parameters."""
    calendar, types = FiscalCalendar(4), RANGE_TYPES | {"max_groups": "INT64"}
    for metric in MONEY:
        yield f"history of {metric}", history(metric, (), Filters()), types
    for name in (*DIMENSIONS, "department", "level:2", "tag:team"):
        bound = bind_dimension(name, "g0", calendar)
        if not bound.is_time:
            own = {key: each.type for key, each in bound.bound}
            yield f"history by {name}", history("BilledCost", (bound,), Filters()), types | own
    pair = bind_dimensions(("sub_account", "tag:team"), "g", calendar)
    own = {key: each.type for key, each in all_parameters(pair).items()}
    yield "history by two", history("BilledCost", pair, Filters()), types | own
    for op in OPS:
        filters = Filters.parse([{"dimension": "service", "op": op, "values": ["a", "b"]}])
        yield f"history, {op}", history("BilledCost", (), filters), types | filter_types(filters)
