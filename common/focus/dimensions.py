"""Dimensions of FOCUS cost data, and the expressions that read them from a row."""

from collections.abc import Mapping
from typing import Literal

GroupBy = Literal["provider", "service", "service_category", "team", "region", "model", "day", "week", "month"]
Dimension = Literal["provider", "service", "service_category", "cost_type", "team", "region", "model"]
CostType = Literal["cloud", "genai", "subscription"]

_GENAI = (
    "('openai', 'anthropic', 'google gemini', 'gemini', 'google ai', 'deepseek', 'mistral', 'mistral ai', 'cohere')"
)
COST_TYPE = f"""CASE
      WHEN x_genai_provider IS NOT NULL OR x_genai_cost_type IS NOT NULL OR LOWER(ServiceProviderName) IN {_GENAI}
        THEN 'genai'
      WHEN x_service_model = 'SaaS' AND x_cloud_provider IS NULL THEN 'subscription'
      ELSE 'cloud'
    END"""

EXPRESSIONS: Mapping[str, str] = {
    "provider": "ServiceProviderName",
    "service": "ServiceName",
    "service_category": "ServiceCategory",
    "cost_type": COST_TYPE,
    "team": "COALESCE(x_hierarchy_entity_name, 'Unallocated')",
    "region": "COALESCE(RegionId, RegionName, 'No region')",
    "model": "COALESCE(x_genai_model, 'No model')",
    "day": "DATE(ChargePeriodStart)",
    "week": "DATE_TRUNC(DATE(ChargePeriodStart), WEEK(MONDAY))",
    "month": "FORMAT_DATE('%Y-%m', DATE(ChargePeriodStart))",
}
TIMES = frozenset({"day", "week", "month"})
