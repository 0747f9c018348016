"""What a message wants of the alerts: the rules there are, what fired, a new rule, or that an alert was seen."""

import re
from dataclasses import replace
from datetime import date
from typing import Any

from local.demo_model import vocabulary as words
from local.demo_model.alert_creation import continued_creation, read_creation, wants_creation
from local.demo_model.formatting import both
from local.demo_model.questions import FOLLOW_UP
from local.demo_model.tasks import ALERTS, Kept, Reading, Task, read, unreadable


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-])(?:{pattern})(?![\w-])")


_STATUSES = (
    ("active", _words(r"active|enabled|(?:switched|turned) on")),
    ("paused", _words(r"paused?|silent|silenced|muted|snoozed|on hold|cooldown|quiet hours")),
    ("disabled", _words(r"disabled|inactive|deactivated|(?:switched|turned) off")),
)
_SEVERITIES = (
    ("critical", _words(r"critical")),
    ("warning", _words(r"warnings?")),
    ("info", _words(r"info|informational")),
)
_FIRED = _words(
    r"fire[ds]?|firing|trigger(?:ed|s)?|raised|went off|gone off|going off|history|happened|sent|received|got|"
    r"notified|alerted|recent(?:ly)?|latest|newest|last|unacknowledged|acknowledged|pending|suppressed|failed"
)
_UNSEEN = _words(r"unacknowledged|not (?:yet )?acknowledged|unseen|still open|open")
_SEEN = _words(r"acknowledged|seen")
_THE_LAST = _words(r"(?:last|latest|newest|most recent) (?:\w+ )?alert")
_ALL = _words(r"all(?: of them)?|any status|every severity|all severities")
_ACKNOWLEDGE = _words(r"ack|acknowledge|mark (?:.* )?(?:as )?(?:seen|read|acknowledged)")
_ALERT_ID = re.compile(
    r"[\"'`](?P<quoted>[^\"'`\s]{2,200})[\"'`]|(?<![\w.:-])(?P<bare>[A-Za-z0-9](?=[\w.:-]*\d)[\w.:-]{2,199})(?![\w-])|"
    r"\b(?:alerts?|id)\s+(?:id\s+)?(?P<named>[A-Za-z]\w*[-_][\w-]+)",
)
_DAY = re.compile(r"\d{1,4}(?:[-.:/]\d{1,2}){0,2}")
_WHICH_ALERT = (
    "Which alert shall I acknowledge? Please give its alert_history_id; "
    '"Which alerts fired last week?" lists the alerts with their ids.'
)
_CHANGE = re.compile(
    r"\W*(?:(?:please|can you|could you|i want to|i'd like to|let's) )*"
    r"(?:delete|remove|pause|disable|enable|mute|snooze|silence|edit|change|update|resume|rename|reactivate|"
    r"(?:turn|switch) (?:on|off))\b"
)
_NO_CHANGE = (
    "I cannot change, pause or delete an alert rule: I can list the rules, set up a new one, show which alerts fired "
    "and acknowledge them. Nothing was changed."
)
_OWN = _words(r"alerts?|alarms?|rules?|ones|severity|status|fired?|triggered|history|notifications?|them|those")


def read_alerts(text: str, today: date) -> tuple[Task, ...]:
    """The tasks of a message about alerts; one for each alert that is to be acknowledged."""
    reading = read(text, today)
    if _CHANGE.match(reading.plain):
        return (Task(text, ALERTS, ask=_NO_CHANGE),)
    if reading.says(_ACKNOWLEDGE):
        return _acknowledged(text)
    if wants_creation(reading.plain):
        return (read_creation(text),)
    return (_listed(reading),)


def continued_alerts(known: Task, text: str, today: date) -> tuple[Task, ...]:
    """The known task with what a follow-up changes; empty where the text is no follow-up of it."""
    if known.tool == "create_alert":
        return continued_creation(known, text)
    if known.tool == "acknowledge_alert":
        # Only a missing id is waited for: nothing is acknowledged that nobody named.
        return _acknowledged(text) if known.ask and _ids(text) and len(text.split()) < 8 else ()
    if known.ask or not known.tool:
        return ()
    reading = read(text, today, known.periods[0] if known.periods else None)
    if not _changes(reading):
        return ()
    new = _listed(reading)
    if "alert_history" in (known.tool, new.tool):
        return (_more_history(known, new, everything=reading.says(_ALL)),)
    if reading.says(_ALL):
        return (replace(new, arguments={}, kept=()),)
    return (replace(new, arguments={**known.arguments, **new.arguments}, kept=new.kept or known.kept),)


def _more_history(known: Task, new: Task, *, everything: bool) -> Task:
    """What fired, with the known period and severity where the follow-up has none of its own."""
    arguments = {} if everything else dict(known.arguments)
    arguments |= {kept.column: kept.value for kept in (*known.kept, *new.kept) if kept.column == "severity"}
    arguments |= new.arguments
    arguments.pop("status", None)
    seen = tuple(kept for kept in new.kept or known.kept if kept.column == "status")
    periods = new.periods or known.periods
    return replace(new, tool="alert_history", arguments=arguments, periods=periods, kept=seen)


def _changes(reading: Reading) -> bool:
    """Whether the text only names what alerts can be narrowed by, or says that it goes on from before."""
    named = bool(reading.periods)
    for pattern in (*(each for _, each in (*_STATUSES, *_SEVERITIES)), _FIRED, _UNSEEN, _SEEN, _ALL):
        named = reading.rest.take(pattern) or named
    reading.rest.take(_OWN)
    return named and (not reading.rest.unknown() or bool(FOLLOW_UP.match(reading.plain)))


def _listed(reading: Reading) -> Task:
    """The rules there are, or what fired: that is what a period, "fired" or "last" asks for."""
    status = next((name for name, pattern in _STATUSES if reading.says(pattern)), None)
    severities = [name for name, pattern in _SEVERITIES if reading.says(pattern)]
    severity = severities[0] if len(severities) == 1 else None
    limit = reading.limit()
    note = _not_narrowed(reading.rest.names(words.PROVIDERS))
    unseen, seen = reading.says(_UNSEEN), reading.says(_SEEN)
    fired = bool(_FIRED.search(reading.rest.plain)) or unseen
    if status is None and (reading.periods or fired):
        arguments: dict[str, Any] = {"severity": severity} if severity else {}
        kept = (Kept("status", "ACKNOWLEDGED", not unseen),) if unseen or seen else ()
        if limit is None and _THE_LAST.search(reading.rest.plain):
            limit = 1
        if limit is not None:
            arguments["limit"] = limit
        return Task(
            reading.text,
            ALERTS,
            "alert_history",
            arguments,
            reading.periods,
            kept=kept,
            ask=unreadable(reading),
            note=note,
        )
    arguments = {"status": status} if status else {}
    kept = (Kept("severity", severity),) if severity else ()
    return Task(reading.text, ALERTS, "list_alerts", arguments, kept=kept, ask=unreadable(reading), note=note)


def _not_narrowed(providers: list[str]) -> str:
    """What to say of providers that the lists cannot be narrowed to."""
    return f"The list cannot be narrowed to {both(providers)}: it holds the alerts of all." if providers else ""


def _ids(text: str) -> list[str]:
    """The names in the text that can be an alert's id: quoted, with a digit, or after "alert"; a date is none."""
    found = [match["quoted"] or match["bare"] or match["named"] for match in _ALERT_ID.finditer(text)]
    return list(dict.fromkeys(name.rstrip(".:") for name in found if not _DAY.fullmatch(name)))


def _acknowledged(text: str) -> tuple[Task, ...]:
    ids = _ids(text)
    if not ids:
        return (Task(text, ALERTS, "acknowledge_alert", ask=_WHICH_ALERT),)
    return tuple(Task(text, ALERTS, "acknowledge_alert", {"alert_history_id": name}) for name in ids)
