"""An answer's markdown on a terminal: tables and lists, and nothing that acts on the terminal."""

import re
from collections.abc import Iterable, Iterator

from markdown_it.token import Token
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import Heading, Markdown, TableElement
from rich.segment import Segment
from rich.table import Column, Table
from rich.text import Text

from local.terminal.neutral import neutral

# A figure with its sign, currency, separators and unit.
_FIGURE = re.compile(r"^[-+−(]?\s?(?:[A-Z]{3}|[$€£¥₹])?\s?[-+−]?\d[\d,]*(?:\.\d+)?\s?(?:%|[A-Z]{3}|[kMG]?B)?\)?$")
_NOTHING = ("", "-", "–", "—", "n/a", "None")
_GAP, _WORD = 2, 14
_PLAIN = {"html_inline": "text", "html_block": "code_block"}


class _LeftHeading(Heading):
    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(self.text.plain, style="bold underline" if self.tag in ("h1", "h2") else "bold")


class _EdgelessTable(TableElement):
    """A table without the empty lines above and below it, whose figures are whole; or else a list of its rows."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for part in super().__rich_console__(console, options):
            if isinstance(part, Table):
                part.show_edge = False
                for column in part.columns:
                    _keep_whole(column)
                if sum(map(_least_width, part.columns)) + _GAP * (len(part.columns) - 1) > options.max_width:
                    yield from _records(part)
                    continue
            yield part


def _keep_whole(column: Column) -> None:
    """Let a column of figures break in its heading only, and one of words between words only."""
    if _is_of_figures(column):
        column.no_wrap, column.justify = True, "right"
        if cell_len(_plain(column.header)) > max(cell_len(_plain(cell)) for cell in column.cells):
            column.header = Text("\n".join(_plain(column.header).split()), justify="right")
    column.min_width = _least_width(column)


def _is_of_figures(column: Column) -> bool:
    cells = [_plain(cell) for cell in column.cells]
    return any(map(_FIGURE.search, cells)) and all(_FIGURE.search(cell) or cell in _NOTHING for cell in cells)


def _least_width(column: Column) -> int:
    """The width below which a column is not readable: figures whole, words of a usual length whole."""
    if column.no_wrap:
        heading = max(map(cell_len, _plain(column.header).split()), default=0)
        return max(heading, *(cell_len(_plain(cell)) for cell in column.cells))
    words = [word for cell in (column.header, *column.cells) for word in _plain(cell).split()]
    return max((min(cell_len(word), _WORD) for word in words), default=1)


def _records(table: Table) -> Iterator[Text]:
    """Each row as lines of a heading and a value."""
    headings = [" ".join(_plain(column.header).split()) for column in table.columns]
    for row in zip(*(column.cells for column in table.columns), strict=True):
        first, *others = map(_plain, row)
        yield Text(first, style="bold")
        for heading, cell in zip(headings[1:], others, strict=True):
            yield Text(f"  {heading}: {cell}")


def _plain(cell: object) -> str:
    return cell.plain if isinstance(cell, Text) else str(cell)


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


def shown_part(text: str) -> str:
    """The part of a growing text that can be drawn: a table's head waits for the line that makes it a table."""
    lines = text.splitlines(keepends=True)
    start = len(lines)
    while start and lines[start - 1].lstrip().startswith("|"):
        start -= 1
    table = lines[start:]
    headless = len(table) == 1 or (len(table) == 2 and not table[1].endswith("\n"))
    return "".join(lines[:start]) if headless else text


def _tame(tokens: Iterable[Token]) -> None:
    for token in tokens:
        # An entity such as &#x202E; became a character only when it was parsed.
        token.content = neutral(token.content)
        token.info = neutral(token.info)
        token.attrs = {name: neutral(value) for name, value in token.attrs.items()}
        token.type = _PLAIN.get(token.type, token.type)
        _tame(token.children or ())
