"""A passage of a document, as a search finds it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage, and where it stands; ``score`` is 1 for the very meaning of the query, and lower for less.

    ``page`` is what is printed on the page, where the document has pages: a number, or a label such as "iv".
    ``heading`` is the path of headings above it, outermost first, joined with " > "; empty where there is none.
    """

    document_id: str
    document_name: str
    page: int | str | None
    heading: str
    text: str
    score: float
