"""Reads the days that a question names: those relative to today, and named days, months, quarters and years."""

import re
from calendar import monthrange
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import lru_cache

from dateparser.date import DateDataParser

from local.demo_model.table import NUMBER, NUMBERS, Words

DAY = timedelta(days=1)
MONTHS = {"month": 1, "quarter": 3, "half": 6, "year": 12}
_DAYS = {"day": 1, "week": 7}
_AHEAD = _DAYS | {"month": 30, "quarter": 90, "half": 182, "year": 365}
_LETTERS = {"w": "week", "m": "month", "q": "quarter", "y": "year"}


class NotADate(ValueError):
    """The words have the form of a date, and no such day exists."""


def number(text: str) -> int:
    return int(text) if text.isdigit() else NUMBERS[text]


def shift(day: date, months: int) -> date:
    """The same day of another month, or that month's last day where it is shorter."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


@dataclass(frozen=True, slots=True)
class Period:
    """Days from `start` to `end`, both included. `kind` is how they were said, `unit` what they are whole ones of."""

    start: date
    end: date
    unit: str = "day"
    kind: str = "named"
    year_given: bool = True

    @property
    def days(self) -> int:
        return (self.end - self.start).days + 1

    def until(self, today: date) -> "Period":
        """The period cut at today, when today lies inside."""
        return replace(self, end=today) if self.start <= today < self.end else self

    def previous(self) -> "Period":
        """The unit before a period of whole units; for any other period, as many days directly before it."""
        if self.unit != "day" and self.kind != "rolling" and self.start == unit_of(self.start, self.unit).start:
            return unit_of(self.start - DAY, self.unit)
        return Period(self.start - DAY * self.days, self.start - DAY)

    def year_before(self) -> "Period":
        """The same days one year earlier; whole months stay whole."""
        start, end, whole = shift(self.start, -12), shift(self.end, -12), (self.end + DAY).day == 1
        return replace(self, start=start, end=shift(end.replace(day=1), 1) - DAY if whole else end, kind="named")

    def __str__(self) -> str:
        return self.start.isoformat() if self.days == 1 else f"{self.start} to {self.end}"


def unit_of(day: date, unit: str, kind: str = "named", first: int = 1) -> Period:
    """The whole day, week (from Monday), month, quarter, half or year that holds the day; a year begins in `first`."""
    if unit in _DAYS:
        start = day - DAY * (day.weekday() if unit == "week" else 0)
        return Period(start, start + DAY * (_DAYS[unit] - 1), unit, kind)
    start = shift(day.replace(day=1), -((day.month - first) % MONTHS[unit]))
    return Period(start, shift(start, MONTHS[unit]) - DAY, unit, kind)


@dataclass(frozen=True, slots=True)
class Calendar:
    """The reference for dates; `near` is the period of the question before, `ahead` whether days to come are."""

    today: date
    fiscal: int = 1
    near: Period | None = None
    ahead: bool = False

    def ago(self, said: re.Match[str], count: int, kind: str = "named") -> Period:
        """The whole unit so many units before this one."""
        words = said.groupdict()
        unit = words.get("u") or _LETTERS[words["l"]]
        month = self.today.replace(day=1)
        back = self.today - DAY * count * _DAYS[unit] if unit in _DAYS else shift(month, -count * MONTHS[unit])
        return unit_of(back, unit, kind, self.fiscal if words.get("f") else 1)

    def last(self, said: re.Match[str]) -> Period | None:
        """The last so many whole units, as the cost tools read them; days end today."""
        count, unit = number(said["n"]), said["u"]
        if unit == "day" and not said["w"]:
            return Period(self.today - DAY * (count - 1), self.today, unit, "rolling") if count else None
        return Period(self.ago(said, count).start, self.ago(said, 0).start - DAY, unit) if count else None

    def next(self, days: int) -> Period:
        return Period(self.today + DAY, self.today + DAY * max(days, 1), "day", "ahead")


_PAST = r"(?:the )?(?:last|past|previous|prior|trailing)"
_U = r"(?P<f>fiscal |financial )?(?P<u>day|week|month|quarter|half|year)"
_N = rf"(?P<n>{NUMBER})"
_WHOLE = r"(?P<w>(?:full|complete|whole) )?"
_RELATIVE: tuple[tuple[str, Callable[[re.Match[str], Calendar], Period | None]], ...] = (
    (rf"(?:the )?(?:next|coming)(?: {_N})? {_U}s?",
     lambda m, c: c.next(_AHEAD[m["u"]] * number(m["n"])) if m["n"] else c.ago(m, -1, "ahead")),
    (rf"(?:(?:by|until) )?(?:the )?(?:rest|end) of (?:the |this )?{_U}",
     lambda m, c: c.next((c.ago(m, 0).end - c.today).days)),
    (r"(?:the )?same (?:day|week|month|quarter|period)(?: of| in)? last year|(?:a|the) year (?:ago|earlier|before)",
     lambda _, c: Period(c.today, c.today, "year", "year_before")),
    (rf"{_PAST} {_N} {_WHOLE}{_U}s?", lambda m, c: c.last(m)),
    (rf"{_N} {_U}s? ago", lambda m, c: c.ago(m, number(m["n"]))),
    (r"(?:the )?(?:week|month|quarter|day) before(?! (?:last|yesterday))(?: that)?|(?:the )?previous period",
     lambda _, c: Period(c.today, c.today, "day", "before")),
    (rf"{_PAST} {_WHOLE}{_U}(?:'s)?", lambda m, c: c.ago(m, 1, "last")),
    (rf"(?:so far )?(?:this|(?:the )?current) {_U}(?:'s)?(?: so far| to date)?", lambda m, c: c.ago(m, 0, "this")),
    (rf"{_U}[ -]to[ -]date", lambda m, c: c.ago(m, 0, "this")),
    (r"(?P<f>f)?(?P<l>[wmqy])td", lambda m, c: c.ago(m, 0, "this")),
    (r"(?:fiscal year|fy) ?(?P<y>20\d\d)",
     lambda m, c: unit_of(date(int(m["y"]), c.fiscal, 1), "year", first=c.fiscal).until(c.today)),
    # Only of days to come: "a forecast for 60 days".
    (rf"{_N}[ -](?P<u>day|week|month|quarter|year)s?", lambda m, c: c.next(_AHEAD[m["u"]] * number(m["n"]))),
)  # fmt: skip
_RULES = tuple((re.compile(rf"(?<![\w-])(?:{pattern})(?![\w-])"), read) for pattern, read in _RELATIVE)

_NTHS = {"first": "1", "second": "2", "third": "3", "fourth": "4", "1st": "1", "2nd": "2", "3rd": "3", "4th": "4"}
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    r"nov(?:ember)?|dec(?:ember)?)\.?(?![a-z])"
)
_NTH = r"\d{1,2}(?:st|nd|rd|th)?(?![\d:%])"
_YEAR = r"(?:(?:19|20)\d\d(?![\d%-])|'\d\d(?!\d))"
_OF_YEAR = rf"(?:(?:,? ?(?:of |in )?|-){_YEAR})?"
_POINT = re.compile(
    r"(?<![\w-])(?:(?<!every )(?<!each )(?<!by )(?<!per )(?:the )?(?:month|quarter|year|day|date) of )?(?:"
    rf"(?P<part>(?:20\d\d[ -]?)?[qh][1-4]{_OF_YEAR})|(?:the year )?(?P<last>last )?(?P<date>\d{{4}}[-/]\d\d?[-/]\d\d?|"
    rf"\d\d?[/.]\d\d?[/.]\d{{4}}|20\d\d-\d\d(?![-\d])|today|yesterday|(?:(?:the )?{_NTH} (?:of )?)?{_MONTH}"
    rf"(?: (?:the )?{_NTH})?{_OF_YEAR}|(?<![\d$€£.,/])(?:19|20)\d\d(?![\d%.,]\d|\d|%| ?(?:usd|eur|dollars|tokens))))"
    r"(?:'s)?(?![\w-]*\w)"
)
_UP_TO = r"\s*(?:-|to|and|until|till|through)\s*"
# Dates that lean on each other are written out first: "3 to 10 May" is "3 May to 10 May".
_WRITTEN_OUT = (
    (r"\bfrom ((?:(?!(?:to|and|until)\b|-)\S+ ){1,3})(?:onwards?|forward|on(?=\W*$| (?:for|by|per)\b))", r"since \1"),
    (rf"(?:the )?({'|'.join(_NTHS)}) (q|h)(?:uarter|alf)\b", lambda m: m[2] + _NTHS[m[1].lower()]),
    (rf"\b({_MONTH}(?: {_NTH})?|[qh][1-4]),? (?:of |in )?(?:the )?(last|previous|this) year\b", None),
    (rf"\b({_NTH}){_UP_TO}({_NTH} (?:of )?)({_MONTH}(?:,? {_YEAR})?)", r"\1 \3 to \2\3"),
    (rf"\b({_MONTH}) ({_NTH}){_UP_TO}({_NTH})(,? {_YEAR})?(?! ?{_MONTH})", r"\1 \2\4 to \1 \3\4"),
    (rf"\b({_MONTH}(?: {_NTH})?)(\s*(?:,|and|&|vs\.?|versus|to|with|or|against|-)+\s+{_MONTH}(?: {_NTH})?)(,? {_YEAR})",
     r"\1\3\2\3"),
)  # fmt: skip
_LED = re.compile(
    r"\b(?:(?P<since>since|(?:starting|beginning)(?: from| on| in)?)\s+(?:the (?:start|beginning) of )?|"
    r"(?P<from>from|between)\s+|(?P<week>(?:the )?week(?:end)? (?:of|starting|beginning|from|with) (?:the )?)|"
    r"(?P<by>(?:by )?(?:the )?end of|by|through)\s+|(?P<until>until|till|up to|before|prior to)\s+)$"
)
_TO = re.compile(r"\s*(?:-|to|until|till|through|thru|up to)\s*(?:the )?")
_MEANT = re.compile(r"\b(?:in|for|of|since|last|this|next|from|between|during|to|and|until|vs\.?|versus|about|did)\s*$")


def write_out(line: str, today: date) -> str:
    for pattern, written in _WRITTEN_OUT:
        of_year = lambda match: f"{match[1]} {today.year - (match[2].lower() != 'this')}"  # noqa: E731
        line = re.sub(pattern, written or of_year, line, flags=re.IGNORECASE)
    return line


def read_dates(words: Words, calendar: Calendar, *, comparing: bool = False) -> tuple[Period, ...]:
    """Take every period out of the words, in their order; `comparing` keeps two dates apart. Raises NotADate."""
    found: list[tuple[int, Period]] = []
    for pattern, read in _RULES if calendar.ahead else _RULES[:-1]:
        for match in pattern.finditer(words.free):
            if relative := read(match, calendar):
                words.blank(*match.span())
                found.append((match.start(), relative))
    found += _points(words, calendar, comparing)
    periods = [period for _, period in sorted(found, key=lambda item: item[0])]
    # "The month before" and "the same month last year" are so of the first period with days of its own.
    others = [each for each in (*periods, calendar.near) if each and each.kind not in ("before", "year_before")]
    own = others[0] if others else unit_of(calendar.today, "month").until(calendar.today)
    moved = {"before": own.previous, "year_before": own.year_before}
    periods = [replace(moved[each.kind](), kind=each.kind) if each.kind in moved else each for each in periods]
    return tuple(each.until(calendar.today) if each.kind == "this" else each for each in periods)


def _points(words: Words, calendar: Calendar, comparing: bool) -> Iterator[tuple[int, Period]]:
    """Take the named points and the ranges between them, with their places."""
    # A lone "may" or "march" is a month where it follows a preposition, or has its capital inside a sentence.
    points = [
        (match.start(), match.end(), _point(match, calendar))
        for match in _POINT.finditer(words.free)
        if not re.fullmatch(r"(?:may|march|mar|dec)\.?", match[0])
        or _MEANT.search(words.plain[: match.start()])
        or (match.start() and words.text[match.start()].isupper())
    ]
    # Two dates of a comparison are its two sides; four are two ranges of days.
    paired = len(points) >= 4
    while points:
        start, end, period = points.pop(0)
        led, gap = _LED.search(words.free[:start]), words.free[end : points[0][0]] if points else "."
        lead = led.lastgroup if led else ""
        to = _TO.fullmatch(gap) or (lead == "from" and re.fullmatch(r"\s*and\s*(?:the )?", gap))
        if to and (paired or not comparing):
            _, end, last = points.pop(0)
            # Which year is meant is asked, not guessed.
            if period.start > last.start or period.year_given > last.year_given:
                raise NotADate(words.plain[start:end])
            unit = "month" if period.unit == last.unit != "day" else "day"
            period = Period(period.start, last.end, unit, "named", period.year_given).until(calendar.today)
        if lead == "since":
            period = Period(period.start, max(period.start, calendar.today), "day", "rolling")
        elif lead == "week":
            period = unit_of(period.start, "week")
            period = Period(period.start + DAY * 5, period.end) if led and "weekend" in led[0] else period
        elif lead in ("until", "by") and calendar.ahead:
            period = Period(calendar.today + DAY, period.end, "day", "ahead")
        elif led and lead == "until":
            raise NotADate(f"{led[0]}{words.plain[start:end]}")
        start = led.start() if led else start
        words.blank(start, end)
        yield start, period if calendar.ahead or period.kind != "named" else period.until(calendar.today)


def _point(match: re.Match[str], calendar: Calendar) -> Period:
    """The period of a named point; raises NotADate for a day that does not exist."""
    text, today, near, unit = match["date"] or match["part"], calendar.today, calendar.near, "month"
    if part := re.search("[qh][1-4]", match["part"] or ""):
        unit = "half" if part[0][0] == "h" else "quarter"
        month = (int(part[0][1]) - 1) * MONTHS[unit] + 1
        text = f"{date(2000, min(month, 12), 1):%B} {text.replace(part[0], ' ').strip('- ')}"
    base = today
    # Without a year: the next one ahead, one near the last that was named, or the latest that began.
    if text not in ("today", "yesterday") and (calendar.ahead or match["last"]):
        base = unit_of(today, unit).start - DAY
    elif text not in ("today", "yesterday") and near and near.year_given and near.kind == "named":
        base = min(today, shift(near.start, 6))
    start, precision = _parse(text, base, calendar.ahead)
    given = bool(re.search(r"\d{4}|'\d\d", text)) or text in ("today", "yesterday")
    return replace(unit_of(start, unit if part else precision), year_given=given)


@lru_cache(maxsize=256)
def _parse(text: str, base: date, ahead: bool) -> tuple[date, str]:
    """The first day of what the words name, and whether that is a day, a month or a year."""
    first = {"PREFER_DAY_OF_MONTH": "first", "PREFER_MONTH_OF_YEAR": "first"}
    towards = {"RELATIVE_BASE": datetime.combine(base, time()), "PREFER_DATES_FROM": "future" if ahead else "past"}
    settings = {**first, **towards, "DATE_ORDER": "DMY" if "." in text else "MDY"}
    month = re.fullmatch(r"\d{4}-\d\d", text)
    plain = f"{text}-01" if month else re.sub(r"\b(?:the|of|in) ", "", text).replace("'", "20")
    parsed, iso = DateDataParser(languages=["en"], settings=settings).get_date_data(plain), re.match(r"\d{4}[-/]", text)
    # The parser swaps the month and the day where that alone makes a date: 2025-13-05.
    if not parsed.date_obj or (iso and int(re.split("[-/]", text)[1]) != parsed.date_obj.month):
        raise NotADate(text)
    return parsed.date_obj.date(), "month" if month else str(parsed.period)
