"""Every metric, dimension, filter and kind of period over a bill made at random, against sums in plain Python."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from common.cost_query.filters import OPS, Filters
from common.cost_query.periods import resolve_period
from common.focus.calendar import FiscalCalendar
from common.focus.dimensions import DIMENSIONS
from common.focus.metrics import METRICS
from common.tenant import OrgSlug, Tenant
from common.warehouse.json_values import json_safe
from common.warehouse.query import fixed
from tests.skills import bills_made
from tests.skills.bills_made import Row, instant_of, label_of, meets
from tests.skills.conftest import PROJECT, Call, CountingWarehouse, rows_of
from tests.skills.ledger import is_fee

ORG = "bill_inc"
TODAY = date(2024, 4, 30)
TENANT = Tenant(OrgSlug(ORG), PROJECT, "organizations")
COLUMNS = [metric.name for metric in METRICS.values() if metric.kind != "count"]
TIMES = (
    "hour",
    "day",
    "weekday",
    "week",
    "month",
    "quarter",
    "year",
    "fiscal_quarter",
    "fiscal_year",
    "billing_period",
)
PERIODS = ("last_month", "this_year", "2024-02", "2024-02-29", "2023-12-31..2024-01-01", "last_180_days", "Q1",
           "this_fiscal_year", "last_fiscal_quarter", "FY2023-Q2", "last_7_complete_days", "this_week")  # fmt: skip


def test_every_dimension_is_read_here_too() -> None:
    assert set(DIMENSIONS) <= set(bills_made.NAMES)


def within(rows: Iterable[Row], start: date, end: date, basis: str) -> list[Row]:
    return [row for row in rows if start <= instant_of(row, basis).date() <= end]


def summed(
    rows: Iterable[Row], names: tuple[str, ...], basis: str, fiscal: int
) -> dict[tuple[str, ...], dict[str, Any]]:
    """Sums per group, currency and unit."""
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        units = (row.get("ConsumedUnit") or "No unit", row.get("PricingUnit") or "No unit")
        key = (*(label_of(row, name, basis, fiscal) for name in names), *units, row["BillingCurrency"])
        groups[key].append(row)
    return {key: _figures(members) for key, members in groups.items()}


def _figures(rows: list[Row]) -> dict[str, Any]:
    figures: dict[str, Any] = {"line_items": len(rows)}
    for metric in METRICS.values():
        if metric.kind != "count":
            there = [row[metric.name] for row in rows if row[metric.name] is not None]
            figures[metric.field] = json_safe(sum(there, Decimal())) if there else None
    return figures


def told(answer: dict[str, Any], names: tuple[str, ...]) -> dict[tuple[str, ...], dict[str, Any]]:
    """The rows of an answer in the same form."""
    fields = [metric.field for metric in METRICS.values()]
    return {
        (*(str(row[name]) for name in names), row["consumed_unit"], row["pricing_unit"], row["currency"]): {
            field: row[field] for field in fields
        }
        for row in answer["rows"]
    }


async def check(call: Call, names: tuple[str, ...], period: str, basis: str, fiscal: int, **more: Any) -> int:
    """Ask by these dimensions in this period, and compare each figure; return how many rows there were."""
    calendar = FiscalCalendar(fiscal)
    answer = await call(
        ORG, TODAY, "query_costs", _calendar=calendar, group_by=list(names), metrics=list(METRICS), period=period,
        time_basis=basis, limit=500, **more,
    )  # fmt: skip
    resolved = resolve_period(period, None, None, TODAY, calendar).period
    rows = within(rows_of(ORG), resolved.start, resolved.end, basis)
    kept = [row for row in rows if all(_meets(row, each, fiscal) for each in more.get("filters", ()))]
    assert told(answer, names) == summed(kept, names, basis, fiscal), (names, period, basis, fiscal, more)
    totals = {total["currency"]: total for total in answer["summary"]["totals"]}
    for currency, total in totals.items():
        own = [row for row in kept if row["BillingCurrency"] == currency]
        assert total["line_items"] == len(own)
        assert total["billed_cost"] == json_safe(sum((row["BilledCost"] for row in own), Decimal()))
    return len(answer["rows"])


def _meets(row: Row, given: dict[str, Any], fiscal: int) -> bool:
    return meets(row, given["dimension"], given["op"], given.get("values", ()), fiscal)


async def test_every_metric_by_every_dimension(call: Call) -> None:
    for number, name in enumerate(bills_made.NAMES):
        # An answer has at most 500 rows.
        period = "2024-02" if name in ("hour", "day") else "last_180_days"
        assert await check(call, (name,), period, "charge", 1 + number % 12)


async def test_times_by_the_billing_period(call: Call) -> None:
    for number, name in enumerate(TIMES):
        assert await check(call, (name,), "last_180_days", "billing", 1 + number)


@pytest.mark.parametrize("basis", ["charge", "billing"])
async def test_every_kind_of_period_under_both_bases(call: Call, basis: str) -> None:
    counts = [await check(call, ("service",), period, basis, 1 + number % 4) for number, period in enumerate(PERIODS)]
    assert sum(count > 0 for count in counts) > len(PERIODS) / 2


async def test_every_fiscal_year(call: Call) -> None:
    for fiscal in range(1, 13):
        await check(call, ("fiscal_quarter", "fiscal_year"), "last_180_days", "charge", fiscal)
        await check(call, ("month",), "this_fiscal_year", "charge", fiscal)


async def test_several_dimensions_under_several_filters(call: Call) -> None:
    filters = (
        [{"dimension": "entity", "op": "in", "values": ["Engineering"]}],
        [
            {"dimension": "tag:environment", "op": "is_null"},
            {"dimension": "charge_category", "op": "not_in", "values": ["Tax"]},
        ],
        [{"dimension": "tag:team.name", "op": "in", "values": ["core", "EDGE"]}],
        [{"dimension": "weekday", "op": "not_in", "values": ["Saturday", "Sunday"]}],
        [{"dimension": "sub_account", "op": "contains", "values": ["prod"]}, {"dimension": "model", "op": "is_null"}],
        [{"dimension": "cost_type", "op": "in", "values": ["genai"]}],
        [{"dimension": "level:2", "op": "not_null"}, {"dimension": "region", "op": "in", "values": ["us east"]}],
    )
    groups = (
        ("month", "service", "currency"),
        ("level:1", "tag:environment"),
        ("provider",),
        ("day",),
        ("sub_account", "commitment"),
        ("service", "service_category"),
        ("level:1", "level:2", "level:3"),
    )
    for names, narrowed in zip(groups, filters, strict=True):
        assert await check(call, names, "last_3_months", "charge", 4, filters=narrowed)


async def test_every_filter_of_every_dimension(counting: CountingWarehouse) -> None:
    """All conditions in some queries: each of them a column, and each sum compared."""
    rows, fiscal = rows_of(ORG), 7
    given = [(name, op) for name in bills_made.NAMES for op in OPS]
    for start in range(0, len(given), 60):
        batch = given[start : start + 60]
        asked = [(name, op, _values(rows, name, op, fiscal)) for name, op in batch]
        made = [
            Filters.parse(
                [{"dimension": name, "op": op, "values": values}], FiscalCalendar(fiscal), prefix=f"c{number}_"
            )
            for number, (name, op, values) in enumerate(asked)
        ]
        columns = ",\n".join(f"SUM(IF({each.where()}, BilledCost, 0)) AS s{number}" for number, each in enumerate(made))
        parameters = {name: value for each in made for name, value in each.parameters().items()}
        query = fixed(TENANT, "SELECT " + columns + " FROM {own.cost_data_standard_1_3}", parameters)
        found = (await counting.run(query, labels={})).rows[0]
        for number, (name, op, values) in enumerate(asked):
            kept = [row["BilledCost"] for row in rows if meets(row, name, op, values, fiscal)]
            assert found[f"s{number}"] == sum(kept, Decimal()), (name, op, values)


def _values(rows: Iterable[Row], name: str, op: str, fiscal: int) -> list[str]:
    """Values that some rows have, in another case than theirs; a part of one for contains."""
    if op in ("is_null", "not_null"):
        return []
    there = sorted({label_of(row, name, fiscal=fiscal) for row in rows} - {""})
    if op == "contains":
        return [there[0][: max(1, len(there[0]) // 2)].upper()]
    return [text.upper() for text in there[:2]] if name not in ("provider", "publisher") else there[:1]


async def test_shares_are_of_each_currency_s_total(call: Call) -> None:
    answer = await call(ORG, TODAY, "query_costs", group_by="service", period="this_year")
    totals = {total["currency"]: Decimal(str(total["billed_cost"])) for total in answer["summary"]["totals"]}
    assert len(totals) == 3
    for row in answer["rows"]:
        exact = Decimal(str(row["billed_cost"])) / totals[row["currency"]] * 100
        assert abs(Decimal(str(row["share_pct"])) - exact) <= Decimal("0.005")


async def test_the_daily_average_is_over_the_days_that_data_is_there_for(call: Call) -> None:
    answer = await call(ORG, TODAY, "query_costs", period="2024-02")
    for total in answer["summary"]["totals"]:
        assert abs(total["daily_average"] - total["billed_cost"] / 29) <= (0.5 if total["currency"] == "JPY" else 0.005)


@pytest.mark.parametrize(
    ("narrowed", "days"),
    [
        ({"dimension": "weekday", "values": ["weekend"]}, 8),
        ({"dimension": "weekday", "op": "not_in", "values": ["weekend"]}, 21),
        ({"dimension": "day", "values": ["2024-02-01", "2024-02-29"]}, 2),
        ({"dimension": "week", "values": ["2024-02-26"]}, 4),
    ],
)
async def test_the_daily_average_is_over_the_days_that_pass_the_filters(
    call: Call, narrowed: dict[str, Any], days: int
) -> None:
    answer = await call(ORG, TODAY, "query_costs", period="2024-02", filters=[narrowed])
    assert answer["summary"]["days_counted"] == days
    assert answer["summary"]["totals"]
    for total in answer["summary"]["totals"]:
        slack = 0.5 if total["currency"] == "JPY" else 0.005
        assert abs(total["daily_average"] - total["billed_cost"] / days) <= slack


async def test_periods_of_two_lengths_are_compared_by_the_day(call: Call) -> None:
    answer = await call(ORG, TODAY, "compare_periods", current="2024-02", previous="2024-01")
    for total in answer["summary"]["totals"]:
        slack = 0.5 if total["currency"] == "JPY" else 0.005
        assert abs(total["current_daily"] - total["current_cost"] / 29) <= slack
        assert abs(total["previous_daily"] - total["previous_cost"] / 31) <= slack
    assert any("29 and 31 days" in note for note in answer["summary"]["notes"])


async def test_the_parts_of_every_change_add_up(call: Call) -> None:
    answer = await call(ORG, TODAY, "compare_periods", current="2024-02", previous="2024-01", group_by="service")
    assert answer["rows"]
    for row in answer["rows"]:
        parts = (Decimal(str(row[f"{part}_effect"] or 0)) for part in ("rate", "usage", "other"))
        assert abs(sum(parts) - Decimal(str(row["absolute_change"]))) <= Decimal("0.0000001")


@pytest.mark.parametrize("kind", ["compare_periods", "cost_breakdown"])
async def test_the_other_tools_add_up_under_filters(call: Call, kind: str) -> None:
    filters = [{"dimension": "entity", "op": "in", "values": ["engineering"]}]
    rows = [row for row in rows_of(ORG) if meets(row, "entity", "in", ["Engineering"])]
    now, then = (
        within(rows, *days, "charge")
        for days in ((date(2024, 2, 1), date(2024, 2, 29)), (date(2024, 1, 1), date(2024, 1, 31)))
    )
    if kind == "cost_breakdown":
        answer = await call(ORG, TODAY, kind, dimension="tag:environment", filters=filters, period="2024-02")
        expected = _sums(now, "tag:environment")
        assert {(row["tag:environment"], row["currency"]): row["total"] for row in answer["rows"]} == expected
        return
    answer = await call(
        ORG, TODAY, kind, current="2024-02", previous="2024-01", group_by="region", filters=filters, limit=100
    )
    for rows_then, field in ((now, "current_cost"), (then, "previous_cost")):
        expected = _sums(rows_then, "region")
        found = {(row["region"], row["currency"]): row[field] for row in answer["rows"]}
        assert {key: value for key, value in found.items() if value} == {k: v for k, v in expected.items() if v}


def _sums(rows: Iterable[Row], name: str) -> dict[tuple[str, str], Any]:
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in rows:
        sums[label_of(row, name), row["BillingCurrency"]] += row["BilledCost"]
    return {key: json_safe(amount) for key, amount in sums.items()}


async def test_rate_and_usage_effects_make_up_the_change_of_what_was_measured(call: Call) -> None:
    answer = await call(
        ORG, TODAY, "compare_periods", current="2024-02", previous="2024-01", group_by="sku", limit=50,
        filters=[{"dimension": "consumed_unit", "op": "in", "values": ["Hours"]}],
    )  # fmt: skip
    checked = 0
    for row in answer["rows"]:
        parts = (Decimal(str(row[f"{part}_effect"] or 0)) for part in ("rate", "usage", "other"))
        assert abs(sum(parts) - Decimal(str(row["absolute_change"]))) <= Decimal("0.0000001")
        own = [r for r in rows_of(ORG) if label_of(r, "sku") == row["sku"] and r["ConsumedUnit"] == "Hours"
               and r["BillingCurrency"] == row["currency"]]  # fmt: skip
        now, then = (_measured(own, month) for month in (2, 1))
        if now[1] and then[1]:
            at_earlier_price = then[0] * now[1] / then[1]
            slack = Decimal("0.51") if row["currency"] == "JPY" else Decimal("0.0051")
            assert abs(Decimal(str(row["rate_effect"])) - (now[0] - at_earlier_price)) <= slack
            assert abs(Decimal(str(row["usage_effect"])) - (at_earlier_price - then[0])) <= slack
            checked += 1
    assert checked >= 3


def _measured(rows: Iterable[Row], month: int) -> tuple[Decimal, Decimal]:
    own = [row for row in rows if (row["ChargePeriodStart"].year, row["ChargePeriodStart"].month) == (2024, month)]
    return sum((row["BilledCost"] for row in own), Decimal()), sum((row["ConsumedQuantity"] for row in own), Decimal())


async def test_a_path_leads_to_the_day_with_most_of_a_driver(call: Call) -> None:
    answer = await call(ORG, date(2024, 3, 1), "top_cost_drivers", days=28, group_by="provider")
    current = answer["summary"]["current"]
    rows = within(
        rows_of(ORG), date.fromisoformat(current["start_date"]), date.fromisoformat(current["end_date"]), "charge"
    )
    risen = [row for row in answer["rows"] if row["absolute_change"] > 0]
    assert risen
    for row in risen:
        own = [
            r
            for r in rows
            if not is_fee(r) and r["ServiceProviderName"] == row["provider"] and r["BillingCurrency"] == row["currency"]
        ]
        days: dict[str, Decimal] = defaultdict(Decimal)
        for each in own:
            days[label_of(each, "day")] += each["BilledCost"]
        assert row["path"]["day"]["cost"] == json_safe(max(days.values()))
    assert timedelta(days=28) == date.fromisoformat(current["end_date"]) - date.fromisoformat(
        current["start_date"]
    ) + timedelta(days=1)
