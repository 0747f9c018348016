"""Counters of what an organisation used this month: in as many documents as its turns a second need.

A document takes about one change a second for long. An organisation begins with one part; where its turns come faster,
the parts double, up to MOST_PARTS:

    parts 1       0
    parts 2       0 1
    parts 4       0 1 2 3        … each turn adds to one of them, by chance; a reader adds all of them up.

The first part of the next level is read as well. Nobody writes another part of that level before this one is there: so
whoever does not find it knows that there are no further parts, and who does reads on. Nothing is kept but the parts.
"""

import random
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from common.documents import Count, Document

MOST_PARTS = 64
COUNTERS_REMEMBERED = 10_000
# A rate is measured over so many seconds.
_MEASURED_SECONDS = 2.0


@dataclass(slots=True)
class _Known:
    """The parts of one counter that this instance knows of, and how fast turns came."""

    parts: int = 1
    wanted: int = 1
    turns: int | None = None
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Spent:
    """Tokens of the day and of the month, and the month's cost in millionths of a US dollar."""

    day_tokens: int = 0
    month_tokens: int = 0
    month_micro_usd: int = 0


@dataclass(slots=True)
class Counter:
    """One counter at one moment: an organisation's or a person's, of a month; ``parts`` are those that it reads."""

    path: str
    now: datetime
    known: _Known
    may_grow: bool
    parts: int

    @property
    def paths(self) -> tuple[str, ...]:
        """The documents to read."""
        return self._parts(0, self._end())

    def further_paths(self, documents: Mapping[str, Document | None]) -> tuple[str, ...]:
        """The documents that must be read as well, after those that were read; none almost always."""
        read = self._end()
        while self.parts < MOST_PARTS and documents.get(self._part(self.parts)) is not None:
            self.parts *= 2
        self.known.parts = max(self.known.parts, self.parts)
        return self._parts(read, self._end())

    def spent(self, documents: Mapping[str, Document | None]) -> Spent:
        """Add up what was read."""
        found = [document.data for path in self.paths if (document := documents.get(path)) is not None]
        self._measure(sum(int(data.get("turns", 0)) for data in found))
        return Spent(
            day_tokens=sum(int(data.get(self._day, 0)) for data in found),
            month_tokens=sum(int(data.get("total", 0)) for data in found),
            month_micro_usd=sum(int(data.get("micro_usd", 0)) for data in found),
        )

    def add(self, tokens: int, micro_usd: int) -> Count:
        """The write that counts a turn."""
        grows = self.may_grow and self.known.wanted > self.parts
        part = self.parts if grows else random.randrange(self.parts)
        more = {self._day: tokens, "micro_usd": micro_usd, "turns": 1}
        return Count(self._part(part), tokens, {"expire_at": self._expire_at}, more)

    def _measure(self, turns: int) -> None:
        known, now = self.known, time.monotonic()
        if known.turns is not None:
            if now - known.at < _MEASURED_SECONDS:
                return
            rate = (turns - known.turns) / (now - known.at)
            known.wanted = min(MOST_PARTS, self.parts * 2) if rate > self.parts else self.parts
        known.turns, known.at = turns, now

    def _end(self) -> int:
        """One more than there are parts: the first of the next level, where there may be one."""
        return self.parts + 1 if self.may_grow and self.parts < MOST_PARTS else self.parts

    def _parts(self, start: int, end: int) -> tuple[str, ...]:
        return tuple(self._part(part) for part in range(start, end))

    def _part(self, part: int) -> str:
        return f"{self.path}.{part}"

    @property
    def _day(self) -> str:
        return f"day_{self.now:%d}"

    @property
    def _expire_at(self) -> datetime:
        return next_month(self.now) + timedelta(days=2)


class Counters:
    """The counters of all organisations, as this instance knows them."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def at(self, path: str, now: datetime, *, may_grow: bool) -> Counter:
        """The counter at a path, of the month of ``now``; only one that many turns add to ``may_grow``."""
        month = f"{path}-{now:%Y%m}"
        known = self._known.setdefault(month, _Known())
        self._known.move_to_end(month)
        while len(self._known) > COUNTERS_REMEMBERED:
            self._known.popitem(last=False)
        return Counter(month, now, known, may_grow, known.parts)


def next_month(now: datetime) -> datetime:
    """The first moment of the next month (UTC)."""
    return datetime(now.year + now.month // 12, now.month % 12 + 1, 1, tzinfo=UTC)
