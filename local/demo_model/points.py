"""Reads one named day, month, quarter, half or year: "3 Sept", "September 2024", "Q3 '25", "H2 last year"."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime

import dateparser

from local.demo_model.periods import Period, day, months

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.?(?![a-z])"
)
YEAR = r"(?:(?:19|20)\d\d(?![\d%])|'\d\d(?!\d))"
NTH = r"\d{1,2}(?:st|nd|rd|th)?(?![\d:%])"
_REL = r"(?:(?:of |in )?(?:this|last|the previous|previous|the same) year)"
_WHICH = rf"(?:(?:,? ?(?:of |in )?{YEAR})|(?:,? ?{_REL}))"
_ORDINALS = {"first": 1, "1st": 1, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4}
_ORDINAL = rf"(?:{'|'.join(_ORDINALS)})"


@dataclass(frozen=True, slots=True)
class Reference:
    """What a date without a year is read against; `near` is the period that a follow-up's question was about."""

    today: date
    near: Period | None = None
    ahead: bool = False


class NotADate(ValueError):
    """The words have the form of a date, and no such day exists."""


def _last_year_that(reference: Reference, month: int, starts: Callable[[int], date | None]) -> int:
    """The year of a date that names none: the most recent that is not in the future, or one near the last one said."""
    today = reference.today
    years = [year for year in range(today.year + 1, today.year - 9, -1) if (start := starts(year)) and start <= today]
    if reference.ahead:
        return today.year if month >= today.month else today.year + 1
    near = reference.near
    if near is not None and near.year_given and near.kind == "explicit":
        distance = {year: abs(year * 12 + month - near.start.year * 12 - near.start.month) for year in years}
        close = [year for year in years if distance[year] <= 2]
        if close or near.start.year in years:
            return close[0] if close else near.start.year
    return years[0]


def _said_year(text: str, reference: Reference) -> int | None:
    """The year that the words name, as digits, 'yy or "last year"."""
    if found := re.search(r"(?<!\d)(?:19|20)\d\d(?!\d)", text):
        return int(found[0])
    if found := re.search(r"'(\d\d)(?!\d)", text):
        return 2000 + int(found[1])
    if re.search(r"\b(?:last|previous) year", text):
        return reference.today.year - 1
    return reference.today.year if "this year" in text else None


def _month_in(text: str) -> int:
    found = re.search(MONTH, text)
    assert found
    return _MONTHS.index(found[0][:3]) + 1


def _numeric_day(text: str, reference: Reference) -> Period:
    settings = {
        "RELATIVE_BASE": datetime(reference.today.year, reference.today.month, reference.today.day),
        "DATE_ORDER": "YMD" if re.match(r"\d{4}", text) else "DMY" if "." in text else "MDY",
        "REQUIRE_PARTS": ["day", "month", "year"],
    }
    parsed = dateparser.parse(text, languages=["en"], settings=settings)
    if parsed is None:
        raise NotADate(text)
    return day(parsed.date())


def _named_day(text: str, reference: Reference) -> Period:
    """A day of a named month; 29 February without a year is the most recent one that existed."""
    year = _said_year(text, reference)
    bare = re.sub(rf",? ?(?:{_WHICH})|\bthe\b|\bof\b", " ", re.sub(r"(\d)(?:st|nd|rd|th)", r"\1", text))

    def on(year: int) -> date | None:
        parsed = dateparser.parse(
            f"{bare.strip()} {year}", languages=["en"], settings={"REQUIRE_PARTS": ["day", "month"]}
        )
        return parsed.date() if parsed and parsed.year == year else None

    if year is None:
        if not any(on(leap) for leap in (2024,)):
            raise NotADate(text)
        found = on(_last_year_that(reference, _month_in(text), on))
    else:
        found = on(year)
    if found is None:
        raise NotADate(text)
    return day(found, year_given=year is not None)


def _named_month(text: str, reference: Reference) -> Period:
    month, year = _month_in(text), _said_year(text, reference)
    today = reference.today
    if year is None:
        if text.startswith("last ") and month == today.month:
            year = today.year - 1
        elif text.startswith("next "):
            year = today.year if month > today.month else today.year + 1
        elif text.startswith("this "):
            year = today.year
    said = year is not None
    year = year or _last_year_that(reference, month, lambda year: date(year, month, 1))
    return months(year, month, 1, "month", year_given=said)


def _numeric_month(text: str, _: Reference) -> Period:
    first, second = (int(part) for part in re.split(r"[-/]", text))
    year, month = (first, second) if first > 12 else (second, first)
    if not 1 <= month <= 12:
        raise NotADate(text)
    return months(year, month, 1, "month")


def _quarter(text: str, reference: Reference) -> Period:
    found = re.search(rf"q([1-4])|({_ORDINAL})", text)
    assert found
    index = int(found[1]) if found[1] else _ORDINALS[found[2]]
    return _part_of_year(text, reference, (index - 1) * 3 + 1, 3)


def _half(text: str, reference: Reference) -> Period:
    index = 2 if re.search(r"h2|second|2nd", text) else 1
    return _part_of_year(text, reference, (index - 1) * 6 + 1, 6)


def _part_of_year(text: str, reference: Reference, month: int, count: int) -> Period:
    said = _said_year(text, reference)
    year = said or _last_year_that(reference, month, lambda year: date(year, month, 1))
    return months(year, month, count, "quarter" if count == 3 else "month", year_given=said is not None)


def _year(text: str, reference: Reference) -> Period:
    return months(_said_year(text, reference) or reference.today.year, 1, 12, "year")


_POINTS: tuple[tuple[str, Callable[[str, Reference], Period]], ...] = (
    (r"\d{4}[-/]\d{1,2}[-/]\d{1,2}|\d{1,2}[/.]\d{1,2}[/.]\d{4}", _numeric_day),
    (rf"(?:the )?{NTH} (?:of )?{MONTH}{_WHICH}?", _named_day),
    (rf"{MONTH} (?:the )?{NTH}{_WHICH}?", _named_day),
    (rf"{MONTH}{_WHICH}|(?:(?:last|this|next|previous) )?{MONTH}", _named_month),
    (r"(?:19|20)\d\d-\d{2}(?![-\d])|\d{1,2}/(?:19|20)\d\d", _numeric_month),
    (
        rf"q[1-4](?:[ ,/-]*(?:of |in )?(?:fy ?)?{YEAR}| {_REL})?|(?:19|20)\d\d[ -]?q[1-4]|"
        rf"(?:the )?{_ORDINAL} quarter{_WHICH}?",
        _quarter,
    ),
    (rf"h[12](?: ?{YEAR}| {_REL})?|(?:the )?(?:first|second|1st|2nd) half{_WHICH}", _half),
    (r"(?:the year |fy ?)?(?<![\d$€£.,])(?:19|20)\d\d(?![\d%.,]\d|\d|%| ?(?:usd|eur|dollars|tokens))", _year),
)

# "September last year" is read whole, before "last year" is.
OF_A_RELATIVE_YEAR = (
    rf"(?:(?:the )?{NTH} (?:of )?{MONTH}|{MONTH}(?: {NTH})?|q[1-4]|(?:the )?{_ORDINAL} quarter|"
    rf"(?:the )?(?:first|second) half),? {_REL}"
)
POINT = rf"(?:{'|'.join(f'(?:{pattern})' for pattern, _ in _POINTS)})"
_COMPILED = tuple((re.compile(pattern), read) for pattern, read in _POINTS)


def point(text: str, reference: Reference) -> Period:
    """Read words that POINT matched, in lower case; raises NotADate for a day that does not exist."""
    for pattern, read in _COMPILED:
        if pattern.fullmatch(text):
            return read(text, reference)
    raise NotADate(text)


def with_year(period: Period, year: int) -> Period:
    """The same days in another year, for a date that takes its year from its neighbour."""
    moved = year - period.start.year
    end_year = period.end.year + moved
    if period.unit == "month":
        return replace(months(year, period.start.month, 1, "month"), kind=period.kind)
    try:
        return replace(
            period, start=period.start.replace(year=year), end=period.end.replace(year=end_year), year_given=True
        )
    except ValueError as error:
        raise NotADate(f"{period.start:%d %B} {year}") from error
