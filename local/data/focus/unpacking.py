"""Compressed files and archives unpacked to a scratch folder, within bounds that stop a gzip or zip bomb."""

import bz2
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

from local.data.focus.files import Source, is_beside_the_data
from local.data.focus.kinds import HEAD_BYTES, Kind, NotReadableError, kind_of

# FOCUS rows shrink ten- to fiftyfold; a bomb shrinks a thousandfold.
MOST_RATIO = 250
RATIO_COUNTS_FROM_BYTES = 64 * 1024 * 1024
MOST_UNPACKED_BYTES = 64 * 1024**3
MOST_MEMBERS = 10_000
# A gzip file in a zip file is usual, a third layer is not.
MOST_LAYERS = 3
_PIECE = 1024 * 1024
_NEWLINES = b"\r\n"
_MARK = b"\xef\xbb\xbf"
# As much of a first line as says whether a later gzip member repeats it.
_HEADER_BYTES = 64

Progress = Callable[[int], None]


class _Decompressor(Protocol):
    unused_data: bytes

    @property
    def eof(self) -> bool: ...

    def decompress(self, data: bytes, /, max_length: int = -1) -> bytes: ...


_DECOMPRESSORS: dict[Kind, Callable[[], Any]] = {
    "gzip": lambda: zlib.decompressobj(wbits=31),
    "bzip2": bz2.BZ2Decompressor,
    "xz": lzma.LZMADecompressor,
}


@dataclass
class Unpacking:
    """The bounds of one load, shared by all its files, and the folder that they are unpacked to."""

    folder: Path
    most_bytes: int = MOST_UNPACKED_BYTES
    written: int = 0
    _names: Iterator[int] = field(default_factory=lambda: iter(range(10**9)))

    def sources(self, source: Source, progress: Progress, layer: int = 0) -> Iterator[tuple[Source, Kind]]:
        """Yield the file itself, or what it packs, each with its kind. Raises NotReadableError."""
        with source.path.open("rb") as file:
            kind = kind_of(file.read(HEAD_BYTES))
        if kind not in (*_DECOMPRESSORS, "zip"):
            yield source, kind
            return
        if layer == MOST_LAYERS:
            raise NotReadableError(f"is packed more than {MOST_LAYERS} times over; unpack it first")
        for packed in self._unpack(source, kind, progress):
            yield from self.sources(packed, lambda _bytes: None, layer + 1)
            if packed.path != source.path:
                packed.path.unlink(missing_ok=True)

    def _unpack(self, source: Source, kind: Kind, progress: Progress) -> Iterator[Source]:
        try:
            if kind == "zip":
                yield from self._unzip(source, progress)
            else:
                yield self._decompress(source, kind, progress)
        except (zipfile.BadZipFile, NotImplementedError, zlib.error, lzma.LZMAError, EOFError, OSError) as error:
            raise NotReadableError("is compressed, and damaged or ends too early; download it again") from error

    def _unzip(self, source: Source, progress: Progress) -> Iterator[Source]:
        with zipfile.ZipFile(source.path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            _refuse_workbook({member.filename for member in members})
            if len(members) > MOST_MEMBERS:
                raise NotReadableError(f"packs more than {MOST_MEMBERS:,} files")
            if any(member.flag_bits & 1 for member in members):
                raise NotReadableError("is a zip file with a password; unpack it first")
            wanted = [member for member in members if len(members) == 1 or not is_beside_the_data(member.filename)]
            if not wanted:
                raise NotReadableError("is a zip file without a FOCUS file in it")
            read = 0
            for member in sorted(wanted, key=lambda each: each.filename):
                out = self._new_file()
                with archive.open(member) as packed, out.open("wb") as file:
                    self._copy(iter(lambda: packed.read(_PIECE), b""), file, member.compress_size)
                read += member.compress_size
                progress(read)
                yield source.inside(member.filename, out)

    def _decompress(self, source: Source, kind: Kind, progress: Progress) -> Source:
        out = self._new_file()
        with source.path.open("rb") as packed, out.open("wb") as file:
            self._copy(_unpacked(packed, _DECOMPRESSORS[kind], progress), file, source.path.stat().st_size)
        return Source(out, source.name, source.partition)

    def _copy(self, pieces: Iterator[bytes], file: IO[bytes], packed_bytes: int) -> None:
        here = 0
        for piece in pieces:
            here += len(piece)
            self.written += len(piece)
            if here > RATIO_COUNTS_FROM_BYTES and here > MOST_RATIO * max(packed_bytes, 1):
                raise NotReadableError(f"grows more than {MOST_RATIO} times when it is unpacked; refused as a bomb")
            if self.written > self.most_bytes:
                raise NotReadableError(f"unpacks to more than {self.most_bytes / 1024**3:,.0f} GiB; load it in parts")
            file.write(piece)

    def _new_file(self) -> Path:
        return self.folder / f"unpacked-{next(self._names)}"


def _refuse_workbook(names: set[str]) -> None:
    if "[Content_Types].xml" in names and any(name.startswith("xl/") for name in names):
        raise NotReadableError("is an Excel workbook (.xlsx); save the sheet as CSV or Parquet")
    if "mimetype" in names and "content.xml" in names:
        raise NotReadableError("is a spreadsheet (.ods); save the sheet as CSV or Parquet")


def _unpacked(packed: IO[bytes], new: Callable[[], _Decompressor], progress: Progress) -> Iterator[bytes]:
    """Yield the bytes of every member, with a line end between two members that each begin with the header."""
    decompressor, header, last, begins = new(), b"", b"\n", True
    data = b""
    while data or (data := packed.read(_PIECE)):
        if decompressor.eof:
            # Some tools fill the last block with zeros.
            if not data.strip(b"\0"):
                data = b""
                continue
            decompressor, begins = new(), True
        piece = decompressor.decompress(data, _PIECE)
        data = _rest(decompressor)
        if piece and begins:
            header = header or piece.removeprefix(_MARK)[:_HEADER_BYTES]
            piece, begins = _joined(piece, header, last), False
        if piece:
            last = piece[-1:]
            yield piece
        while not data and not decompressor.eof and (piece := decompressor.decompress(b"", _PIECE)):
            last = piece[-1:]
            yield piece
        data = data or decompressor.unused_data
        progress(packed.tell())
    if not decompressor.eof:
        raise EOFError


def _rest(decompressor: _Decompressor) -> bytes:
    """Return the input that the decompressor has not used yet: of this member, or of the next."""
    if decompressor.eof:
        return decompressor.unused_data
    rest: bytes = getattr(decompressor, "unconsumed_tail", b"")
    return rest


def _joined(piece: bytes, header: bytes, last: bytes) -> bytes:
    """Return a member's first bytes as they follow the member before; one that is cut anywhere follows as it is."""
    if last in _NEWLINES or not piece.removeprefix(_MARK).startswith(header):
        return piece
    return b"\n" + piece.removeprefix(_MARK)
