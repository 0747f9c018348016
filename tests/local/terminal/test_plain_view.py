"""A plain view that is interrupted, at the moment that is hardest to meet over a pipe."""

import io
from typing import Any

import pytest
from rich.console import Console

from local.terminal.plain_view import PlainView


class Interrupted(Console):
    """A console whose reader interrupts as soon as the first word is printed."""

    printed = False

    def print(self, *objects: Any, **style: Any) -> None:
        super().print(*objects, **style)
        first, self.printed = not self.printed, True
        if first:
            raise KeyboardInterrupt


def test_an_interrupt_right_after_a_word_leaves_no_open_line() -> None:
    pipe = io.StringIO()
    with pytest.raises(KeyboardInterrupt), PlainView(Interrupted(file=pipe), None) as view:
        view.text("one ")
    assert pipe.getvalue() == "one \n"
