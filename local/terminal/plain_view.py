"""A plain view of an answer as it grows: its text alone, as it comes."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.text import Text

from local.terminal.answer import ToolCall
from local.terminal.neutral import neutral
from local.terminal.work import described, outcome


def write(console: Console, text: str) -> None:
    """Write the text as it is, tabs and long lines too, but for what would act on a terminal."""
    # Not by the console's own buffer: an interrupt that comes while that is written leaves it to be written again.
    console.file.write(neutral(text))
    console.file.flush()


class PlainView:
    """Text goes to ``out`` at once; what else happens goes to ``progress``, where somebody sees it."""

    def __init__(self, out: Console, progress: Console | None) -> None:
        self._out = out
        self._progress = progress
        self._open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_line()

    def agent(self, name: str) -> None:
        self.note(f"· {name}")

    def tool_started(self, call: ToolCall) -> None:
        self.note(f"· {described(call)} …")

    def tool_finished(self, call: ToolCall) -> None:
        self.note(f"· {described(call)}: {outcome(call)}")

    def text(self, piece: str) -> None:
        # An interrupt may come at once after the text.
        self._open = True
        write(self._out, piece)
        self._open = not piece.endswith("\n")

    def begin_again(self) -> None:
        self._end_line()
        write(self._out, "\n")

    def note(self, sentence: str) -> None:
        if self._progress is not None:
            self._progress.print(Text(neutral(sentence), style="dim"), soft_wrap=True)

    def _end_line(self) -> None:
        if self._open:
            self.text("\n")
