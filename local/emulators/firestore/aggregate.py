"""Aggregation over a query's documents: count, sum and average."""

import math
from collections.abc import Sequence

from local.emulators.firestore.store import Document
from local.emulators.firestore.values import Message, NewValue, number, number_value, parse_path, read_field

_INT64 = 2**63


def scan_limit(aggregations: Sequence[Message]) -> int | None:
    """The number of documents that suffice for these aggregations. Returns None for all."""
    limits = [
        aggregation.count.up_to.value
        for aggregation in aggregations
        if aggregation.WhichOneof("operator") == "count" and aggregation.count.HasField("up_to")
    ]
    return max(limits) if len(limits) == len(aggregations) else None


def with_all_fields(aggregations: Sequence[Message], documents: Sequence[Document]) -> list[Document]:
    """The documents that have every field aggregated: only those count, even for a count beside a sum."""
    paths = [
        getattr(aggregation, aggregation.WhichOneof("operator")).field.field_path
        for aggregation in aggregations
        if aggregation.WhichOneof("operator") in ("sum", "avg")
    ]
    return [document for document in documents if all(document.key(path) is not None for path in paths)]


def aggregate(aggregation: Message, documents: Sequence[Document]) -> Message:
    """The value of one aggregation; an average over no numbers is null, a sum is 0."""
    operator = aggregation.WhichOneof("operator")
    if operator == "count":
        count = len(documents)
        return NewValue(
            integer_value=min(count, aggregation.count.up_to.value) if aggregation.count.HasField("up_to") else count
        )
    parts = parse_path(getattr(aggregation, operator).field.field_path)
    values = (number(read_field(document.message.fields, parts)) for document in documents)
    numbers = [value for value in values if value is not None]
    if operator == "avg":
        return NewValue(double_value=_total(numbers) / len(numbers)) if numbers else NewValue(null_value=0)
    return number_value(_total(numbers))


def _total(numbers: Sequence[int | float]) -> int | float:
    if any(isinstance(amount, float) for amount in numbers):
        try:
            return math.fsum(numbers)
        except (OverflowError, ValueError):  # infinities of both signs, or a sum past the largest double
            return float(sum(numbers))
    total = sum(numbers)
    return total if -_INT64 <= total < _INT64 else float(total)
