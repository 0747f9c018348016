"""Rows of a table as text that can be found: each cell beside the name of its column."""

from collections.abc import Iterator, Sequence

_MOST_NAMED = 30
# A cell that spans more is taken for one that spans so many.
MOST_COLUMNS, MOST_ROWS = 100, 1_000


class Grid:
    """The rows of a table as its cells come; one that spans several stands in its first column, and in each row."""

    def __init__(self) -> None:
        self.rows: list[list[str]] = []
        # By column, the text of a cell above that reaches down, and how many more rows it does.
        self._above: dict[int, tuple[str, int]] = {}

    def begin_row(self) -> None:
        """Begin the next row."""
        self.rows.append([])

    def add(self, text: str, columns: int = 1, rows: int = 1) -> None:
        """Put a cell into the row that was begun last."""
        if not self.rows:
            self.begin_row()
        self._take_from_above()
        row = self.rows[-1]
        if rows > 1:
            self._above[len(row)] = (text, min(rows, MOST_ROWS) - 1)
        row += [text, *[""] * (min(max(columns, 1), MOST_COLUMNS) - 1)]

    def end_row(self) -> None:
        """Take the last columns of the row from above, where cells reach down."""
        if self.rows:
            self._take_from_above()

    def _take_from_above(self) -> None:
        row = self.rows[-1]
        while len(row) in self._above:
            text, left = self._above.pop(len(row))
            if left > 1:
                self._above[len(row)] = (text, left - 1)
            row.append(text)


def _titles(rows: Sequence[Sequence[str]]) -> int:
    """Count the rows above a table that are its title: a single cell each, and then the names of its columns."""
    wide = [sum(map(bool, row)) > 1 for row in rows]
    count = wide.index(True) if True in wide else 0
    is_named = wide[count + 1 : count + 2] == [True] and not any(map(str.isdigit, "".join(rows[count])))
    return count if is_named else 0


def row_texts(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Return a line for each row below the first, or of a single row its cells."""
    filled = [[" ".join(cell.split()) for cell in row] for row in rows]
    filled = [row for row in filled if any(row)]
    titles = _titles(filled)
    yield from map("".join, filled[:titles])
    filled = filled[titles:]
    if len(filled) < 2 or len(filled[0]) > _MOST_NAMED or not any(filled[0][:-1]):
        yield from (" | ".join(cell for cell in row if cell) for row in filled)
        return
    names = filled[0]
    for row in filled[1:]:
        cells = [
            f"{names[index]}: {cell}" if index < len(names) and names[index] else cell
            for index, cell in enumerate(row)
            if cell
        ]
        yield "; ".join(cells)
