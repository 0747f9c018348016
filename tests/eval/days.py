"""Days that episodes name relative to today: ``M-1`` is last month, ``M0`` this one so far, ``D-7..D-1`` a week."""

import re
from dataclasses import dataclass
from datetime import date, timedelta

DAY = timedelta(days=1)
_MONTHS = {"M": 1, "Q": 3, "Y": 12, "FQ": 3, "FY": 12}
_UNIT = r"(FY|FQ|[DWMQY])([+-]?\d+)"
_NAME = re.compile(rf"{_UNIT}(?:\.\.{_UNIT})?(!)?")
_PLACE = re.compile(r"\{([A-Z]{1,2}[+-]?\d+)(?::(\w+))?\}")


class DayError(ValueError):
    """A name of days that cannot be read."""


@dataclass(frozen=True, slots=True)
class Span:
    """Days from ``first`` to ``last``, both included."""

    first: date
    last: date

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1


@dataclass(frozen=True, slots=True)
class Days:
    """Reads names of days as of one day, for an organisation whose fiscal year begins in the month ``fiscal``."""

    today: date
    fiscal: int = 1

    def span(self, name: str) -> Span:
        """The days of a name, cut at today unless it ends in ``!``. Raises DayError."""
        if (match := _NAME.fullmatch(name)) is None:
            raise DayError(f"{name!r} names no days: write M-1, Q0, D-7..D-1, W-1, Y-1, FY0 …")
        first = self._whole(match[1], int(match[2]))
        last = self._whole(match[3], int(match[4])) if match[3] else first
        end = last.last if match[5] else min(last.last, self.today)
        return Span(first.first, max(end, first.first))

    def fill(self, text: str) -> str:
        """A text with its places filled: ``{M-1}`` October 2026, ``{M-1:name}`` October, ``{D-3}`` 2026-11-25."""
        return _PLACE.sub(self._place, text)

    def _place(self, match: re.Match[str]) -> str:
        unit, how = re.sub(r"[^A-Z]", "", match[1]), match[2]
        span = self._whole(unit, int(match[1].removeprefix(unit)))
        written = {
            "first": span.first.isoformat(),
            "last": span.last.isoformat(),
            "name": f"{span.first:%B}",
            "month": f"{span.first:%Y-%m}",
            "short": f"{span.first:%b %Y}",
            "year": f"{span.first.year}",
            "long": f"{span.first:%B} {span.first.day}, {span.first.year}",
            "us": f"{span.first:%m/%d/%Y}",
            None: {"M": f"{span.first:%B %Y}", "Q": f"Q{(span.first.month + 2) // 3} {span.first.year}"}.get(
                unit, str(span.first.year) if unit in ("Y", "FY") else span.first.isoformat()
            ),
        }
        if how not in written:
            raise DayError(f"{match[0]} has no such form: {', '.join(str(each) for each in written if each)}")
        return written[how]

    def _whole(self, unit: str, count: int) -> Span:
        if unit == "D":
            day = self.today + DAY * count
            return Span(day, day)
        if unit == "W":
            monday = self.today - DAY * self.today.weekday() + 7 * DAY * count
            return Span(monday, monday + 6 * DAY)
        months, begin = _MONTHS[unit], self.fiscal if unit.startswith("F") else 1
        index = self.today.year * 12 + self.today.month - 1
        start = index - (index - begin + 1) % months + count * months
        return Span(_first(start), _first(start + months) - DAY)


def _first(index: int) -> date:
    return date(index // 12, index % 12 + 1, 1)
