"""The SQL of query_costs and cost_breakdown: put together from constants alone, with every value bound.

A charge counts on the UTC day on which its charge period starts, or in its billing period. Amounts are summed side by
side, always per billing currency, and rounded nowhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from string import Template

from common.cost_query import scan
from common.cost_query.dimensions import BoundDimension
from common.cost_query.filters import Filters
from common.focus.dimensions import TimeBasis, on_basis
from common.focus.metrics import METRICS, Metric
from common.skills.costs.bounds import NO_BOUNDS, AmountBounds, bounded, totals

OTHER = "(other)"
# Costs that a purchased commitment has, and the usage that it covers has once more.
LISTED = ("ListCost", "ContractedCost")
# What quantities are of: one unit may count hours of machines and of databases.
HELD = ("held_services", "held_types")
_IS_PURCHASE = "ChargeCategory = 'Purchase' AND CommitmentDiscountId IS NOT NULL"
_IS_COVERED = "ChargeCategory = 'Usage' AND COALESCE(CommitmentDiscountStatus, '') = 'Used'"

_COSTS = Template("""
WITH charges AS (
  SELECT
    $columns
  FROM {own.cost_data_standard_1_3}
  WHERE $time >= @start
    AND $time < @end_exclusive
),
$facts,
$reach,
grouped AS (
  SELECT
    $sums
  FROM charges
  WHERE counted
  GROUP BY $keys
)$bounded,
ranked AS (
  SELECT
    *,
    ROW_NUMBER() OVER (PARTITION BY currency ORDER BY $order) AS place,
    $totals,
    $counted OVER () AS group_count
  FROM $groups
),
placed AS (
  SELECT *, ROW_NUMBER() OVER (ORDER BY $position) AS position
  FROM ranked
),
shown AS (
  SELECT *
  FROM placed
  WHERE position <= @limit OR place = 1  -- the first of each currency carries that currency's totals
)
SELECT
  shown.*,
  $about
FROM facts
CROSS JOIN reach
LEFT JOIN shown
  ON TRUE
ORDER BY IF(shown.place = 1, 0, 1), shown.position
""")

_BREAKDOWN = Template("""
WITH charges AS (
  SELECT
    $expression AS $name,
    BillingCurrency AS currency,
    $metric AS amount,
    EffectiveCost,
    $twice$scanned
  FROM {own.cost_data_standard_1_3}
  WHERE $time >= @start
    AND $time < @end_exclusive
),
$facts,
$reach,
grouped AS (
  SELECT $name, currency, SUM(amount) AS total, SUM(EffectiveCost) AS effective_cost$twice_summed
  FROM charges
  WHERE counted
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
  SELECT
    IF(position <= @max_rows - currency_count, $text, '(other)') AS label,
    currency,
    total,
    effective_cost$twice_names,
    place,
    position
  FROM placed
),
shown AS (
  SELECT
    label AS $name,
    currency,
    SUM(total) AS total,
    SUM(effective_cost) AS effective_cost$twice_folded,
    COUNT(*) AS groups_in_row,
    MIN(place) AS place,
    MIN(position) AS position
  FROM folded
  GROUP BY label, currency
)
SELECT
  shown.*,
  $about
FROM facts
CROSS JOIN reach
LEFT JOIN shown
  ON TRUE
ORDER BY shown.currency, shown.place
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


@dataclass(frozen=True, slots=True)
class Order:
    """The order of rows: by a metric or one of the groups, upwards or downwards."""

    by: Metric | BoundDimension
    descending: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """The form of an answer of query_costs: its groups, metrics, the order of its rows and which groups they are."""

    groups: tuple[BoundDimension, ...]
    metrics: tuple[Metric, ...]
    order: tuple[Order, ...]
    basis: TimeBasis = "charge"
    bounds: AmountBounds = NO_BOUNDS

    @property
    def summed(self) -> tuple[Metric, ...]:
        """The metrics, and the number of line items that every answer counts."""
        items = METRICS["LineItems"]
        return self.metrics if items in self.metrics else (*self.metrics, items)

    @property
    def share_of(self) -> Metric | None:
        """The cost that shares are of: the first metric. Returns None where that is no cost."""
        return self.metrics[0] if self.metrics[0].kind == "money" else None

    @property
    def listed(self) -> tuple[Metric, ...]:
        """The costs among the metrics that count a commitment twice: when it is bought, and where it is used."""
        return tuple(metric for metric in self.metrics if metric.name in LISTED)

    @property
    def units(self) -> tuple[str, ...]:
        """The columns of units without which quantities would be added that count different things."""
        return tuple(dict.fromkeys(metric.unit for metric in self.metrics if metric.unit is not None))


def costs(shape: Shape, filters: Filters) -> str:
    """The text for figures per group, with totals per currency over all groups, and the facts about the question."""
    names = [scan.alias_of(each, index) for index, each in enumerate(shape.groups)]
    units = [unit_field(unit) for unit in shape.units]
    keys = [*names, "currency", *units]
    orders = [
        (f"order_{index}", on_basis(each.dimension.order, shape.basis))
        for index, each in enumerate(shape.groups)
        if each.dimension.order is not None
    ]
    order = _order(shape, names)
    order += [name for name in (*names, *units) if name not in order]
    field = shape.metrics[0].field
    return _COSTS.substitute(
        columns=",\n    ".join(_columns(shape, names, orders, filters)),
        time=scan.time_column(shape.basis),
        facts=scan.facts(filters, _figures(shape), shape.share_of.sql if shape.share_of else None, _held(shape)),
        reach=scan.REACH,
        sums=",\n    ".join(
            [
                *keys,
                *(f"MIN({name}) AS {name}" for name, _ in orders),
                *(f"{metric.sql} AS {metric.field}" for metric in shape.summed),
                *(f"{text} AS {name}" for name, text in twice_sums(shape.listed)),
            ]
        ),
        keys=", ".join(keys),
        order=", ".join(order) or "currency",
        position=_position(shape, order),
        bounded=bounded(shape.bounds, field, zip(shape.groups, names, strict=True)) if shape.bounds else "",
        groups="bounded" if shape.bounds else "grouped",
        counted="COUNTIF(is_within)" if shape.bounds else "COUNT(*)",
        totals=",\n    ".join([*_totals(shape), *(totals(field) if shape.bounds else ())]),
        about=scan.facts_columns(
            filters,
            "COALESCE(shown.position, 1) = 1",
            everything=shape.share_of is not None,
            more=HELD if shape.units else (),
        ),
    )


def _figures(shape: Shape) -> list[tuple[str, str]]:
    """The figures that can be told of a name by itself: quantities are left out, which would need their units."""
    return [(metric.field, metric.sql) for metric in shape.summed if metric.kind != "quantity"]


def _columns(shape: Shape, names: Sequence[str], orders: Sequence[tuple[str, str]], filters: Filters) -> list[str]:
    expressions = [f"{each.on_basis(shape.basis)} AS {name}" for each, name in zip(shape.groups, names, strict=True)]
    return [
        *expressions,
        *(f"{text} AS {name}" for name, text in orders),
        "BillingCurrency AS currency",
        *(f"COALESCE({unit}, 'No unit') AS {unit_field(unit)}" for unit in shape.units),
        *(metric.name for metric in shape.metrics if metric.kind != "count"),
        *twice_columns(shape.listed),
        *(["ServiceName AS held_service", "ResourceType AS held_type"] if shape.units else []),
        scan.scan_columns(filters, shape.basis),
    ]


def _held(shape: Shape) -> str:
    """The services and the types of resources that quantities are of."""
    return "".join(
        scan.list_values(f"IF(counted, {name.removesuffix('s')}, NULL)", name) for name in (HELD if shape.units else ())
    )


def twice_columns(listed: Sequence[Metric]) -> list[str]:
    """The columns that tell purchases of commitments, and the usage that they cover, where a cost counts both."""
    return [f"{_IS_PURCHASE} AS is_purchase", f"{_IS_COVERED} AS is_covered"] if listed else []


def twice_sums(listed: Sequence[Metric], column: str = "") -> list[tuple[str, str]]:
    """The sums that tell what is counted twice: what was bought, at each cost, and the line items that are covered."""
    sums = [(purchased(each), f"SUM(IF(is_purchase, {column or each.name}, 0))") for each in listed]
    return [*sums, ("covered_items", "COUNTIF(is_covered)")] if sums else []


def purchased(metric: Metric) -> str:
    """The column that holds the part of a cost that is purchased commitments."""
    return f"purchased_{metric.field}"


def _totals(shape: Shape) -> list[str]:
    fields = [metric.field for metric in shape.summed] + [name for name, _ in twice_sums(shape.listed)]
    sums = [f"SUM({field}) OVER (PARTITION BY currency) AS currency_{field}" for field in fields]
    # Quantities have a total where there is one unit of them.
    units = [unit_field(unit) for unit in shape.units]
    return [*sums, *(f"COUNT(DISTINCT {unit}) OVER (PARTITION BY currency) AS currency_{unit}s" for unit in units)]


def _position(shape: Shape, order: Sequence[str]) -> str:
    """The order of rows of all currencies: by groups first if rows are ordered by them, else each currency in turn.

    Groups within the bounds come before all others.
    """
    leading = sum(1 for _ in takewhile(lambda each: isinstance(each.by, BoundDimension), shape.order))
    inside = ["IF(is_within, 0, 1)"] if shape.bounds else []
    rest = [*order[:leading], "currency", *order[leading:]] if leading else ["place", "currency"]
    return ", ".join([*inside, *rest])


def _order(shape: Shape, names: Sequence[str]) -> list[str]:
    columns = {each.name: name for each, name in zip(shape.groups, names, strict=True)}
    columns |= {
        each.name: f"order_{index}" for index, each in enumerate(shape.groups) if each.dimension.order is not None
    }
    return [
        f"{each.by.field if isinstance(each.by, Metric) else columns[each.by.name]}{' DESC' if each.descending else ''}"
        for each in shape.order
    ]


def unit_field(unit: str) -> str:
    """The field of an answer that says what a quantity counts."""
    return {"ConsumedUnit": "consumed_unit", "PricingUnit": "pricing_unit"}[unit]


def breakdown(dimension: BoundDimension, metric: Metric, filters: Filters, basis: TimeBasis = "charge") -> str:
    """Costs per value of a dimension, all of them: what does not fit in @max_rows is folded into "(other)"."""
    name = scan.alias_of(dimension, 0)
    listed = (metric,) if metric.name in LISTED else ()
    sums = twice_sums(listed, "amount")
    figures = (("total", "SUM(amount)"), ("effective_cost", "SUM(EffectiveCost)"))
    return _BREAKDOWN.substitute(
        expression=dimension.on_basis(basis),
        name=name,
        text=f"CAST({name} AS STRING)",
        metric=metric.name,
        twice="".join(f"{each},\n    " for each in twice_columns(listed)),
        twice_summed="".join(f", {text} AS {each}" for each, text in sums),
        twice_names="".join(f",\n    {each}" for each, _ in sums),
        twice_folded="".join(f",\n    SUM({each}) AS {each}" for each, _ in sums),
        scanned=scan.scan_columns(filters, basis),
        time=scan.time_column(basis),
        facts=scan.facts(filters, figures, "SUM(amount)"),
        reach=scan.REACH,
        about=scan.facts_columns(filters, "COALESCE(shown.position, 1) = 1", everything=True),
    )


def available(filters: Filters) -> str:
    """Which days have data at all, which have data that the filters match, and of which providers."""
    return _AVAILABLE.substitute(condition=filters.where())
