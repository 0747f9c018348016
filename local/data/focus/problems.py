"""Problems of a FOCUS file, named by file, row and column; the first few are kept and all are counted."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

ERRORS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that cannot be read; row 1 is the header, as a spreadsheet counts; None where it is the file itself."""

    row: int | None
    column: str | None
    message: str

    def __str__(self) -> str:
        parts = (f"row {self.row}" if self.row else "", f"column {self.column}" if self.column else "")
        place = ", ".join(part for part in parts if part)
        return f"{place}: {self.message}" if place else self.message


class FocusFileError(Exception):
    """A FOCUS file cannot be loaded, and nothing of it was; ``problems`` are the first of ``total``."""

    exit_code = 2

    def __init__(self, name: str, problems: Iterable[Problem], total: int) -> None:
        self.problems = tuple(problems)
        self.total = total
        lines = [f"{name}, {problem}" if problem.row else f"{name}: {problem}" for problem in self.problems]
        if total > len(self.problems):
            lines.append(f"… and {total - len(self.problems):,} more")
        super().__init__("\n".join(lines))

    @classmethod
    def plain(cls, sentence: str) -> Self:
        """Return an error about what was named, where there is no file yet."""
        name, _, message = sentence.partition(": ")
        return cls(name, [Problem(None, None, message)], 1)


@dataclass(slots=True)
class Problems:
    """The problems of one file: the first few kept, all counted."""

    name: str
    first: list[Problem] = field(default_factory=list)
    total: int = 0

    def add(self, row: int | None, column: str | None, message: str) -> None:
        """Note one problem and go on."""
        self.total += 1
        if len(self.first) < ERRORS_SHOWN:
            self.first.append(Problem(row, column, message))

    def note(self, column: str, rows: Iterable[tuple[int, str]], total: int) -> None:
        """Note the ``total`` problems of a column, of which ``rows`` are the first; the first of the file are kept."""
        self.total += total
        self.first = sorted([*self.first, *(Problem(row, column, message) for row, message in rows)], key=_row)
        del self.first[ERRORS_SHOWN:]

    def stop(self, row: int | None, column: str | None, message: str) -> FocusFileError:
        """Note a problem after which nothing more can be read, and return the error to raise."""
        self.add(row, column, message)
        return self.error()

    def error(self) -> FocusFileError:
        """Return the error that names what was noted."""
        return FocusFileError(self.name, self.first, self.total)


def _row(problem: Problem) -> int:
    return problem.row or 0
