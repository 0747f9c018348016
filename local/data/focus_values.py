"""Cells of a FOCUS file, read strictly: each reader returns the JSON text of a value or says what is wrong with it."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache

from common.warehouse.schema import FieldType

NULL = "null"
NULL_TEXTS = frozenset({"", "NULL", "null"})
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
# BigQuery's NUMERIC: 29 digits before the point, 9 after it, rounded half away from zero.
NUMERIC_DIGITS = 29
NUMERIC_STEP = Decimal("0.000000001")
EXACT = Context(prec=200)
# What fromisoformat does not know: a zone after a space, UTC by name, a lower-case z.
SPACED_ZONE = re.compile(r"\s+(?=[+-]\d\d|Z$)")
NAMED_ZONE = re.compile(r"\s*(UTC|GMT|z)$")
A_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
SHOWN_CHARACTERS = 60

ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

Reader = Callable[[str], str]


class ValueProblem(Exception):
    """A cell cannot be read; its text says why in a sentence a person can act on."""


@lru_cache(maxsize=65_536)
def numeric(text: str) -> str:
    """Read a NUMERIC: plain or scientific notation, rounded to nine decimals."""
    text = text.strip()
    if not NUMBER.fullmatch(text):
        raise ValueProblem(f"{shown(text)} is not a number (write it like -1234.56 or 1.2e-7)")
    value = Decimal(text)
    if value.adjusted() < -NUMERIC_DIGITS:
        return '"0"'
    if value.adjusted() >= NUMERIC_DIGITS:
        raise ValueProblem(f"{shown(text)} is too large: at most {NUMERIC_DIGITS} digits before the decimal point")
    rounded = value.quantize(NUMERIC_STEP, ROUND_HALF_UP, EXACT)
    if rounded.adjusted() >= NUMERIC_DIGITS:
        raise ValueProblem(f"{shown(text)} is too large: at most {NUMERIC_DIGITS} digits before the decimal point")
    return f'"{rounded:f}"' if rounded else '"0"'


@lru_cache(maxsize=65_536)
def timestamp(text: str) -> str:
    """Read a TIMESTAMP: ISO 8601 with or without T, fraction, time and zone; UTC where none is given."""
    return f'"{moment(text).isoformat(sep=" ")}"'


def moment(text: str) -> datetime:
    """Read an ISO 8601 date or time as an aware datetime in UTC."""
    text = text.strip()
    iso = NAMED_ZONE.sub("+00:00", SPACED_ZONE.sub("", text))
    if not A_DATE.match(iso):
        raise ValueProblem(f"{shown(text)} is not a date (write it like 2024-09-30 or 2024-09-30T23:00:00Z)")
    try:
        value = datetime.fromisoformat(iso)
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueProblem(f"{shown(text)} is not a date that exists, or not in ISO 8601") from error


def date(text: str) -> str:
    """Read a DATE; a time beside it is dropped."""
    return f'"{moment(text).date().isoformat()}"'


def string(text: str) -> str:
    """Take a STRING as it is."""
    return ENCODER.encode(text)


@lru_cache(maxsize=16_384)
def json_object(text: str) -> str:
    """Read a JSON column: an object, as FOCUS has them all (keys to values)."""
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
        written = ENCODER.encode(value)
        written.encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        raise ValueProblem(f"{shown(text)} is not JSON") from error
    if not isinstance(value, dict):
        raise ValueProblem(f'{shown(text)} is JSON but not an object (write it like {{"team": "data"}})')
    return written


def floating(text: str) -> str:
    """Read a FLOAT: a finite number."""
    text = text.strip()
    if not NUMBER.fullmatch(text):
        raise ValueProblem(f"{shown(text)} is not a number")
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueProblem(f"{shown(text)} is too large")
    return repr(value)


READERS: dict[FieldType, Reader] = {
    "STRING": string,
    "NUMERIC": numeric,
    "TIMESTAMP": timestamp,
    "DATE": date,
    "JSON": json_object,
    "FLOAT": floating,
}


def shown(text: str) -> str:
    """Quote a cell for an error, shortened where it is long."""
    return repr(text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…")


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
