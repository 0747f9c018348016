"""Which rows of a query are drawn, as what, and which are not."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from google.cloud import bigquery

from common import limits
from common.skills.explorer import charts as queries
from common.skills.explorer.tools import TOOLS as EXPLORER_TOOLS
from common.tenant import OrgSlug, Principal, Tenant, UserId
from common.tools.context import ToolContext
from common.tools.registry import BoundTools
from common.tools.result import CHART, ToolResult
from common.warehouse.result import Column, QueryResult
from local.data import demo
from tests.skills import drawn
from tests.skills.conftest import NOON, PROJECT, CountingWarehouse

NOT_RUN = QueryResult((), (), 0, 0, "", "", 0)
DAYS = ["2026-03-01", "2026-03-02", "2026-03-04"]
INSTANTS = [f"{day}T06:30:00+00:00" for day in DAYS]
GROUPED = "SELECT {} FROM cost_data_standard_1_3 GROUP BY {}"


def result(columns: str, rows: Sequence[Sequence[Any]], *, truncated: bool = False) -> ToolResult:
    """The result of a query with these columns, as "name TYPE, name TYPE"."""
    described = tuple(Column(*each.split()) for each in columns.split(", "))
    names = [column.name for column in described]
    listed = tuple(dict(zip(names, row, strict=True)) for row in rows)
    return ToolResult(replace(NOT_RUN, columns=described), listed, {}, truncated=truncated)


def chart_of(columns: str, rows: Sequence[Sequence[Any]], *, truncated: bool = False) -> drawn.Spec:
    chart = queries.query(result(columns, rows, truncated=truncated))
    assert chart is not None
    drawn.check(chart)
    return chart


@pytest.mark.parametrize(
    ("kind", "times"),
    [
        ("DATE", DAYS),
        ("STRING", DAYS),
        ("STRING", ["2025-11", "2025-12", "2026-01"]),
        ("TIMESTAMP", INSTANTS),
        ("TIMESTAMP", [time.replace("+00:00", ".123456+00:00") for time in INSTANTS]),
    ],
)
def test_times_are_a_line_in_their_order(kind: str, times: list[str]) -> None:
    chart = chart_of(f"at {kind}, cost NUMERIC", [(time, index + 1) for index, time in enumerate(times)][::-1])
    assert chart["data"]["values"] == [{"at": time, "cost": index + 1} for index, time in enumerate(times)]
    assert drawn.marks(chart) == {"line mark": 1, "point": 3}
    assert "timeFormat(" not in drawn.program(chart)


def test_categories_are_bars_the_largest_first() -> None:
    chart = chart_of("team STRING, cost FLOAT", [("a", 1.5), (None, 9), ("c", -4), ("d", None)])
    assert chart["data"]["values"] == [
        {"team": "(none)", "cost": 9},
        {"team": "a", "cost": 1.5},
        {"team": "c", "cost": -4},
    ]
    assert chart["title"]["text"] == "Cost by Team"
    assert drawn.marks(chart) == {"bar": 3}


def test_more_categories_than_fit_are_the_largest_and_say_so() -> None:
    many = limits.CHART_QUERY_BARS + 5
    chart = chart_of("team STRING, average FLOAT", [(f"t{index}", index) for index in range(many)], truncated=True)
    assert [value["team"] for value in chart["data"]["values"]] == [
        f"t{index}" for index in range(many - 1, many - 1 - limits.CHART_QUERY_BARS, -1)
    ]
    assert chart["title"]["subtitle"] == [f"The {limits.CHART_QUERY_BARS} largest of {many}", "Not all rows are here"]


@pytest.mark.parametrize(("label", "labels"), [("day DATE", DAYS), ("team STRING", ["a", "b", "c"])])
def test_two_numbers_of_one_unit_share_an_axis(label: str, labels: list[str]) -> None:
    columns = f"{label}, billed_cost NUMERIC, effective_cost NUMERIC"
    chart = chart_of(columns, [(each, 10 - index, index) for index, each in enumerate(labels)])
    marks = drawn.marks(chart)
    assert marks in ({"line mark": 2, "point": 6}, {"bar": 3, "tick": 3})
    assert [layer["encoding"]["color"]["datum"] for layer in chart["layer"]] == ["Billed cost", "Effective cost"]


@pytest.mark.parametrize(("label", "labels"), [("day DATE", DAYS), ("team STRING", ["a", "b", "c"])])
@pytest.mark.parametrize("second", ["requests INTEGER", "share_pct NUMERIC"])
def test_a_second_number_of_another_unit_is_told_and_not_drawn(label: str, labels: list[str], second: str) -> None:
    chart = chart_of(f"{label}, billed_cost NUMERIC, {second}", [(each, 10, 3) for each in labels])
    assert drawn.marks(chart) in ({"line mark": 1, "point": 3}, {"bar": 3})
    assert second.split()[0] in [each["field"] for each in chart["encoding"]["tooltip"]]


def test_only_one_currency_is_drawn_and_the_others_are_named() -> None:
    rows = [("a", "EUR", 5), ("a", "USD", 7), ("b", "EUR", 6), ("c", "EUR", 1)]
    chart = chart_of("team STRING, BillingCurrency STRING, cost NUMERIC", rows)
    assert [(value["team"], value["cost"]) for value in chart["data"]["values"]] == [("b", 6), ("a", 5), ("c", 1)]
    assert chart["encoding"]["x"]["title"] == "Cost (EUR)"
    assert chart["title"]["subtitle"] == ["EUR only: USD cannot share its axis"]


@pytest.mark.parametrize(
    ("columns", "rows"),
    [
        ("cost NUMERIC", [(1,), (2,)]),
        ("team STRING", [("a",), ("b",)]),
        ("team STRING, cost NUMERIC", []),
        ("team STRING, cost NUMERIC", [("a", 1)]),
        ("team STRING, cost NUMERIC", [("a", 1), ("b", None)]),
        ("team STRING, cost NUMERIC", [("a", 0), ("b", 0)]),
        ("team STRING, cost NUMERIC", [("a", 1), ("a", 2)]),
        ("team STRING, cost FLOAT", [("a", "nan"), ("b", 2)]),
        ("team STRING, cost FLOAT", [("a", True), ("b", 2)]),
        ("team STRING, cost STRING", [("a", "1"), ("b", "2")]),
        ("team STRING, provider STRING, cost NUMERIC", [("a", "x", 1), ("b", "y", 2)]),
        ("team STRING, currency STRING, cost NUMERIC", [("a", "x", 1), ("b", "y", 2)]),
        ("team STRING, a NUMERIC, b NUMERIC, c NUMERIC", [("a", 1, 1, 1), ("b", 2, 2, 2)]),
        ("day DATE, cost NUMERIC", [("2026-03-01", 1), ("2026-03-01", 2)]),
        ("day DATE, cost NUMERIC", [("2026-03-01", 1), (None, 2)]),
        ("at DATETIME, cost NUMERIC", [("2026-03-01T00:00:00", 1), ("2026-03-02T00:00:00", 2)]),
        ("at TIME, cost NUMERIC", [("10:00:00", 1), ("11:00:00", 2)]),
        ("ok BOOLEAN, cost NUMERIC", [(True, 1), (False, 2)]),
        ("team STRING, cost NUMERIC REPEATED", [("a", [1]), ("b", [2])]),
        ("team STRING, Cost NUMERIC, cost NUMERIC", [("a", 1, 1), ("b", 2, 2)]),
        ("labels RECORD, cost NUMERIC", [({"a": 1}, 1), ({"a": 2}, 2)]),
        ("team STRING, currency RECORD, cost NUMERIC", [("a", {"a": 1}, 1), ("b", {"a": 2}, 2)]),
    ],
)
def test_other_rows_are_not_drawn(columns: str, rows: list[tuple[Any, ...]]) -> None:
    assert queries.query(result(columns, rows)) is None


@pytest.mark.parametrize("text", ["2026-13-01", "2026-02-30", "0000-01-01", "2026-1-1", "２０２６-01-01", "2026-00"])
def test_a_text_that_only_looks_like_a_day_is_a_category(text: str) -> None:
    chart = chart_of("day STRING, cost NUMERIC", [("2026-03-01", 1), (text, 2)])
    assert drawn.marks(chart) == {"bar": 2}


QUERIES = {
    "bars": GROUPED.format("ServiceProviderName AS provider, BillingCurrency, SUM(BilledCost) AS billed_cost", "1, 2"),
    "days": GROUPED.format("DATE(ChargePeriodStart) AS day, BillingCurrency, SUM(BilledCost) AS billed_cost", "1, 2"),
    "months": GROUPED.format(
        "TIMESTAMP_TRUNC(ChargePeriodStart, MONTH) AS month, BillingCurrency, SUM(BilledCost) AS billed_cost, "
        "COUNT(*) AS items",
        "1, 2",
    ),
    "hostile": GROUPED.format("CONCAT(ServiceName, '\\\\\"].x') AS `a b`, SUM(BilledCost) AS constructor", "1"),
}


@pytest.mark.parametrize("name", QUERIES)
@pytest.mark.parametrize("org", demo.ORGS)
async def test_what_a_model_asked_for_is_drawn_as_it_came(
    operated: bigquery.Client, counting: CountingWarehouse, org: str, name: str
) -> None:
    principal = Principal(Tenant(OrgSlug(org), PROJECT, "organizations"), UserId("u1"), "key-1")
    tools = BoundTools(EXPLORER_TOOLS, principal, ToolContext({"org": org}, NOON, "answer-1"), {"warehouse": counting})
    answer = await tools.call("run_read_query", json.dumps({"sql": QUERIES[name]}), agent_name="Explorer")
    chart = answer[CHART]
    drawn.check(chart)
    label, number = answer["rows"][0].keys() - {"BillingCurrency", "items"}, "billed_cost"
    currencies = [row.get("BillingCurrency") for row in answer["rows"]]
    most = max(currencies, key=currencies.count)
    rows = {
        tuple(str(value) for key, value in row.items() if key not in ("BillingCurrency", "items"))
        for row in answer["rows"]
        if row.get("BillingCurrency") == most
    }
    values = [tuple(str(value) for key, value in each.items() if key != "items") for each in chart["data"]["values"]]
    assert len(label) == 2
    assert number in label or name == "hostile"
    assert set(values) <= rows
    assert len(values) == (min(len(rows), limits.CHART_QUERY_BARS) if name in ("bars", "hostile") else len(rows))
    assert sum(drawn.marks(chart).values()) == len(values) + (name in ("days", "months"))
