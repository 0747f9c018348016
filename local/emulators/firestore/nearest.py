"""Nearest-neighbour search over embedding vectors, by comparing with every candidate."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice

import grpc

# A comparison is too little work to be shared out: threads of BLAS spend most of their time waiting for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

from local.emulators.firestore.store import Collection, Document
from local.emulators.firestore.values import Message, NewDocument, is_vector, parse_path, read_field, vector
from local.emulators.rpc import RpcFailure

MOST_RESULTS = 1_000
MOST_DIMENSIONS = 2_048
_EUCLIDEAN, _COSINE, _DOT_PRODUCT = 1, 2, 3
Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Candidates:
    """Documents that have a vector of one length in a field, their vectors as rows, and the lengths of these."""

    documents: list[Document]
    rows: Numbers
    lengths: Numbers


def nearest(
    search: Message, documents: Iterable[Document], admits: Callable[[Document], bool], collection: Collection | None
) -> list[Document]:
    """The admitted documents closest to the query vector, closest first, with the distance in the field asked for.

    ``collection`` keeps what was gathered for the next search; None where the documents are not a whole collection.
    """
    wanted = np.array(vector(search.query_vector))
    _check(search, len(wanted))
    path = search.vector_field.field_path
    known = collection.candidates.get((path, len(wanted))) if collection is not None else None
    candidates: Candidates = known or _gathered(documents, path, len(wanted))
    if collection is not None:
        collection.candidates[path, len(wanted)] = candidates
    distances = _distances(search.distance_measure, wanted, candidates)
    sign = -1 if search.distance_measure == _DOT_PRODUCT else 1  # a larger dot product is closer
    most = sign * search.distance_threshold.value if search.HasField("distance_threshold") else None
    found = candidates.documents
    # Few of the nearest are looked at more closely: a filter that admits most costs next to nothing.
    admitted = (index for index in _ranked(sign * distances, found, most) if admits(found[index]))
    return [
        _with_distance(search, found[index], float(distances[index])) for index in islice(admitted, search.limit.value)
    ]


def _gathered(documents: Iterable[Document], path: str, dimensions: int) -> Candidates:
    found = [(each, numbers) for each in documents if len(numbers := _numbers(each, path)) == dimensions]
    rows = np.array([numbers for _, numbers in found]).reshape(len(found), dimensions)
    return Candidates([each for each, _ in found], rows, np.asarray(np.linalg.norm(rows, axis=1)))


def _ranked(distances: Numbers, found: list[Document], most: float | None) -> Iterator[int]:
    """The indexes of documents, the nearest first; of vectors that are equally near, the ids decide."""
    order = [int(index) for index in np.argsort(distances, kind="stable")]
    for distance, tied in groupby(order, key=lambda index: float(distances[index])):
        if most is not None and not distance <= most:
            return
        yield from sorted(tied, key=lambda index: found[index].ident)


def _check(search: Message, dimensions: int) -> None:
    """Raise INVALID_ARGUMENT for what Firestore does not search."""
    if not 1 <= search.limit.value <= MOST_RESULTS:
        raise RpcFailure(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"FindNearest.limit must be a positive integer of no more than {MOST_RESULTS}.",
        )
    if dimensions > MOST_DIMENSIONS:
        raise RpcFailure(
            grpc.StatusCode.INVALID_ARGUMENT, f"Vectors must have no more than {MOST_DIMENSIONS} dimensions."
        )


def _numbers(document: Document, path: str) -> list[float]:
    """The vector of a field; none of a field that holds none."""
    value = read_field(document.message.fields, parse_path(path))
    return vector(value) if value is not None and is_vector(value) else []


def _distances(measure: int, wanted: Numbers, candidates: Candidates) -> Numbers:
    if measure == _EUCLIDEAN:
        return np.asarray(np.linalg.norm(candidates.rows - wanted, axis=1))
    dots = candidates.rows @ wanted
    if measure == _DOT_PRODUCT:
        return np.asarray(dots)
    lengths = candidates.lengths * np.linalg.norm(wanted)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(lengths > 0, 1 - dots / lengths, np.nan))


def _with_distance(search: Message, document: Document, distance: float) -> Document:
    if not search.distance_result_field:
        return document
    message = NewDocument()
    message.CopyFrom(document.message)
    message.fields[search.distance_result_field].double_value = distance
    return Document(document.name, document.body, message)
