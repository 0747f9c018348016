"""The scratch database that a bill is read into: DuckDB on disk, within a bound of memory, its progress watched."""

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

import duckdb

# With what Python and the emulators need, a load of millions of rows stays below 1 GiB.
MEMORY = "320MB"
THREADS = 2
_LOOKS_EVERY_SECONDS = 0.1
_LINE_BYTES = 2_000_000

# Called with a description and a share of 0 to 1, None where it is not known.
Watch = Callable[[str, float | None], None]


def watch_nothing(_step: str, _share: float | None) -> None:
    """Take no notice of the progress."""


class Workspace:
    """A context manager around a scratch folder and its database; both are gone at the end."""

    def __init__(self, watch: Watch = watch_nothing) -> None:
        self.watch = watch
        self._folder = TemporaryDirectory(prefix="focus-")
        self.folder = Path(self._folder.name)
        self._connection = duckdb.connect(str(self.folder / "bill.duckdb"))
        self._connection.execute(f"SET memory_limit = '{MEMORY}'")
        self._connection.execute(f"SET threads = {THREADS}")
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute(f"SET temp_directory = {quoted(str(self.folder / 'spilled'))}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
        self._folder.cleanup()

    def run(self, sql: str, parameters: Iterable[Any] = (), step: str = "") -> duckdb.DuckDBPyConnection:
        """Run a statement, telling its progress where it is a step of its own."""
        if not step:
            return self._connection.execute(sql, list(parameters))
        with ThreadPoolExecutor(1) as pool:
            done = threading.Event()
            future = pool.submit(self._connection.execute, sql, list(parameters))
            future.add_done_callback(lambda _future: done.set())
            try:
                while not done.wait(_LOOKS_EVERY_SECONDS):
                    share = self._connection.query_progress()
                    self.watch(step, share / 100 if share >= 0 else None)
            except BaseException:
                self._connection.interrupt()
                raise
            self.watch(step, 1.0)
            return future.result()

    def rows(self, sql: str, parameters: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a small result."""
        return self.run(sql, parameters).fetchall()

    def value(self, sql: str, parameters: Iterable[Any] = ()) -> Any:
        """Return the only value of a result."""
        return self.rows(sql, parameters)[0][0]


def csv_reader(path: Path, columns: Sequence[str], *, longest_line: int = 0, **options: str) -> str:
    """Return DuckDB's reader of a CSV file whose form is known, as SQL; all columns are texts."""
    line = max(longest_line + 2, _LINE_BYTES)
    settled = {
        "delim": "','",
        "quote": "'\"'",
        "escape": "'\"'",
        "header": "false",
        "auto_detect": "false",
        "compression": "'none'",
        "max_line_size": str(line),
        # The reader holds several of these at once.
        "buffer_size": str(4 * line),
        **options,
    }
    described = ", ".join(f"{name}: '{'BIGINT' if name == '_row' else 'VARCHAR'}'" for name in columns)
    texts = ", ".join(f"{name} = {value}" for name, value in settled.items())
    return f"read_csv({quoted(str(path))}, columns = {{{described}}}, {texts})"


def quoted(text: str) -> str:
    """Write a text as SQL."""
    return "'" + text.replace("'", "''") + "'"


def named(name: str) -> str:
    """Write a column's name as SQL."""
    return '"' + name.replace('"', '""') + '"'
