"""The kind of a document, by its bytes; of plain text the name says how it is written."""

import codecs
import re
from collections.abc import Callable, Iterable
from typing import BinaryIO

from common.knowledge.chunking import Block
from common.knowledge.parsing.refusal import Refused

Parsed = tuple[Iterable[Block], int | None]
_HEAD = 4096
_WESTERN = ("cp1252", "latin-1")
_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_HTML = re.compile(r"\s*(<!--.*?-->\s*)*(<!doctype\s+html|<html|<head|<body|<(div|p|table|h[1-6])[\s>])", re.I | re.S)
_DECLARED = re.compile(
    rb"<(?:meta\b[^>]{0,200}?charset\s*=|\?xml\b[^>]{0,200}?encoding\s*=)\s*[\"']?([\w.:-]{2,40})", re.I
)
# Text that is not UTF-8 and has so many signs beyond ASCII is in a script of its own, and told apart by its statistics.
_FOREIGN_SHARE = 0.3
_FOREIGN = ("cp932", "euc_jp", "gb18030", "big5", "cp949", "cp1251", "koi8_r", "cp1253", "cp1255", "cp1256", "cp874")
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


def decoded(data: bytes) -> str:
    """Return bytes as text. Raises Refused for bytes that are no text."""
    mark = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    for encoding in (mark,) if mark else ("utf-8", *_unmarked(data), *_declared(data), *_foreign(data), *_WESTERN):
        try:
            text = data.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
        if _CONTROLS.search(text):
            continue
        return text
    raise Refused("broken" if mark else "not_supported")


def _unmarked(data: bytes) -> tuple[str, ...]:
    """UTF-16 without its mark has a zero in every second byte of Western text."""
    sample = data[:_HEAD]
    if sample[1::2].count(0) > len(sample) * 0.3:
        return ("utf-16-le",)
    return ("utf-16-be",) if sample[::2].count(0) > len(sample) * 0.3 else ()


def _declared(data: bytes) -> tuple[str, ...]:
    """The encoding that a page says it is in, where Python has one of this name that makes text of bytes."""
    found = _DECLARED.search(data[:_HEAD])
    if found is None:
        return ()
    try:
        known = codecs.lookup(found[1].decode())
    except LookupError:
        return ()
    return (known.name,) if known._is_text_encoding else ()


def _foreign(data: bytes) -> tuple[str, ...]:
    sample = data[: 16 * _HEAD]
    if sum(byte > 127 for byte in sample) < len(sample) * _FOREIGN_SHARE:
        return ()
    from charset_normalizer import from_bytes

    best = from_bytes(data, cp_isolation=[*_FOREIGN]).best()
    return (best.encoding,) if best is not None else ()


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
