"""Rows of groups above and below an amount: all of them and no other, under totals of everything."""

import re
from datetime import date
from decimal import Decimal
from itertools import product
from statistics import median_high
from typing import Any

import pytest

from common.cost_query.amounts import percent_of, show_amount
from common.focus.currencies import round_amount
from common.focus.dimensions import DIMENSIONS
from common.warehouse.json_values import json_safe
from tests.skills import ledger
from tests.skills.conftest import DEMO_TODAY, Call, rows_of

RANGES = [("acme_inc", "2026-01-01", "2026-03-31"), ("edges_inc", "2023-01-01", "2024-12-31")]
CHOSEN = ("service", "team", "provider", "day", "month")


def groups_of(org: str, start: str, end: str, by: str) -> dict[tuple[str, str], Decimal]:
    rows = ledger.between(rows_of(org), date.fromisoformat(start), date.fromisoformat(end))
    return {(name, currency): figures.billed for (name, currency), figures in ledger.grouped(rows, by).items()}


def asked(org: str, start: str, end: str, by: str) -> dict[str, Any]:
    return {"group_by": by, "start_date": start, "end_date": end, "limit": 500}


@pytest.mark.parametrize(("org", "start", "end"), RANGES)
@pytest.mark.parametrize("by", CHOSEN)
async def test_a_group_is_a_row_at_the_bound_and_none_past_it(
    call: Call, org: str, start: str, end: str, by: str
) -> None:
    groups = groups_of(org, start, end, by)
    read = {group: sorted((amount, round_amount(amount, group[1]))) for group, amount in groups.items()}
    amounts = sorted(round_amount(amount, currency) for (_, currency), amount in groups.items())
    whole = await call(org, DEMO_TODAY, "query_costs", **asked(org, start, end, by))
    step = Decimal("0.000000001")
    for at, name in product((amounts[0], amounts[len(amounts) // 2], amounts[-1]), ("min_cost", "max_cost")):
        past = at + (step if name == "min_cost" else -step)
        for bounds in ({name: str(at)}, {name: str(past)}, {"min_cost": str(at), "max_cost": str(at)}):
            least, most = (Decimal(bounds[each]) if each in bounds else None for each in ("min_cost", "max_cost"))
            within = {
                group
                for group, (smaller, larger) in read.items()
                if (least is None or larger >= least) and (most is None or smaller <= most)
            }
            answer = await call(org, DEMO_TODAY, "query_costs", **asked(org, start, end, by), **bounds)
            # The rows and their order are those without the bounds, and the totals are of everything.
            assert answer["rows"] == [row for row in whole["rows"] if (row[by], row["currency"]) in within]
            assert answer["summary"]["totals"] == whole["summary"]["totals"]
            check_within(answer, groups, within, DIMENSIONS[by].none)


def check_within(
    answer: dict[str, Any], groups: dict[tuple[str, str], Decimal], within: set[tuple[str, str]], none: str | None
) -> None:
    """What is said of the groups within the bounds is counted and summed here anew."""
    told = answer["summary"]["within_bounds"]
    assert [each["currency"] for each in told] == sorted({currency for _, currency in groups})
    for each in told:
        own = {group for group in within if group[1] == each["currency"]}
        valued = {group for group in own if group[0] != none}
        amount = sum((groups[group] for group in valued), Decimal())
        total = sum((groups[group] for group in groups if group[1] == each["currency"]), Decimal())
        assert each["groups"] == len(valued)
        assert each["billed_cost"] == json_safe(amount)
        assert each["share_pct"] == json_safe(percent_of(amount, total))
        assert each.get("without_value") == (
            json_safe(sum((groups[one] for one in own - valued), Decimal())) if own - valued else None
        )
    count = sum(group[0] != none for group in within)
    said = (
        f"{count} group{' has' if count == 1 else 's have'} BilledCost of " if within else "No group has BilledCost of "
    )
    (note,) = (each for each in answer["summary"]["notes"] if each.startswith(said))
    assert ("which is none of them" in note) is (count < len(within))


async def test_fewer_rows_than_groups_within_the_bounds_say_so(call: Call) -> None:
    groups = groups_of("acme_inc", "2026-01-01", "2026-03-31", "service")
    within = sum(round_amount(amount, group[1]) >= 100 for group, amount in groups.items())
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
        ({"min_cost": 5, "max_cost": 4, "group_by": "service"}, "min_cost is above max_cost"),
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
    period = ("2026-01-01", "2026-03-31")
    more = {"group_by": "service", "start_date": period[0], "end_date": period[1]}
    answer = await call("acme_inc", DEMO_TODAY, "query_costs", **more, **bounds)
    whole = await call("acme_inc", DEMO_TODAY, "query_costs", **more)
    assert (answer["rows"], answer["truncated"]) == ([], False)
    assert answer["summary"]["totals"] == whole["summary"]["totals"]
    (note,) = (each for each in answer["summary"]["notes"] if each.startswith("No group has BilledCost of "))
    amounts = sorted(groups_of("acme_inc", *period, "service").values())
    assert note.endswith(f": they go from {show_amount(amounts[0], 'USD')} to {show_amount(amounts[-1], 'USD')}.")


async def test_a_note_of_all_rows_is_told_of_all_rows_alone(call: Call) -> None:
    """The groups above an amount may all be without a value where others have one."""
    whole = await call("acme_inc", DEMO_TODAY, "query_costs", group_by="model", period="last_3_months", limit=500)
    none = next(row for row in whole["rows"] if row["model"] == DIMENSIONS["model"].none)
    answer = await call(
        "acme_inc", DEMO_TODAY, "query_costs", group_by="model", period="last_3_months", min_cost=none["billed_cost"]
    )
    assert {row["model"] for row in answer["rows"]} == {none["model"]}
    assert not any("has a value for model" in note for note in answer["summary"]["notes"])


async def test_an_amount_is_compared_as_it_is_written(call: Call) -> None:
    """A sum may be stored a little below or above the amount that everybody reads."""
    groups = groups_of("acme_inc", "2026-01-01", "2026-03-31", "service")
    off = {group: amount for group, amount in groups.items() if round_amount(amount, "USD") != amount}
    assert off
    for (name, _), amount in list(off.items())[:3]:
        written = str(round_amount(amount, "USD"))
        for bounds in ({"min_cost": written}, {"max_cost": written}):
            answer = await call(
                "acme_inc",
                DEMO_TODAY,
                "query_costs",
                **asked("acme_inc", "2026-01-01", "2026-03-31", "service"),
                **bounds,
            )
            assert name in {row["service"] for row in answer["rows"]}


async def test_bounds_are_said_in_the_currency_that_they_are_compared_in(call: Call) -> None:
    one = await call("acme_inc", DEMO_TODAY, "query_costs", group_by="service", period="last_3_months", min_cost=1000)
    assert any("BilledCost of at least USD 1,000.00" in note for note in one["summary"]["notes"])
    several = await call(
        "edges_inc", DEMO_TODAY, "query_costs", group_by="service", period="all", min_cost=1, max_cost=9
    )
    said = " ".join(several["summary"]["notes"])
    assert "BilledCost of at least 1 and at most 9 in its own currency (" in said
    assert "What has no charge at all is no row." in said


MONTHS = {"current": "2026-02", "previous": "2026-01"}


@pytest.mark.parametrize("by", ["service", "team", "provider", "resource"])
async def test_those_that_changed_most_in_percent_are_found_among_all_groups(call: Call, by: str) -> None:
    """Rows go by the absolute change: a small group that doubled is not among the first of them."""
    whole = await call("acme_inc", DEMO_TODAY, "compare_periods", **MONTHS, group_by=by, limit=500)
    assert not whole["truncated"]
    valued = [row for row in whole["rows"] if row["percent_change"] is not None and row[by] != DIMENSIONS[by].none]
    for limit in (1, 3, 500):
        answer = await call("acme_inc", DEMO_TODAY, "compare_periods", **MONTHS, group_by=by, limit=limit)
        assert answer["rows"] == whole["rows"][:limit]
        told = [each["percent_change"] for each in answer["summary"]["largest_percent_change"]]
        ends = [max(row["percent_change"] for row in valued), min(row["percent_change"] for row in valued)]
        assert told == [each for each, there in zip(ends, (ends[0] > 0, ends[1] < 0), strict=True) if there]
        more = len(whole["rows"]) - len(answer["rows"])
        assert (f"{more} more groups are not shown; totals cover them." in answer["summary"]["notes"]) is (more > 0)


@pytest.mark.parametrize("direction", [None, "up", "down"])
@pytest.mark.parametrize("chosen", [("min_change",), ("min_change_pct",), ("min_change", "min_change_pct"), ()])
@pytest.mark.parametrize(
    ("org", "months"), [("acme_inc", MONTHS), ("edges_inc", {"current": "2024", "previous": "2023"})]
)
async def test_changes_of_so_much_and_no_others_are_rows(
    call: Call, org: str, months: dict[str, str], chosen: tuple[str, ...], direction: str | None
) -> None:
    whole = await call(org, DEMO_TODAY, "compare_periods", **months, group_by="service", limit=500)
    middle = {
        "min_change": median_high(abs(row["absolute_change"]) for row in whole["rows"]),
        "min_change_pct": median_high(abs(row["percent_change"] or 0) for row in whole["rows"]),
    }
    bounds: dict[str, Any] = {name: middle[name] for name in chosen} | ({"direction": direction} if direction else {})
    answer = await call(org, DEMO_TODAY, "compare_periods", **months, group_by="service", limit=500, **bounds)
    least, percent = bounds.get("min_change", 0), bounds.get("min_change_pct")
    wanted = [
        row
        for row in whole["rows"]
        if abs(row["absolute_change"]) >= least
        and (percent is None or (row["percent_change"] is not None and abs(row["percent_change"]) >= percent))
        and (row["absolute_change"] > 0 if direction == "up" else row["absolute_change"] < 0 if direction else True)
    ]
    assert answer["rows"] == wanted
    assert answer["summary"]["totals"] == whole["summary"]["totals"]
    assert answer["summary"]["largest_percent_change"] == whole["summary"]["largest_percent_change"]
    way = {None: "changed", "up": "grew", "down": "fell"}[direction]
    notes = [each for each in answer["summary"]["notes"] if re.match(rf"(?:\d+|No) groups? {way}\b", each)]
    assert len(notes) == bool(bounds)
    for note in notes:
        assert note.startswith(f"{len(wanted) or 'No'} group")
        assert ("no cost before" in note) is (percent is not None)


@pytest.mark.parametrize(
    "given", [{"min_change": -1}, {"min_change_pct": "x"}, {"min_change_pct": 1e12}, {"direction": "left"}]
)
async def test_what_is_no_bound_of_a_change_is_refused(call: Call, given: dict[str, Any]) -> None:
    answer = await call("acme_inc", DEMO_TODAY, "compare_periods", **MONTHS, group_by="service", **given)
    assert answer["error"]["code"] == "invalid_arguments"


async def test_a_currency_that_the_data_has_not_is_answered_with_those_that_it_has(call: Call) -> None:
    euros = [{"dimension": "currency", "values": ["EUR"]}]
    answer = await call("acme_inc", DEMO_TODAY, "query_costs", group_by="service", min_cost=1000, filters=euros)
    assert answer["rows"] == []
    assert "No currency is named 'EUR' in the data. There is only USD." in answer["summary"]["notes"]
    assert answer["summary"]["unmatched"][0]["there_is_only"] == ["USD"]
