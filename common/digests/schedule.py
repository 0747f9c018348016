"""When a digest is due in its own zone, and the whole period of UTC days that it is then about."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from common.cost_query.periods import week_of
from common.tools.periods import Period, month_of

Cadence = Literal["weekly", "monthly"]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]

WEEKDAYS: Sequence[Weekday] = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_LONGEST_DAYS = 33


@dataclass(frozen=True, slots=True)
class Schedule:
    """The hour of a weekday, or of a day of the month, in a zone."""

    cadence: Cadence
    weekday: Weekday
    day: int
    hour: int
    zone: str

    def next_after(self, moment: datetime) -> datetime:
        """Return the first moment after this one at which the digest is due, in UTC.

        An hour that summer time skips is the one after it; one that comes twice counts once.
        """
        zone = ZoneInfo(self.zone)
        first = moment.astimezone(zone).date()
        for number in range(_LONGEST_DAYS):
            day = first + timedelta(days=number)
            at = datetime.combine(day, time(self.hour), zone).astimezone(UTC)
            if self._is_day(day) and at > moment:
                return at
        raise AssertionError("a digest is due every month")

    def periods(self, due_at: datetime) -> tuple[Period, Period]:
        """Return the last week or month that is over at that moment, in UTC or in its zone, and the one before it.

        A Monday morning in Tokyo is a Sunday in UTC, and what it is about is the week that ends then.
        """
        today = max(due_at.astimezone(zone).date() for zone in (UTC, ZoneInfo(self.zone)))
        if self.cadence == "weekly":
            last = week_of(today - timedelta(days=7))
            return last, week_of(last.start - timedelta(days=1))
        last = month_of(today.replace(day=1) - timedelta(days=1))
        return last, month_of(last.start - timedelta(days=1))

    def _is_day(self, day: date) -> bool:
        return WEEKDAYS[day.weekday()] == self.weekday if self.cadence == "weekly" else day.day == self.day
