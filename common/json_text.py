"""JSON as text: written and read by orjson, and by the standard library where orjson refuses.

orjson takes no half of a surrogate pair, with which a model's token may end, and no number of more than 64 bits.
"""

import json
from typing import Any

import orjson


def write(value: Any) -> str:
    """Return the value as JSON with nothing between its parts; half a surrogate pair stays as it is."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def write_bytes(value: Any) -> bytes:
    """Return the value as JSON in UTF-8; half a surrogate pair is a question mark there."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def read(text: str | bytes) -> Any:
    """Return the value of JSON; a whole number of more than 64 bits is a float.

    Raises ValueError, and RecursionError for one that is nested too deeply.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.loads(text)
