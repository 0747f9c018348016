"""The bound of an alert's messages to one destination in an hour: those over it are held back and summed up.

Critical alerts have a bound of their own, so that others do not hold them back. An hour begins with its first message
and has one message at most that says how many were held back; those that come after it are in the next hour's.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from common import json_text, limits

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Hour:
    """One destination's hour: the messages that were sent, those held back and not summed up yet, and if a sum was."""

    since: datetime
    sent: int = 0
    critical: int = 0
    held: int = 0
    summed_up: bool = False


@dataclass(slots=True)
class Flood:
    """Counts the messages of an evaluation at a moment, by destination."""

    hours: dict[str, Hour]
    moment: datetime

    @classmethod
    def read(cls, stored: str | None, moment: datetime) -> "Flood":
        """Read what is remembered, without the hours that are over and hold nothing back."""
        told: Mapping[str, Any] = json_text.read(stored) if stored else {}
        hours = {key: Hour(datetime.fromisoformat(since), *rest) for key, (since, *rest) in told.items()}
        new = {key: Hour(moment, held=each.held) if _is_over(each, moment) else each for key, each in hours.items()}
        return cls({key: each for key, each in new.items() if each.held or each is hours[key]}, moment)

    def stored(self) -> str:
        """The hours as JSON text."""
        told = {
            key: [each.since.isoformat(), each.sent, each.critical, each.held, each.summed_up]
            for key, each in self.hours.items()
        }
        return json_text.write(told)

    @property
    def holds(self) -> bool:
        """True while something is held back that no message has summed up."""
        return any(each.held for each in self.hours.values())

    def admits(self, destination_id: str, *, critical: bool) -> bool:
        """Count a message to a destination. Returns False where it is held back."""
        hour = self.hours.get(destination_id, Hour(self.moment))
        is_sent = (hour.critical if critical else hour.sent) < limits.ALERT_MESSAGES_PER_HOUR
        if not is_sent:
            self.hours[destination_id] = replace(hour, held=hour.held + 1)
        elif critical:
            self.hours[destination_id] = replace(hour, critical=hour.critical + 1)
        else:
            self.hours[destination_id] = replace(hour, sent=hour.sent + 1)
        return is_sent

    def sum_up(self) -> Iterator[tuple[str, Hour]]:
        """Take what is held back of each destination whose hour has no sum yet, with the hour that held it."""
        for destination_id, hour in list(self.hours.items()):
            if hour.held and not hour.summed_up:
                self.hours[destination_id] = replace(hour, held=0, summed_up=True)
                yield destination_id, hour


def _is_over(hour: Hour, moment: datetime) -> bool:
    return moment >= hour.since + _HOUR
