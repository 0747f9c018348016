"""Check and normalise the JSON values of streamed rows and loaded files against a table's fields."""

import base64
import binascii
import datetime as dt
import json
import math
import re
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from local.emulators.bigquery.types import Field

_NANO = Decimal("1e-9")
_NUMERIC_LIMIT = Decimal(10) ** 29
_TIMESTAMP = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[ Tt](\d{1,2}):(\d{1,2}):(\d{1,2})(\.\d{1,9})?)?"
    r"\s*(Z|z|UTC|[+-]\d{1,2}(?::?\d{2})?)?"
)


class BadValue(ValueError):
    """A value that does not fit; `location` is the field's path."""

    def __init__(self, location: str, message: str) -> None:
        super().__init__(message)
        self.location = location
        self.message = message


def row(values: dict[str, Any], fields: Sequence[Field], ignore_unknown: bool) -> tuple[dict[str, Any], list[BadValue]]:
    """The row as JSON-ready values by field name, and everything wrong with it."""
    known = {f.name.lower(): f for f in fields}
    problems: list[BadValue] = []
    converted: dict[str, Any] = {}
    for key, value in values.items():
        field = known.get(key.lower())
        if field is None:
            if not ignore_unknown:
                problems.append(BadValue(key, f"no such field: {key}."))
            continue
        try:
            converted[field.name] = value_of(value, field, field.name, ignore_unknown)
        except BadValue as problem:
            problems.append(problem)
    given = {key.lower() for key in values}
    missing = [f for f in fields if f.required and f.name.lower() not in given]
    problems += [BadValue(f.name, f"Missing required field: {f.name}.") for f in missing]
    return converted, problems


def value_of(value: Any, field: Field, path: str, ignore_unknown: bool) -> Any:
    """One value as text, a list or an object that DuckDB casts to the field's type; raises BadValue."""
    if field.repeated:
        if value is None:
            return []
        if not isinstance(value, list):
            raise BadValue(path, f"Repeated field must be imported as a JSON array. Field: {path}.")
        if any(item is None for item in value):
            raise BadValue(path, f"Only optional fields can be set to NULL. Field: {path}; Value: NULL")
        return [value_of(item, field.element, path, ignore_unknown) for item in value]
    if value is None:
        if field.required:
            raise BadValue(path, f"Missing required field: {path}.")
        return None
    if isinstance(value, list):
        raise BadValue(path, f"Array specified for non-repeated field: {path}.")
    if field.type == "STRUCT":
        return _struct(value, field, path, ignore_unknown)
    if field.type == "JSON":
        return _json(value, path)
    if isinstance(value, dict):
        raise BadValue(path, f"This field: {path} is not a record.")
    try:
        return _SCALARS[field.type](value)
    except (ValueError, InvalidOperation, OverflowError, TypeError, binascii.Error) as error:
        shown = json.dumps(value) if not isinstance(value, str) else value
        raise BadValue(
            path, f"Could not convert value to {_WORDS[field.type]}. Field: {path}; Value: {shown}"
        ) from error


def _struct(value: Any, field: Field, path: str, ignore_unknown: bool) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadValue(path, f"This field: {path} is a record; got {json.dumps(value)}.")
    known = {f.name.lower() for f in field.fields}
    for key in value:
        if key.lower() not in known and not ignore_unknown:
            raise BadValue(f"{path}.{key}", f"no such field: {path}.{key}.")
    given = {key.lower(): item for key, item in value.items()}
    return {f.name: value_of(given.get(f.name.lower()), f, f"{path}.{f.name}", ignore_unknown) for f in field.fields}


def _json(value: Any, path: str) -> str:
    """A JSON column takes JSON text; the client sends objects as text too."""
    if not isinstance(value, str):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    try:
        return json.dumps(json.loads(value), separators=(",", ":"), ensure_ascii=False)
    except ValueError as error:
        raise BadValue(path, f"Invalid JSON in field {path}: {error}") from error


def _integer(value: Any) -> str:
    if isinstance(value, bool):
        raise ValueError("a boolean")
    number = int(value) if not isinstance(value, float) else int(Decimal(value).to_integral_exact())
    if isinstance(value, float) and number != value:
        raise ValueError("not whole")
    if not -(2**63) <= number < 2**63:
        raise OverflowError
    return str(number)


def _float(value: Any) -> str:
    if isinstance(value, bool):
        raise ValueError("a boolean")
    number = float(value)
    return repr(number) if math.isfinite(number) else {"nan": "NaN", "inf": "Infinity"}.get(str(number), "-Infinity")


def _numeric(value: Any) -> str:
    if isinstance(value, bool):
        raise ValueError("a boolean")
    number = Decimal(value.strip() if isinstance(value, str) else str(value))
    if not number.is_finite() or abs(number) >= _NUMERIC_LIMIT:
        raise OverflowError
    return format(number.quantize(_NANO, rounding=ROUND_HALF_UP), "f")


def _boolean(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    word = str(value).lower()
    if word not in ("true", "false", "1", "0", "t", "f", "yes", "no", "y", "n"):
        raise ValueError(word)
    return "true" if word in ("true", "1", "t", "yes", "y") else "false"


def _timestamp(value: Any) -> str:
    if isinstance(value, bool):
        raise ValueError("a boolean")
    if isinstance(value, int | float) or re.fullmatch(r"-?\d+(\.\d+)?([eE]\d+)?", str(value)):
        micros = int((Decimal(str(value)) * 1_000_000).to_integral_value())
        moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=micros)
        return moment.isoformat(sep=" ")
    match = _TIMESTAMP.fullmatch(value.strip())
    if match is None:
        raise ValueError(value)
    return _moment(match, _zone(match[8])).isoformat(sep=" ")


def _moment(match: re.Match[str], zone: dt.tzinfo | None) -> dt.datetime:
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    micros = int(((match[7] or ".0")[1:] + "000000")[:6])
    return dt.datetime(year, month, day, hour, minute, second, micros, tzinfo=zone)


def _zone(text: str | None) -> dt.tzinfo:
    if text is None or text.upper() in ("Z", "UTC"):
        return dt.UTC
    digits = text[1:].replace(":", "")
    hours, minutes = int(digits[:2]), int(digits[2:] or 0)
    offset = dt.timedelta(hours=hours, minutes=minutes)
    return dt.timezone(-offset if text[0] == "-" else offset)


def _datetime(value: Any) -> str:
    match = _TIMESTAMP.fullmatch(str(value).strip())
    if match is None or match[8] not in (None, "Z", "z"):
        raise ValueError(value)
    return _moment(match, None).isoformat(sep=" ")


def _date(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("not text")
    match = re.fullmatch(r"(\d{4})-(\d{1,2})-(\d{1,2})", value.strip())
    if match is None:
        raise ValueError(value)
    return dt.date(int(match[1]), int(match[2]), int(match[3])).isoformat()


def _time(value: Any) -> str:
    return dt.time.fromisoformat(str(value)).isoformat()


def _string(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value)


def _bytes(value: Any) -> str:
    """DuckDB's text form of a BLOB, every byte escaped."""
    raw = base64.b64decode(str(value).replace("-", "+").replace("_", "/"), validate=True)
    return "".join(f"\\x{byte:02X}" for byte in raw)


_SCALARS = {
    "STRING": _string,
    "INT64": _integer,
    "FLOAT64": _float,
    "NUMERIC": _numeric,
    "BOOL": _boolean,
    "TIMESTAMP": _timestamp,
    "DATE": _date,
    "DATETIME": _datetime,
    "TIME": _time,
    "BYTES": _bytes,
}
_WORDS = {
    "STRING": "string",
    "INT64": "integer",
    "FLOAT64": "double",
    "NUMERIC": "numeric",
    "BOOL": "boolean",
    "TIMESTAMP": "timestamp",
    "DATE": "date",
    "DATETIME": "datetime",
    "TIME": "time",
    "BYTES": "bytes",
}
