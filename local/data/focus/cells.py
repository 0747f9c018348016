"""Cells that DuckDB does not read as they are: each reader returns the text of a value or says what is wrong."""

import re
from datetime import UTC, datetime, timedelta

# An empty cell, and what Hive, Athena, pandas, Python and Excel write in its place.
NULL_TEXTS = ("", "NULL", "null", "Null", "\\N", "None", "NaN", "nan", "NaT", "<NA>", "#N/A")
# ISO 8601 as exporters write it most: DuckDB reads these as exactly.
CANONICAL_MOMENT = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ]([01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}([.][0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
# What fromisoformat does not know: a zone after a space, UTC by name, a lower-case z, a zone of two digits.
_SPACED_ZONE = re.compile(r"\s+(?=[+-]\d\d|Z$)")
_NAMED_ZONE = re.compile(r"\s*(UTC|GMT|Z)$", re.IGNORECASE)
_A_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_PARTED_BY_SLASHES = re.compile(r"\d{1,4}[/.]\d{1,2}[/.]\d{1,4}", re.ASCII)
# Seconds, milli-, micro- and nanoseconds since 1970, told apart by their digits.
_EPOCH = re.compile(r"\d{10}(\d{3}|\d{6}|\d{9})?(\.\d+)?", re.ASCII)
_EPOCH_BEGINS = datetime(1970, 1, 1, tzinfo=UTC)
_SHOWN_CHARACTERS = 60


class ValueProblem(Exception):
    """A cell cannot be read; its text says why in a sentence a person can act on."""


def timestamp(text: str) -> str:
    """Read a TIMESTAMP: ISO 8601 in any of its forms, or seconds since 1970; UTC where no zone is given."""
    return moment(text).isoformat(sep=" ")


def moment(text: str) -> datetime:
    """Read a date or time as an aware datetime in UTC. Raises ValueProblem."""
    text = text.strip()
    iso = _NAMED_ZONE.sub("+00:00", _SPACED_ZONE.sub("", text))
    if _EPOCH.fullmatch(text):
        return _epoch(text)
    if not _A_DATE.match(iso):
        raise ValueProblem(_not_a_date(text))
    try:
        value = datetime.fromisoformat(iso)
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueProblem(f"{shown(text)} is not a date that exists, or not in ISO 8601") from error


def day(text: str) -> str:
    """Read a DATE; a time beside it is dropped."""
    return moment(text).date().isoformat()


def shown(text: str) -> str:
    """Quote a cell for an error, shortened where it is long."""
    return repr(text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…")


def _epoch(text: str) -> datetime:
    digits, _, fraction = text.partition(".")
    micros = int((digits + fraction + "000000")[:16])
    return _EPOCH_BEGINS + timedelta(microseconds=micros)


def _not_a_date(text: str) -> str:
    if _PARTED_BY_SLASHES.match(text):
        return f"{shown(text)} does not say which part is the month; export dates like 2024-09-30"
    return f"{shown(text)} is not a date (write it like 2024-09-30 or 2024-09-30T23:00:00Z)"
