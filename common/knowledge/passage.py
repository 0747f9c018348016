"""A passage of a document, as a search finds it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage, and where it stands; ``score`` is 1 for the very meaning of the query, and lower for less.

    ``page`` is the printed number of the page, where the document has pages. ``heading`` is the path of headings above
    the passage, outermost first, joined with " > "; empty where there is none.
    """

    document_id: str
    document_name: str
    page: int | None
    heading: str
    text: str
    score: float
