"""The SQL of the commitments: usage at its four prices, used and unused commitments, and what was bought."""

from collections.abc import Iterator, Sequence

from common.cost_query.composing import RANGE_TYPES, compose, filter_types
from common.cost_query.dimensions import BoundDimension, all_parameters, bind_dimensions
from common.cost_query.filters import Filters
from common.focus.calendar import FiscalCalendar

# Eligible is the usage of a provider's service category in which a commitment was used: what might be covered, too.
_STEPS = """
committed AS (
  SELECT DISTINCT provider_name, service_category_name
  FROM charges
  WHERE counted
    AND charge_category = 'Usage'
    AND commitment_status = 'Used'
),
grouped AS (
  SELECT
    {names},
    charges.currency,
    SUM(IF(usage AND commitment_status = 'Used', effective_cost, 0)) AS used_cost,
    SUM(IF(usage AND commitment_status = 'Unused', effective_cost, 0)) AS unused_cost,
    SUM(IF(usage AND commitment_status = 'Used', list_cost, 0)) AS covered_list_cost,
    SUM(IF(usage AND commitment_status != 'Unused' AND committed.provider_name IS NOT NULL, list_cost, 0))
      AS eligible_list_cost,
    SUM(IF(usage, list_cost, 0)) AS list_cost,
    SUM(IF(usage, contracted_cost, 0)) AS contracted_cost,
    SUM(IF(usage, effective_cost, 0)) AS effective_cost,
    SUM(IF(charge_category = 'Purchase' AND has_commitment, billed_cost, 0)) AS purchased_cost
  FROM charges
  LEFT JOIN committed
    ON committed.provider_name = charges.provider_name
    AND committed.service_category_name = charges.service_category_name
  WHERE counted
  GROUP BY {numbers}
),
unbought AS (
  SELECT ARRAY_AGG(provider_name ORDER BY provider_name) AS providers_without_purchases
  FROM (
    SELECT provider_name
    FROM charges
    WHERE counted
    GROUP BY provider_name
    HAVING LOGICAL_OR(usage AND commitment_status IN ('Used', 'Unused'))
      AND NOT LOGICAL_OR(charge_category = 'Purchase' AND has_commitment)
  )
),
answer AS (
  SELECT
    grouped.*,
    unbought.providers_without_purchases,
    ROW_NUMBER() OVER (ORDER BY currency, used_cost + unused_cost DESC, list_cost DESC, {names}) AS position,
    COUNT(*) OVER () AS group_count
  FROM grouped
  CROSS JOIN unbought
)
"""
_COLUMNS = """ServiceProviderName AS provider_name,
    ServiceCategory AS service_category_name,
    BillingCurrency AS currency,
    ChargeCategory AS charge_category,
    ChargeCategory = 'Usage' AS usage,
    COALESCE(CommitmentDiscountStatus, '') AS commitment_status,
    CommitmentDiscountId IS NOT NULL AS has_commitment,
    ListCost AS list_cost,
    ContractedCost AS contracted_cost,
    BilledCost AS billed_cost,
    EffectiveCost AS effective_cost"""


def summary(groups: Sequence[BoundDimension], filters: Filters) -> str:
    """Figures of commitments per group and currency."""
    names = [f"g{index}" for index in range(len(groups))]
    shown = [f"CAST({each.expression} AS STRING) AS {name}" for each, name in zip(groups, names, strict=True)]
    numbers = ", ".join(str(index + 1) for index in range(len(groups) + 1))
    steps = _STEPS.replace("{names}", ", ".join(names)).replace("{numbers}", numbers)
    return compose(",\n    ".join((*shown, _COLUMNS)), steps, filters)


def every_query() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Every kind of text that commitments can send: its name, the text, and the types of its parameters."""
    for names in (
        ("provider", "commitment_type"),
        ("commitment",),
        ("fiscal_quarter", "tag:team"),
        ("service", "month"),
    ):
        groups = bind_dimensions(names, "g", FiscalCalendar(4))
        own = {name: each.type for name, each in all_parameters(groups).items()}
        yield f"commitments by {' and '.join(names)}", summary(groups, Filters()), RANGE_TYPES | own
    filters = Filters.parse([{"dimension": "provider", "values": ["AWS"]}])
    groups = bind_dimensions(["provider"], "g", FiscalCalendar())
    yield "commitments of a provider", summary(groups, filters), RANGE_TYPES | filter_types(filters)
