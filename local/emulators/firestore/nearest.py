"""Nearest-neighbour search over embedding vectors, by comparing with every candidate."""

import math
from collections.abc import Iterable

from local.emulators.firestore.store import Document
from local.emulators.firestore.values import Message, NewDocument, is_vector, parse_path, read_field, vector

_EUCLIDEAN, _COSINE, _DOT_PRODUCT = 1, 2, 3


def _distance(measure: int, left: list[float], right: list[float]) -> float:
    if measure == _EUCLIDEAN:
        return math.dist(left, right)
    dot = (
        math.sumprod(left, right) if hasattr(math, "sumprod") else sum(a * b for a, b in zip(left, right, strict=True))
    )
    if measure == _DOT_PRODUCT:
        return dot
    lengths = math.hypot(*left) * math.hypot(*right)
    return 1 - dot / lengths if lengths else math.nan


def nearest(search: Message, documents: Iterable[Document]) -> list[Document]:
    """The documents closest to the query vector, closest first, with the distance in the field asked for."""
    wanted = vector(search.query_vector)
    parts = parse_path(search.vector_field.field_path)
    sign = -1 if search.distance_measure == _DOT_PRODUCT else 1  # a larger dot product is closer
    found: list[tuple[float, Document]] = []
    for document in documents:
        value = read_field(document.message.fields, parts)
        if value is None or not is_vector(value) or len(numbers := vector(value)) != len(wanted):
            continue
        distance = _distance(search.distance_measure, wanted, numbers)
        threshold = search.distance_threshold.value if search.HasField("distance_threshold") else None
        if threshold is None or sign * distance <= sign * threshold:
            found.append((distance, document))
    found.sort(key=lambda pair: sign * pair[0])
    return [_with_distance(search, document, distance) for distance, document in found[: search.limit.value]]


def _with_distance(search: Message, document: Document, distance: float) -> Document:
    if not search.distance_result_field:
        return document
    message = NewDocument()
    message.CopyFrom(document.message)
    message.fields[search.distance_result_field].double_value = distance
    return Document(document.name, message.SerializeToString(deterministic=True))
