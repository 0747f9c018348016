"""The SQL of the allocation: what is shared, and what each target cost by itself."""

from collections.abc import Iterator

from common.cost_query.composing import RANGE_TYPES, compose, filter_types
from common.cost_query.dimensions import BoundDimension, bind_dimension
from common.cost_query.filters import Filters
from common.focus.calendar import FiscalCalendar
from common.focus.metrics import METRICS, MetricName

_STEPS = """
answer AS (
  SELECT
    target,
    currency,
    SUM(IF(shared, 0, cost)) AS direct_cost,
    SUM(IF(shared, cost, 0)) AS shared_cost,
    COUNTIF(shared) AS shared_items,
    ROW_NUMBER() OVER (ORDER BY currency, SUM(IF(shared, 0, cost)) DESC, target) AS position
  FROM charges
  WHERE counted
  GROUP BY target, currency
)
"""


def split(metric: MetricName, target: BoundDimension, shared: Filters, filters: Filters) -> str:
    """Direct and shared cost per target and currency; a target of NULL is nobody's."""
    columns = (
        f"CAST({target.value} AS STRING) AS target,\n    BillingCurrency AS currency,\n    "
        f"({shared.where()}) AS shared,\n    {METRICS[metric].name} AS cost"
    )
    return compose(columns, _STEPS, filters)


def every_query() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Every kind of text that the allocation can send: its name, the text, and the types of its parameters."""
    nobody = Filters.parse([{"dimension": "team", "op": "is_null"}], prefix="s")
    shared = Filters.parse([{"dimension": "service", "values": ["GKE"]}], prefix="s")
    narrowed = Filters.parse([{"dimension": "provider", "values": ["AWS"]}])
    for name in ("team", "level:1", "sub_account", "tag:team"):
        target = bind_dimension(name, "g0", FiscalCalendar())
        own = {key: each.type for key, each in target.bound}
        yield f"unallocated over {name}", split("BilledCost", target, nobody, Filters()), RANGE_TYPES | own
        types = RANGE_TYPES | own | filter_types(shared) | filter_types(narrowed)
        yield f"a service over {name}", split("EffectiveCost", target, shared, narrowed), types
