"""The SQL of compare_periods and top_cost_drivers: two periods in one scan, put together from constants alone.

A fee is a charge that comes once in a while whatever was used: a purchase, a tax, a recurring or one-time charge. The
change of a group is also divided into what a changed price and what a changed quantity made of it, SKU by SKU.
"""

from collections.abc import Sequence
from string import Template

from common.cost_query import scan
from common.cost_query.dimensions import BoundDimension
from common.cost_query.filters import Filters
from common.focus.metrics import Metric
from common.skills.costs.bounds import NO_CHANGE_BOUNDS, ChangeBounds, has_value
from common.skills.costs.sql import LISTED, twice_columns, twice_sums

MOST_FEES = 5
IS_FEE = "(ChargeCategory IN ('Purchase', 'Tax') OR COALESCE(ChargeFrequency IN ('Recurring', 'One-Time'), FALSE))"

_CHARGES = Template("""charges AS (
  SELECT
    $groups,
    BillingCurrency AS currency,
    $metric AS amount,
    ChargePeriodStart >= @current_start AND ChargePeriodStart < @current_end_exclusive AS is_current,
    ChargePeriodStart >= @previous_start AND ChargePeriodStart < @previous_end_exclusive AS is_previous,
    $fee AS is_fee,
    $columns,
    $twice$scanned
  FROM {own.cost_data_standard_1_3}
  WHERE (ChargePeriodStart >= @current_start AND ChargePeriodStart < @current_end_exclusive)
    OR (ChargePeriodStart >= @previous_start AND ChargePeriodStart < @previous_end_exclusive)
)""")

_RANKED = Template("""ranked AS (
  SELECT
    *,
    $ranking AS absolute_change,
    ROW_NUMBER() OVER (PARTITION BY currency ORDER BY ABS($ranking) DESC, $names) AS place,
    ROW_NUMBER() OVER (
      PARTITION BY currency ORDER BY ABS(current_fees - previous_fees) DESC, $names
    ) AS fee_place,
    SUM(current_cost) OVER (PARTITION BY currency) AS currency_current_cost,
    SUM(previous_cost) OVER (PARTITION BY currency) AS currency_previous_cost,
    SUM(current_fees) OVER (PARTITION BY currency) AS currency_current_fees,
    SUM(previous_fees) OVER (PARTITION BY currency) AS currency_previous_fees,$twice_totals$leaders
    $counted OVER () AS group_count,
    COUNTIF($ranking != 0) OVER () AS changed_count
  FROM grouped
),
placed AS (
  SELECT *, ROW_NUMBER() OVER (ORDER BY ${before}place, currency) AS position
  FROM ranked
),
shown AS (
  SELECT *
  FROM placed
  -- The first of each currency carries that currency's totals.
  WHERE position <= @limit OR place = 1 OR fee_place <= $fees$kept
)""")

# What has no value in a group is none of those that could lead.
_LEADERS = Template("""
    ROW_NUMBER() OVER (
      PARTITION BY currency$valued
      ORDER BY SAFE_DIVIDE(current_cost - previous_cost, ABS(previous_cost)) DESC, $names
    ) AS grown_place,
    ROW_NUMBER() OVER (
      PARTITION BY currency$valued
      ORDER BY COALESCE(SAFE_DIVIDE(current_cost - previous_cost, ABS(previous_cost)), 0), $names
    ) AS fallen_place,""")

_CHANGES = Template("""
WITH $charges,
$facts,
$reach,
by_sku AS (
  SELECT
    $names,
    currency,
    SkuId,
    ConsumedUnit,
    SUM(IF(is_current, amount, 0)) AS current_cost,
    SUM(IF(is_previous, amount, 0)) AS previous_cost,
    SUM(IF(is_current AND is_fee, amount, 0)) AS current_fees,
    SUM(IF(is_previous AND is_fee, amount, 0)) AS previous_fees,
    COUNTIF(is_current) AS current_items,
    COUNTIF(is_previous) AS previous_items,
    CAST(SUM(IF(is_current, ConsumedQuantity, 0)) AS FLOAT64) AS current_quantity,
    CAST(SUM(IF(is_previous, ConsumedQuantity, 0)) AS FLOAT64) AS previous_quantity$twice_summed
  FROM charges
  WHERE counted
  GROUP BY $names, currency, SkuId, ConsumedUnit
),
priced AS (
  SELECT
    *,
    -- What the earlier price would have made of the later quantity; no figure where one of the quantities is missing.
    IF(
      current_quantity > 0 AND previous_quantity > 0,
      CAST(previous_cost AS FLOAT64) * SAFE_DIVIDE(current_quantity, previous_quantity),
      NULL
    ) AS at_earlier_price
  FROM by_sku
),
grouped AS (
  SELECT
    $names,
    currency,
    SUM(current_cost) AS current_cost,
    SUM(previous_cost) AS previous_cost,
    SUM(current_fees) AS current_fees,
    SUM(previous_fees) AS previous_fees,
    SUM(current_items) AS current_items,
    SUM(previous_items) AS previous_items,
    SUM(CAST(current_cost AS FLOAT64) - at_earlier_price) AS rate_effect,
    SUM(at_earlier_price - CAST(previous_cost AS FLOAT64)) AS usage_effect$twice_added
  FROM priced
  GROUP BY $names, currency
),
$ranked
SELECT
  shown.*,
  $about
FROM facts
CROSS JOIN reach
LEFT JOIN shown
  ON TRUE
ORDER BY IF(shown.place = 1, 0, 1), shown.position
""")

_DRIVERS = Template("""
WITH $charges,
$facts,
$reach,
grouped AS (
  SELECT
    $names,
    currency,
    SUM(IF(is_current, amount, 0)) AS current_cost,
    SUM(IF(is_previous, amount, 0)) AS previous_cost,
    SUM(IF(is_current AND is_fee, amount, 0)) AS current_fees,
    SUM(IF(is_previous AND is_fee, amount, 0)) AS previous_fees,
    COUNTIF(is_current) AS current_items,
    COUNTIF(is_previous) AS previous_items$twice_summed
  FROM charges
  WHERE counted
  GROUP BY $names, currency
),
$ranked,
steps AS (
  SELECT
    $names,
    currency,
    part.level,
    part.value,
    SUM(IF(is_current, amount, 0)) AS current_cost,
    SUM(IF(is_current, amount, 0)) - IF(part.level = 'day', 0, SUM(IF(is_previous, amount, 0))) AS absolute_change
  FROM charges
  CROSS JOIN UNNEST([
    STRUCT('sub_account' AS level, sub_account_step AS value),
    STRUCT('region' AS level, region_step AS value),
    STRUCT('resource' AS level, resource_step AS value),
    STRUCT('team' AS level, team_step AS value),
    STRUCT('model' AS level, model_step AS value),
    STRUCT('day' AS level, IF(is_current, day_step, NULL) AS value)
  ]) AS part
  WHERE counted AND NOT is_fee AND part.value IS NOT NULL
  GROUP BY $names, currency, part.level, part.value
),
chosen AS (
  SELECT
    $qualified,
    steps.currency,
    steps.level,
    steps.value,
    steps.current_cost,
    steps.absolute_change,
    ROW_NUMBER() OVER (
      PARTITION BY $qualified, steps.currency, steps.level
      ORDER BY steps.absolute_change * IF(shown.absolute_change < 0, -1, 1) DESC, steps.value
    ) AS step_place
  FROM steps
  JOIN shown
    ON $joined
    AND steps.currency = shown.currency
),
paths AS (
  SELECT
    $names,
    currency,
    ARRAY_AGG(STRUCT(level, value, current_cost, absolute_change) ORDER BY level) AS path
  FROM chosen
  WHERE step_place = 1
  GROUP BY $names, currency
)
SELECT
  shown.*,
  paths.path,
  $about
FROM facts
CROSS JOIN reach
LEFT JOIN shown
  ON TRUE
LEFT JOIN paths
  ON $path_joined
  AND paths.currency = shown.currency
ORDER BY IF(shown.place = 1, 0, 1), shown.position
""")
# The costs of as many days from the start of each period as the later one has data for, whatever it was for.
_REACHED = """reached AS (
  SELECT
    DATE_DIFF(MAX(IF(is_current, charge_day, NULL)), DATE(@current_start), DAY) AS days_after
  FROM charges
)"""
_EQUAL_DAYS = """,
    (
      SELECT ARRAY_AGG(STRUCT(currency, days_after, current_cost, previous_cost) ORDER BY currency LIMIT 100)
      FROM (
        SELECT
          currency,
          MAX(days_after) AS days_after,
          SUM(IF(is_current, amount, 0)) AS current_cost,
          SUM(IF(is_previous AND DATE_DIFF(charge_day, DATE(@previous_start), DAY) <= days_after, amount, 0))
            AS previous_cost
        FROM charges
        CROSS JOIN reached
        WHERE counted
        GROUP BY currency
      )
    ) AS equal_days"""
_FIGURES = (
    ("current_cost", "SUM(IF(is_current, amount, 0))"),
    ("previous_cost", "SUM(IF(is_previous, amount, 0))"),
)
_STEPS = ",\n    ".join(
    (
        "SubAccountId AS sub_account_step",
        "COALESCE(RegionId, RegionName) AS region_step",
        "COALESCE(ResourceName, ResourceId) AS resource_step",
        "x_hierarchy_entity_name AS team_step",
        "x_genai_model AS model_step",
        "CAST(DATE(ChargePeriodStart) AS STRING) AS day_step",
    )
)


def changes(
    groups: Sequence[BoundDimension], metric: Metric, filters: Filters, bounds: ChangeBounds = NO_CHANGE_BOUNDS
) -> str:
    """The text for the change of each group between two periods, the largest first within each currency.

    Groups within the bounds come before all others; those that changed most in percent are there, however many.
    """
    names = _names(groups)
    valued = has_value((each, scan.alias_of(each, index)) for index, each in enumerate(groups))
    # A whole currency is no group that could lead.
    lead = any(each.name != "currency" for each in groups)
    return _CHANGES.substitute(
        _shared(groups, metric, filters, "SkuId,\n    ConsumedUnit,\n    ConsumedQuantity"),
        names=names,
        ranked=_RANKED.substitute(
            ranking="current_cost - previous_cost",
            names=names,
            fees=0,
            before=f"IF({bounds.hold()}, 0, 1), " if bounds else "",
            counted=f"COUNTIF({bounds.hold()})" if bounds else "COUNT(*)",
            leaders=_LEADERS.substitute(valued=f", {valued}" if valued else "", names=names) if lead else "",
            kept=" OR grown_place = 1 OR fallen_place = 1" if lead else "",
            twice_totals=_totals_counted_twice(metric),
        ),
    )


def drivers(groups: Sequence[BoundDimension], metric: Metric, filters: Filters) -> str:
    """The text for the groups whose cost without fees changed most, each with the path down to what changed in it."""
    aliases = [scan.alias_of(each, index) for index, each in enumerate(groups)]
    ranking = "(current_cost - current_fees) - (previous_cost - previous_fees)"
    # A group that is nothing but fees would take the place of one that changed in another currency.
    unchanged = "IF(absolute_change = 0, 1, 0), "
    return _DRIVERS.substitute(
        _shared(groups, metric, filters, _STEPS),
        names=_names(groups),
        qualified=", ".join(f"steps.{alias}" for alias in aliases),
        joined=" AND ".join(f"steps.{alias} = shown.{alias}" for alias in aliases),
        path_joined=" AND ".join(f"paths.{alias} = shown.{alias}" for alias in aliases),
        ranked=_RANKED.substitute(
            ranking=ranking,
            names=_names(groups),
            fees=MOST_FEES,
            before=unchanged,
            counted="COUNT(*)",
            leaders="",
            kept="",
            twice_totals=_totals_counted_twice(metric),
        ),
    )


def _shared(groups: Sequence[BoundDimension], metric: Metric, filters: Filters, columns: str) -> dict[str, str]:
    grouped = (f"{each.expression} AS {scan.alias_of(each, index)}" for index, each in enumerate(groups))
    sums = twice_sums(listed(metric), "amount")
    charges = _CHARGES.substitute(
        groups=",\n    ".join(grouped),
        metric=metric.name,
        fee=IS_FEE,
        columns=columns,
        twice="".join(f"{each},\n    " for each in twice_columns(listed(metric))),
        scanned=scan.scan_columns(filters, "charge"),
    )
    return {
        "charges": charges,
        "twice_summed": "".join(f",\n    {text} AS {name}" for name, text in sums),
        "twice_added": "".join(f",\n    SUM({name}) AS {name}" for name, _ in sums),
        "facts": f"{_REACHED},\n{scan.facts(filters, _FIGURES, more=_EQUAL_DAYS)}",
        "reach": scan.REACH,
        "about": scan.facts_columns(filters, "COALESCE(shown.position, 1) = 1", more=("equal_days",)),
    }


def listed(metric: Metric) -> tuple[Metric, ...]:
    """The metric, if it is a cost that counts a commitment twice."""
    return (metric,) if metric.name in LISTED else ()


def _totals_counted_twice(metric: Metric) -> str:
    names = [name for name, _ in twice_sums(listed(metric))]
    return "".join(f"\n    SUM({name}) OVER (PARTITION BY currency) AS currency_{name}," for name in names)


def _names(groups: Sequence[BoundDimension]) -> str:
    return ", ".join(scan.alias_of(each, index) for index, each in enumerate(groups))
