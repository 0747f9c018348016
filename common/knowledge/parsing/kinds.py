"""The kind of a document, by its bytes; of plain text the name says how it is written."""

import re
from collections.abc import Callable, Iterable
from typing import BinaryIO

from common.knowledge.chunking import Block
from common.knowledge.parsing.encodings import decoded
from common.knowledge.parsing.refusal import Refused

Parsed = tuple[Iterable[Block], int | None]
_HEAD = 4096
_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
_HTML = re.compile(r"\s*(<!--.*?-->\s*)*(<!doctype\s+html|<html|<head|<body|<(div|p|table|h[1-6])[\s>])", re.I | re.S)
_XML = re.compile(r"\s*<\?xml\b", re.I)


def read(file: BinaryIO, name: str) -> Parsed:
    """Return the blocks of a document, and the number of its pages where it has pages. Raises Refused."""
    head = file.read(_HEAD)
    file.seek(0)
    if not head:
        raise Refused("no_text")
    if b"%PDF-" in head[:1024]:
        from common.knowledge.parsing.pdf import read_pdf

        return read_pdf(file)
    if head.startswith(b"PK\x03\x04"):
        from common.knowledge.parsing.docx import read_docx

        return read_docx(file), None
    if head.startswith(_OLE):
        # An encrypted Word document is a container of Office's old format.
        raise Refused("encrypted" if "EncryptedPackage".encode("utf-16-le") in file.read() else "not_supported")
    return _reader(text := decoded(file.read()), name)(text), None


def _reader(text: str, name: str) -> Callable[[str], Iterable[Block]]:
    from common.knowledge.parsing import html, plain

    if text.startswith("{\\rtf"):
        raise Refused("not_supported")
    xml = _XML.match(text)
    if _HTML.match(text, text.index("?>") + 2 if xml and "?>" in text[:_HEAD] else 0):
        return html.read_html
    if xml:
        raise Refused("not_supported")
    match name.lower().rpartition(".")[2]:
        case "md" | "markdown":
            return plain.read_markdown
        case "csv" | "tsv":
            return plain.read_csv
        case "html" | "htm":
            return html.read_html
        case _:
            return plain.read_text
