"""Plain text, Markdown and comma-separated values."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain, islice

from common.knowledge.chunking import Block
from common.knowledge.parsing.headings import Headings
from common.knowledge.parsing.refusal import Refused
from common.knowledge.parsing.tables import row_texts

_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*")
_SETEXT = re.compile(r" {0,3}(=+|-{2,})[ \t]*")
# A comment is not shown, unless it stands in a code block.
_CODE_OR_COMMENT = re.compile(r"(^ {0,3}(`{3,}|~{3,})[^\n]*\n.*?^ {0,3}\2[`~]*[ \t]*$)|<!--.*?-->", re.M | re.S)
_RULE = re.compile(r"[ \t]*:?-+:?[ \t]*")
_BAR = re.compile(r"(?<!\\)\|")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_ROWS_COMPARED = 50
# What programs write before the first heading, after a heading, and before a table: YAML, attributes, the separator.
_FRONT = re.compile(r"---[ \t]*\n(?=[\w-]+:)(.{0,20000}?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.S)
_TITLE = re.compile(r"^title:[ \t]*[\"']?(.{1,200}?)[\"']?[ \t]*$", re.M)
_ATTRIBUTES = re.compile(r"[ \t]*\{[#.][^{}]{0,200}\}\Z")
_SEPARATOR = re.compile(r"sep=(.)\r?\n", re.I)


def read_text(text: str) -> Iterator[Block]:
    """Return the paragraphs of a text."""
    for paragraph in re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n").replace("\r", "\n")):
        if paragraph.strip():
            yield Block(paragraph.strip())


def read_markdown(text: str) -> Iterator[Block]:
    """Return the parts of a Markdown text between its headings; lines of a code block are no headings."""
    headings, lines = Headings(), list[str]()
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if front := _FRONT.match(text):
        text = text[front.end() :]
        if named := _TITLE.search(front[1]):
            headings.begin(0, named[1])
    for line, in_code in _rows_told(_lines(_CODE_OR_COMMENT.sub(lambda found: found[1] or "", text))):
        level, title = (0, None) if in_code else _heading(line, lines[-1] if lines else "")
        if level == 0:
            lines.append(line)
            continue
        if title is None:
            title = lines.pop()
        yield from _block(lines, headings)
        headings.begin(level, _ATTRIBUTES.sub("", title))
        lines = []
    yield from _block(lines, headings)


def _lines(text: str) -> Iterator[tuple[str, bool]]:
    """The lines of a Markdown text, and of each whether it is of a code block."""
    fence = ""
    for line in text.split("\n"):
        opened = None if fence else _FENCE.match(line)
        yield line, bool(fence or opened)
        if opened:
            fence = opened[1]
        elif fence and line.strip().startswith(fence) and not line.strip().strip(fence[0]):
            fence = ""


def _rows_told(lines: Iterable[tuple[str, bool]]) -> Iterator[tuple[str, bool]]:
    """The lines, and in the place of a table its rows, each with the names of its columns."""
    table, before = list[list[str]](), ""
    for line, in_code in chain(lines, [("", False)]):
        if not in_code and "|" in line:
            if table:
                table.append(_cells(line))
                continue
            if before and all(map(_RULE.fullmatch, _cells(line))):
                table, before = [_cells(before)], ""
                continue
        # No line of a table is a heading.
        yield from ((told, True) for told in row_texts(table))
        if before:
            yield before, False
        table, before = [], "" if in_code or "|" not in line else line
        if not before:
            yield line, in_code


def _cells(row: str) -> list[str]:
    row = row.strip().removeprefix("|").removesuffix("|")
    return [cell.replace("\\|", "|") for cell in _BAR.split(row)]


def _heading(line: str, before: str) -> tuple[int, str | None]:
    """The level of the heading that a line is or ends, 0 where it is none, and its text where it is in this line."""
    if atx := _ATX.fullmatch(line):
        return len(atx[1]), atx[2] or ""
    if before.strip() and not before.lstrip().startswith(("|", "-", "*", ">")) and (under := _SETEXT.fullmatch(line)):
        return (1 if under[1][0] == "=" else 2), None
    return 0, None


def _block(lines: list[str], headings: Headings) -> Iterator[Block]:
    if text := "\n".join(lines).strip():
        yield Block(text, headings.path)


def read_csv(text: str) -> Iterator[Block]:
    """Return the rows of a table, each with the names of its columns. Raises Refused."""
    separator = _SEPARATOR.match(text)
    if separator:
        text = text[separator.end() :]
    csv.field_size_limit(len(text) + 1)
    try:
        rows = list(_rows(text, separator[1] if separator else _separator(text)))
    except csv.Error as error:
        raise Refused("broken") from error
    yield from (Block(line) for line in row_texts(rows))


def _separator(text: str) -> str:
    """The separator by which the most of the first rows have as many cells as each other, and more than one."""

    def likeness(separator: str) -> tuple[float, int]:
        widths = [len(row) for row in islice(_rows(text, separator), _ROWS_COMPARED) if row]
        width, count = max(
            Counter(each for each in widths if each > 1).items(), key=lambda each: each[1], default=(1, 0)
        )
        return count / max(len(widths), 1), width

    # Of two that are equally alike, a comma is the likelier to be one of the text.
    return max("\t;|,", key=likeness)


def _rows(text: str, separator: str) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
