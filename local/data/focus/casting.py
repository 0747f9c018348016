"""The texts of one file turned into values: DuckDB casts what is canonical, Python reads the rest, once per text."""

import csv
import re
from collections.abc import Callable, Iterable, Set
from pathlib import Path

from local.data.focus import cells, numbers, tags
from local.data.focus.cells import ValueProblem
from local.data.focus.files import Source
from local.data.focus.naming import HELPERS, OWN_PREFIXES, TYPES, Naming, told_by_path
from local.data.focus.problems import ERRORS_SHOWN, Problems
from local.data.focus.workspace import Workspace, csv_reader, named, quoted

DUCKDB_TYPES = {
    "STRING": "VARCHAR",
    "NUMERIC": "DECIMAL(38, 9)",
    "TIMESTAMP": "TIMESTAMPTZ",
    "DATE": "DATE",
    "JSON": "VARCHAR",
    "FLOAT": "DOUBLE",
}
# The columns of ``bill``: those of the table that a file may have, and those that help to fill them.
COLUMNS = {name: kind for name, kind in (TYPES | HELPERS).items() if not name.startswith(OWN_PREFIXES)}
_NUMBERS = ("NUMERIC", "FLOAT")
_BATCH = 5_000
# A month as partitions are named: 2026-10, 202610, 20261001-20261101.
_MONTH = re.compile(r"([12]\d{3})-?(0[1-9]|1[0-2])")
_READERS: dict[str, Callable[[str], str]] = {
    "TIMESTAMP": cells.timestamp,
    "DATE": cells.day,
    "JSON": tags.mapping,
}

Reader = Callable[[str], str]


def create_bill(workspace: Workspace) -> None:
    """Create the empty table ``bill``, which holds the values of all files."""
    columns = ", ".join(f"{named(name)} {DUCKDB_TYPES[kind]}" for name, kind in COLUMNS.items())
    workspace.run(f"CREATE TABLE bill (_file INTEGER, _row BIGINT, {columns})")


def cast_file(workspace: Workspace, number: int, naming: Naming, problems: Problems, source: Source) -> None:
    """Add the rows of ``raw`` to ``bill`` as file ``number``. Raises FocusFileError naming row and column."""
    notation = _notation(workspace, naming)
    casts: dict[str, str] = {}
    joins: list[str] = []
    for column in naming.columns:
        kind = COLUMNS[column]
        if kind == "STRING":
            casts[column] = f"raw.{named(column)}"
            continue
        odd = f"odd_{len(joins)}"
        canonical = _canonical(kind, f"raw.{named(column)}", notation)
        if _read_odd(workspace, odd, column, canonical, _reader(kind, notation)):
            joins.append(f"LEFT JOIN {odd} ON raw.{named(column)} = {odd}.text AND NOT ({canonical})")
            _note_problems(workspace, odd, column, canonical, problems)
            casts[column] = f"CAST(coalesce({odd}.value, raw.{named(column)}) AS {DUCKDB_TYPES[kind]})"
        else:
            casts[column] = f"CAST(raw.{named(column)} AS {DUCKDB_TYPES[kind]})"
    if problems.total:
        raise problems.error()
    casts |= _from_path(source, naming.columns.keys())
    columns, values = ", ".join(named(name) for name in casts), ", ".join(casts.values())
    sql = f"INSERT INTO bill (_file, _row, {columns}) SELECT {number}, raw._row, {values} FROM raw {' '.join(joins)}"
    workspace.run(sql, step=f"Checking {source.name}")
    for index in range(len(joins)):
        workspace.run(f"DROP TABLE IF EXISTS odd_{index}")


def _from_path(source: Source, present: Set[str]) -> dict[str, str]:
    """Return the values that the file's path tells and the file does not, as SQL."""
    told = {column: text for column, text in told_by_path(source.partition).items() if column not in present}
    if (month := _MONTH.match(told.get("BillingPeriodStart", ""))) is not None:
        told["BillingPeriodStart"] = f"{month[1]}-{month[2]}-01"
    return {
        column: f"CAST({quoted(text)} AS {DUCKDB_TYPES[COLUMNS[column]]})"
        for column, text in told.items()
        if COLUMNS[column] == "STRING" or _MONTH.match(text)
    }


def _canonical(kind: str, column: str, notation: numbers.Notation) -> str:
    """Return the condition under which DuckDB reads a cell exactly as it is meant."""
    if kind in _NUMBERS:
        pattern = numbers.CANONICAL_WITHOUT_POINT if notation.decimal_comma else numbers.CANONICAL
        return f"(regexp_full_match({column}, {quoted(pattern)}) AND TRY_CAST({column} AS DECIMAL(38, 9)) IS NOT NULL)"
    if kind in ("TIMESTAMP", "DATE"):
        pattern = cells.CANONICAL_MOMENT if kind == "TIMESTAMP" else "[0-9]{4}-[0-9]{2}-[0-9]{2}"
        return (
            f"(regexp_full_match({column}, {quoted(pattern)}) "
            f"AND TRY_CAST({column} AS {DUCKDB_TYPES[kind]}) IS NOT NULL)"
        )
    # DuckDB's JSON also takes NaN, a comma at the end and a key twice.
    return (
        f"CASE WHEN json_valid({column}) THEN json_type({column}) = 'OBJECT' "
        f"AND NOT regexp_matches({column}, 'NaN|Inf|nan|inf|,\\s*[}}\\]]|\\\\[uU][dD][89a-fA-F]') "
        f"AND len(json_keys({column})) = len(list_distinct(json_keys({column}))) ELSE false END"
    )


def _reader(kind: str, notation: numbers.Notation) -> Reader:
    if kind == "NUMERIC":
        return lambda text: numbers.numeric(text, notation)
    if kind == "FLOAT":
        return lambda text: numbers.floating(text, notation)
    return _READERS[kind]


def _notation(workspace: Workspace, naming: Naming) -> numbers.Notation:
    """Tell how the file writes numbers, from all of its number columns together."""
    columns = [column for column in naming.columns if COLUMNS[column] in _NUMBERS]
    odd: set[str] = set()
    has_points = False
    for column in map(named, columns):
        canonical = f"regexp_full_match({column}, {quoted(numbers.CANONICAL)})"
        found = workspace.run(f"SELECT DISTINCT {column} FROM raw WHERE {column} LIKE '%,%' AND NOT {canonical}")
        odd.update(text for (text,) in found.fetchall())
    if not odd:
        return numbers.POINTS
    for column in map(named, columns):
        sure = f"{column} LIKE '%.%' AND regexp_full_match({column}, {quoted(numbers.CANONICAL)})"
        doubtful = f"regexp_full_match({column}, {quoted(numbers.POINT_IN_DOUBT)})"
        found = workspace.run(f"SELECT 1 FROM raw WHERE {sure} AND NOT {doubtful} LIMIT 1")
        has_points = has_points or found.fetchone() is not None
    return numbers.tell_notation(odd, has_points=has_points)


def _read_odd(workspace: Workspace, table: str, column: str, canonical: str, read: Reader) -> int:
    """Read the texts of a column that are not canonical into a table (text, value, problem); return their number."""
    name = f"raw.{named(column)}"
    found = workspace.run(f"SELECT DISTINCT {name} FROM raw WHERE {name} IS NOT NULL AND NOT ({canonical})")
    path = workspace.folder / "odd.csv"
    texts = (text for batch in iter(lambda: found.fetchmany(_BATCH), []) for (text,) in batch)
    count, longest = _write_readings(path, texts, read)
    if count:
        rows = csv_reader(path, ["text", "value", "problem"], longest_line=longest)
        workspace.run(f"CREATE OR REPLACE TABLE {table} AS SELECT * FROM {rows}")
    path.unlink()
    return count


def _write_readings(path: Path, texts: Iterable[str], read: Reader) -> tuple[int, int]:
    """Write each text with its value or problem; return their number, and the bytes of the longest line at most."""
    count = longest = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        for text in texts:
            count += 1
            try:
                written = writer.writerow([text, read(text), None])
            except ValueProblem as problem:
                written = writer.writerow([text, None, str(problem)])
            longest = max(longest, 4 * written)
    return count, longest


def _note_problems(workspace: Workspace, odd: str, column: str, canonical: str, problems: Problems) -> None:
    bad = (
        f"FROM raw JOIN {odd} ON raw.{named(column)} = {odd}.text WHERE {odd}.problem IS NOT NULL AND NOT ({canonical})"
    )
    total = workspace.value(f"SELECT count(*) {bad}")
    if total:
        first = workspace.rows(f"SELECT raw._row, {odd}.problem {bad} ORDER BY raw._row LIMIT {ERRORS_SHOWN}")
        problems.note(column, first, total)
