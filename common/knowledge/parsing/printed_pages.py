"""The numbers and labels that are printed on the pages of a document, which its reader knows them by."""

import re
from collections import Counter
from collections.abc import Callable, Sequence

Printed = int | str | None
# Of the pages with text, so many must agree on how far the printed number is from the count.
_SHARE = 0.6
_LEAST = 3
# Of the pages before the first number, so many must agree on a Roman one.
_LEAST_ROMAN = 2
_LABEL_CHARS = 20
_BEFORE = r"(?:.{0,60}?\b(?:page|seite|p\.|pág\.|página|pagina)\s*)?[-\u2013\u2014|\s]*"
_NUMBER = re.compile(
    _BEFORE + r"(\d{1,4})(?:\s*(?:/|of|von|de|sur|\|)\s*\d{1,4})?[-\u2013\u2014|\s]*",
    re.I,
)
_AT_END = re.compile(r".{1,120}\s(\d{1,4})")
_ROMAN = re.compile(_BEFORE + r"(?=[ivxlc])(c{0,3}(?:xc|xl|l?x{0,3})(?:ix|iv|v?i{0,3}))[-\u2013\u2014|\s]*", re.I)
_LETTERS = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}
_NUMERALS = ((100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))


def printed_numbers(texts: Sequence[str], labels: Sequence[str]) -> list[Printed]:
    """Return what is printed on each page: a number, or a label such as "iv" or "A-3"; None for nothing.

    It is what stands at the top or bottom of the pages, or the document's labels, or the place from 1. Labels that
    merely count are no labels: many programs write them, whatever is printed.
    """
    offset = _offset(texts, (_NUMBER, _AT_END), int, range(len(texts)), _LEAST)
    given = [_given(*each) for each in zip(labels, texts, strict=True)] if any(_counts(labels)) else []
    if offset is None:
        return given or [index + 1 for index in range(len(texts))]
    numbers: list[Printed] = [number if (number := index + offset) > 0 else None for index in range(len(texts))]
    if given and _agree(given, numbers):
        return given
    front = range(sum(number is None for number in numbers))
    roman = _offset(texts, (_ROMAN,), _value, front, _LEAST_ROMAN)
    return [
        _numeral(index + roman) if number is None and roman is not None and index + roman > 0 else number
        for index, number in enumerate(numbers)
    ]


def _counts(labels: Sequence[str]) -> list[bool]:
    """Of each label, whether it says more than the place of its page."""
    return [label != str(index) for index, label in enumerate(labels, 1)]


def _given(label: str, text: str) -> Printed:
    """The label of a page; of one that begins what is printed there, as "A" does of "A-1", the whole."""
    label = "".join(sign for sign in label if sign.isprintable()).strip()
    if label.isdecimal() and len(label) <= 9:
        return int(label)
    whole = (line for line in _edges(text) if label and re.fullmatch(re.escape(label) + r"[-.\u2013]?\d{1,4}", line))
    return next(whole, label)[:_LABEL_CHARS] or None


def _agree(given: Sequence[Printed], numbers: Sequence[Printed]) -> bool:
    """Tell whether labels that are numbers are those that are printed."""
    same = [label == number for label, number in zip(given, numbers, strict=True) if isinstance(label, int)]
    return sum(same) * 2 >= len(same)


def _offset(
    texts: Sequence[str],
    patterns: Sequence[re.Pattern[str]],
    value: Callable[[str], int],
    of: range,
    least: int,
) -> int | None:
    """Return how far the printed numbers of pages are ahead of their indexes, None if none are printed."""
    pages = [(index, texts[index]) for index in of if texts[index].strip()]
    for pattern in patterns:
        seen = Counter(offset for index, text in pages for offset in _offsets(index, text, pattern, value))
        if seen:
            offset, count = seen.most_common(1)[0]
            if count >= max(least, _SHARE * len(pages)):
                return offset
    return None


def _offsets(index: int, text: str, pattern: re.Pattern[str], value: Callable[[str], int]) -> set[int]:
    found = map(pattern.fullmatch, _edges(text))
    return {value(match[1]) - index for match in found if match}


def _edges(text: str) -> set[str]:
    """The lines at the top and the bottom of a page."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    return {*lines[:2], *lines[-2:]}


def _value(roman: str) -> int:
    values = [_LETTERS[letter] for letter in roman.lower()]
    return sum(-each if each < after else each for each, after in zip(values, [*values[1:], 0], strict=True))


def _numeral(number: int) -> str:
    written = ""
    for value, letters in _NUMERALS:
        while number >= value:
            written += letters
            number -= value
    return written
