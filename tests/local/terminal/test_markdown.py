"""Markdown before a person: rendered, and nothing in it acts on the terminal."""

import io
import unicodedata

import pytest
from rich.console import Console

from local.terminal.markdown import SafeMarkdown, finished_part, shown_part
from tests.local.terminal.test_neutral import HOSTILE

TABLE = "| Service | Cost |\n| --- | ---: |\n| EC2 | 10.00 |\n| S3 | 2.50 |\n"


def rendered(text: str, width: int = 60, *, terminal: bool = False) -> str:
    file = io.StringIO()
    system = "truecolor" if terminal else None
    Console(file=file, width=width, force_terminal=terminal, color_system=system).print(SafeMarkdown(text))  # type: ignore[arg-type]
    return file.getvalue()


def test_a_table_is_aligned() -> None:
    lines = [line.rstrip() for line in rendered(TABLE).splitlines()]
    assert lines[0].split() == ["Service", "Cost"]
    assert [line.split() for line in lines[2:]] == [["EC2", "10.00"], ["S3", "2.50"]]
    assert lines[2].index("10.00") + 5 == lines[3].index("2.50") + 4


WIDE = (
    "| Service | Provider | Billed cost | Effective cost | Line items |\n| --- | --- | --- | ---: | ---: |\n"
    "| Amazon Elastic Compute Cloud (EC2) | AWS | USD 1,234,541.12 | USD 38,031.35 | 498 |\n"
    "| Virtual Machines | Microsoft Azure | EUR 9.10 | - | 98 |\n"
)


@pytest.mark.parametrize("width", [120, 60, 40, 20])
def test_figures_of_a_table_are_whole_at_any_width(width: int) -> None:
    shown = rendered(WIDE, width)
    for figure in ("USD 1,234,541.12", "USD 38,031.35", "EUR 9.10", "498"):
        assert figure in (" ".join(shown.split()) if width == 20 else shown)
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= width


def test_a_table_that_does_not_fit_is_a_list_of_its_rows() -> None:
    lines = [line.rstrip() for line in rendered(WIDE, 40).splitlines()]
    assert lines[:4] == [
        "Amazon Elastic Compute Cloud (EC2)",
        "  Provider: AWS",
        "  Billed cost: USD 1,234,541.12",
        "  Effective cost: USD 38,031.35",
    ]


@pytest.mark.parametrize(
    "place", ["{}", "# {}", "| a |\n| --- |\n| {} |", "`{}`", "```{}\n{}\n```", "[{}](http://x/{})", "![{}](y)"]
)
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_nothing_hostile_gets_through(text: str, place: str) -> None:
    shown = rendered(place.replace("{}", text))
    assert not {unicodedata.category(char) for char in shown.replace("\n", "")} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@pytest.mark.parametrize(
    "entity", ["&#x1b;[2J", "&#27;]0;x&#7;", "&#x202e;", "&#x2067;", "&#155;31m", "&rlm;", "&#xfeff;"]
)
def test_an_entity_is_no_way_around(entity: str) -> None:
    shown = rendered(
        f"a {entity} b, `{entity}`, [{entity}](http://x/{entity})\n\n| {entity} |\n| --- |\n| {entity} |\n"
    )
    assert not {unicodedata.category(char) for char in shown.replace("\n", "")} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


def test_a_link_shows_where_it_leads_and_is_none_for_the_terminal() -> None:
    shown = rendered("[your bank](http://evil.example)", terminal=True)
    assert "your bank" in shown
    assert "evil.example" in shown
    assert "\x1b]8" not in shown


def test_html_is_shown_as_text() -> None:
    assert "<script>" in rendered("before <script>alert(1)</script> after")
    assert "<div>" in rendered("<div>\nhidden?\n</div>")


def test_what_is_finished_are_the_blocks_before_the_last() -> None:
    text = f"First.\n\n{TABLE}\nLast"
    assert text[: finished_part(text)] == f"First.\n\n{TABLE}\n"
    assert finished_part("First.\n\n") == 0
    assert finished_part(TABLE) == 0
    assert finished_part("1. one\n2. two\n") == 0
    assert finished_part("```sql\nSELECT 1\n\nFROM t\n") == 0


def test_a_table_is_drawn_from_the_line_below_its_head_on() -> None:
    head, below, *_ = TABLE.splitlines(keepends=True)
    said = "First.\n\n"
    for end in range(1, len(head + below)):
        assert shown_part(said + (head + below)[:end]) == said
    assert shown_part(said + head + below) == said + head + below
    assert shown_part(said + TABLE[:-4]) == said + TABLE[:-4]
    assert shown_part("") == ""


def test_a_text_in_parts_is_the_text() -> None:
    text = f"# Title\n\nFirst *paragraph*\nof two lines.\n\n- a\n- b\n\n{TABLE}\n```\ncode\n\nmore\n```\n\nEnd."
    kept, rest = "", ""
    for char in text:
        rest += char
        end = finished_part(rest)
        kept, rest = kept + rest[:end], rest[end:]
    assert kept + rest == text
    assert rest == "End."
    assert kept.count("\n\n") > 4
