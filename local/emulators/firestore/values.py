"""Firestore values: their order, field paths, and the size a document is charged."""

import math
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from google.cloud.firestore_v1.types import document

# Protocol buffer messages have no static types in this tree.
Message = Any
# A tuple that compares as Firestore orders values: the type's rank first, then the value.
Key = tuple[Any, ...]

NewDocument: Callable[..., Message] = document.Document.pb()
NewValue: Callable[..., Message] = document.Value.pb()
NAME = "__name__"

NUMBER_RANK = 2
VECTOR_RANK = 9
_RANKS = {
    "null_value": 0,
    "boolean_value": 1,
    "integer_value": NUMBER_RANK,
    "double_value": NUMBER_RANK,
    "timestamp_value": 3,
    "string_value": 4,
    "bytes_value": 5,
    "reference_value": 6,
    "geo_point_value": 7,
    "array_value": 8,
    "map_value": 10,
}
_NUMERIC_ID = re.compile(r"__id(-?\d+)__")
_RESERVED_NAME = re.compile(r"__.*__", re.DOTALL)
MAX_NAME_BYTES = 1500
MAX_VALUE_BYTES = 1_048_487
_VECTOR_TYPE = "__vector__"
NAN_KEY: Key = (NUMBER_RANK, 0)
NULL_KEY: Key = (0,)


def segment_key(segment: str) -> Key:
    """Order of one path segment: numeric ids first, by number, then text by code point."""
    numeric = _NUMERIC_ID.fullmatch(segment)
    return (0, int(numeric[1])) if numeric else (1, segment)


def name_key(name: str) -> Key:
    """Order of a document name, segment by segment, so that a document comes before its descendants."""
    return tuple(segment_key(segment) for segment in name.split("/"))


def sort_key(value: Message) -> Key:
    """The key by which Firestore orders this value and decides whether two values are equal."""
    kind = value.WhichOneof("value_type") or "null_value"
    rank = _RANKS[kind]
    match kind:
        case "null_value":
            return NULL_KEY
        case "double_value" if math.isnan(value.double_value):
            return NAN_KEY
        case "integer_value" | "double_value":
            return (rank, 1, getattr(value, kind))
        case "timestamp_value":
            return (rank, value.timestamp_value.seconds, value.timestamp_value.nanos)
        case "reference_value":
            return (rank, name_key(value.reference_value))
        case "geo_point_value":
            return (rank, value.geo_point_value.latitude, value.geo_point_value.longitude)
        case "array_value":
            return (rank, tuple(sort_key(item) for item in value.array_value.values))
        case "map_value":
            if is_vector(value):
                numbers = vector(value)
                return (VECTOR_RANK, len(numbers), tuple(numbers))
            fields = value.map_value.fields
            return (rank, tuple((name, sort_key(fields[name])) for name in sorted(fields)))
        case _:
            return (rank, getattr(value, kind))


def is_vector(value: Message) -> bool:
    """Return true if the value is a map that stands for an embedding vector."""
    return value.WhichOneof("value_type") == "map_value" and is_vector_map(value.map_value.fields)


def is_vector_map(fields: Message) -> bool:
    """Return true if the fields of a map are those of an embedding vector."""
    return "__type__" in fields and bool(fields["__type__"].string_value == _VECTOR_TYPE)


def vector(value: Message) -> list[float]:
    """The numbers of an embedding vector."""
    return [float(number(item) or 0) for item in value.map_value.fields["value"].array_value.values]


def number(value: Message | None) -> int | float | None:
    """The number a value holds, or None when it holds something else."""
    if value is None:
        return None
    match value.WhichOneof("value_type"):
        case "integer_value":
            return int(value.integer_value)
        case "double_value":
            return float(value.double_value)
        case _:
            return None


def number_value(amount: int | float) -> Message:
    """A value holding this number, as integer or double by its Python type."""
    return NewValue(integer_value=amount) if isinstance(amount, int) else NewValue(double_value=amount)


@lru_cache(maxsize=4096)
def parse_path(path: str) -> tuple[str, ...]:
    """Split a field path at its dots; names in backticks may hold dots, and backslash escapes inside them."""
    parts: list[str] = []
    part, quoted, position = "", False, 0
    while position < len(path):
        character = path[position]
        if character == "\\" and quoted and position + 1 < len(path):
            position += 1
            part += path[position]
        elif character == "`":
            quoted = not quoted
        elif character == "." and not quoted:
            parts.append(part)
            part = ""
        else:
            part += character
        position += 1
    if quoted or not all([*parts, part]):
        raise ValueError(f'Invalid property path "{path}".')
    return (*parts, part)


def read_field(fields: Message, parts: Sequence[str]) -> Message | None:
    """The value at a parsed field path, or None when the document has no such field."""
    value = None
    for part in parts:
        if fields is None or part not in fields:
            return None
        value = fields[part]
        fields = value.map_value.fields if value.WhichOneof("value_type") == "map_value" else None
    return value


def write_field(fields: Message, parts: Sequence[str], value: Message) -> None:
    """Set the value at a parsed field path, turning what is on the way into maps."""
    for part in parts[:-1]:
        inner = fields[part]
        if inner.WhichOneof("value_type") != "map_value":
            inner.map_value.SetInParent()
        fields = inner.map_value.fields
    fields[parts[-1]].CopyFrom(value)


def remove_field(fields: Message, parts: Sequence[str]) -> None:
    """Delete the field at a parsed field path, if it is there."""
    for part in parts[:-1]:
        if part not in fields or fields[part].WhichOneof("value_type") != "map_value":
            return
        fields = fields[part].map_value.fields
    fields.pop(parts[-1], None)


def check_fields(fields: Message) -> None:
    """ValueError for a reserved or overlong name, an overlong value, or an array directly in an array."""
    for name, value in fields.items():
        if _is_reserved(name) and not (name == "__type__" and is_vector_map(fields)):
            raise ValueError(f"field name {name} is reserved")
        _check_value(name, value)


@lru_cache(maxsize=4096)
def _is_reserved(name: str) -> bool:
    """Return true if a field may not be called so. Raises ValueError for a name that is too long."""
    if len(name.encode()) > MAX_NAME_BYTES:
        raise ValueError(f"The property.name is longer than {MAX_NAME_BYTES} bytes.")
    return _RESERVED_NAME.fullmatch(name) is not None


def _check_value(name: str, value: Message) -> None:
    match value.WhichOneof("value_type"):
        case "string_value" if len(value.string_value) > MAX_VALUE_BYTES // 4:
            _check_length(name, len(value.string_value.encode()))
        case "bytes_value":
            _check_length(name, len(value.bytes_value))
        case "map_value":
            check_fields(value.map_value.fields)
        case "array_value":
            for item in value.array_value.values:
                if item.WhichOneof("value_type") == "array_value":
                    raise ValueError("Cannot convert an array value in an array value.")
                _check_value(name, item)
        case _:
            pass


def _check_length(name: str, length: int) -> None:
    if length > MAX_VALUE_BYTES:
        raise ValueError(f'The value of property "{name}" is longer than {MAX_VALUE_BYTES} bytes.')


def name_size(name: str) -> int:
    """Bytes a document name is charged: its path below the database, one more per segment, and 16."""
    return sum(len(segment.encode()) + 1 for segment in name.split("/")[5:]) + 16


def _fields_size(fields: Message) -> int:
    return sum(len(name.encode()) + 1 + _value_size(value) for name, value in fields.items())


def _value_size(value: Message) -> int:
    match value.WhichOneof("value_type"):
        case "integer_value" | "double_value" | "timestamp_value":
            return 8
        case "string_value":
            return len(value.string_value.encode()) + 1
        case "bytes_value":
            return len(value.bytes_value)
        case "reference_value":
            return name_size(value.reference_value)
        case "geo_point_value":
            return 16
        case "array_value":
            return sum(_value_size(item) for item in value.array_value.values)
        case "map_value":
            return _fields_size(value.map_value.fields)
        case _:
            return 1


def document_size(message: Message) -> int:
    """Bytes a document is charged, by the formula of Firestore's storage documentation."""
    return name_size(message.name) + _fields_size(message.fields) + 32
