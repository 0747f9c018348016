"""Word documents: paragraphs, headings and tables in the order in which they stand."""

import re
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from docx.document import Document as WordDocument
from docx.opc.exceptions import PackageNotFoundError
from docx.opc.part import PartFactory
from docx.oxml.ns import qn
from docx.oxml.parser import parse_xml
from docx.package import Package
from docx.parts.document import DocumentPart
from lxml import etree

from common.knowledge.chunking import Block
from common.knowledge.parsing.headings import Headings
from common.knowledge.parsing.refusal import Refused
from common.knowledge.parsing.tables import Grid, row_texts

UNPACKED_BYTES = 150 * 1024**2
_FOLDER = "word/"
_COMPATIBILITY = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_FALLBACK = f"{_COMPATIBILITY}Fallback"
# What frames paragraphs, rows or cells without being one.
_FRAMES = (
    *map(qn, ("w:sdt", "w:sdtContent", "w:ins", "w:customXml", "w:smartTag")),
    f"{_COMPATIBILITY}AlternateContent", f"{_COMPATIBILITY}Choice",
)  # fmt: skip
# Documents with macros, and templates, are written like any other.
_OTHER_TYPES = (
    "application/vnd.ms-word.document.macroEnabled.main+xml",
    "application/vnd.ms-word.template.macroEnabledTemplate.main+xml",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.template.main+xml",
)
PartFactory.part_type_for.update(dict.fromkeys(_OTHER_TYPES, DocumentPart))
_HEADING = re.compile(r"heading ([1-9])", re.I)


def read_docx(file: BinaryIO) -> Iterator[Block]:
    """Return the blocks of a document. Raises Refused."""
    _check(file)
    file.seek(0)
    try:
        package = Package.open(file)
    except (PackageNotFoundError, KeyError, ValueError, zipfile.BadZipFile, etree.XMLSyntaxError) as error:
        raise Refused("broken") from error
    try:
        part = package.main_document_part
    except KeyError:
        # The strict form, which hardly any program writes, names its parts otherwise.
        raise Refused("not_supported") from None
    if not isinstance(part, DocumentPart):
        raise Refused("not_supported")
    document = part.document
    body = document.element.body
    if body is None or any(_has_entities(part) for part in document.part.package.iter_parts()):
        raise Refused("broken")
    yield from _Walk(document, _notes(document)).blocks(body)


def _check(file: BinaryIO) -> None:
    """Raise Refused for a package that is no document, is encrypted, or unpacks to too much."""
    try:
        with zipfile.ZipFile(file) as package:
            entries = package.infolist()
    except zipfile.BadZipFile as error:
        raise Refused("broken") from error
    if not any(entry.filename.startswith(_FOLDER) for entry in entries):
        raise Refused("not_supported")
    if any(entry.flag_bits & 1 for entry in entries):
        raise Refused("encrypted")
    if sum(entry.file_size for entry in entries) > UNPACKED_BYTES:
        raise Refused("too_large")


def _has_entities(part: Any) -> bool:
    """Tell whether a part declares a document type, which no word processor writes."""
    element = getattr(part, "element", None)
    return element is not None and element.getroottree().docinfo.internalDTD is not None


def _notes(document: WordDocument) -> dict[tuple[str, str], str]:
    """The texts of footnotes and endnotes, by the kind of their references and their ids. Raises Refused."""
    notes: dict[tuple[str, str], str] = {}
    for kind in ("footnote", "endnote"):
        for relation in document.part.rels.values():
            if relation.is_external or relation.reltype.rpartition("/")[2] != f"{kind}s":
                continue
            try:
                element = parse_xml(relation.target_part.blob)
            except etree.XMLSyntaxError as error:
                raise Refused("broken") from error
            if element.getroottree().docinfo.internalDTD is not None:
                raise Refused("broken")
            for note in element.iterchildren(qn(f"w:{kind}")):
                notes[kind, note.get(qn("w:id"), "")] = " ".join(_text(note).split())
    return notes


class _Walk:
    """One walk through a document's body, with the headings that are open."""

    def __init__(self, document: WordDocument, notes: Mapping[tuple[str, str], str]) -> None:
        self._headings = Headings()
        self._notes = notes
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
                yield from (Block(note, self._headings.path) for note in self._noted(element))
            elif element.tag in _FRAMES:
                yield from self.blocks(element)

    def _paragraph(self, element: Any) -> Iterator[Block]:
        text = _text(element).strip()
        if not text:
            return
        level = self._level(element)
        if level:
            self._headings.begin(level, text)
        else:
            yield Block("\n".join([text, *self._noted(element)]), self._headings.path)

    def _noted(self, element: Any) -> Iterator[str]:
        """The notes that a paragraph or a table refers to."""
        for kind in ("footnote", "endnote"):
            for reference in element.iter(qn(f"w:{kind}Reference")):
                if note := self._notes.get((kind, reference.get(qn("w:id"), ""))):
                    yield note

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
    for each in element.iter(qn("w:p"), qn("w:t"), qn("w:tab"), qn("w:br"), qn("w:cr"), qn("w:noBreakHyphen")):
        if _is_unseen(each):
            continue
        if each.tag == qn("w:p"):
            # Of a cell, or of a box that stands in the paragraph.
            words.append("\n")
            continue
        if each.tag == qn("w:t"):
            words.append(each.text or "")
        elif each.tag == qn("w:tab"):
            # Tab stops of the paragraph's form have the same name.
            words.append("" if each.getparent().tag == qn("w:tabs") else "\t")
        else:
            words.append("-" if each.tag == qn("w:noBreakHyphen") else "\n")
    return "".join(words)


def _rows(table: Any) -> list[list[str]]:
    grid = Grid()
    for row in _within(table, qn("w:tr")):
        above = grid.rows[-1] if grid.rows else []
        grid.begin_row()
        for cell in _within(row, qn("w:tc")):
            text = _text(cell)
            merged = cell.find(f"{qn('w:tcPr')}/{qn('w:vMerge')}")
            at = len(grid.rows[-1])
            if merged is not None and merged.get(qn("w:val")) != "restart" and at < len(above):
                # It goes on from the row above.
                text = above[at]
            grid.add(text, _number(cell.find(f"{qn('w:tcPr')}/{qn('w:gridSpan')}")))
    return grid.rows


def _within(parent: Any, tag: str) -> Iterator[Any]:
    """The rows of a table or the cells of a row, also those that are only framed by another element."""
    for each in parent.iterchildren():
        if each.tag == tag:
            yield each
        elif each.tag in _FRAMES:
            yield from _within(each, tag)


def _number(element: Any) -> int:
    written = element.get(qn("w:val"), "") if element is not None else ""
    return int(written) if written.isdecimal() and len(written) < 6 else 1


def _is_unseen(element: Any) -> bool:
    """Tell whether text is hidden, was moved elsewhere, or stands there once more for older programs."""
    for above in element.iterancestors(qn("w:r"), qn("w:moveFrom"), _FALLBACK):
        if above.tag != qn("w:r"):
            return True
        hidden = above.find(f"{qn('w:rPr')}/{qn('w:vanish')}")
        if hidden is not None and hidden.get(qn("w:val"), "1") not in ("0", "false", "off"):
            return True
    return False
