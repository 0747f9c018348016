"""A deployment plan in lines of text: machines with their prices, cost, models, charts, steps and warnings."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from local.terminal.neutral import neutral_line

Row = Mapping[str, Any]


def plan_lines(result: Mapping[str, Any] | None) -> list[str]:
    """The card of a result that has a plan, harmless to a terminal; no lines for any other result."""
    plan = plan_of(result)
    if plan is None:
        return []
    machines = (result or {}).get("rows") or []
    return [neutral_line(line) if line else "" for line in _lines(plan, machines)]


def plan_of(result: Mapping[str, Any] | None) -> Row | None:
    """The plan of a result. Returns None if it has none."""
    summary = (result or {}).get("summary")
    plan = summary.get("plan") if isinstance(summary, Mapping) else None
    return plan if isinstance(plan, Mapping) and "steps" in plan else None


def budget_line(budget: Row) -> str:
    """A budget of the organisation with the plan's cost in it, in words."""
    named = f"{budget['budget']} ({budget['category']}) to {budget['period_end']}"
    amount = f"{budget['currency']} {budget['amount']:,.2f}"
    if budget["lands_at"] is None:
        return f"{named}: {amount}, not compared"
    left = f"{abs(budget['left']):,.2f} {'left' if budget['fits'] else 'over'}"
    later = ", and no room for it in a whole period" if budget["fits"] and not budget["whole_period_fits"] else ""
    return f"{named}: lands at {budget['lands_at']:,.2f} of {amount} with this plan, {left}{later}"


def _lines(plan: Row, machines: Sequence[Row]) -> Iterator[str]:
    yield f"{plan['understanding']} · {plan['plan_id']}"
    yield from _part("Assumptions", plan["assumptions"])
    yield from ("", *cost_lines(plan))
    yield from _part("Machines", (_machine(row) for row in machines))
    models = [f"{row['model_id']} ({row['license'] or 'licence not known'})" for row in plan["models"]]
    yield from _part("Models", [*models, *([plan["models_note"]] if plan["models_note"] else [])])
    yield from _part(
        "Kubernetes", (f"{each['chart']} {each['version'] or '(the newest)'}" for each in plan["kubernetes"])
    )
    yield from _part("Budgets", map(budget_line, plan["organization"].get("budgets", ())))
    yield from _part("Steps", (f"{number}. {each}" for number, each in enumerate(plan["steps"], start=1)))
    yield from _part("Trade-offs", plan["tradeoffs"])
    yield from _part("Warnings", plan["warnings"])


def cost_lines(plan: Row) -> Iterator[str]:
    """The cost of a plan in sentences: what is not in it, and where it lands beside a budget and today's price."""
    cost, note = plan["cost"], plan["budget_note"]
    if cost is None:
        yield "No machine fits, so there is no price."
        return
    own, listed = (_money(cost["currency"], cost[name]) for name in ("own_total", "list_total"))
    yield f"{own} a month at your own prices, {listed} at list prices. Not in it: {cost['not_priced']}"
    if (converted := cost.get("converted")) is not None:
        yield converted.get("note") or (
            f"That is {_money(converted['currency'], converted['own_total'])} at your own rate, "
            f"{converted['usd_rate']} for a USD."
        )
    if (budget := cost.get("budget")) is not None:
        yield budget.get("note") or (
            f"Budget {_money(budget['currency'], budget['amount'])}: "
            f"{_money(budget['currency'], abs(budget['left']))} {'left' if budget['fits'] else 'short'}."
        )
    if (now := cost.get("now")) is not None:
        yield now["note"] if now["saved"] is None else f"{_saved(now)} {now['note']}"
    if note is not None:
        yield " ".join((note["said"], f"The cheapest is {note['cheapest']}.", *note["would_fit"]))


def _saved(now: Row) -> str:
    less = f"{_money(now['currency'], abs(now['saved']))} {'less' if now['saved'] >= 0 else 'more'}"
    return f"Now it costs {_money(now['currency'], now['amount'])}: the plan is {less}, {abs(now['saved_percent'])} %."


def _money(currency: str, amount: float) -> str:
    return f"{currency} {amount:,.2f}"


def _machine(row: Row) -> str:
    cards = f", {row['gpu_count']:g} x {row['gpu_name']}" if row["gpu_name"] else ""
    where = f"{row['provider']} {row['instance_type']} in {row['region']}{cards}"
    return f"{where}: {row['currency']} {row['own_monthly']:,.2f} (list {row['list_monthly']:,.2f})"


def _part(heading: str, lines: Any) -> Iterator[str]:
    told = [f"  {line}" for line in lines]
    if told:
        yield from ("", heading, *told)
