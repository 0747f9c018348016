"""Names that try to be something else: they stay data, whatever they hold, and every row keeps a mark of its own."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from common.charts import drawings
from common.skills.costs import charts as costs
from common.skills.explorer import charts as queries
from common.skills.usage import charts as usage
from common.tools.result import ToolResult
from common.warehouse.result import Column, QueryResult
from tests.skills import drawn

NAMES = {
    "markup": '</script><img src=x onerror="alert(1)">',
    "dots": "a.b.c",
    "brackets": "a[0]['b']",
    "quotes": 'it\'s "quoted" `here` \\',
    "expression": "'] || alert(1) || datum['",
    "signal": "{signal: 'width'}",
    "address": "javascript:alert(1)//https://example.com/x.png",
    "long": "x" * 500,
    "unicode": "費用 💶 \u202eabc\u202c e\u0301 \x00\x07\u2028",
    "lines": "one\ntwo\r\nthree\t",
    "code": '\\": alert(1), "',
    "inherited": "constructor",
    "empty": "",
    "blank": "   ",
    "prototype": "__proto__",
    "other": "Other",
    "none": "(none)",
    "number": "1e999",
    "time": "2026-01-01",
    "null": "null",
}
CONTROL = re.compile(r"[\x00-\x1f]")
PERIOD = {"start_date": date(2026, 3, 1), "end_date": date(2026, 3, 31)}
NOT_RUN = QueryResult((), (), 0, 0, "", "", 0)
EACH = pytest.mark.parametrize("name", NAMES)


@dataclass(frozen=True, slots=True)
class Drawing:
    """A way to draw rows that are called by names, and the field that the names stand in."""

    draw: Callable[[ToolResult], drawn.Spec | None]
    field: str
    summary: dict[str, Any]
    numbers: dict[str, Any]
    columns: tuple[Column, ...] = ()

    def maybe(self, names: list[str], currency: str = "USD") -> drawn.Spec | None:
        rows = [
            {self.field: name, "currency": currency} | {key: value - index for key, value in self.numbers.items()}
            for index, name in enumerate(names)
        ]
        if self.draw is costs.changes:
            rows = [{**row, "provider": "AWS"} for row in rows]
        if self.columns:
            rows = [{column.name: row[column.name] for column in self.columns} for row in rows]
        found = replace(NOT_RUN, columns=self.columns)
        return self.draw(ToolResult(found, tuple(rows), self.summary))

    def of(self, names: list[str]) -> drawn.Spec:
        chart = self.maybe(names)
        assert chart is not None
        drawn.check(chart)
        return chart


AMOUNT = Decimal("1000.5")
TOTAL = [{"currency": "USD", "billed_cost": Decimal(900_000), "total": Decimal(900_000)}]
DRAWINGS = {
    "costs": Drawing(
        costs.costs,
        "service",
        {"group_by": "service", "period": PERIOD, "totals": TOTAL},
        {"billed_cost": AMOUNT, "effective_cost": AMOUNT, "line_items": 1000},
    ),
    "breakdown": Drawing(
        costs.breakdown,
        "team",
        {"dimension": "team", "period": PERIOD, "totals": TOTAL},
        {"total": AMOUNT, "pct_of_total": AMOUNT},
    ),
    "changes": Drawing(
        costs.changes,
        "service",
        {"current": PERIOD, "previous": PERIOD},
        dict.fromkeys(("current_cost", "previous_cost", "absolute_change", "percent_change"), AMOUNT),
    ),
    "usage": Drawing(
        usage.genai_usage,
        "model",
        {"group_by": "model", "period": PERIOD, "usage": {"total_tokens": 900_000}},
        dict.fromkeys(("total_tokens", "input_tokens", "output_tokens", "cached_tokens", "requests"), 1000),
    ),
    "consumers": Drawing(
        usage.top_consumers,
        "team",
        {"dimension": "team", "period": PERIOD, "totals": TOTAL},
        {"billed_cost": AMOUNT, "total_tokens": 1000, "requests": 1000},
    ),
    "query": Drawing(
        queries.query, "tag", {}, {"cost": 1000.5}, (Column("tag", "STRING"), Column("cost", "NUMERIC"))
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", DRAWINGS)
def test_what_a_chart_does_with_names_does_not_depend_on_them(kind: str) -> None:
    # Ten at a time: that many have a bar of their own.
    names = list(NAMES.values())
    for part in (names[:10], names[10:]):
        plain = [f"name {index}" for index in range(len(part))]
        assert drawn.program(DRAWINGS[kind].of(part)) == drawn.program(DRAWINGS[kind].of(plain))


@pytest.mark.parametrize("kind", DRAWINGS)
def test_every_name_has_a_bar_and_is_whole_in_the_data(kind: str) -> None:
    drawing = DRAWINGS[kind]
    names = list(NAMES.values())
    for part in (names[:10], names[10:]):
        chart = drawing.of(part)
        labels = [value[drawing.field] for value in chart["data"]["values"]]
        assert labels[: len(part)] == [CONTROL.sub(" ", name) for name in part]
        assert len(set(labels)) == len(labels)
        assert drawn.marks(chart) == {"bar": len(labels)}


@EACH
@pytest.mark.parametrize("kind", sorted(DRAWINGS.keys() - {"query", "usage"}))
def test_a_currency_of_any_name_is_no_code(kind: str, name: str) -> None:
    chart = DRAWINGS[kind].maybe(["a", "b"], NAMES[name])
    assert chart is not None
    assert titles(chart) == titles_of_plain(chart)
    assert drawn.marks(chart)["bar"] >= 2


def titles(chart: drawn.Spec) -> list[str]:
    """The titles of fields, of which Vega-Lite makes code."""
    encoding = chart["encoding"]
    return [each["title"] for each in (encoding["x"], *encoding["tooltip"])]


def titles_of_plain(chart: drawn.Spec) -> list[str]:
    return ["".join(each for each in title if each.isalnum() or each in " ()%.,:/+-") for title in titles(chart)]


@EACH
def test_a_column_of_any_name_is_drawn_under_a_plain_one(name: str) -> None:
    columns = (Column(NAMES[name], "STRING"), Column(f"{NAMES[name]} 2", "FLOAT"))
    rows = tuple(
        {columns[0].name: text, columns[1].name: number} for text, number in (("a", 1.5), ("b", None), ("c", 2.5))
    )
    chart = queries.query(ToolResult(replace(NOT_RUN, columns=columns), rows, {}))
    assert chart is not None
    drawn.check(chart | {"title": {"text": "x"}, "description": "", "encoding": untitled(chart["encoding"])})
    fields = {field for value in chart["data"]["values"] for field in value}
    assert all(field.replace("_", "").isalnum() for field in fields)
    assert [list(value.values()) for value in chart["data"]["values"]] == [["c", 2.5], ["a", 1.5]]
    assert drawn.marks(chart) == {"bar": 2}


def untitled(encoding: dict[str, Any]) -> dict[str, Any]:
    """An encoding without the names of columns, which may look like an address, and are only shown."""
    return {
        channel: {name: value for name, value in each.items() if name != "title"}
        for channel, each in encoding.items()
        if channel != "tooltip"
    }


@pytest.mark.parametrize("name", ["constructor", "toString", "valueOf", "hasOwnProperty", "_rest", "_written_cost"])
def test_a_column_named_like_something_of_the_machinery_is_drawn_all_the_same(name: str) -> None:
    columns = (Column("day", "DATE"), Column(name, "INTEGER"), Column("cost", "FLOAT"))
    rows = tuple({"day": f"2026-03-0{day}", name: day, "cost": None if day == 2 else day / 2} for day in (1, 2, 3))
    chart = queries.query(ToolResult(replace(NOT_RUN, columns=columns), rows, {}))
    assert chart is not None
    drawn.check(chart)
    assert drawn.marks(chart) == {"line mark": 1, "point": 3}
    assert name not in chart["data"]["values"][0]


def test_groups_of_one_name_and_of_none_each_keep_their_bar() -> None:
    rows = [
        {"service": name, "provider": provider, "currency": "EUR", "current_cost": AMOUNT, "previous_cost": 0,
         "absolute_change": AMOUNT - index, "percent_change": None}
        for index, (name, provider) in enumerate(
            [("Storage", "AWS"), ("Storage", "Azure"), ("Storage", "Azure"), (None, "AWS"), ("(none)", "GCP")]
        )
    ]  # fmt: skip
    chart = costs.changes(ToolResult(NOT_RUN, tuple(rows), {"current": PERIOD, "previous": PERIOD}))
    assert chart is not None
    drawn.check(chart)
    assert [value["service"] for value in chart["data"]["values"]] == [
        "Storage (AWS)", "Storage (Azure)", "Storage (Azure) (2)", "(none) (AWS)", "(none) (GCP)",
    ]  # fmt: skip
    assert drawn.marks(chart) == {"bar": 5}


def test_what_is_not_known_is_not_told_as_nothing() -> None:
    rows = tuple(
        {"service": str(index), "provider": "p", "currency": "USD", "current_cost": 5, "previous_cost": 0,
         "absolute_change": 5, "percent_change": share}
        for index, share in enumerate((None, Decimal("2.5")))
    )  # fmt: skip
    chart = costs.changes(ToolResult(NOT_RUN, rows, {"current": PERIOD, "previous": PERIOD}))
    assert chart is not None
    drawn.check(chart)
    (written,) = chart["transform"]
    assert written["calculate"] == "isValid(datum['percent_change']) ? format(datum['percent_change'], ',.2f') : '–'"
    assert written["as"] in [each["field"] for each in chart["encoding"]["tooltip"]]
    assert "percent_change" not in [each["field"] for each in chart["encoding"]["tooltip"]]


def test_a_chart_is_dropped_one_byte_past_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    drawing = DRAWINGS["costs"]
    chart = drawing.of(["a", "b"])
    size = len(json.dumps(chart))
    monkeypatch.setattr(drawings, "CHART_BYTES", size)
    assert drawing.of(["a", "b"]) == chart
    monkeypatch.setattr(drawings, "CHART_BYTES", size - 1)
    assert drawing.maybe(["a", "b"]) is None


def test_the_time_of_the_counters_is_said_of_quotas() -> None:
    rows = tuple({"quota": name, "used": 1, "limit": 2, "percent": Decimal(50)} for name in ("daily", "monthly"))
    chart = usage.quotas(ToolResult(NOT_RUN, rows, {"as_of": datetime(2026, 3, 31, 9, 5, tzinfo=UTC)}))
    assert chart is not None
    assert chart["title"]["subtitle"] == ["As of 2026-03-31 09:05 UTC"]
    assert chart["encoding"]["x"]["scale"]["domainMax"] == 100
