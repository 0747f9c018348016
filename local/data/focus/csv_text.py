"""The form of a text file (encoding, separator, header), and its records read strictly, row by row."""

import codecs
import csv
import io
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from local.data.focus.kinds import HEAD_BYTES
from local.data.focus.naming import is_header, known
from local.data.focus.problems import Problems

# A quotation mark that is never closed swallows the rest of the file into one field: stop before memory does.
LONGEST_FIELD = 16 * 1024 * 1024
SEPARATORS = (",", ";", "\t", "|")
# Lines above the header: a title, a comment, "sep=;".
MOST_LINES_ABOVE = 20
Progress = Callable[[int], None]

_SEP_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
_UNDECODED = re.compile("[\udc80-\udcff\0]")
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BLANK_LINE = re.compile(rb"(\n\r?\n|\r\r)[^\r\n]")
_LINE_ENDS = re.compile(r"\r\n|\r|\n")
_PIECE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class TextForm:
    """The form of a text file; ``above`` is the number of records before the header."""

    encoding: str
    separator: str
    above: int
    header: tuple[str, ...]
    is_plain: bool

    @property
    def is_utf8(self) -> bool:
        """Return true if the bytes are UTF-8, with or without a mark."""
        return self.encoding.startswith("utf-8")


def tell_form(path: Path, problems: Problems) -> TextForm:
    """Tell how a text file is written, from its beginning. Raises FocusFileError."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head.strip():
        raise problems.stop(None, None, "the file is empty")
    encoding = _encoding(head)
    text = head.decode(encoding, "surrogateescape" if encoding.startswith("utf-8") else "replace").lstrip("\ufeff")
    lines = _LINE_ENDS.split(text)
    for above, line in enumerate(lines[:MOST_LINES_ABOVE]):
        separator = max(SEPARATORS, key=lambda each: known(_cells(line, each)))
        cells = _cells(line, separator)
        if is_header(cells):
            plain = encoding.startswith("utf-8") and above == 0
            return TextForm(encoding, separator, above, cells, plain)
    return _unknown_form(encoding, lines, problems)


def _unknown_form(encoding: str, lines: list[str], problems: Problems) -> TextForm:
    if not lines or not lines[0].strip():
        raise problems.stop(1, None, "there is no header: the first row is empty")
    if _UNDECODED.search(lines[0]):
        raise problems.stop(1, None, "the header is not UTF-8 text; save the file as CSV UTF-8")
    named = _SEP_LINE.fullmatch(lines[0].strip())
    above = 1 if named and len(lines) > 1 else 0
    separator = named[1] if named else max(SEPARATORS, key=lines[0].count)
    return TextForm(encoding, separator, above, _cells(lines[above], separator), False)


def _encoding(head: bytes) -> str:
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    # A header is ASCII: every second byte of UTF-16 is zero.
    even, odd = head[0:400:2], head[1:400:2]
    if odd and odd.count(0) > 0.9 * len(odd) and 0 not in even:
        return "utf-16-le"
    if odd and even.count(0) > 0.9 * len(even) and 0 not in odd:
        return "utf-16-be"
    return "utf-8"


def _cells(line: str, separator: str) -> tuple[str, ...]:
    try:
        return tuple(cell.strip() for cell in next(csv.reader([line], delimiter=separator), []))
    except csv.Error:
        return ()


def needs_care(path: Path) -> bool:
    """Say whether a NUL byte or a blank line between rows is in the file, of which DuckDB does not tell the row."""
    before = b""
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            if b"\0" in piece or _BLANK_LINE.search(before + piece):
                return True
            before = piece[-3:]
    return False


class Records:
    """The records of one text file below its header; iterating yields (row as a spreadsheet counts, cells).

    ``escaped`` reads a quotation mark after a backslash as part of the field, as Spark and MySQL write it.
    """

    def __init__(self, path: Path, form: TextForm, problems: Problems, *, escaped: bool = False) -> None:
        self._path = path
        self._form = form
        self._problems = problems
        self._escaped = escaped
        self._damaged = False
        self.progress: Progress = lambda _position: None

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        csv.field_size_limit(min(LONGEST_FIELD, sys.maxsize))
        errors = "surrogateescape" if self._form.is_utf8 else "strict"
        with (
            self._path.open("rb") as raw,
            io.TextIOWrapper(raw, self._form.encoding, errors, newline="") as text,
        ):
            try:
                yield from self._records(csv.reader(self._lines(text, raw), delimiter=self._separator, strict=True))
            except UnicodeError as error:
                name = self._form.encoding.upper()
                raise self._problems.stop(None, None, f"is not {name} text; save it as CSV UTF-8") from error

    @property
    def _separator(self) -> str:
        return self._form.separator

    def _records(self, reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
        row, width = 0, len(self._form.header)
        while True:
            row += 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise self._problems.stop(row, None, _explain(error)) from error
            if self._damaged:
                self._damaged = False
                self._report_damage(row, cells)
            elif row > self._form.above + 1 and any(cells):
                if len(cells) > width and not any(cells[width:]):
                    cells = cells[:width]  # a separator at the end of each row
                if len(cells) != width:
                    self._problems.add(row, None, _wrong_width(len(cells), width))
                    continue
                yield row, cells

    def _lines(self, text: io.TextIOWrapper, raw: io.BufferedReader) -> Iterator[str]:
        """Yield the physical lines; bytes that are no text stay as surrogates, so that their cell can be named."""
        for number, line in enumerate(text):
            if number % 1000 == 0:
                self.progress(raw.tell())
            if _UNDECODED.search(line):
                self._damaged = True
            yield line.replace('\\"', '""') if self._escaped else line

    def _report_damage(self, row: int, cells: list[str]) -> None:
        names = [*self._form.header, *(["?"] * max(0, len(cells) - len(self._form.header)))]
        for name, cell in zip(names, cells, strict=False):
            if "\0" in cell:
                self._problems.add(row, name, "holds a NUL byte")
            elif _UNDECODED.search(cell):
                self._problems.add(row, name, "is not UTF-8 text; save the file as CSV UTF-8")


def _wrong_width(found: int, width: int) -> str:
    hint = "; a line of totals or notes is no charge" if found < width / 2 else ""
    return f"{found} fields where the header has {width}{hint}"


def _explain(error: csv.Error) -> str:
    text = str(error)
    if "unexpected end of data" in text:
        return "a quotation mark is opened here and never closed"
    if "field larger than" in text:
        return f"a field is longer than {LONGEST_FIELD:,} characters: a quotation mark is probably never closed"
    if "expected after" in text:
        return "text follows a closed quotation mark; write a quotation mark in a field twice"
    return f"not CSV: {text}"
