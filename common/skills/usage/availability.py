"""Which days have GenAI usage, and of which providers and models, for an answer without rows."""

from string import Template
from typing import Any

from common.cost_query.filters import Filters
from common.focus.genai import PROVIDER
from common.skills.usage.genai_sql import GENAI, usage_condition
from common.tenant import Principal
from common.tools import periods
from common.tools.context import WarehouseContext
from common.warehouse.query import fixed
from common.warehouse.result import QueryRefused

_AVAILABLE = Template("""
WITH days AS (
  SELECT usage_date, provider, model, x_hierarchy_entity_name, x_hierarchy_path, x_hierarchy_path_names
  FROM {own.genai_usage_daily_unified}
  UNION ALL
  SELECT
    DATE(ChargePeriodStart) AS usage_date,
    $provider AS provider,
    x_genai_model AS model,
    x_hierarchy_entity_name,
    x_hierarchy_path,
    x_hierarchy_path_names
  FROM {own.cost_data_standard_1_3}
  WHERE $genai
)
SELECT
  MIN(IF($condition, usage_date, NULL)) AS first_match,
  MAX(IF($condition, usage_date, NULL)) AS last_match,
  MIN(usage_date) AS first_day,
  MAX(usage_date) AS last_day,
  ARRAY_AGG(DISTINCT LOWER(provider) IGNORE NULLS ORDER BY LOWER(provider) LIMIT 50) AS providers,
  ARRAY_AGG(DISTINCT model IGNORE NULLS ORDER BY model LIMIT 100) AS models
FROM days
""")


def available(filters: Filters) -> str:
    """Which days have GenAI usage or costs, which of them the filters match, and of which providers and models."""
    return _AVAILABLE.substitute(provider=PROVIDER, genai=GENAI, condition=usage_condition(filters))


async def where_usage_is(principal: Principal, context: WarehouseContext, filters: Filters) -> dict[str, Any]:
    """Say which days have GenAI usage: what the filters match, or else any; and the names that filters take."""
    try:
        found = await context.run(fixed(principal.tenant, available(filters), filters.parameters()))
    except QueryRefused:
        return {"available": None}  # The empty answer stands; only this hint is too costly to look up.
    row = found.rows[0]
    first, last = row["first_match"] or row["first_day"], row["last_match"] or row["last_day"]
    names = {each.dimension.name for each in filters.all}
    known = {f"known_{name}s": list(row[f"{name}s"] or ()) for name in ("provider", "model") if name in names}
    return {"available": periods.format_days(first, last), **known}
