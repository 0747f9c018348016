"""Values of a dimension: which there are, what they cost, and which are meant by a name that is not one of them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from difflib import SequenceMatcher
from string import Template
from typing import Any

from common import limits
from common.cost_query.dimensions import BoundDimension
from common.cost_query.filters import Filters
from common.focus.services import aliases_of
from common.tenant import Principal
from common.tools.context import WarehouseContext
from common.tools.periods import Period
from common.warehouse.query import Parameter, fixed
from common.warehouse.result import QueryResult

LOOK_BACK_DAYS = 396
_NEAREST = 5
_ALIKE = 0.6

# What was searched for comes first, so that it is found among any number of values.
_GROUPED = """grouped AS (
  SELECT
    value,
    currency,
    LOGICAL_OR(found) AS found,
    SUM(BilledCost) AS billed_cost,
    COUNT(*) AS line_items,
    MIN(day) AS first_day,
    MAX(day) AS last_day
  FROM charges
  GROUP BY value, currency
)
SELECT *, COUNT(*) OVER () AS group_count, COUNTIF(found) OVER () AS found_count
FROM grouped
ORDER BY IF(found, 0, 1), ABS(billed_cost) DESC, line_items DESC, value, currency
LIMIT @max_rows
"""
_VALUES = Template(
    """
WITH charges AS (
  SELECT
    CAST($value AS STRING) AS value,
    BillingCurrency AS currency,
    BilledCost,
    DATE(ChargePeriodStart) AS day,
    $found AS found
  FROM {own.cost_data_standard_1_3}
  WHERE ChargePeriodStart >= @start
    AND ChargePeriodStart < @end_exclusive
    AND $where
),
"""
    + _GROUPED
)
_TAG_KEYS = Template(
    """
WITH charges AS (
  SELECT
    tag AS value,
    BillingCurrency AS currency,
    BilledCost,
    DATE(ChargePeriodStart) AS day,
    $found AS found
  FROM {own.cost_data_standard_1_3}
  CROSS JOIN UNNEST(REGEXP_EXTRACT_ALL(TO_JSON_STRING(Tags), r'"((?:[^"\\\\]|\\\\.)*)":')) AS tag
  WHERE ChargePeriodStart >= @start
    AND ChargePeriodStart < @end_exclusive
    AND Tags IS NOT NULL
    AND $where
),
"""
    + _GROUPED
)
_FOUND = Template(
    "(EXISTS(SELECT 1 FROM UNNEST(@searches) AS part WHERE STRPOS($text, part) > 0) OR $text IN UNNEST(@names))"
)


@dataclass(frozen=True, slots=True)
class Known:
    """One value of a dimension in one currency; ``found`` where a searched text is within it."""

    value: str
    currency: str
    billed_cost: Decimal
    line_items: int
    first_day: date
    last_day: date
    found: bool


def values_text(dimension: BoundDimension, filters: Filters, *, search: bool) -> str:
    """The text that lists a dimension's values with what they cost."""
    texts = (dimension.expression, *dimension.dimension.matches)
    met = (_FOUND.substitute(text=f"LOWER(COALESCE(CAST({text} AS STRING), ''))") for text in texts)
    found = f"({' OR '.join(met)})" if search else "TRUE"
    return _VALUES.substitute(value=dimension.expression, found=found, where=filters.where())


def tag_keys_text(filters: Filters, *, search: bool) -> str:
    """The text that lists the keys of tags with what they are on."""
    found = _FOUND.substitute(text="LOWER(tag)") if search else "TRUE"
    return _TAG_KEYS.substitute(found=found, where=filters.where())


def look_up_period(period: Period, today: date) -> Period:
    """The days in which a name is looked for: the period, and the year before today."""
    first = min(period.start, today - timedelta(days=LOOK_BACK_DAYS))
    return Period(first, max(period.end, today))


async def look_up(
    principal: Principal,
    context: WarehouseContext,
    dimension: BoundDimension | None,
    searches: Sequence[str],
    period: Period,
    filters: Filters | None = None,
    names: Sequence[str] = (),
) -> tuple[QueryResult, dict[str, Parameter]]:
    """List the values of a dimension, or the keys of tags; those that hold a searched text come first.

    ``names`` are whole names, in lower case, that are searched for, too.
    """
    narrowed = filters or Filters()
    parameters = {**period.bounds(), **narrowed.parameters(), "max_rows": Parameter("INT64", limits.MAX_GROUPS)}
    if searches:
        parameters["searches"] = Parameter("STRING", tuple(sorted({text.strip().lower() for text in searches})))
        parameters["names"] = Parameter("STRING", tuple(sorted(set(names))))
    if dimension is None:
        text = tag_keys_text(narrowed, search=bool(searches))
    else:
        text = values_text(dimension, narrowed, search=bool(searches))
        parameters |= dimension.parameters()
    return await context.run(fixed(principal.tenant, text, parameters)), parameters


def read_known(rows: Iterable[dict[str, Any]]) -> list[Known]:
    """Read the values out of the rows of a look-up."""
    return [Known(**{name: row[name] for name in Known.__dataclass_fields__}) for row in rows]


def meant_by(asked: str, known: Sequence[str]) -> tuple[str, ...]:
    """The known values that hold the asked-for words as whole words: Redshift is Amazon Redshift."""
    words = re.compile(rf"(?<!\w){re.escape(asked.strip().casefold())}(?!\w)")
    return tuple(value for value in known if words.search(value.casefold()))


def nearest(asked: str, known: Sequence[str]) -> list[str]:
    """The known values that look or are called most like what was asked for, nearest first."""
    text = asked.strip().casefold()
    scored = [(max(_likeness(text, name) for name in _names(value)), value) for value in dict.fromkeys(known)]
    ranked = sorted((each for each in scored if each[0] >= _ALIKE), key=lambda each: -each[0])
    return [value for _, value in ranked[:_NEAREST]]


def _names(value: str) -> tuple[str, ...]:
    name = value.casefold()
    return (name, *aliases_of(value), *re.findall(r"\w{3,}", name))


def _likeness(first: str, second: str) -> float:
    return 0.9 if first in second else SequenceMatcher(None, first, second, autojunk=False).ratio()
