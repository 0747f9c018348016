"""HTML: the text that a person sees, by headings, with its tables."""

import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser

from common.knowledge.chunking import Block
from common.knowledge.parsing.headings import Headings
from common.knowledge.parsing.tables import Grid, row_texts

_UNSEEN = frozenset({"script", "style", "template", "noscript", "svg", "head", "title", "iframe", "object", "select"})
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)
_INLINE = frozenset(
    {"a", "abbr", "b", "bdi", "bdo", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins", "kbd", "mark", "q",
     "s", "samp", "small", "span", "strong", "sub", "sup", "time", "tt", "u", "var"}
)  # fmt: skip
_HEADING = re.compile(r"h[1-6]")
# Elements whose end need not be written: each ends with the next one of these, unless it stands around them.
_ENDED_BY: Mapping[str, frozenset[str]] = {
    "li": frozenset({"li"}), "dt": frozenset({"dt", "dd"}), "dd": frozenset({"dt", "dd"}),
    "td": frozenset({"td", "th"}), "th": frozenset({"td", "th"}), "tr": frozenset({"tr", "td", "th"}),
    **dict.fromkeys(("thead", "tbody", "tfoot"), frozenset({"thead", "tbody", "tfoot", "tr", "td", "th"})),
}  # fmt: skip
_IN_HEAD = frozenset({"head", "title", "base", "link", "meta", "style", "script", "noscript", "template"})
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?![.\d])|opacity\s*:\s*0(?![.\d])")


def read_html(text: str) -> Iterator[Block]:
    """Return the parts of a page that are seen."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    reader.end()
    yield from reader.blocks


class _Reader(HTMLParser):
    """Gathers text up to the next block element; what is hidden is left out with all that is in it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[Block] = []
        self._headings = Headings()
        self._words: list[str] = []
        self._heading = 0
        # The elements that are open, and how many of them were open when the hidden one began.
        self._open: list[str] = []
        self._counts: dict[str, int] = {}
        self._hidden_at: int | None = None
        self._table: Grid | None = None
        # How far the cell that is open spans, in columns and rows; None where none is open.
        self._spans: tuple[int, int] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._end_unwritten(tag)
        if tag in _VOID:
            if self._hidden_at is None and tag in ("br", "hr"):
                self._words.append("\n")
            return
        if self._hidden_at is None and tag not in _INLINE:
            self._begin(tag, dict(attrs))
        elif self._hidden_at is None and tag == "sup":
            # The mark of a footnote behind a figure is no digit of it.
            self._words.append(" ")
        self._open.append(tag)
        self._counts[tag] = self._counts.get(tag, 0) + 1
        if self._hidden_at is None and (tag in _UNSEEN or _is_hidden(attrs)):
            self._hidden_at = len(self._open)

    def handle_endtag(self, tag: str) -> None:
        # An end without its beginning is nothing; one that skips others ends them.
        if not self._counts.get(tag):
            return
        while self._open:
            last = self._open.pop()
            self._counts[last] -= 1
            if last == tag:
                break
        if self._hidden_at is not None:
            if len(self._open) < self._hidden_at:
                self._hidden_at = None
            return
        if tag not in _INLINE:
            self._finish(tag)

    def _end_unwritten(self, tag: str) -> None:
        """End the elements that end where this one begins, whether or not that is written."""
        if self._open and self._open[-1] == "head" and tag not in _IN_HEAD:
            self.handle_endtag("head")
        if tag in _INLINE:
            return
        ended = _ENDED_BY.get(tag, frozenset()) | {"p"}
        while any(map(self._counts.get, ended)):
            # A paragraph, a cell or the like is ended with what is open in it, but not from within another block.
            last = next((each for each in reversed(self._open) if each not in _INLINE), "")
            if last not in ended:
                return
            self.handle_endtag(last)

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "head" and data.strip():
            self.handle_endtag("head")
        if self._hidden_at is None:
            self._words.append(data)

    def end(self) -> None:
        """Take what the page ends with."""
        self._finish("table")
        self._flush()

    def _begin(self, tag: str, given: Mapping[str, str | None]) -> None:
        if self._table is not None:
            if tag == "tr":
                self._cell()
                self._table.end_row()
                self._table.begin_row()
            elif tag in ("td", "th"):
                self._cell()
                self._spans = (_span(given.get("colspan")), _span(given.get("rowspan")))
            else:
                self._words.append(" ")
            return
        self._flush()
        if tag == "table":
            self._table, self._spans = Grid(), None
        elif _HEADING.fullmatch(tag):
            self._heading = int(tag[1])

    def _finish(self, tag: str) -> None:
        if self._table is not None:
            if tag in ("td", "th", "tr"):
                self._cell()
            if tag == "table":
                self._cell()
                self._table.end_row()
                table, self._table = self._table, None
                self.blocks += [Block(line, self._headings.path) for line in row_texts(table.rows)]
            return
        self._flush()

    def _cell(self) -> None:
        text = " ".join("".join(self._words).split())
        self._words = []
        # Between the cells there is only space, or what a browser would move out of the table.
        if self._table is not None and (text or self._spans):
            self._table.add(text, *(self._spans or (1, 1)))
        self._spans = None

    def _flush(self) -> None:
        lines = [" ".join(line.split()) for line in "".join(self._words).split("\n")]
        self._words = []
        heading, self._heading = self._heading, 0
        text = (" " if heading else "\n").join(line for line in lines if line)
        if not text:
            return
        if heading:
            self._headings.begin(heading, text)
        else:
            self.blocks.append(Block(text, self._headings.path))


def _span(given: str | None) -> int:
    return int(given) if given and given.isdecimal() and len(given) < 6 else 1


def _is_hidden(attrs: list[tuple[str, str | None]]) -> bool:
    given = dict(attrs)
    return "hidden" in given or given.get("aria-hidden") == "true" or bool(_HIDDEN.search(given.get("style") or ""))
