"""Reading what the rules of one organisation are held against, with as few queries as there can be."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from common.cost_query.filters import Filters
from common.focus.calendar import FiscalCalendar
from common.skills.alerts import figures
from common.skills.alerts.conditions import BUDGET_TYPES, AlertRule
from common.skills.alerts.figures import SETS_IN_A_QUERY, Figures
from common.skills.alerts.readings import first_day_of
from common.skills.alerts.windows import LATE_DAYS
from common.skills.budgets import sql as budget_sql
from common.skills.budgets.standing import Standing, stand
from common.skills.budgets.tools import variance_parameters
from common.tenant import Tenant
from common.tools.periods import Period
from common.tools.result import ToolError
from common.warehouse.client import Warehouse
from common.warehouse.query import fixed


@dataclass(slots=True)
class Read:
    """The figures by rule; the rules that cannot be asked for, with the reason; the bytes that it took."""

    figures: dict[str, Figures]
    problems: dict[str, str]
    bytes_processed: int = 0


async def read_figures(
    warehouse: Warehouse, tenant: Tenant, rules: Sequence[AlertRule], today: date, calendar: FiscalCalendar
) -> Read:
    """Read the figures of all rules: one query for the costs, and one for budgets where a rule is about them.

    Raises QueryRefused or WarehouseUnavailable.
    """
    read = Read({}, {})
    asked = [rule for rule in rules if rule.type not in BUDGET_TYPES and _is_valid(rule, calendar, read.problems)]
    sets: dict[str, list[AlertRule]] = {}
    for rule in asked:
        sets.setdefault(figures.set_of(rule), []).append(rule)
    # The same filters are the same text, whatever their rules are called.
    groups = [sets[name] for name in sorted(sets)]
    parts = [groups[first : first + SETS_IN_A_QUERY] for first in range(0, len(groups), SETS_IN_A_QUERY)]
    about_budgets = [rule for rule in rules if rule.type in BUDGET_TYPES]
    asking = [_read_sets(warehouse, tenant, part, today, calendar, read) for part in parts]
    if about_budgets:
        asking.append(_read_budgets(warehouse, tenant, about_budgets, today, read))
    await asyncio.gather(*asking)
    return read


async def _read_sets(
    warehouse: Warehouse,
    tenant: Tenant,
    groups: Sequence[Sequence[AlertRule]],
    today: date,
    calendar: FiscalCalendar,
    read: Read,
) -> None:
    period = Period(min(first_day_of(rule, today) for group in groups for rule in group), today)
    text, bound = figures.compose([group[0] for group in groups], calendar)
    query = fixed(tenant, text, {**period.bounds(), **bound})
    found = await warehouse.run(query, labels=_labels(tenant), fresh=True)
    read.bytes_processed += found.bytes_processed
    for number, group in enumerate(groups):
        of_group = figures.read(found.rows, number, period)
        read.figures |= {rule.rule_id: of_group for rule in group}


async def _read_budgets(
    warehouse: Warehouse, tenant: Tenant, rules: Sequence[AlertRule], today: date, read: Read
) -> None:
    query = fixed(tenant, budget_sql.VARIANCE, variance_parameters(today, LATE_DAYS))
    found = await warehouse.run(query, labels=_labels(tenant), fresh=True)
    read.bytes_processed += found.bytes_processed
    standings = tuple(await asyncio.to_thread(lambda: [stand(row, today) for row in found.rows]))
    figures_of_all = Figures({}, today, newest_day=_newest(standings), budgets=standings)
    read.figures |= {rule.rule_id: figures_of_all for rule in rules}


def _newest(standings: Sequence[Standing]) -> date | None:
    return standings[0].budget["newest_day"] if standings else None


def _is_valid(rule: AlertRule, calendar: FiscalCalendar, problems: dict[str, str]) -> bool:
    try:
        Filters.parse(rule.filters, calendar)
    except ToolError as error:
        problems[rule.rule_id] = error.code
        return False
    return True


def _labels(tenant: Tenant) -> Mapping[str, str]:
    return {"org": tenant.org_slug, "purpose": "alerts"}
