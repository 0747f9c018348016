"""Reads a catalogue's files, typed by the schemas of its tables, and writes them."""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from common.warehouse import schema
from common.warehouse.schema import Field
from local.data.rows import Row

# The small cut that a laptop loads.
SMALL = Path(__file__).parent
# All regions of all providers are 12 MB: a file that unpacks to more is none of ours.
MOST_BYTES = 256 * 1024**2
# No name, and no text of a catalogue, is as long.
LONGEST_FIELD = 128 * 1024
# BigQuery's NUMERIC: 29 digits before the point and 9 behind it.
_DIGITS, _PLACES = 29, 9
# Vectors of models are derived, and have a file of their own kind.
CARDS = "model_cards"
TABLES = tuple(table for table in schema.tables("catalog") if table != CARDS)

Catalog = Mapping[str, list[Row]]


class CatalogFileError(Exception):
    """A catalogue's file cannot be read, and nothing of it is loaded; the message names file, line and column."""


def read_folder(folder: Path) -> dict[str, list[Row]]:
    """Read NAME.csv or NAME.csv.gz of every table. Raises CatalogFileError."""
    return {table: _read(_file(folder, table), table) for table in TABLES}


def write_folder(folder: Path, catalog: Catalog) -> None:
    """Write a file for each table; the same rows make the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    for table, rows in catalog.items():
        text = io.StringIO()
        columns = [field.name for field in schema.load("catalog", table).fields]
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_written(row.get(name)) for name in columns] for row in rows)
        packed = io.BytesIO()
        with gzip.GzipFile("", "wb", fileobj=packed, mtime=0) as file:
            file.write(text.getvalue().encode())
        (folder / f"{table}.csv.gz").write_bytes(packed.getvalue())


def _file(folder: Path, table: str) -> Path:
    for name in (f"{table}.csv", f"{table}.csv.gz"):
        if (folder / name).is_file():
            return folder / name
    raise CatalogFileError(f"{folder} has no {table}.csv.gz.")


def _read(path: Path, table: str) -> list[Row]:
    fields = schema.load("catalog", table).fields
    csv.field_size_limit(LONGEST_FIELD)
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
    try:
        if absent := [field.name for field in fields if field.name not in (reader.fieldnames or ())]:
            raise CatalogFileError(f"{path.name}: the columns {', '.join(absent)} are missing.")
        return [_row(line, fields, f"{path.name}, line {reader.line_num}") for line in reader]
    except csv.Error as error:
        raise CatalogFileError(f"{path.name}, line {reader.line_num}: it is no CSV: {error}.") from error


def read_text(path: Path) -> str:
    """Return the text of a file, unpacked where its name ends with .gz. Raises CatalogFileError."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise CatalogFileError(f"{path} has more than {MOST_BYTES:,} bytes.")
        return data.decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise CatalogFileError(f"{path} cannot be read as CSV in UTF-8: {error}.") from error


def _row(line: Mapping[str, str | None], fields: Iterable[Field], place: str) -> Row:
    row: Row = {}
    for field in fields:
        text = (line[field.name] or "").strip()
        if not text and field.mode == "REQUIRED":
            raise CatalogFileError(f"{place}, column {field.name}: it is empty.")
        try:
            row[field.name] = _KINDS[field.type](text) if text else None
        except (ValueError, InvalidOperation, KeyError):
            raise CatalogFileError(f"{place}, column {field.name}: {text[:40]!r} is no {field.type}.") from None
    return row


def _number(text: str) -> Decimal:
    value = Decimal(text)
    if not value.is_finite() or value.adjusted() >= _DIGITS or value != round(value, _PLACES):
        raise ValueError
    return value


_KINDS: Mapping[str, Callable[[str], Any]] = {
    "STRING": str,
    "NUMERIC": _number,
    "INTEGER": int,
    "DATE": date.fromisoformat,
    "BOOLEAN": lambda text: {"true": True, "false": False}[text.lower()],
}


def _written(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return json.dumps(value)
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)
