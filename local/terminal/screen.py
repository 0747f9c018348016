"""The output of the terminal client: answers to standard output, complaints to standard error.

On a terminal there are colours and lines that move; into a pipe or a file goes plain text.
"""

import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager

from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from local.terminal import work
from local.terminal.answer import Answer
from local.terminal.chart_data import picture_of
from local.terminal.charts import lines_of
from local.terminal.live_view import LiveView
from local.terminal.markdown import SafeMarkdown
from local.terminal.neutral import neutral, neutral_line
from local.terminal.plain_view import PlainView, write
from local.terminal.plan_card import plan_lines

_PLAIN_WIDTH = 100


class Screen:
    """Both streams of this process; nothing reaches a terminal that would act on it."""

    def __init__(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            # A terminal that lacks a letter shows a question mark, and does not end the program.
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
        self._out = _console(stderr=False)
        self._errors = _console(stderr=True)
        self.lively = self._out.is_terminal and not self._out.is_dumb_terminal

    def watching(self) -> AbstractContextManager[LiveView | PlainView]:
        """A view that shows an answer as it grows."""
        if self.lively:
            return LiveView(self._out)
        return PlainView(self._out, self._errors if self._errors.is_terminal else None)

    def say(self, text: str, style: str = "") -> None:
        """A paragraph of the product's or of ours, as it is."""
        if self.lively:
            self._out.print(Text(neutral(text), style=style), soft_wrap=True)
        else:
            write(self._out, f"{text}\n")

    def complain(self, sentence: str) -> None:
        """A sentence on standard error."""
        self._errors.print(Text(neutral(sentence), style="red"), soft_wrap=True)

    def note(self, sentence: str) -> None:
        """Write a note to standard error, so that standard output holds answers alone."""
        self._errors.print(Text(neutral(sentence), style="dim"), soft_wrap=True)

    def allows(self) -> bool | None:
        """Ask the person for a yes, with no as the answer to a bare Enter. Returns None where nobody can be asked."""
        if not (sys.stdin.isatty() and self._errors.is_terminal):
            return None
        self._errors.print(Text("Allow it? [y/N] ", style="bold"), end="")
        return sys.stdin.readline().strip().casefold() in ("y", "yes")

    def message(self, text: str) -> None:
        """Markdown of a stored message."""
        if self.lively:
            self._out.print(SafeMarkdown(text))
        else:
            self.say(text)

    def table(self, headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Write rows below headings; separated by tabs in a pipe."""
        if not self.lively:
            for row in rows:
                self.say("\t".join(neutral_line(cell) for cell in row))
            return
        shown = Table(*headings, box=None, header_style="dim", padding=(0, 2, 0, 0))
        for row in rows:
            shown.add_row(*(Text(neutral_line(cell), overflow="ellipsis", no_wrap=True) for cell in row))
        self._out.print(shown)

    def charts(self, answer: Answer) -> bool:
        """Draw the charts of an answer; whether there was one that could be drawn."""
        pictures = [picture for call in answer.tools if call.chart if (picture := picture_of(call.chart))]
        width = min(self._out.width, _PLAIN_WIDTH)
        for picture in pictures:
            self.say("")
            lines = lines_of(picture, width, ascii_only=self._out.options.ascii_only)
            for index, line in enumerate(lines):
                self.say(line, "bold" if index == 0 and not line.startswith(" ") else "")
        return bool(pictures)

    def plan(self, answer: Answer) -> None:
        """Write the deployment plan of an answer as a card, where it has one: the last."""
        cards = [lines for call in answer.tools if (lines := plan_lines(call.result))]
        for line in cards[-1] if cards else ():
            self.say(line)

    def basis(self, answer: Answer) -> None:
        """Write the basis of the answer, a line for each query: its period, filters, rows and bytes."""
        lines = [line for call in answer.tools if (line := work.summary_line(call))]
        for index, line in enumerate(dict.fromkeys(lines)):
            if index == 0:
                self.say("")
            self.say(line, "dim")

    def ending(self, finish: object) -> None:
        """Say below an answer that it was cut or refused, where it was."""
        if line := work.ending(finish):
            self.say(f"[{line}]", "yellow")

    def unverified(self, figures: object) -> None:
        """Say which figures of an answer stand in no result behind it, where some do."""
        if line := work.unverified(figures):
            self.say(f"[{line}]", "yellow")

    def sources(self, citations: object) -> None:
        """Say what an answer is from: the documents that it cites, with the beginning of each passage."""
        for index, (place, excerpt) in enumerate(work.sources(citations)):
            if index == 0:
                self.say("")
                self.say("Answered from:", "bold")
            self.say(place)
            self.say(f"    {excerpt}", "dim")

    def warning(self, sentence: object) -> None:
        """Say that a ceiling is nearly reached, where it is."""
        if sentence:
            self.note(str(sentence))

    def work(self, answer: Answer) -> None:
        """Write the work behind an answer: periods, filters, SQL, values and bytes of each tool call."""
        for call in answer.tools:
            self.say("")
            self._rule(work.heading(call))
            for line in work.basis(call):
                self.say(line)
            text = work.sql(call)
            if text and self.lively:
                self._out.print(Syntax(text, "sql", word_wrap=True, background_color="default"))
            elif text:
                self.say(text)
            for line in work.parameters(call):
                self.say(line, "dim")
        self._rule("")
        self.say(work.facts(answer), "dim")

    def _rule(self, title: str) -> None:
        if self.lively:
            self._out.rule(Text(title), align="left")
        else:
            self.say(f"-- {title}".rstrip())


def _console(*, stderr: bool) -> Console:
    """A console that writes colours and controls to a terminal only, whatever the environment says."""
    stream = sys.stderr if stderr else sys.stdout
    if stream.isatty():
        return Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    return Console(
        stderr=stderr, highlight=False, markup=False, emoji=False, force_terminal=False, color_system=None,
        width=_PLAIN_WIDTH,
    )  # fmt: skip
