"""The figure check: the figures of an answer that neither stand in its sources nor follow from others that do."""

import re
from collections import Counter
from collections.abc import Sequence

from common.figures.derived import Shown
from common.figures.reading import Figure, read_figures
from common.figures.sources import Sources, is_among

MOST_NAMED = 50

# What ends the name that a line of a list begins with.
_LISTED = re.compile(r"\*{0,2}:|\s[-–—(=]|\*\*\s")
_ITEM = ("-", "*", "+", "•")
# A figure may follow from one that follows from others.
_ROUNDS = 3


def unverified_figures(text: str, sources: Sources, *, strict: bool = False) -> tuple[str, ...]:
    """Return the figures that cannot be verified, as they are written, in order and each once.

    Where the check is ``strict``, a figure of few digits has to stand in the sources: it might follow by chance.
    """
    figures = read_figures(text)
    lines = _Lines(text, sources)
    unknown = [figure for figure in figures if not lines.hold(figure)]
    if unknown:
        short = [figure for figure in unknown if strict and figure.is_short]
        unknown = short or _underived(figures, unknown, lines)
    return tuple(dict.fromkeys(figure.text for figure in unknown))[:MOST_NAMED]


def _underived(figures: Sequence[Figure], unknown: list[Figure], lines: "_Lines") -> list[Figure]:
    """The figures that do not follow from the others; those of a column of data have to stand in it."""
    ids = {id(figure) for figure in unknown}
    shown = Shown([figure for figure in figures if id(figure) not in ids])
    cells, missing = (Counter(each.cell for each in some) for some in (figures, unknown))
    data = {id(each) for each in unknown if lines.names_rows(each) and cells[each.cell] > 2 * missing[each.cell]}
    for _ in range(_ROUNDS):
        left = [figure for figure in unknown if id(figure) in data or not shown.explain(figure)]
        if len(left) == len(unknown):
            break
        unknown = left
    return unknown


class _Lines:
    """The lines of an answer beside its sources: one that has the name of a row is about that row."""

    def __init__(self, text: str, sources: Sources) -> None:
        self._lines = text.split("\n")
        self._sources = sources
        self._about: dict[int, list[float]] = {}
        self._listed = sum(line.lstrip().startswith(("|", *_ITEM)) for line in self._lines)

    def hold(self, figure: Figure) -> bool:
        """Return true if the figure stands in the sources; a short one in a line about some rows, in those rows."""
        if not self._sources.holds(figure):
            return figure.is_small and self._counts(figure.count)
        if not figure.is_short:
            return True
        about = self._rows(figure.line)
        return not about or is_among(figure, about)

    def names_rows(self, figure: Figure) -> bool:
        """Return true for a cell of a table in a line about some rows."""
        return figure.cell >= 0 and bool(self._rows(figure.line))

    def _rows(self, line: int) -> list[float]:
        """The numbers of the rows that a line is about; none where it names no row."""
        if line not in self._about:
            self._about[line] = self._sources.rows_named(_names(self._lines[line]))
        return self._about[line]

    def _counts(self, number: int) -> bool:
        """Return true for the number of rows that are listed or left out; two lines of a table are its head."""
        listed = {self._listed, self._listed - 2}
        return number in listed or any(self._sources.counts(number + each) for each in listed if each > 0)


def _names(line: str) -> list[str]:
    """The names that stand in a line of a table, or at the beginning of a line of a list."""
    line = line.strip()
    if line.startswith("|"):
        return [cell.replace("\\", "").strip(" *_`") for cell in line.strip("|").split("|")]
    return [_LISTED.split(line.lstrip("-*+• "), maxsplit=1)[0].strip(" *_`")] if line.startswith(_ITEM) else []
