"""The kind of a file, told by its first bytes and never by its name; what cannot be read is refused by its reason."""

from typing import Literal

Kind = Literal["parquet", "gzip", "bzip2", "xz", "zip", "json", "text"]

HEAD_BYTES = 64 * 1024
_READABLE: tuple[tuple[bytes, Kind], ...] = (
    (b"PAR1", "parquet"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
)
_REFUSED = (
    (b"\xd0\xcf\x11\xe0", "is an Excel workbook of the old kind (.xls); save the sheet as CSV or Parquet"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd; unpack it first, or compress it with gzip"),
    (b"7z\xbc\xaf\x27\x1c", "is a 7-Zip archive; unpack it first, or make a zip file"),
    (b"Rar!", "is a RAR archive; unpack it first, or make a zip file"),
    (b"Obj\x01", "is an Avro file; export it as CSV, JSON lines or Parquet"),
    (b"ORC", "is an ORC file; export it as CSV, JSON lines or Parquet"),
    (b"ARROW1", "is an Arrow file; export it as CSV, JSON lines or Parquet"),
    (b"SQLite format 3", "is an SQLite database; export the table as CSV"),
    (b"%PDF", "is a PDF document, not a FOCUS export"),
    (b"\x89PNG", "is a picture, not a FOCUS export"),
    (b"\xff\xd8\xff", "is a picture, not a FOCUS export"),
)
_MARKUP = ((b"<!doctype html", b"<html"), (b"<?xml", b"<"))
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_TAR_MARK_AT = 257


class NotReadableError(Exception):
    """A file is of a kind that cannot be read; the text is the rest of a sentence that begins with its name."""


def kind_of(head: bytes) -> Kind:
    """Return the kind of a file that begins with ``head`` (``HEAD_BYTES`` of it). Raises NotReadableError."""
    for mark, kind in _READABLE:
        if head.startswith(mark):
            return kind
    for mark, reason in _REFUSED:
        if head.startswith(mark):
            raise NotReadableError(reason)
    if head[_TAR_MARK_AT : _TAR_MARK_AT + 5] == b"ustar":
        raise NotReadableError("is a tar archive; unpack it and give the folder")
    start = head.removeprefix(_BYTE_ORDER_MARK).lstrip()
    if start[:1] in (b"{", b"["):
        return "json"
    _refuse_markup(start[:200].lower())
    return "text"


def _refuse_markup(start: bytes) -> None:
    html, markup = _MARKUP
    if start.startswith(html):
        raise NotReadableError("is a web page, perhaps of a sign-in that was asked for; download the export again")
    if start.startswith(markup):
        raise NotReadableError("is XML; export it as CSV, JSON lines or Parquet")
