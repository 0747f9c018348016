"""The numbers that are printed on the pages of a document, which its reader knows them by."""

import re
from collections import Counter
from collections.abc import Sequence

# Of the pages with text, so many must agree on how far the printed number is from the count.
_SHARE = 0.6
_LEAST = 3
_NUMBER = re.compile(
    r"(?:.{0,60}?\b(?:page|seite|p\.|pág\.|página|pagina)\s*)?[-\u2013\u2014|\s]*(\d{1,4})"
    r"(?:\s*(?:/|of|von|de|sur|\|)\s*\d{1,4})?[-\u2013\u2014|\s]*",
    re.I,
)
_AT_END = re.compile(r".{1,120}\s(\d{1,4})")


def printed_numbers(texts: Sequence[str], labels: Sequence[str]) -> list[int | None]:
    """Return the number of each page: printed at its top or bottom, or its label, or its place from 1.

    A page whose label is no number, such as one of a preface that is numbered in Roman, has none.
    """
    offset = _offset(texts)
    if offset is None:
        if labels:
            return [int(label) if label.isdecimal() else None for label in labels]
        return [index + 1 for index in range(len(texts))]
    return [number if (number := index + offset) > 0 else None for index in range(len(texts))]


def _offset(texts: Sequence[str]) -> int | None:
    """Return how far the printed numbers are ahead of the pages' indexes, None if none are printed."""
    pages = [(index, text) for index, text in enumerate(texts) if text.strip()]
    for pattern in (_NUMBER, _AT_END):
        seen = Counter(offset for index, text in pages for offset in _offsets(index, text, pattern))
        if seen:
            offset, count = seen.most_common(1)[0]
            if count >= max(_LEAST, _SHARE * len(pages)):
                return offset
    return None


def _offsets(index: int, text: str, pattern: re.Pattern[str]) -> set[int]:
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    found = (pattern.fullmatch(line) for line in {*lines[:2], *lines[-2:]})
    return {int(match[1]) - index for match in found if match}
