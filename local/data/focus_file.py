"""A FOCUS CSV as a stream of records: encoding, header and field counts checked, problems named by row and column."""

import csv
import gzip
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

GZIP_MAGIC = b"\x1f\x8b"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
ERRORS_SHOWN = 10
# A quotation mark that is never closed swallows the rest of the file into one field: stop before memory does.
LONGEST_FIELD = 16 * 1024 * 1024
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that cannot be read; row 1 is the header, as a spreadsheet counts; None where it is the file itself."""

    row: int | None
    column: str | None
    message: str

    def __str__(self) -> str:
        place = ", ".join(
            part
            for part in (f"row {self.row}" if self.row else "", f"column {self.column}" if self.column else "")
            if part
        )
        return f"{place}: {self.message}" if place else self.message


class FocusFileError(Exception):
    """A FOCUS file cannot be loaded, and nothing of it was; ``problems`` are the first of ``total``."""

    exit_code = 2

    def __init__(self, path: Path, problems: list[Problem], total: int) -> None:
        lines = [f"{path}, {problem}" if problem.row else f"{path}: {problem}" for problem in problems]
        if total > len(problems):
            lines.append(f"… and {total - len(problems):,} more")
        super().__init__("\n".join(lines))
        self.path = path
        self.problems = tuple(problems)
        self.total = total


@dataclass(slots=True)
class Problems:
    """The problems of one file: the first few kept, all counted."""

    path: Path
    first: list[Problem] = field(default_factory=list)
    total: int = 0

    def add(self, row: int | None, column: str | None, message: str) -> None:
        """Note one problem and go on."""
        self.total += 1
        if len(self.first) < ERRORS_SHOWN:
            self.first.append(Problem(row, column, message))

    def stop(self, row: int | None, column: str | None, message: str) -> FocusFileError:
        """Note a problem after which nothing more can be read, and return the error to raise."""
        self.add(row, column, message)
        return self.error()

    def error(self) -> FocusFileError:
        """Return the error that names what was noted."""
        return FocusFileError(self.path, self.first, self.total)


class FocusFile:
    """The records of one CSV file, plain or gzipped; iterating yields (row number, cells) after the header."""

    def __init__(self, path: Path, problems: Problems, progress: Progress) -> None:
        self.path = path
        self.problems = problems
        self.header: list[str] = []
        self._progress = progress
        self._damaged = False

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        """Read the file once, from the header on; ``header`` is set when the first record is yielded."""
        csv.field_size_limit(min(LONGEST_FIELD, sys.maxsize))
        try:
            with self.path.open("rb") as raw:
                yield from self._records(raw)
        except OSError as error:
            raise self.problems.stop(None, None, f"cannot be read: {error.strerror or error}") from error
        except (EOFError, zlib.error) as error:
            raise self.problems.stop(None, None, "the compressed file is damaged or ends too early") from error

    def _records(self, raw: IO[bytes]) -> Iterator[tuple[int, list[str]]]:
        start = raw.read(2)
        raw.seek(0)
        if start in UTF16_MARKS:
            raise self.problems.stop(None, None, "the file is UTF-16; save it as CSV UTF-8")
        source: IO[bytes] = gzip.open(raw) if start == GZIP_MAGIC else raw  # type: ignore[assignment]  # noqa: SIM115
        reader = csv.reader(self._lines(source, raw), strict=True)
        row = 0
        while True:
            row += 1
            try:
                cells = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                raise self.problems.stop(row, None, _explain(error)) from error
            if self._damaged:
                self._damaged = False
                self._report_damage(row, cells)
                continue
            if not self.header:
                if not any(cell.strip() for cell in cells):
                    raise self.problems.stop(1, None, "there is no header: the first row is empty")
                self.header = [cell.strip() for cell in cells]
                continue
            if not any(cells):
                continue
            if len(cells) != len(self.header):
                self.problems.add(row, None, f"{len(cells)} fields where the header has {len(self.header)}")
                continue
            yield row, cells
        if not self.header:
            raise self.problems.stop(None, None, "the file is empty")

    def _lines(self, source: IO[bytes], raw: IO[bytes]) -> Iterator[str]:
        """Yield the physical lines as text; undecodable bytes stay as surrogates, so that their cell can be named."""
        encoding = "utf-8-sig"
        for line in source:
            self._progress(raw.tell())
            try:
                text = line.decode(encoding)
            except UnicodeDecodeError:
                text = line.decode(encoding, "surrogateescape")
                self._damaged = True
            if "\0" in text:
                self._damaged = True
            encoding = "utf-8"
            yield text

    def _report_damage(self, row: int, cells: list[str]) -> None:
        if not self.header:
            raise self.problems.stop(row, None, "the header is not UTF-8 text; save the file as CSV UTF-8")
        names = self.header + ["?"] * max(0, len(cells) - len(self.header))
        for name, cell in zip(names, cells, strict=False):
            if "\0" in cell:
                self.problems.add(row, name, "holds a NUL byte")
            elif any("\udc80" <= character <= "\udcff" for character in cell):
                self.problems.add(row, name, "is not UTF-8 text; save the file as CSV UTF-8")


def _explain(error: csv.Error) -> str:
    text = str(error)
    if "unexpected end of data" in text:
        return "a quotation mark is opened here and never closed"
    if "field larger than" in text:
        return f"a field is longer than {LONGEST_FIELD:,} characters: a quotation mark is probably never closed"
    if "new-line character" in text:
        return "a line end of CR alone; save the file with LF or CRLF line ends"
    return f"not CSV: {text}"
