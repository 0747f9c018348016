"""Charts in lines of text: the figures of the spec, its extremes, and nothing that is not in it."""

import unicodedata
from typing import Any

import pytest
from rich.cells import cell_len

from local.terminal.chart_data import Bars, Series, picture_of
from local.terminal.charts import lines_of
from tests.local.terminal.test_neutral import HOSTILE

WIDTH = 60


def bars(rows: list[dict[str, Any]], field: str = "provider", **also: Any) -> dict[str, Any]:
    encoding = {
        "y": {"field": field, "type": "nominal", "sort": None},
        "x": {"field": "cost", "type": "quantitative", "title": "Cost (USD)"},
        "tooltip": [{"field": "cost", "type": "quantitative"}],
    }
    return {"title": {"text": "Cost by provider"}, "data": {"values": rows}, "mark": "bar", "encoding": encoding | also}


def line(rows: list[dict[str, Any]], **also: Any) -> dict[str, Any]:
    encoding = {"x": {"field": "day", "type": "temporal"}, "y": {"field": "cost", "type": "quantitative"}}
    return {"title": "Cost by day", "data": {"values": rows}, "mark": {"type": "line"}, "encoding": encoding | also}


def drawn(spec: dict[str, Any], width: int = WIDTH, *, ascii_only: bool = False) -> list[str]:
    picture = picture_of(spec)
    assert picture is not None
    return lines_of(picture, width, ascii_only=ascii_only)


def test_a_breakdown_is_horizontal_bars_in_the_order_of_the_spec() -> None:
    lines = drawn(bars([{"provider": "AWS", "cost": 200}, {"provider": "OpenAI", "cost": 100.5}]))
    assert lines[0] == "Cost by provider · Cost (USD)"
    assert [each.split()[:2] for each in lines[1:]] == [["AWS", "200.00"], ["OpenAI", "100.50"]]
    assert lines[1].count("█") == pytest.approx(2 * lines[2].count("█"), abs=1)


def test_a_bar_below_zero_is_told_apart_without_colour() -> None:
    lines = drawn(bars([{"provider": "up", "cost": 50}, {"provider": "down", "cost": -25}]))
    assert "█" in lines[1]
    assert "█" not in lines[2]
    assert "░" in lines[2]
    assert "-25" in lines[2]


def test_a_time_series_is_a_sparkline_with_its_least_and_most() -> None:
    rows = [{"day": f"2026-11-{day:02d}", "cost": cost} for day, cost in ((3, 9.5), (1, 5), (2, 1.25))]
    lines = drawn(line(rows))
    assert lines[1].strip() == "▄▁█"
    assert [each.strip() for each in lines[2:]] == [
        "2026-11-01 to 2026-11-03", "min 1.25 on 2026-11-02, max 9.50 on 2026-11-03",
    ]  # fmt: skip
    assert len(drawn(line(rows), width=100)) == 3


def test_more_days_than_columns_are_drawn_in_as_many_columns() -> None:
    rows = [{"day": f"{2020 + month // 12}-{month % 12 + 1:02d}", "cost": month} for month in range(400)]
    lines = drawn(line(rows), width=40)
    assert len(lines[1].strip()) == 36
    assert list(lines[1].strip()) == sorted(lines[1].strip())


def test_series_of_more_than_one_colour_are_drawn_each() -> None:
    rows = [{"day": f"2026-11-0{day}", "cost": day, "currency": name} for name in ("EUR", "USD") for day in (1, 2)]
    picture = picture_of(line(rows, color={"field": "currency", "type": "nominal"}))
    assert picture is not None
    points = (("2026-11-01", 1.0), ("2026-11-02", 2.0))
    assert picture.parts == (Series("EUR", points), Series("USD", points))
    assert [
        each for each in drawn(line(rows, color={"field": "currency", "type": "nominal"})) if each in ("EUR", "USD")
    ]


def test_a_band_is_left_out_and_its_line_drawn_once() -> None:
    spec = {
        "data": {"values": [{"day": "2026-11-01", "cost": 2, "low": 1, "high": 3}, {"day": "2026-11-02", "cost": 4}]},
        "encoding": {"x": {"field": "day", "type": "temporal"}},
        "layer": [
            {"mark": "area", "encoding": {"y": {"field": "low", "type": "quantitative"}, "y2": {"field": "high"}}},
            {"mark": "line", "encoding": {"y": {"field": "cost", "type": "quantitative"}}},
            {"mark": "point", "encoding": {"y": {"field": "cost", "type": "quantitative"}}},
        ],
    }
    picture = picture_of(spec)
    assert picture is not None
    assert picture.parts == (Series("", (("2026-11-01", 2.0), ("2026-11-02", 4.0))),)


def test_charts_beside_each_other_and_facets_are_found() -> None:
    one = bars([{"provider": "AWS", "cost": 1}])
    assert len(drawn({"vconcat": [one, bars([{"provider": "Slack", "cost": 2}])]})) == 3
    facet = {
        "data": one["data"],
        "facet": {"row": {"field": "provider"}},
        "spec": {"mark": "bar", "encoding": one["encoding"]},
    }
    picture = picture_of(facet)
    assert picture is not None
    assert picture.parts == (Bars("", (("AWS", 1.0),)),)


def test_a_field_with_dots_is_found_by_its_escaped_name() -> None:
    picture = picture_of(bars([{"tag.owner": "me", "cost": 1}], field="tag\\.owner"))
    assert picture is not None
    assert picture.parts == (Bars("", (("me", 1.0),)),)


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"mark": "bar"},
        {"mark": "arc", "data": {"values": [{"a": 1}]}, "encoding": {"theta": {"field": "a", "type": "quantitative"}}},
        {"mark": "bar", "data": {"url": "http://evil.example/x.json"}, "encoding": bars([])["encoding"]},
        {"mark": "bar", "data": {"values": "no list"}, "encoding": "no object"},
        {"layer": 5, "data": []},
        bars([]),
        bars([{"provider": "AWS", "cost": None}, {"provider": "S3", "cost": True}, {"cost": "12"}]),
    ],
)
def test_what_cannot_be_drawn_is_no_picture(spec: dict[str, Any]) -> None:
    assert picture_of(spec) is None


def test_nothing_but_zero_is_drawn_without_bars() -> None:
    assert not any("█" in each for each in drawn(bars([{"provider": "AWS", "cost": 0}])))
    assert drawn(line([{"day": "2026-11-01", "cost": 0}]))[1].strip() == "▁"


def test_where_only_ascii_can_be_written_only_ascii_is() -> None:
    for spec in (
        bars([{"provider": "AWS", "cost": 2}, {"provider": "S3", "cost": -1}]),
        line([{"day": "2026-11-01", "cost": 3}, {"day": "2026-11-02", "cost": 1}]),
    ):
        assert all(each.isascii() for each in drawn(spec, ascii_only=True)[1:])


def test_many_bars_are_cut_and_it_is_said() -> None:
    lines = drawn(bars([{"provider": f"p{number}", "cost": number} for number in range(30)]))
    assert len(lines) == 22
    assert lines[-1].strip() == "…and 10 more."


@pytest.mark.parametrize("name", ["x" * 500, "日本語" * 40, *HOSTILE.values()])
def test_names_of_any_kind_fit_and_do_nothing(name: str) -> None:
    spec = bars([{"provider": name, "cost": 1}, {"provider": "AWS", "cost": 2}]) | {"title": name}
    for each in (*drawn(spec), *drawn(line([{"day": name, "cost": 1}], color={"field": "day", "type": "nominal"}))):
        assert cell_len(each) <= WIDTH
        assert not {unicodedata.category(char) for char in each} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


def test_small_amounts_are_not_shown_as_zero() -> None:
    assert drawn(bars([{"provider": "AWS", "cost": 0.00000123}]))[1].split()[1] == "0.0000012"
