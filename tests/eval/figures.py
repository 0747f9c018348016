"""The numbers of a text, each with the precision that it was written with."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

_SKIPPED = re.compile(
    r"```.*?```|`[^`]*`|https?://\S+|\b\d{4}-\d\d(?:-\d\d)?(?:[T ]\d\d:\d\d(?::\d\d)?)?\b|\b\d\d?:\d\d(?::\d\d)?\b"
    r"|\b(?:FY|Q)\s?\d+(?:/\d+)?\b|\b(?:19|20)\d\d\b"
    r"|\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.? \d{1,2}(?:st|nd|rd|th)?\b",
    re.DOTALL,
)
_NUMBER = re.compile(
    r"(?<![\w.,/-])[+\u2212-]?\d(?:[\d,]*\d)?(?:\.\d+)?(?P<scale>\s?(?:thousand|million|billion|[kKMB])\b)?(?![\w/-])"
)
_SCALES = {"k": 3, "thousand": 3, "m": 6, "million": 6, "b": 9, "billion": 9}
_SMALL = 31


@dataclass(frozen=True, slots=True)
class Figure:
    """A number as written: its value, and the power of ten of its last digit."""

    text: str
    value: Decimal
    place: int

    def stands_for(self, amount: Decimal) -> bool:
        """Return true if the amount is this number at the precision that it was written with, with or without sign."""
        return abs(abs(self.value) - abs(amount)) <= Decimal(1).scaleb(self.place) / 2

    @property
    def is_small(self) -> bool:
        """Return true for a whole number that may count something: it is no figure that needs a source."""
        return self.place >= 0 and abs(self.value) <= _SMALL


def figures_in(text: str) -> Iterator[Figure]:
    """The numbers of a text, without those of dates, of code and of names."""
    for match in _NUMBER.finditer(_SKIPPED.sub(lambda found: " " * len(found[0]), text)):
        scale = _SCALES.get((match["scale"] or "").strip().lower(), 0)
        digits = match[0].removesuffix(match["scale"] or "").replace(",", "").replace("\u2212", "-")
        value = Decimal(digits).scaleb(scale)
        yield Figure(match[0].strip(), value, scale - len(digits.partition(".")[2]))
