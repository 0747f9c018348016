"""An answer's markdown on a terminal: tables and lists, and nothing that acts on the terminal."""

from collections.abc import Iterable

from markdown_it.token import Token
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import Heading, Markdown, TableElement
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from local.terminal.neutral import neutral

_PLAIN = {"html_inline": "text", "html_block": "code_block"}


class _LeftHeading(Heading):
    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(self.text.plain, style="bold underline" if self.tag in ("h1", "h2") else "bold")


class _EdgelessTable(TableElement):
    """A table without the empty lines above and below it."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for part in super().__rich_console__(console, options):
            if isinstance(part, Table):
                part.show_edge = False
            yield part


class SafeMarkdown(Markdown):
    """Markdown whose links show where they lead, whose HTML is text, and whose entities are neutral too."""

    elements = {**Markdown.elements, "heading_open": _LeftHeading, "table_open": _EdgelessTable}  # noqa: RUF012  as the library declares it

    def __init__(self, text: str) -> None:
        super().__init__(neutral(text), hyperlinks=False)
        _tame(self.parsed)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        begun = False
        for part in super().__rich_console__(console, options):
            # A table first comes with an empty line before it.
            begun = begun or part != Segment.line()
            if begun:
                yield part


def finished_part(text: str) -> int:
    """The part of a growing text in blocks that cannot change any more: everything before the last block."""
    starts = [token.map[0] for token in Markdown(text).parsed if token.level == 0 and token.map and token.nesting >= 0]
    if len(starts) < 2:
        return 0
    return sum(len(line) for line in text.splitlines(keepends=True)[: starts[-1]])


def _tame(tokens: Iterable[Token]) -> None:
    for token in tokens:
        # An entity such as &#x202E; became a character only when it was parsed.
        token.content = neutral(token.content)
        token.info = neutral(token.info)
        token.attrs = {name: neutral(value) for name, value in token.attrs.items()}
        token.type = _PLAIN.get(token.type, token.type)
        _tame(token.children or ())
