"""The parts of a tool's result, whatever is missing or of another kind than it should be."""

from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
Payload = Mapping[str, Any]


def rows(payload: Payload) -> list[Row]:
    """The rows that are objects."""
    return items(payload.get("rows"))


def summary(payload: Payload) -> Mapping[str, Any]:
    """The summary; empty where there is none."""
    return mapping(payload.get("summary"))


def mapping(value: Any) -> Mapping[str, Any]:
    """The value where it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def items(value: Any) -> list[Row]:
    """The objects of a list."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def names(value: Any) -> Sequence[str]:
    """The texts of a list."""
    return [str(item) for item in value] if isinstance(value, list) else []
