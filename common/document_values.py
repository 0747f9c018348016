"""The values of documents in the words of Firestore's wire, and back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from google.api_core.datetime_helpers import DatetimeWithNanoseconds


@dataclass(frozen=True, slots=True)
class Vector:
    """An embedding, as a field of a document by which ``nearest`` finds it."""

    values: Sequence[float]


def encode(value: Any, into: Any) -> None:
    """Put a value of a document into its message. Raises TypeError for what no document holds."""
    match value:
        case str():
            into.string_value = value
        case None:
            into.null_value = 0
        case bool():
            into.boolean_value = value
        case int():
            into.integer_value = value
        case float():
            into.double_value = value
        case datetime():
            set_moment(into.timestamp_value, value)
        case bytes():
            into.bytes_value = value
        case dict():
            into.map_value.SetInParent()
            for name, each in value.items():
                encode(each, into.map_value.fields[name])
        case Vector(values=values):
            into.map_value.fields["__type__"].string_value = "__vector__"
            numbers = into.map_value.fields["value"].array_value.values
            for number in values:
                numbers.add().double_value = number
        case list() | tuple():
            into.array_value.SetInParent()
            for each in value:
                encode(each, into.array_value.values.add())
        case _:
            raise TypeError(f"a document holds no {type(value).__name__}")


def decoded(value: Any) -> Any:
    """Return a value of a message as Python has it."""
    match value.WhichOneof("value_type"):
        case "null_value" | None:
            return None
        case "timestamp_value":
            return moment_of(value.timestamp_value)
        case "map_value":
            return {name: decoded(each) for name, each in value.map_value.fields.items()}
        case "array_value":
            return [decoded(each) for each in value.array_value.values]
        case kind:
            return getattr(value, kind)


def set_moment(into: Any, moment: datetime) -> None:
    """Put a moment into a timestamp, with the nanoseconds of one that came from Firestore."""
    if isinstance(moment, DatetimeWithNanoseconds):
        into.CopyFrom(moment.timestamp_pb())
    else:
        into.FromDatetime(moment)


def moment_of(timestamp: Any) -> datetime:
    """Return a timestamp to the nanosecond: a precondition holds only for the very moment. A delete's says 1970."""
    moment: datetime = DatetimeWithNanoseconds.from_timestamp_pb(timestamp)
    return moment
