"""The form of every text that asks one question of the costs: a scan, what was found, and the facts about both."""

from string import Template

from common.cost_query import scan
from common.cost_query.filters import Filters

# The steps read ``charges`` where they are ``counted``; the last is ``answer``, with a ``position`` from 1.
_TEXT = Template("""
WITH charges AS (
  SELECT
    $columns,
    $scanned
  FROM {own.cost_data_standard_1_3}
  WHERE ChargePeriodStart >= @start
    AND ChargePeriodStart < @end_exclusive
),
$facts,
$reach,
$steps
SELECT
  answer.*,
  $about
FROM facts
CROSS JOIN reach
LEFT JOIN answer
  ON TRUE
ORDER BY answer.position
""")
RANGE_TYPES = dict.fromkeys(("start", "end_exclusive", "data_start", "data_end"), "TIMESTAMP")


def compose(columns: str, steps: str, filters: Filters) -> str:
    """Put a question's text together: one scan of the period, whatever the steps make of it."""
    return _TEXT.substitute(
        columns=columns,
        scanned=scan.scan_columns(filters, "charge"),
        facts=scan.facts(filters),
        reach=scan.REACH,
        steps=steps.strip(),
        about=scan.facts_columns(filters, "COALESCE(answer.position, 1) = 1"),
    )


def filter_types(filters: Filters) -> dict[str, str]:
    """The GoogleSQL types of what filters bind, for checks of a text."""
    return {
        name: f"ARRAY<{each.type}>" if isinstance(each.value, tuple) else each.type
        for name, each in filters.parameters().items()
    }
