"""Reads periods that are said relative to today: "last month", "past 2 weeks", "3 months ago", "rest of the year"."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import cast

from local.demo_model.periods import Period, Unit, ago, complete, day, rolling, unit_of

NUMBERS = {
    "a": 1,
    "an": 1,
    "one": 1,
    "two": 2,
    "couple of": 2,
    "a couple of": 2,
    "three": 3,
    "few": 3,
    "a few": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "twelve": 12,
    "fourteen": 14,
    "twenty": 20,
    "thirty": 30,
    "sixty": 60,
    "ninety": 90,
}
_COUNT = rf"(?P<count>\d{{1,3}}|{'|'.join(sorted(NUMBERS, key=len, reverse=True))})"
_UNIT = r"(?P<unit>day|week|month|quarter|year)"

Rule = tuple[re.Pattern[str], Callable[[re.Match[str], date], Period | None]]


def number(text: str) -> int:
    """The value of digits or of a number word."""
    return int(text) if text.isdigit() else NUMBERS[text.lower()]


def _unit(match: re.Match[str]) -> Unit:
    return cast(Unit, match["unit"].lower())


def _last_some(match: re.Match[str], today: date) -> Period | None:
    count = number(match["count"])
    if count == 0:
        return None
    return (
        complete(today, _unit(match), count) if match["whole"] or match["full"] else rolling(today, _unit(match), count)
    )


def _this(match: re.Match[str], today: date) -> Period:
    return unit_of(today, _unit(match), "this")


def _last(match: re.Match[str], today: date) -> Period:
    start = unit_of(today, _unit(match), "this").start
    return unit_of(start - timedelta(days=1), _unit(match), "last")


def _to_date(match: re.Match[str], today: date) -> Period:
    units: dict[str, Unit] = {"w": "week", "m": "month", "q": "quarter", "y": "year"}
    return unit_of(today, units[match[0][0].lower()], "this")


def _ahead(today: date, days: int, unit: Unit = "day") -> Period:
    tomorrow = today + timedelta(days=1)
    return Period(tomorrow, today + timedelta(days=max(days, 1)), "future", unit)


def _next_some(match: re.Match[str], today: date) -> Period:
    days: dict[Unit, int] = {"day": 1, "week": 7, "month": 30, "quarter": 90, "year": 365}
    return _ahead(today, days[_unit(match)] * number(match["count"] or "one"))


def _rest_of(match: re.Match[str], today: date) -> Period:
    end = unit_of(today, _unit(match), "this").end
    return _ahead(today, (end - today).days)


def _end_of(unit: Unit) -> Callable[[re.Match[str], date], Period]:
    return lambda _, today: _ahead(today, (unit_of(today, unit, "this").end - today).days)


def _weekday(match: re.Match[str], today: date) -> Period:
    wanted = ("mon", "tue", "wed", "thu", "fri", "sat", "sun").index(match["weekday"][:3].lower())
    back = (today.weekday() - wanted) % 7
    if back == 0 and match["last"]:
        back = 7
    return day(today - timedelta(days=back))


def _rule(pattern: str, read: Callable[[re.Match[str], date], Period | None]) -> Rule:
    return re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE), read


_PAST = r"(?:last|past|previous|prior|trailing|preceding|latest)"

AHEAD: tuple[Rule, ...] = (
    _rule(rf"(?:the )?(?:next|coming|following|upcoming)(?: {_COUNT})?\s+{_UNIT}s?", _next_some),
    _rule(
        rf"(?:for )?(?P<count>\d{{1,3}}|{'|'.join(NUMBERS)})[ -]{_UNIT}s?(?: (?:ahead|from now|out|forward))",
        _next_some,
    ),
    _rule(rf"(?:the )?(?:rest|remainder|balance) of (?:the|this)?\s*(?:current )?{_UNIT}", _rest_of),
    _rule(rf"(?:the )?remaining {_UNIT}", _rest_of),
    _rule(rf"(?:the )?end of (?:the |this )?(?:current )?{_UNIT}", _rest_of),
    _rule(r"(?:the )?year[ -]?end|eoy", _end_of("year")),
    _rule(r"(?:the )?month[ -]?end|eom", _end_of("month")),
    _rule(r"tomorrow", lambda _, today: _ahead(today, 1)),
)

RULES: tuple[Rule, ...] = (
    *AHEAD,
    _rule(
        r"(?:the )?(?:same|corresponding) (?P<same>day|week|month|quarter|period|time|days)"
        r"(?: of| in)?(?: the)? (?:last|previous|prior) year|"
        r"a year (?:ago|earlier|before)|(?:the )?year before(?: that)?",
        lambda _, today: Period(today, today, "year_before", "year"),
    ),
    _rule(
        rf"(?:the )?{_PAST}\s+(?P<whole>full |complete |calendar |whole )?{_COUNT}\s+(?P<full>full |"
        rf"complete |calendar |whole )?{_UNIT}s?",
        _last_some,
    ),
    _rule(rf"{_COUNT}\s+{_UNIT}s? (?:ago|earlier|back)", lambda m, today: ago(today, _unit(m), number(m["count"]))),
    _rule(r"(?:the )?day before yesterday", lambda _, today: day(today - timedelta(days=2))),
    _rule(
        r"(?:the )?(?:week|month|quarter|period|one|day)s? (?:before|prior|preceding)(?: (?:that|it|last))?|"
        r"(?:the )?(?:previous|prior|preceding) (?:one|period)",
        lambda _, today: Period(today, today, "before"),
    ),
    _rule(rf"(?:the )?(?:last|previous|prior|preceding)\s+(?:full |complete |calendar |whole )?{_UNIT}(?:'s)?", _last),
    _rule(rf"(?:the |this )?past {_UNIT}", lambda m, today: rolling(today, _unit(m), 1)),
    _rule(
        rf"(?:so far )?(?:this|(?:the )?current|(?:the )?running)\s+(?:calendar )?{_UNIT}(?:'s)?(?: so far|"
        rf" to date)?",
        _this,
    ),
    _rule(r"(?:week|month|quarter|year)[ -]to[ -]date|[wmqy]td", _to_date),
    _rule(r"yesterday(?:'s)?", lambda _, today: day(today - timedelta(days=1))),
    _rule(r"today(?:'s)?|now", lambda _, today: day(today)),
    _rule(r"(?:(?:on|this)|(?P<last>last)) (?P<weekday>(?:mon|tues|wednes|thurs|fri|satur|sun)day)", _weekday),
)
