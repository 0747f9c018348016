"""The organisation's own budgets beside a plan: where each lands with the plan's cost in it."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from common import limits
from common.focus.providers import provider_key
from common.skills.budgets.standing import Standing, stand
from common.skills.planner.bill import Bill, cents
from common.tools.result import ToolError

MOST_BUDGETS = 5
_DAYS_A_MONTH = Decimal(365) / 12
_WHOLE = frozenset({"organization", "organisation", "company"})
_NONE = "No budget of the organisation that this plan would count against is in force."
_IF = "A budget of a department, project or team counts only if that pays for the machines: ask who pays."

Row = Mapping[str, Any]


def check_payer(bill: Bill, payer: str | None) -> None:
    """Raise ToolError for a department, project or team without a budget in force, naming those that have one."""
    if payer is None or not bill.budgets or _named(bill.budgets, payer):
        return
    names = dict.fromkeys(row["hierarchy_entity_name"] for row in bill.budgets)
    known = ", ".join(list(names)[: limits.MAX_ENTITIES_NAMED])
    raise ToolError("unknown_entity", f"paid_by: there is no budget of {payer!r}. There are budgets of: {known}.")


def beside_budgets(
    bill: Bill, payer: str | None, machine: Row | None, today: date
) -> tuple[list[dict[str, Any]], str | None]:
    """The budgets that the first machine's cost counts against, those it would pass first, and a note on them."""
    if machine is None:
        return [], None
    chosen = [
        row
        for row in _of_payer(bill.budgets, payer)
        if row["provider"] is None or provider_key(row["provider"]) == machine["provider"]
    ]
    shown = sorted((_entry(bill, stand(row, today), machine["own_monthly"]) for row in chosen), key=_tightest)
    if not shown:
        return [], _NONE
    certain = payer is not None or all(row["hierarchy_level_code"].lower() in _WHOLE for row in chosen)
    return shown[:MOST_BUDGETS], None if certain else _IF


def passed(shown: Sequence[Row], payer: str | None) -> list[str]:
    """A sentence for each budget that counts the plan for certain and would be passed with it."""
    certain = [each for each in shown if payer is not None or str(each["level"]).lower() in _WHOLE]
    told = [
        f"With this plan the budget of {each['budget']} ({each['category']}) to {each['period_end']} lands at "
        f"{each['lands_at']} {each['currency']}, where it is {each['amount']}."
        for each in certain
        if each["fits"] is False
    ]
    return told + [
        f"A whole period of the budget of {each['budget']} ({each['category']}) has no room for this plan's "
        f"{each['whole_period_cost']} {each['currency']} beside what is spent now."
        for each in certain
        if each["fits"] and each["whole_period_fits"] is False
    ]


def _of_payer(budgets: Sequence[Row], payer: str | None) -> Sequence[Row]:
    """The budgets of a payer and of all that it is part of; every budget where nobody was named."""
    if payer is None:
        return budgets
    own = _named(budgets, payer)
    paths = {row["hierarchy_path"] for row in own if row["hierarchy_path"]}
    above = [
        row
        for row in budgets
        if row["hierarchy_level_code"].lower() in _WHOLE
        or any(f"{path}/".startswith(f"{row['hierarchy_path']}/") for path in paths if row["hierarchy_path"])
    ]
    return [row for row in budgets if row in own or row in above]


def _named(budgets: Sequence[Row], payer: str) -> list[Row]:
    name = payer.strip().casefold()
    return [
        row
        for row in budgets
        if name in (row["hierarchy_entity_name"].casefold(), row["hierarchy_entity_id"].casefold())
    ]


def _entry(bill: Bill, standing: Standing, own_monthly: Decimal) -> dict[str, Any]:
    """A budget with what is spent, where it lands with the plan from tomorrow on, and in a whole period with it."""
    budget = standing.budget
    rate = bill.usd_rate(budget["currency"])
    rest = (budget["period_end"] - standing.as_of).days
    without = standing.actual if standing.projected is None else standing.projected
    added, lands = _added(without, rate, own_monthly, rest)
    whole = (budget["period_end"] - budget["period_start"]).days + 1
    # A budget of a month that is nearly over says little of the months that follow.
    period_cost, period_lands = _added(without, rate, own_monthly, whole)
    return {
        "budget": budget["hierarchy_entity_name"],
        "level": budget["hierarchy_level_code"],
        "category": budget["category"],
        "provider": budget["provider"],
        "period_start": budget["period_start"],
        "period_end": budget["period_end"],
        "currency": budget["currency"],
        "amount": cents(standing.amount),
        "actual": cents(standing.actual),
        "projected": None if standing.projected is None else cents(standing.projected),
        "plan_cost": added,
        "lands_at": lands,
        "left": None if lands is None else cents(standing.amount) - lands,
        "fits": None if lands is None else lands <= cents(standing.amount),
        "whole_period_cost": period_cost,
        "whole_period_fits": None if period_lands is None else period_lands <= cents(standing.amount),
        **({"note": f"No rate from USD to {budget['currency']} is in your rows."} if rate is None else {}),
    }


def _added(
    without: Decimal, rate: Decimal | None, own_monthly: Decimal, days: int
) -> tuple[Decimal | None, Decimal | None]:
    """The plan's cost of so many days in the budget's currency, and where the budget lands with it."""
    if rate is None:
        return None, None
    added = cents(own_monthly * rate * days / _DAYS_A_MONTH)
    return added, cents(without) + added


def _tightest(entry: Row) -> tuple[Any, ...]:
    """The order of budgets: those that would be passed, then by the part that is used; what is not compared last."""
    used = entry["lands_at"] / entry["amount"] if entry["lands_at"] is not None and entry["amount"] else Decimal()
    return entry["fits"] is None, entry["fits"] is True, -used, entry["budget"], entry["category"], entry["period_end"]
