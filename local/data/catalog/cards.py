"""Models as vectors, for the search by meaning: only the signs of a vector's numbers are kept, one bit each.

The cosine of a query with the signs of a card orders cards nearly as that with the card itself does, at a 32nd of the
size; so 2,900 cards are 140 KB and one query of them costs BigQuery's least.
"""

import base64
import csv
import gzip
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from common.knowledge.embedding.space import Embedder
from local.data.catalog.reading import CatalogFileError, read_text
from local.data.rows import Row

FILE = "model_cards.csv.gz"
COLUMNS = ("model_id", "space", "signs")
_AT_ONCE = 32


def text_of(model: Row) -> str:
    """The words of a model that are embedded: its name, task, architecture and abilities."""
    name = re.sub(r"[/_-]+", " ", model["model_id"])
    facts = (model["pipeline_tag"], model["architecture"], model["capabilities"])
    return ". ".join([name, *(re.sub(r"[_|-]+", " ", fact) for fact in facts if fact)])


async def embed(models: Sequence[Row], embedder: Embedder) -> list[tuple[str, str, str]]:
    """Embed models, as the lines of the file. Raises EmbeddingUnavailable."""
    lines = []
    for start in range(0, len(models), _AT_ONCE):
        part = models[start : start + _AT_ONCE]
        vectors = (await embedder.embed([text_of(model) for model in part], "passage")).vectors
        lines += [
            (model["model_id"], str(embedder.space.name), _packed(vector))
            for model, vector in zip(part, vectors, strict=True)
        ]
    return lines


def write(folder: Path, lines: Iterable[tuple[str, str, str]]) -> None:
    """Write the file; the same cards make the same bytes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(sorted(lines))
    packed = io.BytesIO()
    with gzip.GzipFile("", "wb", fileobj=packed, mtime=0) as file:
        file.write(text.getvalue().encode())
    (folder / FILE).write_bytes(packed.getvalue())


def read(folder: Path) -> list[Row]:
    """The rows of a folder's cards; none where it has no file of them. Raises CatalogFileError."""
    path = folder / FILE
    if not path.is_file():
        return []
    try:
        lines = list(csv.reader(io.StringIO(read_text(path))))
        if tuple(lines[0]) != COLUMNS:
            raise ValueError(f"its columns are not {', '.join(COLUMNS)}")
        return list(_rows(lines[1:]))
    except (csv.Error, ValueError, IndexError) as error:
        raise CatalogFileError(f"{path}: {error}.") from error


def _rows(lines: Iterable[Sequence[str]]) -> Iterator[Row]:
    seen = set()
    for number, (model_id, space, signs) in enumerate(lines, start=2):
        if (model_id, space) in seen:
            raise ValueError(f"line {number}, {model_id}: it is there twice in {space}")
        seen.add((model_id, space))
        size = int(space.rpartition(":")[2])
        data = base64.b64decode(signs, validate=True)
        if len(data) * 8 != -(-size // 8) * 8:
            raise ValueError(f"line {number}, {model_id}: it has not the {size} signs of {space}")
        bits = int.from_bytes(data, "big")
        width = len(data) * 8
        embedding = [1.0 if bits >> (width - 1 - place) & 1 else -1.0 for place in range(size)]
        yield {"model_id": model_id, "space": space, "embedding": embedding}


def _packed(vector: Sequence[float]) -> str:
    """The signs of a vector, eight to a byte, as base64."""
    bits = "".join("1" if number > 0 else "0" for number in vector)
    bits += "0" * (-len(bits) % 8)
    return base64.b64encode(int(bits, 2).to_bytes(len(bits) // 8, "big")).decode()
