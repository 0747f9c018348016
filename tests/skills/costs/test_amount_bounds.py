"""Rows of groups above and below an amount: all of them and no other, under totals of everything."""

from datetime import date
from decimal import Decimal
from itertools import product
from typing import Any

import pytest

from common.focus.dimensions import DIMENSIONS
from tests.skills import ledger
from tests.skills.conftest import DEMO_TODAY, Call, rows_of

RANGES = [("acme_inc", "2026-01-01", "2026-03-31"), ("edges_inc", "2023-01-01", "2024-12-31")]
CHOSEN = ("service", "team", "provider", "day", "month")


def groups_of(org: str, start: str, end: str, by: str) -> dict[tuple[str, str], Decimal]:
    rows = ledger.between(rows_of(org), date.fromisoformat(start), date.fromisoformat(end))
    return {group: figures.billed for group, figures in ledger.grouped(rows, by).items()}


def asked(org: str, start: str, end: str, by: str) -> dict[str, Any]:
    return {"group_by": by, "start_date": start, "end_date": end, "limit": 500}


@pytest.mark.parametrize(("org", "start", "end"), RANGES)
@pytest.mark.parametrize("by", CHOSEN)
async def test_a_group_is_a_row_at_the_bound_and_none_past_it(
    call: Call, org: str, start: str, end: str, by: str
) -> None:
    groups = groups_of(org, start, end, by)
    amounts = sorted(groups.values())
    whole = await call(org, DEMO_TODAY, "query_costs", **asked(org, start, end, by))
    step = Decimal("0.000000001")
    for at, (past, name) in product(
        (amounts[0], amounts[len(amounts) // 2], amounts[-1]), ((Decimal(), "max_cost"), (step, "min_cost"))
    ):
        for bounds in ({name: str(at)}, {name: str(at + past)}, {"min_cost": str(at), "max_cost": str(at)}):
            least, most = (Decimal(bounds[each]) if each in bounds else None for each in ("min_cost", "max_cost"))
            within = {
                group
                for group, amount in groups.items()
                if (least is None or amount >= least) and (most is None or amount <= most)
            }
            answer = await call(org, DEMO_TODAY, "query_costs", **asked(org, start, end, by), **bounds)
            # The rows and their order are those without the bounds, and the totals are of everything.
            wanted = [row for row in whole["rows"] if (row[by], row["currency"]) in within]
            assert answer["rows"] == wanted
            assert answer["summary"]["totals"] == whole["summary"]["totals"]
            count = "1 group has" if len(within) == 1 else f"{len(within) or 'No'} groups have"
            assert any(note.startswith(f"{count} a BilledCost of ") for note in answer["summary"]["notes"])


async def test_fewer_rows_than_groups_within_the_bounds_say_so(call: Call) -> None:
    groups = groups_of("acme_inc", "2026-01-01", "2026-03-31", "service")
    within = sum(amount >= 100 for amount in groups.values())
    assert within > 2
    more = asked("acme_inc", "2026-01-01", "2026-03-31", "service") | {"limit": 2, "min_cost": 100}
    answer = await call("acme_inc", DEMO_TODAY, "query_costs", **more)
    assert (len(answer["rows"]), answer["truncated"]) == (2, True)
    assert f"{within - 2} more groups are not shown; totals cover them." in answer["summary"]["notes"]


async def test_a_bound_is_of_the_first_cost_asked_for(call: Call) -> None:
    more = {"group_by": "service", "period": "last_3_months", "limit": 500}
    whole = await call("acme_inc", DEMO_TODAY, "query_costs", metrics=["EffectiveCost", "BilledCost"], **more)
    amount = whole["rows"][3]["effective_cost"]
    answer = await call(
        "acme_inc", DEMO_TODAY, "query_costs", metrics=["EffectiveCost", "BilledCost"], min_cost=amount, **more
    )
    assert answer["rows"] == [row for row in whole["rows"] if row["effective_cost"] >= amount]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"min_cost": 5}, "min_cost and max_cost choose among groups: say group_by, too."),
        (
            {"max_cost": 5, "group_by": "service", "metrics": ["LineItems", "BilledCost"]},
            "min_cost and max_cost are of a cost: name it first in metrics.",
        ),
        ({"min_cost": "NaN", "group_by": "service"}, "min_cost"),
        ({"min_cost": "Infinity", "group_by": "service"}, "min_cost"),
        ({"min_cost": "1e16", "group_by": "service"}, "min_cost"),
        ({"min_cost": "0.0000000001", "group_by": "service"}, "min_cost"),
        ({"min_cost": "5; DROP TABLE x", "group_by": "service"}, "min_cost"),
        ({"min_cost": True, "group_by": "service"}, "min_cost"),
        ({"max_cost": [5], "group_by": "service"}, "max_cost"),
    ],
)
async def test_what_is_no_bound_is_answered_with_what_is(call: Call, given: dict[str, Any], said: str) -> None:
    answer = await call("acme_inc", DEMO_TODAY, "query_costs", **given)
    assert answer["error"]["code"] == "invalid_arguments"
    assert said in answer["error"]["message"]


@pytest.mark.parametrize("bounds", [{"min_cost": 10**15}, {"max_cost": -(10**15)}])
async def test_where_no_group_is_within_the_bounds_the_totals_are_told(call: Call, bounds: dict[str, int]) -> None:
    more = {"group_by": "service", "period": "last_3_months"}
    answer = await call("acme_inc", DEMO_TODAY, "query_costs", **more, **bounds)
    whole = await call("acme_inc", DEMO_TODAY, "query_costs", **more)
    assert (answer["rows"], answer["truncated"]) == ([], False)
    assert answer["summary"]["totals"] == whole["summary"]["totals"]
    assert any(note.startswith("No groups have a BilledCost of ") for note in answer["summary"]["notes"])


async def test_a_note_of_all_rows_is_told_of_all_rows_alone(call: Call) -> None:
    """The groups above an amount may all be without a value where others have one."""
    whole = await call("acme_inc", DEMO_TODAY, "query_costs", group_by="model", period="last_3_months", limit=500)
    none = next(row for row in whole["rows"] if row["model"] == DIMENSIONS["model"].none)
    answer = await call(
        "acme_inc", DEMO_TODAY, "query_costs", group_by="model", period="last_3_months", min_cost=none["billed_cost"]
    )
    assert {row["model"] for row in answer["rows"]} == {none["model"]}
    assert not any("has a value for model" in note for note in answer["summary"]["notes"])
