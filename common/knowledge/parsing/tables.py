"""Rows of a table as text that can be found: each cell beside the name of its column."""

from collections.abc import Iterator, Sequence

_MOST_NAMED = 30


def row_texts(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Return a line for each row below the first, or of a single row its cells."""
    filled = [[" ".join(cell.split()) for cell in row] for row in rows]
    filled = [row for row in filled if any(row)]
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
