"""Word documents: paragraphs, headings and tables in the order in which they stand."""

import re
import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO

import docx
from docx.document import Document as WordDocument
from docx.opc.exceptions import PackageNotFoundError
from docx.oxml.ns import qn
from lxml import etree

from common.knowledge.chunking import Block
from common.knowledge.parsing.headings import Headings
from common.knowledge.parsing.refusal import Refused
from common.knowledge.parsing.tables import row_texts

UNPACKED_BYTES = 150 * 1024**2
_BODY = "word/document.xml"
_HEADING = re.compile(r"heading ([1-9])", re.I)


def read_docx(file: BinaryIO) -> Iterator[Block]:
    """Return the blocks of a document. Raises Refused."""
    _check(file)
    file.seek(0)
    try:
        document = docx.Document(file)
    except (PackageNotFoundError, KeyError, ValueError, zipfile.BadZipFile, etree.XMLSyntaxError) as error:
        raise Refused("broken") from error
    body = document.element.body
    if body is None or any(_has_entities(part) for part in document.part.package.iter_parts()):
        raise Refused("broken")
    yield from _Walk(document).blocks(body)


def _check(file: BinaryIO) -> None:
    """Raise Refused for a package that is no document, is encrypted, or unpacks to too much."""
    try:
        with zipfile.ZipFile(file) as package:
            entries = package.infolist()
    except zipfile.BadZipFile as error:
        raise Refused("broken") from error
    if not any(entry.filename == _BODY for entry in entries):
        raise Refused("not_supported")
    if any(entry.flag_bits & 1 for entry in entries):
        raise Refused("encrypted")
    if sum(entry.file_size for entry in entries) > UNPACKED_BYTES:
        raise Refused("too_large")


def _has_entities(part: Any) -> bool:
    """Tell whether a part declares a document type, which no word processor writes."""
    element = getattr(part, "element", None)
    return element is not None and element.getroottree().docinfo.internalDTD is not None


class _Walk:
    """One walk through a document's body, with the headings that are open."""

    def __init__(self, document: WordDocument) -> None:
        self._headings = Headings()
        self._levels: dict[str, int] = {}
        for style in document.styles:
            if level := _level_of(style):
                self._levels[style.style_id] = level

    def blocks(self, parent: Any) -> Iterator[Block]:
        """Return the blocks below an element; what is only framed by another element is found, too."""
        for element in parent.iterchildren():
            if element.tag == qn("w:p"):
                yield from self._paragraph(element)
            elif element.tag == qn("w:tbl"):
                yield from (Block(line, self._headings.path) for line in row_texts(_rows(element)))
            elif element.tag in (qn("w:sdt"), qn("w:sdtContent"), qn("w:ins"), qn("w:customXml"), qn("w:smartTag")):
                yield from self.blocks(element)

    def _paragraph(self, element: Any) -> Iterator[Block]:
        text = _text(element).strip()
        if not text:
            return
        level = self._level(element)
        if level:
            self._headings.begin(level, text)
        else:
            yield Block(text, self._headings.path)

    def _level(self, element: Any) -> int:
        outline = element.find(f"{qn('w:pPr')}/{qn('w:outlineLvl')}")
        if outline is not None and outline.get(qn("w:val"), "9").isdecimal():
            level = int(outline.get(qn("w:val"))) + 1
            return level if level < 10 else 0
        style = element.find(f"{qn('w:pPr')}/{qn('w:pStyle')}")
        return self._levels.get(style.get(qn("w:val"), ""), 0) if style is not None else 0


def _level_of(style: Any) -> int:
    name = style.name or ""
    if name.lower() == "title":
        return 1
    match = _HEADING.fullmatch(name)
    return int(match[1]) + 1 if match else 0


def _text(element: Any) -> str:
    """The text of a paragraph or a cell; of changes that are not accepted yet, as if they were."""
    words: list[str] = []
    for each in element.iter(qn("w:t"), qn("w:tab"), qn("w:br"), qn("w:cr"), qn("w:noBreakHyphen")):
        if each.tag == qn("w:t"):
            words.append(each.text or "")
        elif each.tag == qn("w:tab"):
            # Tab stops of the paragraph's form have the same name.
            words.append("" if each.getparent().tag == qn("w:tabs") else "\t")
        else:
            words.append("-" if each.tag == qn("w:noBreakHyphen") else "\n")
    return "".join(words)


def _rows(table: Any) -> list[list[str]]:
    rows = []
    for row in table.iterchildren(qn("w:tr")):
        cells = row.iterchildren(qn("w:tc"), qn("w:sdt"))
        rows.append(["\n".join(_text(paragraph) for paragraph in cell.iter(qn("w:p"))) for cell in cells])
    return rows
