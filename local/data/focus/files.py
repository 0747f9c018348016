"""The files that a person means: one, several, a pattern, or a folder in parts with partitions in its names."""

import glob
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

# What exporters put beside their data.
_BESIDE_NAMES = re.compile(r"(^|[-_.])(manifest|metadata|checksum|readme|license|schema)([-_.]|$)", re.IGNORECASE)
_BESIDE_ENDS = (".crc", ".md5", ".sha256", ".md", ".yml", ".yaml", ".log", ".sql")
_BESIDE_FOLDERS = {"metadata", "__macosx"}
_PARTITION = re.compile(r"([^=/]+)=([^=/]*)")
_PIECE = 1024 * 1024


class NoFilesError(Exception):
    """There is no file where one was named; the text is a sentence."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file to read, the name that a person knows it by, and what its path says (``BILLING_PERIOD=2026-10``)."""

    path: Path
    name: str
    partition: Mapping[str, str] = field(default_factory=dict)

    def inside(self, member: str, path: Path) -> "Source":
        """Return a file that this one packs."""
        return Source(path, f"{self.name}/{member}", {**self.partition, **partitions(member)})


def find(given: Iterable[str | Path]) -> list[Source]:
    """Return the files of everything that was named, in order, each once. Raises NoFilesError."""
    found: dict[Path, Source] = {}
    for text in given:
        for path in _named(text):
            for source in _folder(path) if path.is_dir() else [_single(path)]:
                found.setdefault(source.path.resolve(), source)
    return list(found.values())


def partitions(path: str) -> dict[str, str]:
    """Return what the folders of a path say, such as {"BILLING_PERIOD": "2026-10"}."""
    found = (_PARTITION.fullmatch(part) for part in PurePosixPath(path).parts[:-1])
    return {match[1]: match[2] for match in found if match}


def is_beside_the_data(name: str) -> bool:
    """Say whether a file in a folder or archive is no bill: a manifest, a checksum, a hidden file."""
    path = PurePosixPath(name)
    folders = {part.lower() for part in path.parts[:-1]}
    return (
        any(part.startswith((".", "_")) for part in path.parts)
        or bool(_BESIDE_NAMES.search(path.name))
        or path.suffix.lower() in _BESIDE_ENDS
        or bool(folders & _BESIDE_FOLDERS)
    )


def fingerprint(sources: Iterable[Source]) -> str:
    """Return a short text that changes when the content, the names or the number of files do."""
    digest = hashlib.sha256()
    for source in sources:
        digest.update(f"{source.name}\0{sorted(source.partition.items())}\0".encode())
        with source.path.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
    return digest.hexdigest()[:32]


def _named(text: str | Path) -> list[Path]:
    path = Path(text)
    if path.exists():
        return [path]
    if matched := sorted(Path(each) for each in glob.glob(str(text), recursive=True)):
        return matched
    several = [Path(piece) for piece in str(text).split()]
    if len(several) > 1 and all(piece.exists() for piece in several):
        return several
    raise NoFilesError(f"{text}: there is no such file or folder")


def _single(path: Path) -> Source:
    return Source(path, path.name, partitions(path.absolute().as_posix()))


def _folder(folder: Path) -> Iterator[Source]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    wanted = [path for path in files if not is_beside_the_data(path.relative_to(folder).as_posix())]
    if not wanted:
        raise NoFilesError(f"{folder}: there is no FOCUS file in this folder")
    root = folder.absolute()
    for path in wanted:
        relative = path.relative_to(folder).as_posix()
        yield Source(path, f"{root.name}/{relative}", partitions((root / relative).as_posix()))
