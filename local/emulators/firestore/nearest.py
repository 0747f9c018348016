"""Nearest-neighbour search over embedding vectors, by comparing with every candidate."""

from collections.abc import Iterable

import grpc
import numpy as np
from numpy.typing import NDArray

from local.emulators.firestore.store import Document
from local.emulators.firestore.values import Message, NewDocument, is_vector, parse_path, read_field, vector
from local.emulators.rpc import RpcFailure

MOST_RESULTS = 1_000
MOST_DIMENSIONS = 2_048
_EUCLIDEAN, _COSINE, _DOT_PRODUCT = 1, 2, 3
Numbers = NDArray[np.float64]


def nearest(search: Message, documents: Iterable[Document]) -> list[Document]:
    """The documents closest to the query vector, closest first, with the distance in the field asked for."""
    wanted = np.array(vector(search.query_vector))
    _check(search, len(wanted))
    path = search.vector_field.field_path
    found = [
        each for each in documents if (numbers := _numbers(each, path)) is not None and len(numbers) == len(wanted)
    ]
    if not found:
        return []
    distances = _distances(search.distance_measure, wanted, np.stack([each.vectors[path] for each in found]))
    sign = -1 if search.distance_measure == _DOT_PRODUCT else 1  # a larger dot product is closer
    # Of vectors that are equally near, the ids decide.
    order = sorted(range(len(found)), key=lambda index: (sign * distances[index], found[index].ident))
    if search.HasField("distance_threshold"):
        order = [each for each in order if sign * distances[each] <= sign * search.distance_threshold.value]
    return [_with_distance(search, found[index], float(distances[index])) for index in order[: search.limit.value]]


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


def _numbers(document: Document, path: str) -> Numbers | None:
    """The vector of a field, decoded once for each document."""
    if path not in document.vectors:
        value = read_field(document.message.fields, parse_path(path))
        document.vectors[path] = np.array(vector(value)) if value is not None and is_vector(value) else None
    return document.vectors[path]


def _distances(measure: int, wanted: Numbers, candidates: Numbers) -> Numbers:
    if measure == _EUCLIDEAN:
        return np.asarray(np.linalg.norm(candidates - wanted, axis=1))
    dots = candidates @ wanted
    if measure == _DOT_PRODUCT:
        return np.asarray(dots)
    lengths = np.linalg.norm(candidates, axis=1) * np.linalg.norm(wanted)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(lengths > 0, 1 - dots / lengths, np.nan))


def _with_distance(search: Message, document: Document, distance: float) -> Document:
    if not search.distance_result_field:
        return document
    message = NewDocument()
    message.CopyFrom(document.message)
    message.fields[search.distance_result_field].double_value = distance
    return Document(document.name, message.SerializeToString(deterministic=True))
