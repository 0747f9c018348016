"""A plain view that is interrupted, at the moments that are hardest to meet over a pipe."""

import io

import pytest
from rich.console import Console

from local.terminal.plain_view import PlainView


class Interrupting(io.StringIO):
    """A pipe whose reader interrupts as soon as it has the first word, in the middle of one of its methods."""

    def __init__(self, moment: str) -> None:
        super().__init__()
        self.moment = moment

    def write(self, text: str) -> int:
        written = super().write(text)
        self._reached("write")
        return written

    def flush(self) -> None:
        super().flush()
        self._reached("flush")

    def _reached(self, moment: str) -> None:
        if moment == self.moment:
            self.moment = ""
            raise KeyboardInterrupt


@pytest.mark.parametrize("moment", ["write", "flush"])
def test_an_interrupt_right_after_a_word_leaves_no_open_line_and_says_it_once(moment: str) -> None:
    pipe = Interrupting(moment)
    with pytest.raises(KeyboardInterrupt), PlainView(Console(file=pipe), None) as view:
        view.text("one ")
    assert pipe.getvalue() == "one \n"
