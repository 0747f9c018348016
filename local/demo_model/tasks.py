"""What somebody wants of alerts, usage or the tables: the tool for it, its arguments, or what has to be asked back."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from local.demo_model import vocabulary as words
from local.demo_model.dates import normalised, read_dates
from local.demo_model.parts import Rest
from local.demo_model.periods import Period
from local.demo_model.planning import Call
from local.demo_model.relative import NUMBERS, number

ALERTS, USAGE, EXPLORER = "AlertManager", "UsageAnalyst", "Explorer"
AGENT_TOOLS: Mapping[str, tuple[str, ...]] = {
    ALERTS: ("list_alerts", "create_alert", "alert_history", "acknowledge_alert"),
    USAGE: ("genai_usage", "quota_status", "top_consumers", "pipeline_runs"),
    EXPLORER: ("list_org_tables", "describe_table", "run_read_query"),
}
# The tools that take start_date and end_date.
_DATED = frozenset({"alert_history", "genai_usage", "top_consumers"})
_LIMIT = re.compile(
    r"(?<![\w-])(?:last|latest|newest|recent|first|top|biggest|largest|past)(?: few)?\s+"
    rf"(?P<count>\d{{1,3}}|{'|'.join(name for name in NUMBERS if name.isalpha())})(?![\w%-])"
)


@dataclass(frozen=True, slots=True)
class Kept:
    """Rows of a result that a question is about, where the tool cannot narrow to them by itself."""

    column: str
    value: str
    wanted: bool = True

    def holds(self, row: Mapping[str, Any]) -> bool:
        return (str(row.get(self.column)).lower() == self.value.lower()) == self.wanted


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to do for a message. `ask` is what to say where no tool can be called yet, or none ever.

    `note` is what to say after the answer.
    """

    text: str
    agent: str
    tool: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    periods: tuple[Period, ...] = ()
    kept: tuple[Kept, ...] = ()
    ask: str = ""
    note: str = ""

    def calls(self) -> list[Call]:
        """One call, or one for each period where several were named."""
        if self.ask:
            return []
        if self.tool not in _DATED or not self.periods:
            return [Call(self.tool, dict(self.arguments))]
        return [Call(self.tool, {**self.arguments, **_days(period)}) for period in self.periods]


@dataclass(frozen=True, slots=True)
class Reading:
    """A message with its periods read; `rest` is what they leave of it."""

    text: str
    plain: str
    periods: tuple[Period, ...]
    rest: Rest
    today: date
    not_a_date: str | None

    def says(self, pattern: re.Pattern[str]) -> bool:
        return bool(pattern.search(self.plain))

    def limit(self) -> int | None:
        """N of "the last N" or "top N", where N counts rows and not days."""
        found = _LIMIT.search(self.rest.plain)
        return max(1, number(found["count"])) if found else None


def read(text: str, today: date, near: Period | None = None) -> Reading:
    """Read the periods of a message; days to come are no periods of what happened."""
    plain = normalised(text)
    dates = read_dates(text, today, near=near, comparing=bool(words.COMPARE.search(plain)))
    past = tuple(period for period in dates.periods if period.kind != "future")
    return Reading(text, plain, past, Rest(text, dates.rest), today, dates.not_a_date)


def unreadable(reading: Reading) -> str:
    """What to say of words that look like a date and are none; empty where there are none."""
    if reading.not_a_date is None:
        return ""
    return f'I cannot read "{reading.not_a_date}" as days of the calendar. Please name the first and the last day.'


def _days(period: Period) -> dict[str, str]:
    return {"start_date": period.start.isoformat(), "end_date": period.end.isoformat()}
