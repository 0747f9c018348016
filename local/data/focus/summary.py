"""The account of a load in a few lines: what the files held, what was filled, added and replaced."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from local.data.focus.teams import TeamTag

_NAMES_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Month:
    """The rows of one provider's billing account in one billing period."""

    provider: str
    account: str
    period_start: datetime
    rows: int

    @property
    def key(self) -> str:
        """A text that is the same for the same provider, account and period."""
        return f"{self.provider}|{self.account}|{self.period_start.isoformat(sep=' ')[:19]}"


@dataclass(frozen=True, slots=True)
class Summary:
    """The content of the files of one load."""

    files: tuple[str, ...]
    rows: int
    first_day: date
    last_day: date
    currencies: tuple[str, ...]
    providers: tuple[str, ...]
    months: tuple[Month, ...]
    ignored_columns: tuple[str, ...] = ()
    renamed_columns: dict[str, str] = field(default_factory=dict)
    filled: dict[str, int] = field(default_factory=dict)
    lines_above: int = 0
    team_tag: TeamTag | None = None

    @property
    def text(self) -> str:
        """The content of the files and what was done to them, in a few lines for the terminal."""
        what = self.files[0] if len(self.files) == 1 else f"{len(self.files):,} files"
        lines = [
            f"{what}: {self.rows:,} rows, {self.first_day} to {self.last_day}, "
            f"{', '.join(self.currencies)}, {_shortened(self.providers)}"
        ]
        if self.lines_above:
            lines.append(f"  lines above the header, left out: {self.lines_above:,}")
        if self.ignored_columns:
            lines.append(f"  not columns of the table, left out: {', '.join(self.ignored_columns)}")
        lines += [f"  {column} read from {older}" for column, older in self.renamed_columns.items()]
        lines += [f"  {what}: filled in {count:,} rows" for what, count in self.filled.items()]
        return "\n".join([*lines, *self._team_lines()])

    def _team_lines(self) -> list[str]:
        tag = self.team_tag
        if tag is None:
            return []
        if tag.rows:
            return [f"  team from the tag “{tag.key}”: {tag.rows:,} of {self.rows:,} rows"]
        there = f"the bill has {_shortened(tag.keys)}" if tag.keys else "the bill has no tags"
        return [f"  team from the tag “{tag.key}”: no row has this tag ({there})"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """The change of the table: the summary of the files, and the rows of each month that they replaced."""

    summary: Summary
    replaced: tuple[Month, ...]

    @property
    def text(self) -> str:
        """The summary, with what was added and replaced."""
        lines = [self.summary.text, f"  added: {_counted(self.summary.months)}"]
        if self.replaced:
            lines.append(f"  replaced: {_counted(self.replaced)}")
        return "\n".join(lines)


def _counted(months: Sequence[Month]) -> str:
    """Say the rows of all months, and of each provider's month as far as they fit in a line."""
    sums: dict[str, int] = {}
    for month in months:
        name = f"{month.provider} {month.period_start:%Y-%m}"
        sums[name] = sums.get(name, 0) + month.rows
    parts = [f"{name} {rows:,}" for name, rows in sums.items()]
    return f"{sum(sums.values()):,} rows ({_shortened(parts)})"


def _shortened(names: Sequence[str]) -> str:
    more = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {more:,} more" if more > 0 else "")
