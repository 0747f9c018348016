"""The line of the terminal below an answer with figures that stand in no result behind it."""

import pytest

from local.terminal.screen import Screen
from tests.local.terminal.test_neutral import HOSTILE


@pytest.mark.parametrize(
    ("figures", "line"),
    [
        (
            ["12.50"],
            "[This figure was not found in the data behind the answer: 12.50. Check it before you rely on it.]",
        ),
        (
            ["12.50", "7 %"],
            "[These figures were not found in the data behind the answer: 12.50, 7 %. Check them before you rely on "
            "them.]",
        ),
        ([], ""),
        (None, ""),
        ("12.50", ""),
    ],
)
def test_the_line_names_each_figure(figures: object, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    Screen().unverified(figures)
    assert capsys.readouterr().out == (f"{line}\n" if line else "")


def test_a_hostile_figure_does_nothing_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    Screen().unverified(["".join(HOSTILE.values()).replace("\ud800", "")])
    out = capsys.readouterr().out
    assert out.startswith("[This figure was not found")
    assert "\x1b" not in out
    assert out.count("\n") == 1
