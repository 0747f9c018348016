"""The figures that rules are held against: one query for many rules, each of their filters a pair of columns.

The condition of a filter is the one that query_costs asks with, so that a rule counts what a question counts.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from string import Template
from typing import Any

from common.cost_query.filters import OPS, Filters
from common.focus.calendar import FiscalCalendar
from common.focus.metrics import METRICS
from common.skills.alerts.conditions import AlertRule, read_rule
from common.skills.budgets.standing import Standing
from common.tools.periods import Period
from common.warehouse.query import Parameter

# So many filters are asked for in one query: a text and its answer stay small.
SETS_IN_A_QUERY = 40

Costs = Mapping[date, Decimal]

_TEXT = Template("""
WITH daily AS (
  SELECT
    BillingCurrency AS currency,
    DATE(ChargePeriodStart) AS day,
    $sums
  FROM {own.cost_data_standard_1_3}
  WHERE ChargePeriodStart >= @start
    AND ChargePeriodStart < @end_exclusive
  GROUP BY currency, day
)
SELECT
  currency,
  MAX(day) AS newest_day,
  $lists
FROM daily
GROUP BY currency
ORDER BY currency
LIMIT 200
""")
_ALONE = Template("""
SELECT BillingCurrency AS currency, DATE(ChargePeriodStart) AS day, SUM($metric) AS cost
FROM {own.cost_data_standard_1_3}
WHERE ChargePeriodStart >= @start
  AND ChargePeriodStart < @end_exclusive
  AND $where
GROUP BY currency, day
ORDER BY currency, day
LIMIT 2000
""")


@dataclass(frozen=True, slots=True)
class Figures:
    """The costs that meet a rule's filters, by currency and day, and what else it is held against.

    ``last_day`` is the newest day with such costs, ``newest_day`` the newest of any. ``first_day`` is the oldest day
    that was read.
    """

    costs: Mapping[str, Costs]
    first_day: date
    last_day: date | None = None
    newest_day: date | None = None
    budgets: tuple[Standing, ...] = ()


def set_of(rule: AlertRule) -> str:
    """The name of what a rule sums: rules of the same filters and metric share one."""
    return json.dumps([rule.metric, rule.filters], sort_keys=True, default=str)


def compose(sets: Sequence[AlertRule], calendar: FiscalCalendar) -> tuple[str, dict[str, Parameter]]:
    """Make the text that asks for the daily costs of each rule, in their order. Raises ToolError for a bad filter."""
    sums, lists, bound = list[str](), list[str](), dict[str, Parameter]()
    for number, rule in enumerate(sets):
        filters = Filters.parse(rule.filters, calendar, f"s{number}f")
        where = filters.where()
        bound |= filters.parameters()
        sums += [
            f"SUM(IF({where}, {METRICS[rule.metric].name}, 0)) AS cost_{number}",
            f"COUNTIF({where}) AS items_{number}",
        ]
        lists += [
            f"ARRAY_AGG(IF(items_{number} > 0, day, NULL) IGNORE NULLS ORDER BY day) AS days_{number}",
            f"ARRAY_AGG(IF(items_{number} > 0, cost_{number}, NULL) IGNORE NULLS ORDER BY day) AS costs_{number}",
        ]
    return _TEXT.substitute(sums=",\n    ".join(sums), lists=",\n  ".join(lists)), bound


def compose_alone(rule: AlertRule, calendar: FiscalCalendar) -> tuple[str, dict[str, Parameter]]:
    """Make the text that asks for one rule's daily costs: what an alert shows as its SQL."""
    filters = Filters.parse(rule.filters, calendar)
    return _ALONE.substitute(metric=METRICS[rule.metric].name, where=filters.where()), filters.parameters()


def read(rows: Sequence[Mapping[str, Any]], number: int, period: Period, budgets: tuple[Standing, ...] = ()) -> Figures:
    """Read the figures of the n-th rule of a text out of its rows."""
    costs = {
        row["currency"]: dict(zip(row[f"days_{number}"], row[f"costs_{number}"], strict=True))
        for row in rows
        if row[f"days_{number}"]
    }
    last = max((day for each in costs.values() for day in each), default=None)
    newest = max((row["newest_day"] for row in rows), default=None)
    return Figures(costs, period.start, last, newest, budgets)


def every_query() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Every kind of text that evaluation sends: its name, the text, and the GoogleSQL types of its parameters."""
    bounds = {"start": "TIMESTAMP", "end_exclusive": "TIMESTAMP"}
    for op in OPS:
        rules = [_sample([{"dimension": name, "op": op, "values": ["a"]}]) for name in ("provider", "tag:team")]
        for name, (text, bound) in (
            ("figures", compose(rules, FiscalCalendar(4))),
            ("figures of one", compose_alone(rules[0], FiscalCalendar(4))),
        ):
            types = {key: f"ARRAY<{each.type}>" if isinstance(each.value, tuple) else each.type
                     for key, each in bound.items()}  # fmt: skip
            yield f"{name}, {op}", text, bounds | types


def _sample(filters: list[dict[str, Any]]) -> AlertRule:
    conditions = json.dumps({"threshold": 1, "currency": "USD", "period": "monthly", "filters": filters})
    empty = dict.fromkeys(
        ("hierarchy_entity_id", "quiet_hours_start", "quiet_hours_end", "quiet_hours_timezone", "last_triggered_at")
    )
    row = {"rule_id": "r", "name": "r", "rule_type": "absolute_threshold", "priority": "low", "conditions": conditions,
           "provider_filter": ["aws"], "service_filter": [], "notify_channel_ids": [], "cooldown_minutes": 0,
           "created_at": datetime.fromtimestamp(0, UTC)}  # fmt: skip
    return read_rule({**empty, **row})
