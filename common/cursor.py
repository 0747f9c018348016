"""Cursors of pages: opaque, bound to what they page through, and refused when anything in them was changed."""

import base64
import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime

from common.errors import BadRequest

CURSOR_CHARS = 1_000

Value = str | int | datetime


_REFUSED = "The cursor is not one that this list gave out. Leave it out to begin again."


def encode(scope: Sequence[str], values: Sequence[Value]) -> str:
    """The place after a row that has these values, in the list that ``scope`` names."""
    plain = [value.isoformat() if isinstance(value, datetime) else value for value in values]
    text = json.dumps([_digest(scope, plain), *plain], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(scope: Sequence[str], cursor: str, kinds: Sequence[type[Value]]) -> tuple[Value, ...]:
    """Read the values back. Raises BadRequest unless they are of these kinds and of this list."""
    if len(cursor) > CURSOR_CHARS:
        raise BadRequest(_REFUSED)
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        plain = json.loads(text)[1:]
        if encode(scope, plain) != cursor:
            raise BadRequest(_REFUSED)
        return tuple(_value(item, kind) for item, kind in zip(plain, kinds, strict=True))
    except (ValueError, TypeError, KeyError) as error:
        raise BadRequest(_REFUSED) from error


def _value(item: object, kind: type[Value]) -> Value:
    if kind is datetime and isinstance(item, str):
        moment = datetime.fromisoformat(item)
        return moment.astimezone(UTC)
    if kind is int and type(item) is int and item >= 0:
        return item
    if kind is str and isinstance(item, str) and item:
        return item
    raise ValueError(kind)


def _digest(scope: Sequence[str], plain: Sequence[object]) -> str:
    # No secret: a cursor opens nothing. It only keeps a cursor of one list from being taken for one of another.
    text = json.dumps([list(scope), list(plain)], separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
