"""What a benchmark's figures become: tables, verdicts, and a file that is read back as it was written."""

import io
import os
from pathlib import Path

import pytest
from rich.console import Console

from tests.bench import results
from tests.bench.results import Results, Table, Verdict, shown

TABLE = Table(
    "Pages", ("page of", "ms", "x"), (("10 | few", "1.20", "1.00"), ("1,000", "1.30", "1.08")), "x: against 10."
)


def made(at: str = "2026-01-02T03:04+00:00") -> Results:
    found = Results(at, "2 cores", quick=True)
    found.add("lists", TABLE, verdicts=[Verdict("A page", 1.08, 1.3)])
    return found


@pytest.mark.parametrize(
    ("figure", "at_least", "holds"), [(1.3, False, True), (1.31, False, False), (0.65, True, False), (1.3, True, True)]
)
def test_a_bound_holds_up_to_and_with_itself(figure: float, at_least: bool, holds: bool) -> None:
    assert Verdict("p", figure, 1.3, at_least=at_least).holds is holds


def test_a_figure_that_is_missing_holds_no_bound() -> None:
    verdict = Verdict("p", float("nan"), 1.3)
    assert not verdict.holds
    assert verdict.row() == ("p", "- x", "≤ 1.30 x", "no")


@pytest.mark.parametrize(
    ("figure", "text"), [(0.305, "0.30"), (9.99, "9.99"), (10.04, "10.0"), (99.94, "99.9"), (12345.6, "12,346")]
)
def test_a_figure_has_as_many_digits_as_say_something(figure: float, text: str) -> None:
    assert shown(figure) == text


def test_a_ratio_to_nothing_is_no_number() -> None:
    assert shown(results.ratio(1.0, 0.0)) == "-"
    assert results.ratio(3.0, 2.0) == 1.5


def test_a_run_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    written = made()
    assert results.load(written.save(tmp_path)) == written


def test_the_newest_run_is_the_one_that_was_written_last(tmp_path: Path) -> None:
    assert results.newest(tmp_path) is None
    first = made("2026-01-02T03:04+00:00").save(tmp_path)
    last = made("2026-01-01T03:04+00:00").save(tmp_path)
    os.utime(first, (1, 1))
    os.utime(last, (2, 2))
    assert results.newest(tmp_path) == last


def test_markdown_names_date_and_machine_and_escapes_cells() -> None:
    text = made().markdown()
    assert text.startswith("Measured 2026-01-02T03:04+00:00 on 2 cores, quick.\n")
    assert "| page of | ms | x |\n|---|---:|---:|\n| 10 \\| few | 1.20 | 1.00 |" in text
    assert "| A page | 1.08 x | ≤ 1.30 x | yes |" in text
    assert text.endswith("x: against 10.\n")


def test_the_terminal_shows_every_row() -> None:
    output = io.StringIO()
    TABLE.show(Console(file=output, width=100))
    assert all(cell in output.getvalue() for row in TABLE.rows for cell in row)


def test_the_table_of_promises_is_empty_without_any() -> None:
    empty = Results("2026-01-02T03:04+00:00", "2 cores", quick=False)
    assert empty.judged().rows == ()
    assert "promised" not in empty.markdown()
