"""Citations: the passages of documents that a turn has read, by the numbers that its answer names them by."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from typing_extensions import TypedDict

from common.citations.marks import disarm, numbers_in
from common.text import shorten

EXCERPT_CHARS = 1_200
MOST_CITED = 50
Page = int | str | None


class ShownCitation(TypedDict):
    """A passage that an answer cites as ``[number]``."""

    number: int
    document_id: str
    document: str
    page: Page
    heading: str
    excerpt: str


@dataclass(frozen=True, slots=True)
class Citation:
    """A passage under its number. ``page`` is the printed one: a number, or a label such as "iv"; None for none."""

    number: int
    document_id: str
    document: str
    page: Page
    heading: str
    excerpt: str

    def shown(self) -> ShownCitation:
        """The citation as its readers get it."""
        return {
            "number": self.number,
            "document_id": self.document_id,
            "document": self.document,
            "page": self.page,
            "heading": self.heading,
            "excerpt": self.excerpt,
        }


class Offered:
    """The passages of one turn, numbered from 1 in the order in which they were read."""

    def __init__(self) -> None:
        self._by_number: dict[int, Citation] = {}
        self._numbers: dict[tuple[str, Page, str], int] = {}

    def __contains__(self, number: object) -> bool:
        return number in self._by_number

    def __bool__(self) -> bool:
        return bool(self._by_number)

    def number(self, document_id: str, document: str, page: Page, heading: str, text: str) -> int:
        """Return the number of a passage: the one that it has, or the next one.

        A model is shown its text disarmed, which is also what ``restore`` knows it by.
        """
        key = (document_id, page, disarm(text))
        if key not in self._numbers:
            number = max(self._by_number, default=0) + 1
            self._numbers[key] = number
            self._by_number[number] = Citation(
                number, document_id, document, page, heading, shorten(text, EXCERPT_CHARS)
            )
        return self._numbers[key]

    def restore(self, rows: Iterable[Any]) -> None:
        """Offer what an earlier part of the turn has offered, under the same numbers."""
        for row in rows:
            if not isinstance(row, Mapping) or type(row.get("number")) is not int:
                continue
            number, page, text = row["number"], row.get("page"), str(row.get("excerpt", ""))
            key = (str(row.get("document_id")), page if type(page) in (int, str) else None, text)
            self._numbers[key] = number
            self._by_number[number] = Citation(
                number, key[0], str(row.get("document")), key[1], str(row.get("heading")),
                shorten(text, EXCERPT_CHARS),
            )  # fmt: skip

    def cited(self, text: str) -> tuple[Citation, ...]:
        """Return the citations of an answer in the order of their numbers."""
        return tuple(self._by_number[number] for number in sorted(numbers_in(text)) if number in self)[:MOST_CITED]


def citations_of(listed: Sequence[Mapping[str, Any]]) -> tuple[Citation, ...]:
    """Read citations back from what ``shown`` made."""
    return tuple(Citation(**{name: each[name] for name in Citation.__dataclass_fields__}) for each in listed)
