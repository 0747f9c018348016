"""Finds the periods that a question names and what is left of the question without them."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta

from local.demo_model.periods import Period, months, previous, week_of, year_before
from local.demo_model.points import MONTH, NTH, OF_A_RELATIVE_YEAR, POINT, YEAR, NotADate, Reference, point, with_year
from local.demo_model.relative import NUMBERS, RULES, number


@dataclass(frozen=True, slots=True)
class Dates:
    """Periods in the order of the text, the text with them blanked, and words that look like a date and are none."""

    periods: tuple[Period, ...]
    rest: str
    not_a_date: str | None = None


_Reader = Callable[[re.Match[str], Reference], Period | None]

_TO = r"\s*(?:-|to|until|till|through|thru|up to|upto)\s*"
_SIDE = rf"(?:{POINT}|today|yesterday|now)"
_COMPACT = re.compile(
    rf"\b(?:(?:from|between)\s+)?(?:the )?(?P<first>{NTH})\s*(?:-|to|and|until|till|through|thru)\s*(?:the )?"
    rf"(?P<second>{NTH} (?:of )?{MONTH}(?:,? {YEAR})?)"
)
_COMPACT_US = re.compile(
    rf"\b(?:(?:from|between)\s+)?(?P<month>{MONTH}) (?P<first>{NTH})\s*(?:-|to|and|until|till|through|thru)\s*"
    rf"(?P<second>{NTH})(?P<year>,? {YEAR})?(?! ?{MONTH})"
)
_RANGE = re.compile(
    rf"\b(?:from\s+|between\s+)?(?P<first>{_SIDE}){_TO}(?P<second>{_SIDE})|"
    rf"\bbetween\s+(?P<first_and>{_SIDE})\s+and\s+(?P<second_and>{_SIDE})"
)
_SINCE = re.compile(
    rf"\b(?:since|starting(?: from| on| in)?|beginning(?: from| on| in)?)\s+(?:the (?:start|"
    rf"beginning) of )?(?P<point>{_SIDE})"
    rf"|\bfrom\s+(?P<onwards>{_SIDE})\s+(?:onwards?|on\b|forward)"
)
_WEEK_OF = re.compile(
    rf"\b(?:in |for )?(?:the )?week (?:of|starting|beginning|from|with) (?:the )?(?P<day>{POINT})(?![\w-])"
)
_UNTIL = re.compile(rf"\b(?P<word>until|till|up to|before|prior to|by|through)\s+(?P<until>{POINT})(?![\w-])")
_SINGLE = re.compile(
    rf"(?<![\w-])(?:(?:in|on|for|during|of|over)\s+)?(?:(?<!every )(?<!each )(?<!by )(?<!per )(?:the )?(?:month|"
    rf"quarter|year|day|date) of )?"
    rf"(?P<point>{POINT})(?![\w-])"
    rf"(?=(?P<list>\s*(?:,|and|&|vs\.?|versus|to|with|or|against|over)+\s+{MONTH},?\s+(?P<year>{YEAR}))?)"
)
_SINGLE_OF_A_RELATIVE_YEAR = re.compile(
    rf"\b(?:(?:in|on|for|during|of|over)\s+)?(?P<point>{OF_A_RELATIVE_YEAR})(?P<year>)"
)
_PLAIN_AHEAD = re.compile(
    rf"\b(?:for |over |in )?(?:the )?(?P<count>\d{{1,3}}|{'|'.join(NUMBERS)})[ -](?P<unit>day|"
    rf"week|month|quarter|year)s?\b"
)
_HORIZON_DAYS = {"day": 1, "week": 7, "month": 30, "quarter": 90, "year": 365}
# Month names that are also everyday words count only after one of these.
_ALSO_A_WORD = re.compile(r"(?:may|march|mar|dec|sun)\.?")
_BEFORE_A_MONTH = re.compile(
    r"\b(?:in|for|of|since|last|this|next|from|between|during|to|and|until|through|vs\.?|versus|about|or)\s*$"
)


def read_dates(
    question: str, today: date, *, near: Period | None = None, comparing: bool = False, ahead: bool = False
) -> Dates:
    """Read every period; `comparing` keeps two months apart, `ahead` reads a bare month as the coming one."""
    reference = Reference(today, near, ahead)
    text = normalised(question)
    found: list[tuple[int, Period]] = []
    not_a_date: str | None = None
    for pattern, read in _rules(comparing=comparing, ahead=ahead):
        start = 0
        while match := pattern.search(text, start):
            start = match.end()
            if not _is_meant(match, question, text):
                continue
            try:
                period = read(match, reference)
            except NotADate as error:
                not_a_date = not_a_date or str(error).strip()
                period = None
            if period is not None:
                found.append((match.start(), period))
            if period is not None or not_a_date:
                text = text[: match.start()] + " " * (match.end() - match.start()) + text[match.end() :]
    periods = _resolved([period for _, period in sorted(found, key=lambda item: item[0])], today, near)
    return Dates(tuple(periods), text, not_a_date)


def normalised(question: str) -> str:
    """Lower case with plain dashes and quotes, every character in its place."""
    plain = {"\u2013": "-", "\u2014": "-", "\u2212": "-", "\u2019": "'", "\u2018": "'", "\u201c": '"', "\u201d": '"'}
    return "".join(plain.get(char, char.lower() if len(char.lower()) == 1 else char) for char in question)


def _rules(*, comparing: bool, ahead: bool) -> Iterator[tuple[re.Pattern[str], _Reader]]:
    yield _COMPACT, _compact
    yield _COMPACT_US, _compact_us
    if not comparing:
        yield _RANGE, _range
    yield _SINCE, _since
    yield (
        _WEEK_OF,
        lambda match, reference: week_of(point(match["day"], reference).start, "explicit").until(reference.today),
    )
    yield _UNTIL, _until
    yield _SINGLE_OF_A_RELATIVE_YEAR, _single
    for pattern, read in RULES:
        yield pattern, lambda match, reference, read=read: read(match, reference.today)  # type: ignore[misc]
    if ahead:
        yield _PLAIN_AHEAD, _plain_ahead
    yield _SINGLE, _single


def _is_meant(match: re.Match[str], question: str, text: str) -> bool:
    """Whether a lone "may" or "march" is the month: it follows a preposition, or is capitalised inside the sentence."""
    words = match.groupdict()
    lone = words.get("point")
    if not lone or "list" not in words or not _ALSO_A_WORD.fullmatch(lone):
        return True
    at = match.start("point")
    return bool(_BEFORE_A_MONTH.search(text[:at])) or (at > 0 and question[at].isupper())


def _compact(match: re.Match[str], reference: Reference) -> Period:
    second = point(match["second"], reference)
    first = re.match(r"\d+", match["first"])
    assert first
    try:
        start = second.start.replace(day=int(first[0]))
    except ValueError as error:
        raise NotADate(match[0]) from error
    return _ordered(replace(second, start=start, end=start), second)


def _compact_us(match: re.Match[str], reference: Reference) -> Period:
    year = match["year"] or ""
    first = point(f"{match['month']} {match['first']}{year}", reference)
    second = point(f"{match['month']} {match['second']}{year}", reference)
    return _ordered(first, second)


def _side(text: str, reference: Reference) -> Period:
    if text in ("today", "now", "yesterday"):
        value = reference.today - timedelta(days=text == "yesterday")
        return Period(value, value)
    return point(text, reference)


def _range(match: re.Match[str], reference: Reference) -> Period:
    first = _side(match["first"] or match["first_and"], reference)
    second = _side(match["second"] or match["second_and"], reference)
    if not first.year_given and second.year_given:
        moved = with_year(first, second.start.year)
        first = moved if moved.start <= second.start else with_year(first, second.start.year - 1)
    elif first.year_given and not second.year_given:
        moved = with_year(second, first.start.year)
        second = moved if moved.start >= first.start else with_year(second, first.start.year + 1)
    elif not first.year_given and first.start > second.start:
        first = with_year(first, first.start.year - 1)
    period = _ordered(first, second)
    return period.until(reference.today) if second.unit != "day" else period


def _ordered(first: Period, second: Period) -> Period:
    """From the earlier to the later, whichever was said first."""
    unit = first.unit if first.unit == second.unit else "day"
    return Period(
        min(first.start, second.start),
        max(first.end, second.end),
        "explicit",
        unit if unit == "day" else "month",
        first.year_given or second.year_given,
    )


def _since(match: re.Match[str], reference: Reference) -> Period:
    start = _side(match["point"] or match["onwards"], reference).start
    return Period(start, max(start, reference.today), "rolling")


def _single(match: re.Match[str], reference: Reference) -> Period:
    period = point(match["point"], reference)
    if not period.year_given and period.unit == "month" and match["year"]:
        period = with_year(period, point(match["year"].replace("'", "20"), reference).start.year)
    return period if reference.ahead else period.until(reference.today)


def _until(match: re.Match[str], reference: Reference) -> Period | None:
    """A forecast ends there; costs "until March" have no first day, and none is made up."""
    if reference.ahead:
        return Period(reference.today + timedelta(days=1), point(match["until"], reference).end, "future")
    if match["word"] in ("by", "through"):
        return None
    raise NotADate(match[0])


def _plain_ahead(match: re.Match[str], reference: Reference) -> Period:
    days = number(match["count"]) * _HORIZON_DAYS[match["unit"]]
    return Period(reference.today + timedelta(days=1), reference.today + timedelta(days=max(days, 1)), "future")


def _resolved(periods: list[Period], today: date, near: Period | None) -> list[Period]:
    """Give "the month before" and "the same month last year" their days, from the first period with days of its own."""
    own = next((period for period in periods if period.kind not in ("before", "year_before")), near)
    resolved: list[Period] = []
    for period in periods:
        if period.kind == "before":
            base = own or months(today.year, today.month, 1, "month")
            period = replace(previous(base), kind="before")
        elif period.kind == "year_before":
            base = own or months(today.year, today.month, 1, "month").until(today)
            period = replace(year_before(base), kind="year_before")
        elif period.kind == "this":
            period = period.until(today)
        resolved.append(period)
    return resolved
