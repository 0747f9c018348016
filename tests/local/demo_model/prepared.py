"""The product's tools over a warehouse that answers with prepared rows: results of the shape that models get."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, cast

from common.tenant import OrgSlug, Principal, Tenant, UserId
from common.tools.context import ToolContext
from common.tools.registry import BoundTools
from common.tools.result import as_message
from common.warehouse.client import Warehouse
from common.warehouse.result import QueryResult, TableColumn, TableInfo
from tests.local.demo_model.specialist_tools import BY_NAME

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
Row = Mapping[str, Any]


class PreparedWarehouse:
    """Answers each query with the next of the prepared rows, and knows one table."""

    def __init__(self, answers: Sequence[Sequence[Row]], affected_rows: int | None = None) -> None:
        self._answers = list(answers)
        self._affected_rows = affected_rows

    async def run(self, _: object, *, labels: Mapping[str, str]) -> QueryResult:
        assert labels
        rows = tuple(dict(row) for row in self._answers.pop(0))
        return QueryResult((), rows, len(rows), 2_048, "job", "SELECT 1", 3, self._affected_rows)

    async def tables(self, _: object) -> tuple[str, ...]:
        return (TABLE.name,)

    async def table(self, _: object, name: str) -> TableInfo | None:
        return TABLE if name == TABLE.name else None


async def result_of(
    name: str, arguments: Mapping[str, Any], *answers: Sequence[Row], affected_rows: int | None = None
) -> str:
    """What a tool says to the model, as JSON text."""
    principal = Principal(Tenant(OrgSlug("acme_inc"), "project", "organizations"), UserId("u-ada"), "key-1")
    warehouse = cast(Warehouse, PreparedWarehouse(answers, affected_rows))
    context = ToolContext({"org": "acme_inc"}, NOON, "answer-1")
    tools = BoundTools([BY_NAME[name]], principal, context, {"warehouse": warehouse})
    return as_message(await tools.call(name, json.dumps(arguments), agent_name="Tester"))


def rule(name: str, **more: Any) -> Row:
    """A stored notification rule."""
    conditions = {"threshold": 500, "currency": "USD", "period": "monthly"}
    empty = dict.fromkeys(
        ("quiet_hours_start", "quiet_hours_end", "quiet_hours_timezone", "last_triggered_at", "cooldown_minutes",
         "hierarchy_entity_id", "acknowledged_at", "acknowledged_by")
    )  # fmt: skip
    return {
        **empty,
        "rule_id": f"rule-{name}",
        "name": name,
        "is_active": True,
        "conditions": json.dumps(conditions),
        "severity": "critical",
        "priority": "critical",
        "rule_category": "cost",
        "rule_type": "absolute_threshold",
        "provider_filter": ["aws"],
        "notify_channel_ids": [],
        "created_at": NOON,
        "created_by": "u-ada",
        **more,
    }


def alert(number: int, **more: Any) -> Row:
    """An alert that fired, with the counts of its whole range."""
    seen = {"billed_cost": 1234.5, "baseline": 1000, "currency": "USD", "threshold": 20, "value": 23.4}
    return {
        "alert_history_id": f"alert-{number}",
        "created_at": datetime(2026, 11, number, 0, 10, tzinfo=UTC),
        "rule_name": "Total",
        "rule_id": "rule-total",
        "severity": "critical",
        "status": "SENT",
        "priority": "critical",
        "trigger_data": json.dumps(seen),
        "recipient_count": 1,
        "sent_at": NOON,
        "alert_count": 3,
        "critical_count": 2,
        "warning_count": 1,
        "info_count": 0,
        "acknowledged_count": 1,
        **more,
    }


def used(name: str | None, tokens: int | None, cost: str, **more: Any) -> Row:
    """A group of GenAI usage."""
    counts = {"requests": 7, "input_tokens": 1, "output_tokens": 2, "cached_tokens": 3, "total_tokens": tokens}
    return {
        "name": name,
        **counts,
        "billed_cost": Decimal(cost),
        "currency": "USD",
        "has_tokens": True,
        "is_total": False,
        "group_count": 2,
        **more,
    }


def used_in_all(tokens: int, cost: str) -> list[Row]:
    """The rows of the totals: the tokens, and the cost in the one currency."""
    return [
        used(None, tokens, cost, is_total=True),
        used(None, tokens, cost, is_total=True, has_tokens=False),
    ]


def run(number: int, day: date, **more: Any) -> Row:
    """A pipeline run, with the counts of all that match."""
    start = datetime(day.year, day.month, day.day, 4, tzinfo=UTC)
    return {
        "pipeline_logging_id": f"run-{number}",
        "pipeline_id": "aws_costs",
        "provider": "aws",
        "status": "FAILED",
        "trigger_type": "scheduler",
        "start_time": start,
        "end_time": start,
        "duration_ms": 125_000,
        "run_date": day,
        "reported_class": None,
        "error_message": "429 too many requests",
        "run_count": 9,
        "pending_count": 0,
        "running_count": 0,
        "completed_count": 0,
        "failed_count": 9,
        "cancelled_count": 0,
        **more,
    }


TABLE = TableInfo(
    name="cost_data_standard_1_3",
    kind="TABLE",
    description="Costs in FOCUS 1.3.",
    columns=(
        TableColumn("ServiceName", "STRING", "NULLABLE", "What was bought | used."),
        *(TableColumn(f"x_{number}", "NUMERIC", "NULLABLE", None) for number in range(24)),
    ),
    partitioned_by="ChargePeriodStart",
    partitioning="DAY",
    clustered_by=("ServiceProviderName",),
    rows=12_345,
    bytes=2_500_000,
    modified=NOON,
)
