"""A document's text is cut into passages: by its headings first, then at paragraphs and sentences."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from semantic_text_splitter import TextSplitter

CHUNK_CHARS = 900
HEADING_CHARS = 300
_BETWEEN = " > "


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, a table or the like; ``headings`` are those above it, outermost first."""

    text: str
    headings: tuple[str, ...] = ()
    page: int | str | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage before it is stored."""

    text: str
    heading: str
    page: int | str | None

    @property
    def embedded(self) -> str:
        """The text that its vector is made of: a passage is about what its headings say."""
        return f"{self.heading}\n{self.text}" if self.heading else self.text


def cut(blocks: Iterable[Block]) -> Iterator[Chunk]:
    """Cut blocks into passages of ``CHUNK_CHARS`` at most; none has text of two pages or below two headings."""
    for (headings, page), group in groupby(blocks, key=lambda block: (block.headings, block.page)):
        text = "\n\n".join(block.text for block in group)
        heading = _BETWEEN.join(headings)[-HEADING_CHARS:]
        for part in _splitter(CHUNK_CHARS - len(heading)).chunks(text):
            # A line of a drawing, such as a rule between two parts, says nothing.
            if any(map(str.isalnum, part)):
                yield Chunk(part, heading, page)


@cache
def _splitter(chars: int) -> "TextSplitter":
    from semantic_text_splitter import TextSplitter

    return TextSplitter(chars)
