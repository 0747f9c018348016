"""What a run measured, as tables in the terminal, as JSON beside the repository, and as Markdown for a README."""

import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from rich.console import Console
from rich.table import Table as RichTable

# A machine with more to do than this, in the minute before, says little about what it is asked next.
QUIET_LOAD = 1.5
FOLDER = Path(__file__).parents[2] / ".cache" / "bench"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of what was measured; the first column names them, a note says how to read it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def show(self, console: Console) -> None:
        """Print it."""
        console.print(self.title, style="bold", markup=False, highlight=False)
        table = RichTable()
        for position, column in enumerate(self.columns):
            table.add_column(column, justify="left" if position == 0 else "right")
        for row in self.rows:
            table.add_row(*row)
        console.print(table)
        console.print(self.note, markup=False, highlight=False)

    def markdown(self) -> str:
        """It as Markdown."""
        lines = [f"**{self.title}**", "", f"| {' | '.join(self.columns)} |"]
        lines.append(f"|---|{'---:|' * (len(self.columns) - 1)}")
        lines += [f"| {' | '.join(_escaped(cell) for cell in row)} |" for row in self.rows]
        return "\n".join([*lines, *(["", self.note] if self.note else [])])


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line of what was promised: the figure, its bound, and whether it holds."""

    promise: str
    figure: float
    bound: float
    unit: str = "x"
    at_least: bool = False

    @property
    def holds(self) -> bool:
        return self.figure >= self.bound if self.at_least else self.figure <= self.bound

    def row(self) -> tuple[str, ...]:
        """It as a row of the table of verdicts."""
        sign = "≥" if self.at_least else "≤"
        held = "yes" if self.holds else "no"
        return (self.promise, f"{shown(self.figure)} {self.unit}", f"{sign} {shown(self.bound)} {self.unit}", held)


@dataclass(slots=True)
class Results:
    """Everything of one run; ``busy`` is whether the machine had other work as it began."""

    at: str
    machine: str
    quick: bool
    busy: bool = False
    tables: dict[str, list[Table]] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)

    @classmethod
    def begun(cls, *, quick: bool) -> Self:
        """Results of a run that begins now, on this machine."""
        load = os.getloadavg()[0]
        told = f"{machine()}, load {load:.1f} as it began"
        return cls(datetime.now(UTC).isoformat(timespec="minutes"), told, quick, load > QUIET_LOAD)

    def add(self, name: str, *tables: Table, verdicts: Sequence[Verdict] = ()) -> None:
        """Keep what a benchmark found; on a machine that was busy before, its figures decide nothing."""
        self.tables.setdefault(name, []).extend(tables)
        if not self.busy:
            self.verdicts.extend(verdicts)

    def judged(self) -> Table:
        """The promises, as one table."""
        rows = tuple(verdict.row() for verdict in self.verdicts)
        return Table("What was promised", ("promise", "measured", "bound", "holds"), rows)

    def markdown(self) -> str:
        """The whole run as Markdown, with its date and machine."""
        head = f"Measured {self.at} on {self.machine}{', quick' if self.quick else ''}."
        found = [table for tables in self.tables.values() for table in tables]
        if self.verdicts:
            found.insert(0, self.judged())
        return "\n\n".join([head, *(table.markdown() for table in found)]) + "\n"

    def save(self, folder: Path = FOLDER) -> Path:
        """Write it as JSON beside earlier runs, and return the file."""
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{self.at.replace(':', '').replace('+', '_')}.json"
        file.write_text(json.dumps(asdict(self), ensure_ascii=False, indent=1), "utf-8")
        return file


def load(file: Path) -> Results:
    """Read a run back from its JSON."""
    data: dict[str, Any] = json.loads(file.read_text("utf-8"))
    tables = {name: [_table(each) for each in found] for name, found in data["tables"].items()}
    verdicts = [Verdict(**each) for each in data["verdicts"]]
    return Results(data["at"], data["machine"], data["quick"], data.get("busy", False), tables, verdicts)


def newest(folder: Path = FOLDER) -> Path | None:
    """The file of the latest run, None where there is none."""
    return max(folder.glob("*.json"), key=lambda file: file.stat().st_mtime_ns, default=None)


def machine() -> str:
    """The machine in a few words."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{os.cpu_count()} cores ({model}), {platform.system()}, Python {platform.python_version()}"


def ratio(figure: float, base: float) -> float:
    """How many times the base it is; NaN where there is no base."""
    return figure / base if base else math.nan


def shown(figure: float) -> str:
    """A figure with as many digits as say something."""
    if math.isnan(figure):
        return "-"
    if abs(figure) >= 100:
        return f"{figure:,.0f}"
    return f"{figure:.1f}" if abs(figure) >= 10 else f"{figure:.2f}"


def _table(data: Mapping[str, Any]) -> Table:
    return Table(data["title"], tuple(data["columns"]), tuple(tuple(row) for row in data["rows"]), data["note"])


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|")
