"""Reads the days that a question names: those relative to today, and named days, months, quarters and years."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

from dateparser.date import DateDataParser

from common.focus.calendar import add_months
from local.demo_model.table import NUMBERS, Words, compile_words

DAY = timedelta(days=1)
MONTHS = {"month": 1, "quarter": 3, "half": 6, "year": 12}
_DAYS = {"day": 1, "week": 7}
_AHEAD = _DAYS | {"month": 30, "quarter": 90, "half": 182, "year": 365}


@dataclass(frozen=True, slots=True)
class Period:
    """Days from `start` to `end`, both included. `kind` is how they were said, `unit` what they are one of."""

    start: date
    end: date
    unit: str = "day"
    kind: str = "named"

    @property
    def days(self) -> int:
        return (self.end - self.start).days + 1

    def until(self, today: date) -> "Period":
        """The period cut at today, when today lies inside."""
        return replace(self, end=today) if self.start <= today < self.end else self

    def previous(self) -> "Period":
        """As many whole months before a period of whole months; for any other, as many days directly before it."""
        after = self.end + DAY
        months = (after.year - self.start.year) * 12 + after.month - self.start.month
        start = add_months(self.start, -months) if self.start.day == after.day == 1 else self.start - DAY * self.days
        return Period(start, self.start - DAY, self.unit)

    def year_before(self) -> "Period":
        return Period(_shift(self.start, -12), _shift(self.end + DAY, -12) - DAY, self.unit)

    def __str__(self) -> str:
        return self.start.isoformat() if self.days == 1 else f"{self.start} to {self.end}"


def _shift(day: date, months: int) -> date:
    """The same day of another month; of a shorter one, the day that follows it."""
    return add_months(day, months) + DAY * (day.day - 1)


def unit_of(day: date, unit: str, kind: str = "named", first: int = 1) -> Period:
    """The whole day, week (from Monday), month, quarter, half or year that holds the day; a year begins in `first`."""
    if unit in _DAYS:
        start = day - DAY * (day.weekday() if unit == "week" else 0)
        return Period(start, start + DAY * (_DAYS[unit] - 1), unit, kind)
    start = add_months(day, -((day.month - first) % MONTHS[unit]))
    return Period(start, add_months(start, MONTHS[unit]) - DAY, unit, kind)


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
        unit = words["u"]
        if unit in _DAYS:
            return unit_of(self.today - DAY * count * _DAYS[unit], unit, kind)
        first = self.fiscal if words.get("f") else 1
        return unit_of(add_months(self.today, -count * MONTHS[unit]), unit, kind, first)

    def last(self, said: re.Match[str]) -> Period:
        """The last so many whole units, as the cost tools read them; days end today."""
        count = NUMBERS[said["n"]]
        if said["u"] == "day" and not said["w"]:
            return Period(self.today - DAY * (count - 1), self.today, "day", "rolling")
        return Period(self.ago(said, count).start, self.ago(said, 0).start - DAY, said["u"])

    def next(self, days: int) -> Period:
        return Period(self.today + DAY, self.today + DAY * max(days, 1), "day", "ahead")


_PAST = r"(?:the )?(?:last|past|previous|prior|trailing)"
_U = r"(?P<f>fiscal |financial )?(?P<u>day|week|month|quarter|half|year)"
_N = r"(?P<n>{n})"
_WHOLE = r"(?P<w>(?:full|complete|whole) )?"
_RELATIVE: tuple[tuple[str, Callable[[re.Match[str], Calendar], Period]], ...] = (
    (rf"(?:the )?(?:next|coming) {_N} {_U}s?", lambda m, c: c.next(NUMBERS[m["n"]] * _AHEAD[m["u"]])),
    (rf"(?:the )?(?:next|coming) {_U}", lambda m, c: c.ago(m, -1, "ahead")),
    (rf"(?:(?:by|until) )?(?:the )?(?:rest|end) of (?:the |this )?{_U}",
     lambda m, c: c.next((c.ago(m, 0).end - c.today).days)),
    (r"(?:the )?same (?:day|week|month|quarter|period)(?: of| in)? last year|(?:a|the) year (?:ago|earlier|before)",
     lambda _, c: Period(c.today, c.today, "year", "year_before")),
    (rf"{_PAST} {_N} {_WHOLE}{_U}s?", lambda m, c: c.last(m)),
    (rf"(?:the )?{_U} before last", lambda m, c: c.ago(m, 2)),
    (rf"{_N} {_U}s? ago", lambda m, c: c.ago(m, NUMBERS[m["n"]])),
    (r"(?:the )?day before yesterday", lambda _, c: unit_of(c.today - DAY * 2, "day")),
    (r"(?:the )?(?:week|month|quarter|day) before(?! (?:last|yesterday))(?: that)?|(?:the )?previous period",
     lambda _, c: Period(c.today, c.today, "day", "before")),
    (rf"{_PAST} {_WHOLE}{_U}", lambda m, c: c.ago(m, 1, "last")),
    (rf"(?:so far )?(?:this|(?:the )?current) {_U}(?:'s)?(?: so far| to date)?", lambda m, c: c.ago(m, 0, "this")),
    (rf"{_U}[ -]to[ -]date", lambda m, c: c.ago(m, 0, "this")),
    (r"(?:fiscal year|fy) ?(20\d\d)", lambda m, c: unit_of(date(int(m[1]), c.fiscal, 1), "year", first=c.fiscal)),
    # Only of days to come: "a forecast for 60 days".
    (rf"{_N}[ -]{_U}s?", lambda m, c: c.next(NUMBERS[m["n"]] * _AHEAD[m["u"]])),
)  # fmt: skip

_DAY = "today|yesterday|(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may(?! (?:i|we|you|it|be|have|not)\b)|june?|july?|"
    r"aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?(?![a-z])"
)
# The parser swaps the month and the day where that alone makes a date: 2025-13-05.
_MM = "(?:0?[1-9]|1[0-2])"
_NTH = r"\d{1,2}(?:st|nd|rd|th)?(?![\d:%])"
_YEAR = r"(?:(?:19|20)\d\d(?![\d%-])|'\d\d(?!\d))"
_OF_YEAR = rf"(?:(?:,? ?(?:of |in )?|-){_YEAR})?"
_POINT = re.compile(
    r"(?<![\w-])(?:(?<!every )(?<!each )(?<!by )(?<!per )(?:the )?(?:month|quarter|year|day|date) of )?(?:"
    rf"(?P<part>(?:20\d\d[ -]?)?f?[qh][1-4]{_OF_YEAR})|(?:the year )?(?P<last>last )?"
    rf"(?P<date>\d{{4}}[-/]{_MM}[-/]\d\d?|\d\d?[/.]\d\d?[/.]\d{{4}}|20\d\d-{_MM}(?![-\d])|{_DAY}|"
    rf"(?:(?:the )?{_NTH} (?:of )?)?{_MONTH}(?: (?:the )?{_NTH})?{_OF_YEAR}|"
    r"(?<![\d$€£.,/])(?:19|20)\d\d(?![\d%.,]\d|\d|%| ?(?:usd|eur|dollars|tokens))))"
    r"(?:'s)?(?![\w-]*\w)"
)
_UP_TO = r"\s*(?:-|to|until|till|through|thru|up to)\s*(?:the )?"
_UNITS = {unit[0]: unit for unit in ("week", "month", "quarter", "year")}
_NTHS = {"first": "1", "second": "2", "third": "3", "fourth": "4", "1st": "1", "2nd": "2", "3rd": "3", "4th": "4"}
# "3 to 10 May" is "3 May to 10 May", "the third quarter" is "Q3".
_WRITTEN_OUT: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    (r"\bfrom ((?:(?!(?:to|and|until)\b|-)\S+ ){1,3})(?:onwards?|forward|on(?=\W*$| (?:for|by|per)\b))", r"since \1"),
    (rf"(?:the )?({'|'.join(_NTHS)}) fiscal quarter", lambda m: f"fq{_NTHS[m[1].lower()]}"),
    (r"\b(?:fiscal q|q(?=[1-4] fiscal)|fiscal quarter )([1-4])(?: fiscal)?(?: (?:of )?fy ?(?=20))?\b", r"fq\1 "),
    (r"\b(f?)([wmqy])td\b", lambda m: f"{'fiscal ' * bool(m[1])}{_UNITS[m[2].lower()]} to date"),
    (r"\blast weekend\b(?! of)", "weekend of last week"),
    (r"\b(?:the|this) weekend\b(?! (?:of|starting|beginning|from|with)\b)", "weekend of 6 days ago"),
    (rf"(?:the )?({'|'.join(_NTHS)}) (q|h)(?:uarter|alf)\b(?! of {_MONTH})", lambda m: m[2] + _NTHS[m[1].lower()]),
    (rf"\b({_NTH})(?:{_UP_TO}|\s*and\s*)({_NTH} (?:of )?)({_MONTH}(?:,? {_YEAR})?)", r"\1 \3 to \2\3"),
    (rf"\b({_MONTH}) ({_NTH})(?:{_UP_TO}|\s*and\s*)({_NTH})(,? {_YEAR})?(?! ?{_MONTH})", r"\1 \2\4 to \1 \3\4"),
    (rf"\b({_MONTH}(?: {_NTH})?|[qh][1-4]),? (?:of |in )?(?:the )?(last|previous|this) year\b", r"\1 <\2>"),
)
_LED = re.compile(
    r"\b(?:(?P<since>since|(?:starting|beginning)(?: from| on| in)?)\s+(?:the (?:start|beginning) of )?|"
    r"(?P<from>from|between)\s+|(?P<week>(?:the )?week(?:end)? (?:of|starting|beginning|from|with) (?:the )?)|"
    r"(?P<by>(?:by )?(?:the )?end of|by|through)\s+|(?P<until>until|till|up to|before|prior to)\s+)$"
)
_JOINED = re.compile(r"\s*(?:,|and|&|vs\.?|versus|to|with|or|against|-|until|till|through)+\s*")
# Words that are no name: a month, and what stands before a date.
DATED = re.compile(rf"\b(?:{_MONTH}|until|till|before|prior)\b")


def write_out(line: str, today: date) -> str:
    for pattern, written in _WRITTEN_OUT:
        line = re.sub(pattern, written, line, flags=re.IGNORECASE)
    return re.sub("(?i)<(last|previous|this)>", lambda m: str(today.year - (m[1].lower() != "this")), line)


def read_dates(words: Words, calendar: Calendar, *, comparing: bool = False) -> tuple[Period, ...]:
    """Take every period out of the words, in their order; `comparing` keeps two dates apart."""
    pieces: list[tuple[int, int, Period]] = []
    for pattern, read in _RELATIVE if calendar.ahead else _RELATIVE[:-1]:
        pieces += [(*match.span(), read(match, calendar)) for match in words.take(compile_words(pattern))]
    periods = list(_join(words, sorted([*pieces, *_points(words, calendar)]), calendar, comparing))
    # "The month before" and "the same month last year" are so of the first period with days of its own.
    others = [each for each in (*periods, calendar.near) if each and each.kind not in ("before", "year_before")]
    own = others[0] if others else unit_of(calendar.today, "month", "this")
    moved = {"before": own.previous, "year_before": own.year_before}
    return tuple(replace(moved[each.kind](), kind=each.kind) if each.kind in moved else each for each in periods)


def _join(words: Words, pieces: list[tuple[int, int, Period]], calendar: Calendar, comparing: bool) -> Iterator[Period]:
    """Join two dates to a range, and read the word before a date."""
    # Two dates of a comparison are its two sides; four are two ranges of days.
    apart = comparing and len(pieces) < 4
    while pieces:
        start, end, period = pieces.pop(0)
        led, gap = _LED.search(words.plain[:start]), words.plain[end : pieces[0][0]] if pieces else "."
        lead = led.lastgroup if led else ""
        if lead == "week" and period.unit not in _DAYS:
            continue  # Which week of a month is asked, not guessed.
        to = re.fullmatch(_UP_TO, gap) or (lead == "from" and re.fullmatch(r"\s*and\s*(?:the )?", gap))
        if to and not apart and pieces[0][2].kind not in ("before", "year_before"):
            _, end, last = pieces.pop(0)
            period = Period(period.start, last.end)
            # Which year is meant is asked, not guessed.
            if period.start > last.start:
                continue
        if lead == "since":
            period = Period(period.start, max(period.start, calendar.today), "day", "rolling")
        elif led and lead == "week":
            period = unit_of(period.start, "week")
            period = replace(period, start=period.start + DAY * 5 * ("weekend" in led[0]))
        elif lead in ("until", "by") and calendar.ahead:
            period = Period(calendar.today + DAY, period.end, "day", "ahead")
        words.blank(led.start() if led and (lead != "until" or calendar.ahead) else start, end)
        yield period


def _points(words: Words, calendar: Calendar) -> Iterator[tuple[int, int, Period]]:
    """Read the named days, months, quarters and years; one without a year has that of the next one joined to it."""
    year, clear, following = "", True, len(words.plain)
    for match in reversed(list(_POINT.finditer(words.free))):
        text, gap, start = match["date"] or match["part"], words.plain[match.end() : following], match.start()
        given, named = re.search(r"\d{4}|'\d\d", text), text.endswith("day")
        # Which year is meant is asked, not guessed.
        asked = given and not clear and re.fullmatch(_UP_TO, gap)
        year, clear = given[0] if given else year if _JOINED.fullmatch(gap) and not named else "", bool(given or named)
        following = start
        if not asked and (period := _point(text if given or not year else f"{text} {year}", match["last"], calendar)):
            yield start, match.end(), period


def _point(text: str, last: str | None, calendar: Calendar) -> Period | None:
    """The period of a named point; None for a day that does not exist."""
    base, near, unit, relative = calendar.today, calendar.near, "", text.endswith("day")
    first = calendar.fiscal if re.search(r"\bf[qh]", text) else 1
    if part := re.search(r"\bf?([qh])([1-4])", text):
        unit = "half" if part[1] == "h" else "quarter"
        years, month = divmod((int(part[2]) - 1) * MONTHS[unit] + first - 1, 12)
        year = re.sub(r"20\d\d", lambda m: str(int(m[0]) + years), text.replace(part[0], " ").strip("- "))
        text = f"{date(2000, month + 1, 1):%B} {year}"
    # Without a year: the next one ahead, one near the last that was named, or the latest that began.
    if not relative and (calendar.ahead or last):
        base = unit_of(base, unit or "month").start - DAY
    elif not relative and near and near.kind == "named":
        base = min(base, _shift(near.start, 6))
    settings = {"RELATIVE_BASE": datetime.combine(base, time()), "DATE_ORDER": "DMY" if "." in text else "MDY",
                "PREFER_DATES_FROM": "future" if calendar.ahead else "past",
                "PREFER_DAY_OF_MONTH": "first", "PREFER_MONTH_OF_YEAR": "first"}  # fmt: skip
    text = re.sub(r"\b(?:the|of|in) ", "", text).replace("'", "20")
    parsed = DateDataParser(languages=["en"], settings=settings).get_date_data(text)
    return unit_of(parsed.date_obj.date(), unit or str(parsed.period), first=first) if parsed.date_obj else None
