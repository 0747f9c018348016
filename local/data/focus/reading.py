"""Files of every form read into one table of texts, ``raw``: a row per charge, its row number, its FOCUS columns.

DuckDB's own readers read CSV, Parquet and JSON. Python reads what they do not: other encodings, lines above the
header, escapes by backslash, and numbers of JSON to their last digit; it also says what is wrong with a text file.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from local.data.focus.cells import NULL_TEXTS
from local.data.focus.csv_text import Records, TextForm, needs_care, tell_form
from local.data.focus.files import Source
from local.data.focus.kinds import Kind
from local.data.focus.naming import Naming, name_columns
from local.data.focus.problems import FocusFileError, Problems
from local.data.focus.workspace import Workspace, csv_reader, named, quoted

MOST_ROWS = 200_000_000
_LONGEST_OBJECT = 16 * 1024 * 1024
_MOST_BYTES_OF_A_CHARACTER = 4
_BATCH = 5_000
# One pattern: lists and IN take memory for each of a hundred columns.
_NULL = rf"\s*({'|'.join(re.escape(text) for text in NULL_TEXTS)})\s*"
_NESTED = ("STRUCT", "MAP", "UNION", "JSON", "VARIANT")


@dataclass(frozen=True, slots=True)
class Read:
    """The columns of one file in ``raw``, and how many lines above its header were left out."""

    naming: Naming
    lines_above: int = 0


def read_file(workspace: Workspace, source: Source, kind: Kind, problems: Problems) -> Read:
    """Fill ``raw`` with one file. Raises FocusFileError."""
    workspace.run("DROP TABLE IF EXISTS raw")
    if kind == "parquet":
        read = Read(_read_parquet(workspace, source, problems))
    elif kind == "json":
        read = Read(_read_json(workspace, source, problems))
    else:
        read = _read_text(workspace, source, problems)
    _merge_doubles(workspace, read.naming, problems)
    return read


def _read_text(workspace: Workspace, source: Source, problems: Problems) -> Read:
    form = tell_form(source.path, problems)
    naming = name_columns(form.header, source.partition, problems)
    if form.is_plain and not needs_care(source.path):
        try:
            _read_csv(workspace, source.path, form, naming, source.name)
            return Read(naming)
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error:
            # Reading it row by row says what is wrong, or reads it all the same.
            workspace.run("DROP TABLE IF EXISTS raw")
    _read_records(workspace, source, form, naming, problems)
    return Read(naming, form.above)


def _read_csv(workspace: Workspace, path: Path, form: TextForm, naming: Naming, shown: str) -> None:
    columns = [f"c{position}" for position in range(len(form.header))]
    source = csv_reader(path, columns, delim=quoted(form.separator), header="true", strict_mode="true")
    texts = {name: f"c{position}" for name, position in _places(naming)}
    # Row 1 is the header.
    _keep(workspace, f"SELECT row_number() OVER () + 1 AS _row, * FROM {source}", texts, f"Reading {shown}")
    _drop_repeated_headers(workspace, form.header, naming)


def _read_records(workspace: Workspace, source: Source, form: TextForm, naming: Naming, problems: Problems) -> None:
    places = _places(naming)
    size = source.path.stat().st_size

    def written(*, escaped: bool) -> "_Written":
        found = Problems(source.name)
        records = Records(source.path, form, found, escaped=escaped)
        records.progress = lambda position: workspace.watch(f"Reading {source.name}", position / size)
        rows = ([row, *(cells[position] for _name, position in places)] for row, cells in records)
        made = _write(workspace, rows)
        if found.total:
            raise found.error()
        return made

    try:
        made = written(escaped=False)
    except FocusFileError as refusal:
        try:
            made = written(escaped=True)
        except FocusFileError:
            # What is wrong with it as CSV is what a person can act on.
            problems.first[:], problems.total = refusal.problems, refusal.total
            raise problems.error() from refusal
    _read_written(workspace, made, [name for name, _position in places], source.name)
    _drop_repeated_headers(workspace, form.header, naming)


def _read_json(workspace: Workspace, source: Source, problems: Problems) -> Naming:
    objects = f"read_json_objects({quoted(str(source.path))}, maximum_object_size = {_LONGEST_OBJECT})"
    try:
        keys = workspace.rows(f"SELECT DISTINCT unnest(json_keys(json)) FROM {objects}")
        header = sorted(str(key) for (key,) in keys)
        if not header:
            raise problems.stop(None, None, "the file has no rows")
        naming = name_columns(header, source.partition, problems)
        names = [header[position] for _name, position in _places(naming)]
        found = workspace.run(f"SELECT json FROM {objects}")
        made = _write(workspace, _json_rows(found, names, problems))
    except duckdb.Error as error:
        raise problems.stop(None, None, f"not JSON: {_first_line(error)}") from error
    if problems.total:
        raise problems.error()
    _read_written(workspace, made, [name for name, _position in _places(naming)], source.name)
    return naming


def _json_rows(found: duckdb.DuckDBPyConnection, names: Sequence[str], problems: Problems) -> Iterator[list[Any]]:
    row = 0
    while batch := found.fetchmany(_BATCH):
        for (text,) in batch:
            row += 1
            value = json.loads(text, parse_float=_Exact)
            if not isinstance(value, dict):
                problems.add(row, None, "is not a JSON object")
                continue
            yield [row, *(_cell(value.get(name)) for name in names)]


class _Exact(float):
    """A number of JSON that keeps its text, so that no digit of an amount is lost."""

    def __new__(cls, text: str) -> "_Exact":
        number = super().__new__(cls, text)
        number.text = text
        return number

    text: str


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return value.text if isinstance(value, _Exact) else json.dumps(value, ensure_ascii=False)


def _read_parquet(workspace: Workspace, source: Source, problems: Problems) -> Naming:
    path = quoted(str(source.path))
    try:
        rows = workspace.value(f"SELECT sum(num_rows) FROM parquet_file_metadata({path})")
        if rows > MOST_ROWS:
            raise problems.stop(None, None, f"claims {rows:,} rows; at most {MOST_ROWS:,} are read")
        described = workspace.rows(f"DESCRIBE SELECT * FROM read_parquet({path}, hive_partitioning = false)")
        header = [str(column[0]) for column in described]
        naming = name_columns(header, source.partition, problems)
        texts = {name: _parquet_text(header[place], str(described[place][1])) for name, place in _places(naming)}
        rows_of_file = f"SELECT * FROM read_parquet({path}, hive_partitioning = false, file_row_number = true)"
        numbered = f"SELECT file_row_number + 1 AS _row, * EXCLUDE (file_row_number) FROM ({rows_of_file})"
        _keep(workspace, numbered, texts, f"Reading {source.name}")
        return naming
    except duckdb.Error as error:
        raise problems.stop(None, None, f"a Parquet file that cannot be read: {_first_line(error)}") from error


def _parquet_text(column: str, kind: str) -> str:
    name = named(column)
    if kind.endswith("]") or kind.startswith(_NESTED):
        return f"CAST(to_json({name}) AS VARCHAR)"
    if kind.startswith("TIMESTAMP"):
        return f"strftime(CAST({name} AS TIMESTAMP), '%Y-%m-%dT%H:%M:%S.%fZ')"
    return f"decode({name})" if kind == "BLOB" else f"CAST({name} AS VARCHAR)"


def _places(naming: Naming) -> list[tuple[str, int]]:
    """Return the columns of ``raw`` with their position in the file; the second of a name is called name+1."""
    places = list(naming.columns.items())
    for name, others in naming.doubles.items():
        places += [(f"{name}+{number}", position) for number, position in enumerate(others, start=1)]
    return places


def _keep(workspace: Workspace, rows: str, texts: dict[str, str], step: str) -> None:
    """Fill ``raw``: empty cells are NULL, and rows without any cell are left out."""
    cells = ", ".join(
        f"CASE WHEN regexp_full_match({text}, {quoted(_NULL)}) THEN NULL ELSE {text} END AS {named(name)}"
        for name, text in texts.items()
    )
    workspace.run(f"CREATE TABLE raw AS SELECT _row, {cells} FROM ({rows})", step=step)
    workspace.run(f"DELETE FROM raw WHERE coalesce({', '.join(named(name) for name in texts)}) IS NULL")


@dataclass(frozen=True, slots=True)
class _Written:
    """A CSV file that Python wrote for DuckDB, and the length of its longest line at most."""

    path: Path
    longest_line: int


def _write(workspace: Workspace, rows: Iterable[Sequence[Any]]) -> _Written:
    path = workspace.folder / "written.csv"
    longest = 0
    with path.open("w", encoding="utf-8", newline="", errors="replace") as file:
        writer = csv.writer(file, lineterminator="\n")
        for row in rows:
            characters = writer.writerow(row)
            longest = max(longest, characters)
    return _Written(path, _MOST_BYTES_OF_A_CHARACTER * longest)


def _read_written(workspace: Workspace, made: _Written, names: Sequence[str], shown: str) -> None:
    columns = ["_row", *(f"c{position}" for position in range(len(names)))]
    source = f"SELECT * FROM {csv_reader(made.path, columns, longest_line=made.longest_line)}"
    _keep(workspace, source, {name: f"c{position}" for position, name in enumerate(names)}, f"Reading {shown}")
    made.path.unlink()


def _drop_repeated_headers(workspace: Workspace, header: Sequence[str], naming: Naming) -> None:
    """Leave out the headers of files that were put one behind the other."""
    same = " AND ".join(f"trim({named(name)}) = {quoted(header[place])}" for name, place in naming.columns.items())
    workspace.run(f"DELETE FROM raw WHERE {same}")


def _merge_doubles(workspace: Workspace, naming: Naming, problems: Problems) -> None:
    """Take a column that is there twice once, where both say the same. Raises FocusFileError where they do not."""
    for name, others in naming.doubles.items():
        for number in range(1, len(others) + 1):
            second = named(f"{name}+{number}")
            differing = workspace.rows(f"SELECT min(_row) FROM raw WHERE {named(name)} <> {second}")[0][0]
            if differing is not None:
                problems.add(1, name, f"is in the header twice, with different values in row {differing}")
            workspace.run(f"UPDATE raw SET {named(name)} = {second} WHERE {named(name)} IS NULL")
    if problems.total:
        raise problems.error()


def _first_line(error: duckdb.Error) -> str:
    return str(error).split("\n", 1)[0].partition(": ")[2][:200]
