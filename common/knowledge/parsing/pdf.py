"""PDF: the text of its pages, below the titles of its outline, with the page numbers that are printed."""

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, TypeVar

from pypdf import PageObject, PdfReader
from pypdf.errors import FileNotDecryptedError, LimitReachedError, PyPdfError

from common import limits
from common.knowledge.chunking import Block
from common.knowledge.parsing.headings import Headings
from common.knowledge.parsing.printed_pages import Printed, printed_numbers
from common.knowledge.parsing.refusal import Refused

_END_BYTES = 2048
_TITLES = 5_000
Title = tuple[int, str]
Found = TypeVar("Found")
_DAMAGE = (PyPdfError, ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError)
# Letters that a font draws as one sign, and a hyphen that only says where a word may be cut.
_AS_WRITTEN = str.maketrans(
    {"\ufb00": "ff", "\ufb01": "fi", "\ufb02": "fl", "\ufb03": "ffi", "\ufb04": "ffl", "\ufb05": "ft", "\ufb06": "st",
     "\u00ad": None}
)  # fmt: skip


def read_pdf(file: BinaryIO) -> tuple[Iterator[Block], int]:
    """Return the blocks and the number of pages. Raises Refused."""
    _check_end(file)
    try:
        reader = PdfReader(file)
        if reader.is_encrypted and not reader.decrypt(""):
            raise Refused("encrypted")
        count = len(reader.pages)
        if count > limits.MAX_DOCUMENT_PAGES:
            raise Refused("too_large")
        texts = [_text(page) for page in reader.pages]
        labels = _unless_damaged(_labels, reader) or []
        titles = _unless_damaged(_titles, reader) or {}
    except FileNotDecryptedError as error:
        raise Refused("encrypted") from error
    except (LimitReachedError, RecursionError) as error:
        raise Refused("too_large") from error
    except _DAMAGE as error:
        raise Refused("broken") from error
    if not count:
        raise Refused("broken")
    return _blocks(texts, printed_numbers(texts, labels), titles), count


def _unless_damaged(read: Callable[[PdfReader], Found], reader: PdfReader) -> Found | None:
    """Read what a document says beside its text. Returns None where that is damaged: its text is taken all the same."""
    try:
        return read(reader)
    except (*_DAMAGE, LimitReachedError, RecursionError):
        return None


def _text(page: PageObject) -> str:
    """The text of a page, whose content must be whole: the library takes what it cannot unpack for an empty page."""
    contents = page.get_contents()
    if contents is not None:
        contents.get_data()
    return page.extract_text().translate(_AS_WRITTEN)


def _check_end(file: BinaryIO) -> None:
    """Raise Refused for a file that was cut: of what is left of it, nobody knows what is missing."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _END_BYTES))
    if b"%%EOF" not in file.read():
        raise Refused("broken")
    file.seek(0)


def _labels(reader: PdfReader) -> list[str]:
    """The pages' labels where the document says some; else none."""
    return list(reader.page_labels) if "/PageLabels" in reader.root_object else []


def _titles(reader: PdfReader) -> dict[int, list[Title]]:
    """The titles of the outline by page, each with its level."""
    found: dict[int, list[Title]] = {}
    waiting: list[tuple[int, Any]] = [(1, each) for each in reversed(reader.outline)]
    count = 0
    while waiting and count < _TITLES:
        level, each = waiting.pop()
        if isinstance(each, list):
            waiting += [(level + 1, inner) for inner in reversed(each)]
            continue
        count += 1
        page = reader.get_destination_page_number(each)
        if page is not None and page >= 0 and each.title:
            found.setdefault(page, []).append((level, " ".join(str(each.title).split())))
    return found


def _blocks(texts: list[str], numbers: list[Printed], titles: dict[int, list[Title]]) -> Iterator[Block]:
    headings = Headings()
    for index, (text, number) in enumerate(zip(texts, numbers, strict=True)):
        waiting = titles.get(index, [])
        lines: list[str] = []
        for line in text.split("\n"):
            title = next((each for each in waiting if each[1] == " ".join(line.split())), None)
            if title is None:
                lines.append(line)
                continue
            if part := "\n".join(lines).strip():
                yield Block(part, headings.path, number)
            # Titles before this one stand on the page in another form.
            for passed in waiting[: waiting.index(title) + 1]:
                headings.begin(*passed)
            waiting = waiting[waiting.index(title) + 1 :]
            lines = []
        for passed in waiting:
            headings.begin(*passed)
        if part := "\n".join(lines).strip():
            yield Block(part, headings.path, number)
