"""The SQL of the cost tools: fixed texts, put together from constants alone, with every value bound.

A charge counts on the UTC day on which its charge period starts. BilledCost and EffectiveCost are summed side by side,
always per billing currency.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from string import Template
from typing import Literal, get_args

from common.focus.dimensions import COST_TYPE, EXPRESSIONS, TIMES, CostType, Dimension, GroupBy
from common.focus.providers import provider_names
from common.warehouse.query import Parameter

FilterName = Literal["provider", "service_category", "cost_type"]

OTHER = "(other)"

_CONDITIONS: Mapping[FilterName, str] = {
    "provider": "LOWER(ServiceProviderName) IN UNNEST(@providers)",
    "service_category": "LOWER(ServiceCategory) = LOWER(@service_category)",
    "cost_type": f"{COST_TYPE} = @cost_type",
}


@dataclass(frozen=True, slots=True)
class Filters:
    """What a caller narrows a question to; None means everything."""

    provider: str | None = None
    service_category: str | None = None
    cost_type: CostType | None = None

    def as_dict(self) -> dict[str, str]:
        given = {
            "provider": self.provider,
            "service_category": self.service_category,
            "cost_type": self.cost_type,
        }
        return {name: value for name, value in given.items() if value is not None}

    @property
    def names(self) -> tuple[FilterName, ...]:
        given = self.as_dict()
        return tuple(name for name in get_args(FilterName) if name in given)

    def parameters(self) -> dict[str, Parameter]:
        """The values to bind for the conditions of ``names``."""
        bound = {}
        if self.provider is not None:
            bound["providers"] = Parameter("STRING", provider_names(self.provider))
        if self.service_category is not None:
            bound["service_category"] = Parameter("STRING", self.service_category.strip())
        if self.cost_type is not None:
            bound["cost_type"] = Parameter("STRING", self.cost_type)
        return bound


_COSTS = Template("""
WITH grouped AS (
  SELECT
    $expression AS $name,
    BillingCurrency AS currency,
    SUM(BilledCost) AS billed_cost,
    SUM(EffectiveCost) AS effective_cost,
    COUNT(*) AS line_items
  FROM {own.cost_data_standard_1_3}
  WHERE ChargePeriodStart >= @start
    AND ChargePeriodStart < @end_exclusive$conditions
  GROUP BY $name, currency
),
ranked AS (
  SELECT
    *,
    ROW_NUMBER() OVER (PARTITION BY currency ORDER BY $order) AS place,
    SUM(billed_cost) OVER (PARTITION BY currency) AS currency_billed_cost,
    SUM(effective_cost) OVER (PARTITION BY currency) AS currency_effective_cost,
    SUM(line_items) OVER (PARTITION BY currency) AS currency_line_items,
    COUNT(*) OVER () AS group_count
  FROM grouped
),
placed AS (
  SELECT *, ROW_NUMBER() OVER (ORDER BY $position, currency) AS position
  FROM ranked
)
SELECT *
FROM placed
WHERE position <= @limit OR place = 1  -- the first of each currency carries that currency's totals
ORDER BY IF(place = 1, 0, 1), position
""")

_BREAKDOWN = Template("""
WITH grouped AS (
  SELECT
    $expression AS $name,
    BillingCurrency AS currency,
    SUM(BilledCost) AS total,
    SUM(EffectiveCost) AS effective_cost
  FROM {own.cost_data_standard_1_3}
  WHERE ChargePeriodStart >= @start
    AND ChargePeriodStart < @end_exclusive$conditions
  GROUP BY $name, currency
),
ranked AS (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY currency ORDER BY total DESC, $name) AS place
  FROM grouped
),
placed AS (
  SELECT
    *,
    ROW_NUMBER() OVER (ORDER BY place, currency) AS position,
    COUNTIF(place = 1) OVER () AS currency_count
  FROM ranked
),
folded AS (
  SELECT IF(position <= @max_rows - currency_count, $name, '(other)') AS label, currency, total, effective_cost, place
  FROM placed
)
SELECT
  label AS $name,
  currency,
  SUM(total) AS total,
  SUM(effective_cost) AS effective_cost,
  COUNT(*) AS groups_in_row,
  MIN(place) AS place
FROM folded
GROUP BY label, currency
ORDER BY currency, place
""")

_CHANGES = Template("""
WITH charges AS (
  SELECT
    ServiceProviderName AS provider,
    ServiceName AS service,
    BillingCurrency AS currency,
    BilledCost AS current_cost,
    NUMERIC '0' AS previous_cost
  FROM {own.cost_data_standard_1_3}
  WHERE ChargePeriodStart >= @current_start
    AND ChargePeriodStart < @current_end_exclusive$conditions
  UNION ALL
  SELECT
    ServiceProviderName AS provider,
    ServiceName AS service,
    BillingCurrency AS currency,
    NUMERIC '0' AS current_cost,
    BilledCost AS previous_cost
  FROM {own.cost_data_standard_1_3}
  WHERE ChargePeriodStart >= @previous_start
    AND ChargePeriodStart < @previous_end_exclusive$conditions
),
grouped AS (
  SELECT provider, service, currency, SUM(current_cost) AS current_cost, SUM(previous_cost) AS previous_cost
  FROM charges
  GROUP BY provider, service, currency
),
ranked AS (
  SELECT
    *,
    current_cost - previous_cost AS absolute_change,
    ROW_NUMBER() OVER (
      PARTITION BY currency ORDER BY ABS(current_cost - previous_cost) DESC, provider, service
    ) AS place,
    SUM(current_cost) OVER (PARTITION BY currency) AS currency_current_cost,
    SUM(previous_cost) OVER (PARTITION BY currency) AS currency_previous_cost,
    COUNT(*) OVER () AS group_count
  FROM grouped
),
placed AS (
  SELECT *, ROW_NUMBER() OVER (ORDER BY place, currency) AS position
  FROM ranked
)
SELECT *
FROM placed
WHERE position <= @limit OR place = 1  -- the first of each currency carries that currency's totals
ORDER BY IF(place = 1, 0, 1), position
""")

_AVAILABLE = Template("""
SELECT
  MIN(IF($condition, DATE(ChargePeriodStart), NULL)) AS first_match,
  MAX(IF($condition, DATE(ChargePeriodStart), NULL)) AS last_match,
  MIN(DATE(ChargePeriodStart)) AS first_day,
  MAX(DATE(ChargePeriodStart)) AS last_day,
  ARRAY_AGG(DISTINCT ServiceProviderName ORDER BY ServiceProviderName LIMIT 50) AS providers
FROM {own.cost_data_standard_1_3}
""")

_RANGE_TYPES = {"start": "TIMESTAMP", "end_exclusive": "TIMESTAMP"}
_CHANGE_TYPES = {
    f"{period}_{bound}": "TIMESTAMP" for period in ("current", "previous") for bound in ("start", "end_exclusive")
}
_FILTER_TYPES: Mapping[FilterName, Mapping[str, str]] = {
    "provider": {"providers": "ARRAY<STRING>"},
    "service_category": {"service_category": "STRING"},
    "cost_type": {"cost_type": "STRING"},
}


def _conditions(filters: tuple[FilterName, ...]) -> str:
    return "".join(f"\n    AND {_CONDITIONS[name]}" for name in filters)


@cache
def costs(group_by: GroupBy, filters: tuple[FilterName, ...]) -> str:
    """Costs per group: by time ascending, or else by billed cost descending within each currency."""
    time = group_by in TIMES
    return _COSTS.substitute(
        expression=EXPRESSIONS[group_by],
        name=group_by,
        conditions=_conditions(filters),
        order=group_by if time else f"billed_cost DESC, {group_by}",
        position=group_by if time else "place",
    )


@cache
def breakdown(dimension: Dimension, filters: tuple[FilterName, ...]) -> str:
    """Costs per value of a dimension, all of them: what does not fit in @max_rows is folded into "(other)"."""
    return _BREAKDOWN.substitute(expression=EXPRESSIONS[dimension], name=dimension, conditions=_conditions(filters))


@cache
def changes(filters: tuple[FilterName, ...]) -> str:
    """The change of each service between two periods, the largest first within each currency."""
    return _CHANGES.substitute(conditions=_conditions(filters))


@cache
def available(filters: tuple[FilterName, ...]) -> str:
    """Which days have data at all, which have data that the filters match, and of which providers."""
    return _AVAILABLE.substitute(condition="\n    AND ".join(_CONDITIONS[name] for name in filters) or "TRUE")


def every_query() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Every text that the cost tools can send: its name, the text, and the GoogleSQL types of its parameters."""
    names: tuple[FilterName, ...] = get_args(FilterName)
    for filters in (chosen for size in range(len(names) + 1) for chosen in combinations(names, size)):
        bound = {name: kind for each in filters for name, kind in _FILTER_TYPES[each].items()}
        label = "+".join(filters) or "all"
        for group_by in get_args(GroupBy):
            yield f"costs by {group_by}, {label}", costs(group_by, filters), {**_RANGE_TYPES, **bound, "limit": "INT64"}
        yield f"available, {label}", available(filters), bound
    for cost_type in (), ("cost_type",):
        bound = {"cost_type": "STRING"} if cost_type else {}
        for dimension in get_args(Dimension):
            types = {**_RANGE_TYPES, **bound, "max_rows": "INT64"}
            yield f"breakdown by {dimension}, {len(cost_type)} filters", breakdown(dimension, cost_type), types
    for provider in (), ("provider",):
        bound = {"providers": "ARRAY<STRING>"} if provider else {}
        yield f"changes, {len(provider)} filters", changes(provider), {**_CHANGE_TYPES, **bound, "limit": "INT64"}
