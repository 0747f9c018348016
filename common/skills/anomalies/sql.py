"""The SQL of the anomalies: where the difference of an unusual day came from. Daily histories are the forecast's."""

from collections.abc import Iterator, Mapping, Sequence
from string import Template

from common.cost_query.dimensions import BoundDimension, all_parameters, bind_dimensions
from common.cost_query.filters import Filters
from common.focus.calendar import FiscalCalendar
from common.focus.dimensions import EXPRESSIONS
from common.focus.metrics import METRICS, MetricName
from common.skills.forecast import sql as forecast_sql

# From the widest to the narrowest; the model stands for the resource where there is one.
PATH: Mapping[str, str] = {
    "provider": EXPRESSIONS["provider"],
    "service": EXPRESSIONS["service"],
    "sub_account": EXPRESSIONS["sub_account"],
    "resource": "COALESCE(x_genai_model, ResourceName, ResourceId, 'No resource')",
    "team": EXPRESSIONS["team"],
}

_CAUSES = Template("""
WITH flagged AS (
  SELECT day, @names[SAFE_OFFSET(place)] AS name, @currencies[SAFE_OFFSET(place)] AS currency
  FROM UNNEST(@days) AS day WITH OFFSET AS place
),
charges AS (
  SELECT
    $expression AS name,
    BillingCurrency AS currency,
    DATE(ChargePeriodStart) AS day,
    $path,
    SUM($metric) AS cost
  FROM {own.cost_data_standard_1_3}
  WHERE ChargePeriodStart >= @start
    AND ChargePeriodStart < @end_exclusive
    AND $where
  GROUP BY name, currency, day, $names
),
usual AS (
  SELECT
    flagged.name AS flagged_name,
    flagged.currency AS flagged_currency,
    flagged.day AS flagged_day,
    $charges_names,
    SUM(IF(charges.day = flagged.day, charges.cost, 0)) AS cost,
    SUM(IF(charges.day != flagged.day AND charges.day NOT IN UNNEST(@days), charges.cost, 0)) AS before_cost
  FROM flagged
  JOIN charges
    ON charges.name = flagged.name
    AND charges.currency = flagged.currency
  WHERE charges.day BETWEEN DATE_SUB(flagged.day, INTERVAL 28 DAY) AND flagged.day
  GROUP BY flagged.name, flagged.currency, flagged.day, $charges_names
),
counted AS (
  SELECT
    usual.*,
    28 - (
      SELECT COUNT(DISTINCT other)
      FROM UNNEST(@days) AS other
      WHERE other BETWEEN DATE_SUB(usual.flagged_day, INTERVAL 28 DAY) AND DATE_SUB(usual.flagged_day, INTERVAL 1 DAY)
    ) AS usual_days
  FROM usual
),
changed AS (
  SELECT *, cost - IF(usual_days > 0, before_cost / GREATEST(usual_days, 1), 0) AS excess
  FROM counted
),
ranked AS (
  SELECT
    *,
    ROW_NUMBER() OVER (
      PARTITION BY flagged_name, flagged_currency, flagged_day ORDER BY ABS(excess) DESC, $names
    ) AS place
  FROM changed
)
SELECT flagged_name, flagged_currency, flagged_day, $names, cost, excess, place
FROM ranked
WHERE place <= @max_causes
ORDER BY flagged_day, flagged_name, flagged_currency, place
""")
_TYPES = {
    "start": "TIMESTAMP",
    "end_exclusive": "TIMESTAMP",
    "days": "ARRAY<DATE>",
    "names": "ARRAY<STRING>",
    "currencies": "ARRAY<STRING>",
    "max_causes": "INT64",
}


def causes(metric: MetricName, dimensions: Sequence[BoundDimension], filters: Filters) -> str:
    """Make the text of flagged days' largest differences, by provider, service, account, resource and team."""
    return _CAUSES.substitute(
        expression=forecast_sql.name_of(dimensions),
        metric=METRICS[metric].name,
        path=",\n    ".join(f"{expression} AS path_{name}" for name, expression in PATH.items()),
        names=", ".join(f"path_{name}" for name in PATH),
        charges_names=", ".join(f"charges.path_{name}" for name in PATH),
        where=filters.where(),
    )


def every_query() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Every kind of text that anomalies send beside the forecast's: its name, the text, its parameters' types."""
    groups: Sequence[tuple[str, ...]] = (
        (),
        ("service",),
        ("tag:team",),
        ("team",),
        ("sub_account", "region", "tag:app"),
    )
    for names in groups:
        bound = bind_dimensions(names, "g", FiscalCalendar())
        own = {key: each.type for key, each in all_parameters(bound).items()}
        yield f"causes by {', '.join(names)}", causes("BilledCost", bound, Filters()), _TYPES | own
