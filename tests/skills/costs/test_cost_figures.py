"""Every figure of the cost tools equals the sum computed from the rows in plain Python."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, get_args

import pytest

from common.cost_query.amounts import percent_change, percent_of
from common.focus.dimensions import CostType, GroupBy
from common.tools import periods
from common.tools.periods import Period, PeriodType
from common.warehouse.json_values import json_safe
from tests.skills import ledger
from tests.skills.conftest import DEMO_TODAY, Call, CountingWarehouse, rows_of
from tests.skills.ledger import Row

TIMES = ("day", "week", "month")
DIVIDED = ("provider", "service", "service_category", "cost_type", "team", "region", "model")
OF_ALL = ("all_billed_cost", "share_of_all_pct")
PER_DAY = ("current_daily", "previous_daily", "percent_change_per_day")
FIGURES = ("current_cost", "previous_cost", "absolute_change", "percent_change")
# Organisation, first and last day: both demo organisations, the sample, and the edges of the calendar.
RANGES = [
    ("acme_inc", "2025-09-15", "2026-03-31"),
    ("globex_inc", "2025-10-01", "2026-03-31"),
    ("acme_inc", "2026-02-28", "2026-02-28"),
    ("focus_inc", "2024-09-01", "2024-09-30"),
    ("focus_inc", "2024-09-06", "2024-09-06"),
    ("edges_inc", "2023-01-01", "2024-12-31"),
    ("edges_inc", "2024-02-01", "2024-02-29"),
    ("edges_inc", "2024-02-29", "2024-02-29"),
    ("edges_inc", "2024-03-01", "2024-03-31"),
    ("edges_inc", "2023-12-31", "2024-01-01"),
    ("edges_inc", "2023-12-31", "2023-12-31"),
    ("edges_inc", "2024-12-30", "2024-12-31"),
    ("edges_inc", "2024-09-02", "2024-09-30"),
]


def chosen(org: str, start: str, end: str) -> Sequence[Row]:
    return ledger.between(rows_of(org), date.fromisoformat(start), date.fromisoformat(end))


def expected_costs(rows: Sequence[Row], group_by: str) -> list[dict[str, Any]]:
    """Rows as query_costs orders them: times forward, or else the largest of each currency in turn."""
    groups = ledger.grouped(rows, group_by)
    if group_by in TIMES:
        ordered = sorted(groups)
    else:
        rank: dict[tuple[str, ...], tuple[int, str]] = {}
        for currency in {group[1] for group in groups}:
            own = [group for group in groups if group[1] == currency]
            own.sort(key=lambda group: (-groups[group].billed, group[0]))
            rank |= {group: (place, currency) for place, group in enumerate(own)}
        ordered = sorted(groups, key=lambda group: rank[group])
    return [
        {
            group_by: name,
            "billed_cost": json_safe(groups[name, currency].billed),
            "effective_cost": json_safe(groups[name, currency].effective),
            "line_items": groups[name, currency].items,
            "currency": currency,
        }
        for name, currency in ordered
    ]


def without(rows: Sequence[Row], *names: str) -> list[dict[str, Any]]:
    """The rows without some of their fields, which other tests hold to be right."""
    return [{name: value for name, value in row.items() if name not in names} for row in rows]


def costs_of(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return without(answer["rows"], "share_pct")


def expected_totals(rows: Sequence[Row]) -> list[dict[str, Any]]:
    return [
        {
            "currency": currency,
            "billed_cost": json_safe(sums.billed),
            "effective_cost": json_safe(sums.effective),
            "line_items": sums.items,
        }
        for currency, sums in sorted(ledger.per_currency(rows).items())
    ]


@pytest.mark.parametrize("group_by", get_args(GroupBy))
@pytest.mark.parametrize(("org", "start", "end"), RANGES)
async def test_query_costs_adds_up(call: Call, org: str, start: str, end: str, group_by: str) -> None:
    answer = await call(org, DEMO_TODAY, "query_costs", group_by=group_by, start_date=start, end_date=end, limit=500)
    rows = chosen(org, start, end)
    assert rows
    assert costs_of(answer) == expected_costs(rows, group_by)
    assert without(answer["summary"]["totals"], "daily_average") == expected_totals(rows)
    assert answer["summary"]["period"] == {"start_date": start, "end_date": end}
    assert answer["summary"]["available"] is None
    assert answer["summary"]["cost_basis"] == "BilledCost"
    assert answer["truncated"] is False


@pytest.mark.parametrize("dimension", DIVIDED)
@pytest.mark.parametrize(("org", "start", "end"), RANGES)
async def test_cost_breakdown_adds_up_to_all_of_it(call: Call, org: str, start: str, end: str, dimension: str) -> None:
    answer = await call(org, DEMO_TODAY, "cost_breakdown", dimension=dimension, start_date=start, end_date=end)
    rows = chosen(org, start, end)
    groups = ledger.grouped(rows, dimension)
    wholes = ledger.per_currency(rows)
    assert {(row[dimension], row["currency"]) for row in answer["rows"]} == set(groups)
    assert len(answer["rows"]) == len(groups)
    for row in answer["rows"]:
        sums, whole = groups[row[dimension], row["currency"]], wholes[row["currency"]].billed
        assert row["total"] == json_safe(sums.billed)
        assert row["effective_cost"] == json_safe(sums.effective)
        assert row["pct_of_total"] == json_safe(percent_of(sums.billed, whole))
    valued = ("with_value", "with_value_pct", "without_value", "without_value_pct")
    assert without(answer["summary"]["totals"], *valued) == [
        {"currency": total["currency"], "total": total["billed_cost"], "effective_cost": total["effective_cost"]}
        for total in expected_totals(rows)
    ]
    order = [(row["currency"], -row["total"], row[dimension]) for row in answer["rows"]]
    assert order == sorted(order)


@pytest.mark.parametrize("cost_type", get_args(CostType))
@pytest.mark.parametrize("org", ["acme_inc", "globex_inc", "edges_inc"])
async def test_cost_types_narrow_both_tools_and_together_are_everything(call: Call, org: str, cost_type: str) -> None:
    start, end = ("2023-01-01", "2024-12-31") if org == "edges_inc" else ("2026-01-01", "2026-03-31")
    dates = {"start_date": start, "end_date": end}
    rows = [row for row in chosen(org, start, end) if ledger.cost_type(row) == cost_type]
    assert rows
    costs = await call(org, DEMO_TODAY, "query_costs", group_by="service", cost_type=cost_type, limit=500, **dates)
    assert costs_of(costs) == expected_costs(rows, "service")
    assert costs["summary"]["filters"] == {"cost_type": cost_type}
    shares = await call(org, DEMO_TODAY, "cost_breakdown", dimension="cost_type", cost_type=cost_type, **dates)
    assert {row["cost_type"] for row in shares["rows"]} == {cost_type}
    assert {row["currency"]: row["total"] for row in shares["rows"]} == {
        currency: json_safe(sums.billed) for currency, sums in ledger.per_currency(rows).items()
    }


@pytest.mark.parametrize(
    ("org", "asked", "names"),
    [
        ("acme_inc", "amazon web services", {"AWS"}),
        ("acme_inc", "aWs", {"AWS"}),
        ("acme_inc", " gcp ", {"Google Cloud"}),
        ("acme_inc", "Azure", {"Microsoft Azure"}),
        ("acme_inc", "open ai", {"OpenAI"}),
        ("acme_inc", "Claude", {"Anthropic"}),
        ("acme_inc", "gemini", {"Google Gemini"}),
        ("focus_inc", "azure", {"Microsoft"}),
        ("focus_inc", "OCI", {"Oracle"}),
        ("edges_inc", "github", {"GitHub"}),
        ("edges_inc", "Straße & Söhne", {"Straße & Söhne"}),
    ],
)
async def test_a_provider_is_found_by_its_common_names(call: Call, org: str, asked: str, names: set[str]) -> None:
    start, end = ("2026-03-01", "2026-03-31") if org == "acme_inc" else ("2024-09-01", "2024-09-30")
    answer = await call(
        org, DEMO_TODAY, "query_costs", group_by="day", provider=asked, start_date=start, end_date=end, limit=500
    )
    rows = [row for row in chosen(org, start, end) if row["ServiceProviderName"] in names]
    assert rows
    assert costs_of(answer) == expected_costs(rows, "day")
    assert without(answer["summary"]["totals"], "daily_average", *OF_ALL) == expected_totals(rows)


async def test_filters_narrow_together(call: Call) -> None:
    answer = await call(
        "acme_inc", DEMO_TODAY, "query_costs", group_by="region", provider="AWS", service_category="  compute ",
        cost_type="cloud", start_date="2026-01-01", limit=500,
    )  # fmt: skip
    rows = [
        row
        for row in chosen("acme_inc", "2026-01-01", "2026-03-31")
        if row["ServiceProviderName"] == "AWS"
        and row["ServiceCategory"] == "Compute"
        and ledger.cost_type(row) == "cloud"
    ]
    assert rows
    assert costs_of(answer) == expected_costs(rows, "region")
    assert answer["parameters"]["f0"] == sorted(
        ["aws", "amazon", "amazon aws", "amazon web services", "amazon web services, inc."]
    )


def expected_changes(rows: Sequence[Row], current: Period, previous: Period) -> list[dict[str, Any]]:
    now = ledger.grouped(ledger.between(rows, current.start, current.end), "provider", "service")
    then = ledger.grouped(ledger.between(rows, previous.start, previous.end), "provider", "service")
    nothing = ledger.Sums(Decimal(), Decimal(), 0)
    found = []
    for group in now.keys() | then.keys():
        one, other = now.get(group, nothing).billed, then.get(group, nothing).billed
        found.append((group, one, other))
    ranked: list[tuple[int, str, dict[str, Any]]] = []
    for currency in {group[2] for group, _, _ in found}:
        own = [entry for entry in found if entry[0][2] == currency]
        own.sort(key=lambda entry: (-abs(entry[1] - entry[2]), entry[0]))
        for place, ((provider, service, _), one, other) in enumerate(own):
            figures = {
                "provider": provider,
                "service": service,
                "current_cost": json_safe(one),
                "previous_cost": json_safe(other),
                "absolute_change": json_safe(one - other),
                "percent_change": json_safe(percent_change(one, other)),
                "currency": currency,
            }
            ranked.append((place, currency, figures))
    return [figures for _, _, figures in sorted(ranked, key=lambda entry: entry[:2])]


def expected_change_totals(rows: Sequence[Row], current: Period, previous: Period) -> list[dict[str, Any]]:
    now = ledger.per_currency(ledger.between(rows, current.start, current.end))
    then = ledger.per_currency(ledger.between(rows, previous.start, previous.end))
    nothing = ledger.Sums(Decimal(), Decimal(), 0)
    totals = []
    for currency in sorted(now.keys() | then.keys()):
        one, other = now.get(currency, nothing).billed, then.get(currency, nothing).billed
        totals.append(
            {
                "currency": currency,
                "current_cost": json_safe(one),
                "previous_cost": json_safe(other),
                "absolute_change": json_safe(one - other),
                "percent_change": json_safe(percent_change(one, other)),
            }
        )
    return totals


@pytest.mark.parametrize("period_type", get_args(PeriodType))
@pytest.mark.parametrize(
    ("org", "today"),
    [
        ("acme_inc", "2026-03-31"),
        ("globex_inc", "2026-03-31"),
        ("focus_inc", "2024-10-01"),
        ("edges_inc", "2024-03-31"),
        ("edges_inc", "2024-02-29"),
        ("edges_inc", "2024-01-01"),
        ("edges_inc", "2025-01-01"),
    ],
)
async def test_compare_periods_adds_up(call: Call, org: str, today: str, period_type: PeriodType) -> None:
    by = ["provider", "service"]
    answer = await call(org, date.fromisoformat(today), "compare_periods", period_type=period_type, group_by=by)
    comparison = periods.compared(period_type, date.fromisoformat(today))
    rows = rows_of(org)
    drivers = expected_changes(rows, comparison.current, comparison.previous)
    added = ("status", "rate_effect", "usage_effect", "other_effect", "percent_change_per_day")
    assert without(answer["rows"], *added) == drivers[:20]
    assert answer["truncated"] is (len(drivers) > 20)
    summary = answer["summary"]
    assert without(summary["totals"], "current_fees", "previous_fees", *PER_DAY) == expected_change_totals(
        rows, comparison.current, comparison.previous
    )
    assert summary["basis"] == comparison.basis
    assert summary["current"] == json_safe(comparison.current.as_dict())
    assert summary["previous"] == json_safe(comparison.previous.as_dict())
    alone = await call(org, date.fromisoformat(today), "compare_periods", period_type=period_type)
    assert "chart" not in alone
    assert sorted(without(alone["rows"], *added), key=lambda row: str(row["currency"])) == without(
        alone["summary"]["totals"], "current_fees", "previous_fees", *PER_DAY
    )
    assert alone["summary"]["totals"] == summary["totals"]


async def test_compare_periods_of_one_provider(call: Call) -> None:
    answer = await call("acme_inc", DEMO_TODAY, "compare_periods", period_type="MoM", provider="amazon")
    comparison = periods.compared("MoM", DEMO_TODAY)
    rows = [row for row in rows_of("acme_inc") if row["ServiceProviderName"] == "AWS"]
    totals = without(answer["summary"]["totals"], "current_fees", "previous_fees", *PER_DAY)
    assert totals == expected_change_totals(rows, comparison.current, comparison.previous)
    (row,) = answer["rows"]
    assert row["current_cost"] == totals[0]["current_cost"]


@pytest.mark.parametrize("days", [1, 7, 30, 90])
@pytest.mark.parametrize(
    ("org", "today"), [("acme_inc", "2026-03-31"), ("globex_inc", "2026-03-31"), ("edges_inc", "2024-03-01")]
)
async def test_top_cost_drivers_adds_up(call: Call, org: str, today: str, days: int) -> None:
    last = date.fromisoformat(today)
    answer = await call(org, last, "top_cost_drivers", days=days, limit=20)
    weeks = timedelta(weeks=-(-days // 7))
    current = Period(last - timedelta(days=days), last - timedelta(days=1))
    previous = Period(current.start - weeks, current.end - weeks)
    rows = rows_of(org)
    used = expected_changes([row for row in rows if not ledger.is_fee(row)], current, previous)
    changed = [row for row in used if row["absolute_change"]][:20]
    names = ("service", "provider", *FIGURES, "currency")
    found = [{name: row[name] for name in names} for row in answer["rows"] if row["absolute_change"]]
    assert sorted(map(str, found)) == sorted(str({name: row[name] for name in names}) for row in changed)
    totals = answer["summary"]["totals"]
    assert without(totals, "current_fees", "previous_fees") == expected_change_totals(rows, current, previous)
    for total in totals:
        for name, period in (("current_fees", current), ("previous_fees", previous)):
            fees = [row for row in ledger.between(rows, period.start, period.end) if ledger.is_fee(row)]
            sums = ledger.per_currency(fees).get(total["currency"])
            assert total[name] == (json_safe(sums.billed) if sums else 0)
    assert answer["summary"]["current"] == json_safe(current.as_dict())
    assert answer["summary"]["previous"] == json_safe(previous.as_dict())


async def test_two_organisations_asking_the_same_get_their_own_figures(call: Call) -> None:
    arguments = {"group_by": "provider", "start_date": "2026-02-01", "end_date": "2026-02-28"}
    acme = await call("acme_inc", DEMO_TODAY, "query_costs", **arguments)
    globex = await call("globex_inc", DEMO_TODAY, "query_costs", **arguments)
    assert costs_of(acme) == expected_costs(chosen("acme_inc", "2026-02-01", "2026-02-28"), "provider")
    assert costs_of(globex) == expected_costs(chosen("globex_inc", "2026-02-01", "2026-02-28"), "provider")
    assert acme["rows"] != globex["rows"]


async def test_an_answer_with_rows_costs_one_query(call: Call, counting: CountingWarehouse) -> None:
    for name, arguments in (
        ("query_costs", {"group_by": "service"}),
        ("cost_breakdown", {"dimension": "team"}),
        ("compare_periods", {"period_type": "MoM"}),
        ("top_cost_drivers", {}),
        ("cost_forecast", {}),
    ):
        counting.ran.clear()
        answer = await call("acme_inc", DEMO_TODAY, name, **arguments)
        assert answer["rows"]
        assert [query.sql for query in counting.ran] == [answer["sql"]]
        assert set(answer["parameters"]) == set(counting.ran[0].parameters)
