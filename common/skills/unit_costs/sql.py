"""The SQL of unit costs: what a consumed or priced unit costs, and what a driver of the organisation's own does."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from common.cost_query.composing import RANGE_TYPES, compose, filter_types
from common.cost_query.dimensions import BoundDimension, all_parameters, bind_dimensions
from common.cost_query.filters import Filters
from common.focus.calendar import FiscalCalendar

Unit = Literal["consumed_unit", "pricing_unit"]
_COLUMNS_OF: Mapping[Unit, tuple[str, str]] = {
    "consumed_unit": ("ConsumedQuantity", "ConsumedUnit"),
    "pricing_unit": ("PricingQuantity", "PricingUnit"),
}
_COMMITTED = "(COALESCE(CommitmentDiscountStatus, '') = 'Used' OR COALESCE(PricingCategory, '') = 'Committed')"
# An unused commitment consumed nothing: its cost is told apart, and is in no unit's cost.
_UNITS = """
grouped AS (
  SELECT
    {names},
    currency,
    SUM(IF(has_quantity, quantity, 0)) AS quantity,
    SUM(IF(has_quantity, effective_cost, 0)) AS effective_cost,
    SUM(IF(has_quantity, billed_cost, 0)) AS billed_cost,
    SUM(IF(has_quantity AND committed, quantity, 0)) AS committed_quantity,
    SUM(IF(has_quantity AND committed, effective_cost, 0)) AS committed_cost,
    SUM(IF(unused, effective_cost, 0)) AS unused_cost,
    SUM(IF(NOT has_quantity AND NOT unused, effective_cost, 0)) AS cost_without_quantity
  FROM charges
  WHERE counted
  GROUP BY {numbers}
),
answer AS (
  SELECT
    *,
    ROW_NUMBER() OVER (ORDER BY IF(quantity = 0, 1, 0), currency, effective_cost DESC, {names}) AS position,
    COUNT(*) OVER () AS group_count
  FROM grouped
)
"""
_DRIVERS = """
known AS (
  SELECT ARRAY_AGG(STRUCT(driver_name, first_day, last_day) ORDER BY driver_name LIMIT 50) AS known_drivers
  FROM (
    SELECT driver_name, MIN(driver_date) AS first_day, MAX(driver_date) AS last_day
    FROM {own.business_drivers_daily}
    GROUP BY driver_name
  )
),
counts AS (
  SELECT
    {driver_groups}
    IF(LOGICAL_OR(LOWER(aggregation) = 'average'), SUM(quantity) / COUNT(DISTINCT driver_date), SUM(quantity))
      AS quantity,
    LOGICAL_OR(LOWER(aggregation) = 'average') AS is_average,
    COUNT(DISTINCT driver_date) AS days,
    MIN(driver_date) AS first_day,
    MAX(driver_date) AS last_day
  FROM {own.business_drivers_daily}
  WHERE driver_date >= @start_day
    AND driver_date < @end_day_exclusive
    AND LOWER(driver_name) IN UNNEST(@drivers)
  {driver_group_by}
),
grouped AS (
  SELECT
    {names_comma}
    currency,
    SUM(effective_cost) AS effective_cost,
    SUM(billed_cost) AS billed_cost
  FROM charges
  WHERE counted
  GROUP BY {driver_numbers}
),
answer AS (
  SELECT
    {grouped_names}
    grouped.currency,
    grouped.effective_cost,
    grouped.billed_cost,
    counts.quantity,
    counts.is_average,
    counts.days,
    counts.first_day,
    counts.last_day,
    known.known_drivers,
    ROW_NUMBER() OVER (ORDER BY grouped.currency, {order}grouped.effective_cost DESC) AS position,
    COUNT(*) OVER () AS group_count
  FROM known
  CROSS JOIN grouped
  LEFT JOIN counts
    ON {equal}
)
"""


def units(unit: Unit, groups: Sequence[BoundDimension], filters: Filters) -> str:
    """Cost and quantity of a unit per group, what is committed apart."""
    quantity, name = _COLUMNS_OF[unit]
    names = [f"g{index}" for index in range(len(groups))]
    usage = "ChargeCategory = 'Usage' AND COALESCE(CommitmentDiscountStatus, '') != 'Unused'"
    columns = [
        *_named(groups),
        f"COALESCE({name}, 'No unit') AS unit",
        "BillingCurrency AS currency",
        f"COALESCE({quantity}, 0) AS quantity",
        f"{usage} AND COALESCE({quantity}, 0) != 0 AS has_quantity",
        "COALESCE(CommitmentDiscountStatus, '') = 'Unused' AS unused",
        f"{_COMMITTED} AS committed",
        "EffectiveCost AS effective_cost",
        "BilledCost AS billed_cost",
    ]
    numbers = ", ".join(str(index + 1) for index in range(len(groups) + 2))
    steps = _UNITS.replace("{numbers}", numbers).replace("{names}", ", ".join([*names, "unit"]))
    return compose(",\n    ".join(columns), steps, filters)


def drivers(groups: Sequence[BoundDimension], filters: Filters) -> str:
    """Cost per group beside a driver's count; a group is of time, or the team."""
    names = [f"g{index}" for index in range(len(groups))]
    columns = [
        *_named(groups),
        "BillingCurrency AS currency",
        "EffectiveCost AS effective_cost",
        "BilledCost AS billed_cost",
    ]
    of_drivers = [
        f"CAST({each.expression.replace('ChargePeriodStart', 'TIMESTAMP(driver_date)')} AS STRING) AS {name}"
        for each, name in zip(groups, names, strict=True)
    ]
    numbers = ", ".join(str(index + 1) for index in range(len(groups)))
    parts = {
        "{driver_groups}": "".join(f"{each},\n    " for each in of_drivers),
        "{driver_group_by}": f"GROUP BY {numbers}" if names else "",
        "{names_comma}": "".join(f"{name},\n    " for name in names),
        "{driver_numbers}": ", ".join(str(index + 1) for index in range(len(groups) + 1)),
        "{grouped_names}": "".join(f"grouped.{name},\n    " for name in names),
        "{order}": "".join(f"grouped.{name}, " for name in names),
        "{equal}": " AND ".join(f"counts.{name} = grouped.{name}" for name in names) or "TRUE",
    }
    steps = _DRIVERS
    for mark, text in parts.items():
        steps = steps.replace(mark, text)
    return compose(",\n    ".join(columns), steps, filters)


def _named(groups: Sequence[BoundDimension]) -> list[str]:
    return [f"CAST({each.expression} AS STRING) AS g{index}" for index, each in enumerate(groups)]


def every_query() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Every kind of text that unit costs can send: its name, the text, and the types of its parameters."""
    calendar = FiscalCalendar(4)
    every: tuple[tuple[str, ...], ...] = ((), ("service",), ("tag:team", "fiscal_quarter"), ("sku_meter", "region"))
    for names in every:
        groups = bind_dimensions(names, "g", calendar)
        own = {name: each.type for name, each in all_parameters(groups).items()}
        for unit in _COLUMNS_OF:
            yield f"per {unit} by {' and '.join(names)}", units(unit, groups, Filters()), RANGE_TYPES | own
    filters = Filters.parse([{"dimension": "service", "values": ["S3"]}])
    yield "per unit of a service", units("consumed_unit", (), filters), RANGE_TYPES | filter_types(filters)
    days = {"start_day": "DATE", "end_day_exclusive": "DATE", "drivers": "ARRAY<STRING>"}
    for names in ((), ("month",), ("team",), ("fiscal_quarter", "team")):
        groups = bind_dimensions(names, "g", calendar)
        own = {name: each.type for name, each in all_parameters(groups).items()}
        yield f"per driver by {' and '.join(names)}", drivers(groups, Filters()), RANGE_TYPES | days | own
