"""The decision whether a rule fires: a pure function of the rule, the figures, the moment and what it said before.

A reading holds one window against the limit. A window fires once, whatever becomes of its figure later; days in a row
are one alert. An alert is over when its figure falls below the limit by the rule's margin, or when its period has
ended. What would fire in quiet hours or in a cooldown waits, and fires afterwards if it still holds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

from common.skills.alerts.conditions import BUDGET_TYPES, AlertRule
from common.skills.alerts.figures import Figures
from common.skills.alerts.readings import Reading, oldest_key, read_windows
from common.skills.alerts.windows import LATE_DAYS


@dataclass(frozen=True, slots=True)
class Track:
    """A rule's memory of one subject: which windows fired or belong to an alert, and which alert is open."""

    handled: tuple[str, ...] = ()
    open: tuple[tuple[str, str], ...] = ()  # the window that is looked at, and the one that fired
    fired_at: datetime | None = None

    def with_open(self, window: str, fired: str | None) -> "Track":
        others = tuple(each for each in self.open if each[0] != window)
        return replace(self, open=(*others, (window, fired)) if fired is not None else others)


@dataclass(frozen=True, slots=True)
class Fired:
    """One alert: the window and subject that raised it. ``suppressed`` where the rule is muted."""

    subject: str
    reading: Reading
    suppressed: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """An alert that is over: the window that had fired, and the reading that ended it; None where time did."""

    subject: str
    window: str
    reading: Reading | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one evaluation: new alerts, those that are over, what the rule remembers, and what it waits for."""

    fired: tuple[Fired, ...] = ()
    ended: tuple[Ended, ...] = ()
    tracks: Mapping[str, Track] = field(default_factory=dict)
    waiting: str | None = None
    readings: tuple[Reading, ...] = ()


def evaluate(rule: AlertRule, figures: Figures, moment: datetime, tracks: Mapping[str, Track]) -> Outcome:
    """Evaluate a rule at a moment. The same arguments give the same outcome."""
    today = moment.astimezone(UTC).date()
    readings = read_windows(rule, figures, today)
    by_subject: dict[str, list[Reading]] = {}
    for reading in readings:
        by_subject.setdefault(reading.subject, []).append(reading)
    fired, ended, kept, waiting = list[Fired](), list[Ended](), dict[str, Track](), None
    for subject in sorted(by_subject.keys() | tracks.keys()):
        run = _Run(rule, moment, subject, tracks.get(subject, Track()))
        run.go(sorted(by_subject.get(subject, []), key=lambda each: each.window))
        fired += run.fired
        ended += run.ended
        waiting = waiting or run.waiting
        if track := _pruned(rule, run.track, by_subject.get(subject, []), today):
            kept[subject] = track
    return Outcome(tuple(fired), tuple(ended), kept, waiting, tuple(readings))


class _Run:
    """One subject's readings, taken in the order of time."""

    def __init__(self, rule: AlertRule, moment: datetime, subject: str, track: Track) -> None:
        self.rule, self.moment, self.subject, self.track = rule, moment, subject, track
        self.fired: list[Fired] = []
        self.ended: list[Ended] = []
        self.waiting: str | None = None

    def go(self, readings: Sequence[Reading]) -> None:
        self._end_forgotten(readings)
        for reading in readings:
            if self.rule.is_streak:
                self._follow(reading)
            else:
                self._take(reading)

    def _take(self, reading: Reading) -> None:
        """A window by itself: it is over when its figure fell or its period ended, at once if it had ended before."""
        if reading.breached and reading.window not in dict(self.track.open):
            self._fire(reading)
        fired = dict(self.track.open).get(reading.window)
        if fired is not None and (reading.recovered or reading.ended):
            self._end(reading.window, fired, reading)

    def _follow(self, reading: Reading) -> None:
        """A day in a row: days that go on are one alert, which is over on the first whole day that does not."""
        if not self.track.open:
            if reading.breached:
                self._fire(reading)
            return
        (latest, fired), *_ = self.track.open
        if reading.breached:
            if reading.window not in self.track.handled:
                handled = (*self.track.handled, reading.window)
                self.track = Track(handled, ((max(latest, reading.window), fired),), self.track.fired_at)
        elif reading.recovered and (reading.window == latest or (reading.window > latest and reading.complete)):
            self._end(latest, fired, reading)

    def _fire(self, reading: Reading) -> None:
        if reading.window in self.track.handled:
            return
        if (why := self._held()) is not None:
            self.waiting = self.waiting or why
            return
        self.fired.append(Fired(self.subject, reading, self.rule.silence.is_muted(self.moment)))
        self.track = replace(
            self.track.with_open(reading.window, reading.window),
            handled=(*self.track.handled, reading.window),
            fired_at=self.moment,
        )

    def _held(self) -> str | None:
        if self.rule.silence.is_quiet(self.moment):
            return "quiet hours"
        at = self.track.fired_at
        # One round raises all that it finds: a cooldown holds between rounds.
        if at is not None and at < self.moment < at + self.rule.cooldown:
            return "cooldown"
        return None

    def _end(self, window: str, fired: str, reading: Reading | None) -> None:
        self.ended.append(Ended(self.subject, fired, reading))
        self.track = self.track.with_open(window, None)

    def _end_forgotten(self, readings: Sequence[Reading]) -> None:
        """End what is open although its window is no longer looked at: evaluation stood still, or a budget is gone."""
        if self.rule.is_streak or not (readings or self.rule.type in BUDGET_TYPES):
            return
        seen = {reading.window for reading in readings}
        newest = max(seen, default="~")
        for window, fired in self.track.open:
            if window not in seen and window < newest:
                self._end(window, fired, None)


def _pruned(rule: AlertRule, track: Track, readings: Iterable[Reading], today: date) -> Track | None:
    """The track without windows that can fire no more. Returns None where nothing is left to remember."""
    seen = {reading.window for reading in readings} | {window for window, _ in track.open}
    oldest = oldest_key(rule, today - timedelta(days=3 * LATE_DAYS))
    kept = tuple(sorted(window for window in track.handled if window in seen or window >= oldest))
    return Track(kept, track.open, track.fired_at) if kept or track.open else None
