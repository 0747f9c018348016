"""The description of a table: the columns that were asked for, their values, tag keys, and keys to join by."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from common import limits
from common.skills.explorer import sql
from common.tenant import Principal
from common.tools.context import WarehouseContext
from common.tools.result import ToolResult
from common.warehouse import schema
from common.warehouse.query import Parameter, fixed
from common.warehouse.readable_tables import SharedTable
from common.warehouse.result import QueryRefused, QueryResult, TableInfo

MAX_TABLE_COLUMNS = 300

# Nobody should ask for these; who names one may still read of it what is not hidden.
UNLISTED = frozenset({"org_integration_credentials", "org_chat_conversations"})
_COSTS = "cost_data_standard_1_3"
# The columns that most questions need, first.
_MAIN: Mapping[str, tuple[str, ...]] = {
    _COSTS: (
        "ChargePeriodStart", "BillingPeriodStart", "BilledCost", "EffectiveCost", "BillingCurrency",
        "ServiceProviderName", "ServiceName", "ServiceCategory", "RegionId", "SubAccountId", "ResourceName", "SkuMeter",
        "ChargeCategory", "x_hierarchy_entity_name", "Tags",
    ),
    "genai_usage_daily_unified": (
        "usage_date", "provider", "model", "x_hierarchy_entity_name", "request_count", "input_tokens", "output_tokens",
        "cached_tokens", "total_tokens",
    ),
}  # fmt: skip
_JOINS: Mapping[str, tuple[str, ...]] = {
    _COSTS: (
        "x_hierarchy_entity_id = organizations.org_hierarchy.entity_id (its current version: end_date IS NULL)",
        "x_run_id = organizations.org_meta_pipeline_runs.pipeline_logging_id",
        "DATE(ChargePeriodStart), LOWER(x_genai_provider), x_genai_model = usage_date, LOWER(provider), model of "
        "genai_usage_daily_unified, both summed first",
    ),
    "genai_usage_daily_unified": (
        "usage_date, LOWER(provider), model = DATE(ChargePeriodStart), LOWER(x_genai_provider), x_genai_model of "
        "cost_data_standard_1_3, both summed first",
    ),
    "org_budgets": (
        "costs at and below it: STARTS_WITH(CONCAT(x_hierarchy_path, '/'), CONCAT(hierarchy_path, '/')) in "
        "cost_data_standard_1_3",
    ),
    "org_budget_allocations": ("budget ids = organizations.org_budgets.budget_id",),
    "org_hierarchy": ("entity_id = x_hierarchy_entity_id of cost_data_standard_1_3",),
    "org_alert_history": ("alert_id = organizations.org_notification_rules.rule_id",),
}
_TOO_LARGE = "No values: the table has no plain text columns, or is too large to look through."


@dataclass(frozen=True, slots=True)
class WantedColumns:
    """The columns that were asked for: by name, or by a word of their name or description. All, where neither was."""

    names: frozenset[str] = frozenset()
    word: str = ""

    def takes(self, name: str, description: str | None) -> bool:
        if self.names and name.casefold() not in self.names:
            return False
        return self.word in f"{name} {description or ''}".casefold()


def own_row(principal: Principal, info: TableInfo) -> dict[str, Any]:
    return {
        "table": info.name,
        "dataset": principal.tenant.dataset,
        "kind": info.kind,
        "description": info.description,
        "column_count": len(info.columns),
        "row_count": info.rows,
        "bytes": info.bytes,
    }


def shared_row(principal: Principal, table: SharedTable) -> dict[str, Any]:
    dataset = principal.tenant.organizations_dataset
    return {
        "table": f"{dataset}.{table.name}",
        "dataset": dataset,
        "kind": "SHARED",
        "description": schema.load("organizations", table.name).description,
        "column_count": len(table.columns),
        "row_count": None,
        "bytes": None,
    }


async def describe_own(
    principal: Principal, context: WarehouseContext, info: TableInfo, wanted: WantedColumns
) -> ToolResult:
    """Describe a table of the organisation."""
    (found, values, note), tags = await asyncio.gather(
        _sample(principal, context, info), _tags(principal, context, info, wanted)
    )
    values = {**values, **tags}
    rows = [
        {
            "column": column.name,
            "type": column.type,
            "mode": column.mode,
            "description": column.description,
            "values": values.get(column.name),
        }
        for column in info.columns[:MAX_TABLE_COLUMNS]
        if wanted.takes(column.name, column.description)
    ]
    rows = _in_order(info.name, rows)
    summary = {
        **own_row(principal, info),
        "joins": list(_JOINS.get(info.name, ())),
        "partitioned_by": info.partitioned_by,
        "partitioning": info.partitioning,
        "clustered_by": info.clustered_by,
        "modified": info.modified,
        "values_from": note,
    }
    return ToolResult(found, tuple(rows), summary, truncated=len(info.columns) > MAX_TABLE_COLUMNS)


def _in_order(table: str, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The main columns first, then those that hold values, then the others; as declared where none is a main one."""
    main = _MAIN.get(table)
    if main is None:
        return list(rows)

    def place(row: Mapping[str, Any]) -> tuple[int, int]:
        return (0, main.index(row["column"])) if row["column"] in main else (1 if row["values"] else 2, 0)

    return sorted(rows, key=place)


async def _tags(
    principal: Principal, context: WarehouseContext, info: TableInfo, wanted: WantedColumns
) -> dict[str, list[str]]:
    """The keys of tags, each with its values where they are few."""
    tags = next((column for column in info.columns if column.name == "Tags" and column.type == "JSON"), None)
    if info.name != _COSTS or tags is None or not wanted.takes(tags.name, tags.description):
        return {}
    since = {"since": Parameter("TIMESTAMP", context.now - timedelta(days=limits.SAMPLE_DAYS))}
    query = replace(fixed(principal.tenant, sql.TAG_PAIRS, since), max_bytes=limits.SAMPLE_BYTES)
    try:
        found = await context.run(query)
    except QueryRefused:
        return {}
    keys: dict[str, list[str]] = {}
    for row in found.rows:
        ((key, value),) = json.loads(f"{{{row['pair']}}}").items()
        keys.setdefault(key, []).append(str(value))
    return {"Tags": [_key_with_values(key, values) for key, values in list(keys.items())[: limits.SAMPLE_VALUES]]}


def _key_with_values(key: str, values: Sequence[str]) -> str:
    shown = ", ".join(_short(value) for value in sorted(values)[:8])
    return f"{_short(key)}: {shown}{', …' if len(values) > 8 else ''}"


async def describe_shared(
    principal: Principal, context: WarehouseContext, table: SharedTable, wanted: WantedColumns
) -> ToolResult:
    """Describe a shared table as far as the caller may read it."""
    values = await _shared_values(principal, context, table)
    declared = schema.load("organizations", table.name)
    fields = [
        field
        for field in declared.fields
        if field.name in table.columns and wanted.takes(field.name, field.description)
    ]
    rows = [
        {
            "column": field.name,
            "type": field.type,
            "mode": field.mode,
            "description": field.description,
            "values": values.get(field.name),
        }
        for field in fields
    ]
    partitioning = declared.time_partitioning
    readable = set(table.columns)
    summary = {
        **shared_row(principal, table),
        "joins": list(_JOINS.get(table.name, ())),
        "partitioned_by": partitioning.field if partitioning and partitioning.field in readable else None,
        "partitioning": partitioning.type if partitioning and partitioning.field in readable else None,
        "clustered_by": [name for name in declared.clustering if name in readable],
        "rows_seen": "the caller's own rows" if "user_id" in table.filters else "the organisation's own rows",
    }
    return ToolResult(None, tuple(rows), summary)


async def _sample(
    principal: Principal, context: WarehouseContext, info: TableInfo
) -> tuple[QueryResult | None, Mapping[str, Sequence[str]], str]:
    """The values of columns that have few, where looking costs little; and where they come from."""
    asked = sql.sample(info, context.now)
    if asked is None:
        return None, {}, _TOO_LARGE
    text, parameters, columns = asked
    query = replace(fixed(principal.tenant, text, parameters), max_bytes=limits.SAMPLE_BYTES)
    try:
        found = await context.run(query)
    except QueryRefused as refused:
        # The columns stand; only this hint is missing.
        note = _TOO_LARGE if refused.code == "bytes_over_limit" else "No values: they could not be read."
        return None, {}, note
    values = _few(found.rows, columns)
    days = f"the last {limits.SAMPLE_DAYS} days" if parameters else "the whole table"
    return found, values, f"Values of {days}, of columns with at most {limits.SAMPLE_VALUES} of them."


async def _shared_values(
    principal: Principal, context: WarehouseContext, table: SharedTable
) -> Mapping[str, Sequence[str]]:
    """The values of columns that have few, in the organisation's own rows."""
    asked = None if table.name in UNLISTED else sql.shared_sample(table)
    if asked is None:
        return {}
    text, columns = asked
    try:
        found = await context.run(replace(fixed(principal.tenant, text), max_bytes=limits.SAMPLE_BYTES))
    except QueryRefused:
        return {}
    return _few(found.rows, columns)


def _few(rows: Sequence[Mapping[str, Any]], columns: Iterable[str]) -> dict[str, list[str]]:
    """The values of the columns that have few of them."""
    row = rows[0] if rows else {}
    values = {}
    for index, column in enumerate(columns):
        counted = [value for value, _ in (entry.values() for entry in row.get(f"c{index}") or ()) if value is not None]
        if 0 < len(counted) <= limits.SAMPLE_VALUES:
            values[column] = sorted(_short(value) for value in counted)
    return values


def _short(value: str) -> str:
    most = limits.SAMPLE_VALUE_CHARS
    return value if len(value) <= most else f"{value[: most - 1]}…"
