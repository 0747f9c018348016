"""Rows and charts on the page: figures to the right, currencies apart, every row within reach, and files."""

import csv
import io
import re
import struct
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Download, Locator, expect

from tests.fakes.scripted_model import ScriptedModel, call_tool, say, transfer
from tests.playground.conftest import PHONE, Serving, Visit, Visiting

SPEND = "What did we spend per provider last month?"
WIDE = (
    "SELECT '=1+1' AS formula, '-5.20' AS figure, '-cmd' AS minus, '@x' AS at, 'a \"b\", c' AS quoted, "
    "1234567.891234567 AS billed_cost, 0.1 + 0.2 AS effective_cost, 12 AS token_count, 2026 AS fiscal_year, "
    "33.333333 AS pct, 1500 AS yen, currency "
    "FROM UNNEST(['USD', 'JPY', 'USD', 'JPY']) AS currency WITH OFFSET AS place "
    "WHERE (SELECT COUNT(*) FROM cost_data_standard_1_3) >= 0 ORDER BY place"
)
_BOM = b"\xef\xbb\xbf"


async def asked(serving: Serving, visiting: Visiting, *steps: Any, **context: Any) -> Visit:
    visit: Visit = await visiting(await serving(ScriptedModel(steps)), **context)
    await visit.ask("What now?")
    await visit.answered()
    return visit


async def saved(visit: Visit, control: Locator, folder: Path) -> tuple[Download, bytes]:
    """The file that a control saves."""
    async with visit.page.expect_download() as download:
        await control.click()
    file = await download.value
    await file.save_as(folder / "saved")
    return file, (folder / "saved").read_bytes()


async def queried(serving: Serving, visiting: Visiting, **context: Any) -> Visit:
    """An answer with the rows of a query that somebody wrote."""
    steps = (transfer("Explorer"), call_tool("run_read_query", sql=WIDE), say("Here."))
    visit = await asked(serving, visiting, *steps, **context)
    await visit.answer.locator("details.work summary").click()
    return visit


async def test_figures_have_separators_and_the_decimals_of_their_currency(serving: Serving, visiting: Visiting) -> None:
    visit = await queried(serving, visiting)
    work = visit.answer.locator("details.work")
    cells = await work.locator("tbody tr").nth(1).locator("td").all_inner_texts()
    assert cells[5:10] == ["1,234,567.89", "0.30", "12", "2026", "33.33 %"]
    yen = await work.locator("tbody").nth(1).locator("tr").nth(1).locator("td").all_inner_texts()
    assert yen[5:7] == ["1,234,568", "0.3"]
    for place in range(5, 11):
        cell = work.locator("tbody tr").nth(1).locator("td").nth(place)
        assert await cell.evaluate("each => getComputedStyle(each).textAlign") == "right"


async def test_currencies_are_grouped_and_never_interleaved(serving: Serving, visiting: Visiting) -> None:
    visit = await queried(serving, visiting)
    groups = visit.answer.locator("details.work tbody")
    await expect(groups).to_have_count(2)
    for group, currency in zip(await groups.all(), ("USD", "JPY"), strict=True):
        await expect(group.locator("th")).to_have_text(currency)
        assert [await row.last.inner_text() for row in await _rows(group)] == [currency] * 2


async def _rows(group: Locator) -> list[Locator]:
    return [row.locator("td") for row in await group.locator("tr:not(.group)").all()]


async def test_a_wide_table_scrolls_in_itself_and_keeps_its_first_column(serving: Serving, visiting: Visiting) -> None:
    visit = await queried(serving, visiting, **PHONE)
    box = visit.answer.locator("details.work .table")
    first = box.locator("tbody td").first
    before = await first.bounding_box()
    assert await box.evaluate("each => { each.scrollLeft = 300; return each.scrollLeft; }") == 300
    after = await first.bounding_box()
    assert before is not None
    assert after is not None
    assert abs(after["x"] - before["x"]) < 2
    assert await visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_rows_are_saved_as_csv_that_no_spreadsheet_obeys(
    serving: Serving, visiting: Visiting, tmp_path: Path
) -> None:
    visit = await queried(serving, visiting)
    file, content = await saved(visit, visit.answer.get_by_role("button", name="Save rows as CSV"), tmp_path)
    assert file.suggested_filename == "run_read_query.csv"
    assert content.startswith(_BOM)
    head, *rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    assert head[:6] == ["formula", "figure", "minus", "at", "quoted", "billed_cost"]
    assert len(rows) == 4
    assert rows[0][:5] == ["'=1+1", "-5.20", "'-cmd", "'@x", 'a "b", c']
    assert float(rows[0][5]) == pytest.approx(1234567.891234567)
    assert {row[-1] for row in rows} == {"USD", "JPY"}


async def test_a_csv_has_all_rows_also_those_that_are_not_shown(
    serving: Serving, visiting: Visiting, tmp_path: Path
) -> None:
    visit: Visit = await visiting(await serving())
    await visit.ask(SPEND)
    work = (await visit.answered()).locator("details.work")
    await work.locator("summary").click()
    await expect(work.locator("tbody tr")).to_have_count(10)
    _, content = await saved(visit, work.get_by_role("button", name="Save rows as CSV"), tmp_path)
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    await work.get_by_role("button", name=re.compile("Show .* more row")).click()
    await expect(work.locator("tbody tr")).to_have_count(len(rows))
    assert len(rows) > 10
    assert {row["currency"] for row in rows} == {"USD"}
    await expect(work.locator("thead")).to_contain_text("billed cost (USD)")


async def test_a_models_table_has_readable_figures_a_file_and_a_control_for_more(
    serving: Serving, visiting: Visiting, tmp_path: Path
) -> None:
    lines = [f"| s{place} | {1234567.123456789 + place} | =2+2 |" for place in range(60)]
    text = "\n".join(["| Service | Cost | Note |", "| --- | --- | --- |", *lines])
    visit = await asked(serving, visiting, say(text))
    prose = visit.answer.locator(".prose")
    shown = prose.locator("tbody tr:visible")
    await expect(shown).to_have_count(50)
    cost = prose.locator("tbody tr").first.locator("td").nth(1)
    await expect(cost).to_have_text("1,234,567.12")
    assert await cost.evaluate("each => getComputedStyle(each).textAlign") == "right"
    _, content = await saved(visit, prose.get_by_role("button", name="Save table as CSV"), tmp_path)
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert len(rows) == 61
    assert rows[1] == ["s0", "1234567.12", "'=2+2"]
    await prose.get_by_role("button", name="Show 10 more rows").click()
    await expect(shown).to_have_count(60)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_chart_is_saved_as_a_picture(serving: Serving, visiting: Visiting, tmp_path: Path, scheme: str) -> None:
    visit: Visit = await visiting(await serving(), color_scheme=scheme)
    await visit.ask(SPEND)
    figure = (await visit.answered()).locator("figure")
    file, png = await saved(visit, figure.get_by_role("button", name="Save chart as PNG"), tmp_path)
    assert file.suggested_filename == "query_costs.png"
    assert png.startswith(b"\x89PNG\r\n")
    width, height = struct.unpack(">II", png[16:24])
    assert width > 600
    assert height > 200
    file, svg = await saved(visit, figure.get_by_role("button", name="Save chart as SVG"), tmp_path)
    assert file.suggested_filename == "query_costs.svg"
    assert svg.startswith(b"<svg")
    assert b"AWS" in svg
